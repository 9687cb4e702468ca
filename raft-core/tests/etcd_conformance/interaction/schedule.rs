//! Who works when: on their outputs, and in the background on their storage.

use raft_core::NodeId;

use super::{Environment, bare_ids, mail::Selection, node::Done};
use crate::datadriven::Directive;

/// How long to wait for everybody to come to rest.
const MOST_ROUNDS: u64 = 10_000;

/// Work of one server.
type Work = fn(&mut Environment, NodeId) -> Result<(), String>;

impl Environment {
    pub(super) fn process_readies(&mut self, directive: &Directive) -> Result<(), String> {
        self.work_in_turn(directive, "handling Ready", Self::process_ready)
    }

    pub(super) fn process_append_threads(&mut self, directive: &Directive) -> Result<(), String> {
        self.work_in_turn(directive, "processing append thread", Self::process_append_thread)
    }

    pub(super) fn process_apply_threads(&mut self, directive: &Directive) -> Result<(), String> {
        self.work_in_turn(directive, "processing apply thread", Self::process_apply_thread)
    }

    /// Has the servers that are named do a piece of work each. With one alone there is no heading.
    fn work_in_turn(&mut self, directive: &Directive, name: &str, work: Work) -> Result<(), String> {
        let ids = bare_ids(directive)?;
        for &id in &ids {
            if ids.len() == 1 {
                work(self, id)?;
            } else {
                self.output.push_line(&format!("> {} {name}", id.number()));
                self.indented(id, work)?;
            }
        }
        Ok(())
    }

    fn indented(&mut self, id: NodeId, work: Work) -> Result<(), String> {
        let begin = self.output.len();
        let outcome = work(self, id);
        self.output.indent_from(begin);
        outcome
    }

    pub(super) fn process_ready(&mut self, id: NodeId) -> Result<(), String> {
        let done = self.node(id)?.process_ready();
        self.publish(done)
    }

    fn process_append_thread(&mut self, id: NodeId) -> Result<(), String> {
        let done = self.node(id)?.process_append_work();
        self.publish(done)
    }

    fn process_apply_thread(&mut self, id: NodeId) -> Result<(), String> {
        let done = self.node(id)?.process_apply_work();
        self.publish(done)
    }

    /// Prints what a server's work has to tell, and takes its mail.
    fn publish(&mut self, done: Done) -> Result<(), String> {
        let Done { text, mail, problem } = done;
        self.output.push(&text);
        self.mailbox.extend(mail);
        problem.map_or(Ok(()), Err)
    }

    pub(super) fn stabilize_as_told(&mut self, directive: &Directive) -> Result<(), String> {
        let mut ids = bare_ids(directive)?;
        if ids.is_empty() {
            ids = self.nodes.iter().map(|node| node.raft().id()).collect();
        }
        let level = self.output.level();
        if let Some(quieter) = directive.values("log-level").and_then(<[_]>::first) {
            self.output.set_level(quieter)?;
        }
        let outcome = self.stabilize(&ids);
        self.output.set_level(level)?;
        outcome
    }

    /// Has everybody work until there is nothing left to do.
    fn stabilize(&mut self, ids: &[NodeId]) -> Result<(), String> {
        for _ in 0..MOST_ROUNDS {
            let mut is_done = true;
            for &id in ids {
                if self.node(id)?.raft().has_ready() {
                    is_done = false;
                    self.output.push_line(&format!("> {} handling Ready", id.number()));
                    self.indented(id, Self::process_ready)?;
                }
            }
            for &id in ids {
                if self.mailbox.has_any(everything_to(id)) {
                    is_done = false;
                    self.output.push_line(&format!("> {} receiving messages", id.number()));
                    self.indented(id, |environment, id| environment.deliver(everything_to(id)).map(drop))?;
                }
            }
            for &id in ids {
                if self.node(id)?.has_append_work() {
                    is_done = false;
                    self.output.push_line(&format!("> {} processing append thread", id.number()));
                }
                while self.node(id)?.has_append_work() {
                    self.indented(id, Self::process_append_thread)?;
                }
            }
            for &id in ids {
                if self.node(id)?.has_apply_work() {
                    is_done = false;
                    self.output.push_line(&format!("> {} processing apply thread", id.number()));
                }
                while self.node(id)?.has_apply_work() {
                    self.indented(id, Self::process_apply_thread)?;
                }
            }
            if is_done {
                return Ok(());
            }
        }
        Err(format!("it does not come to rest in {MOST_ROUNDS} rounds"))
    }
}

fn everything_to(to: NodeId) -> Selection<'static> {
    Selection { to, kind: None, is_loss: false }
}

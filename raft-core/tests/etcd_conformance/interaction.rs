//! The interaction tests: several servers, one queue of messages, and directives that make something happen.
//!
//! This formats and queues. What a server decides, counts or waits for is up to its [`Raft`](raft_core::Raft).

mod output;
mod mail;
mod node;
mod bootstrap;
mod delivery;
mod proposals;
mod schedule;

use raft_core::{LogIndex, NodeId, Ticks};

use self::{mail::Mailbox, node::Node, output::Output};
use crate::{datadriven::Directive, messages, wording};

/// The base of all election timeouts, and the interval of heartbeats.
const ELECTION_TIMEOUT: Ticks = Ticks(3);
const HEARTBEAT_INTERVAL: Ticks = Ticks(1);

/// Everything that a script's directives act upon.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// Server n is at position n - 1.
    nodes: Vec<Node>,
    mailbox: Mailbox,
    output: Output,
}

impl Environment {
    /// Answers one directive: what it prints, or `ok`.
    pub(crate) fn run(&mut self, directive: &Directive) -> Result<String, String> {
        self.output.clear();
        if let Err(problem) = self.dispatch(directive) {
            self.output.push_error(&problem);
        }
        Ok(self.output.finish())
    }

    fn dispatch(&mut self, directive: &Directive) -> Result<(), String> {
        match directive.command.as_str() {
            "_breakpoint" => Ok(()),
            "add-nodes" => self.add_nodes(directive),
            "campaign" => self.campaign(directive),
            "compact" => self.compact(directive),
            "deliver-msgs" => self.deliver_messages(directive),
            "forget-leader" => self.forget_leader(directive),
            "log-level" => self.set_log_level(directive),
            "process-append-thread" => self.process_append_threads(directive),
            "process-apply-thread" => self.process_apply_threads(directive),
            "process-ready" => self.process_readies(directive),
            "propose" => self.propose(directive),
            "propose-conf-change" => self.propose_conf_change(directive),
            "raft-log" => self.print_log(first_id(directive)?),
            "raft-state" => self.print_states(),
            "report-unreachable" => self.report_unreachable(directive),
            "send-snapshot" => self.send_snapshot(directive),
            "set-randomized-election-timeout" => self.set_election_timeout(directive),
            "stabilize" => self.stabilize_as_told(directive),
            "status" => self.print_progress(directive),
            "tick-election" => self.tick(directive, ELECTION_TIMEOUT),
            "tick-heartbeat" => self.tick(directive, HEARTBEAT_INTERVAL),
            "transfer-leadership" => self.transfer_leadership(directive),
            _ => Err("unknown command".to_owned()),
        }
    }

    fn node(&mut self, id: NodeId) -> Result<&mut Node, String> {
        let position = usize::try_from(id.number() - 1).map_err(|_| format!("there is no server {id}"))?;
        self.nodes.get_mut(position).ok_or_else(|| format!("there is no server {id}"))
    }

    fn set_log_level(&mut self, directive: &Directive) -> Result<(), String> {
        let level = directive.bare_keys().next().ok_or("a level is missing")?;
        self.output.set_level(level)
    }

    fn campaign(&mut self, directive: &Directive) -> Result<(), String> {
        // etcd tells only its logger when it cannot.
        let _ = self.node(first_id(directive)?)?.act(|raft| raft.campaign());
        Ok(())
    }

    fn forget_leader(&mut self, directive: &Directive) -> Result<(), String> {
        let _ = self.node(first_id(directive)?)?.act(|raft| raft.forget_leader());
        Ok(())
    }

    fn transfer_leadership(&mut self, directive: &Directive) -> Result<(), String> {
        let id = |key| directive.values(key).and_then(<[_]>::first).ok_or(format!("{key} is missing"));
        let (from, to) = (parse_id(id("from")?)?, parse_id(id("to")?)?);
        let _ = self.node(from)?.act(|raft| raft.transfer_leadership(to));
        Ok(())
    }

    fn report_unreachable(&mut self, directive: &Directive) -> Result<(), String> {
        let ids = bare_ids(directive)?;
        let [from, peer] = ids.as_slice() else { return Err("two servers are needed".to_owned()) };
        let _ = self.node(*from)?.act(|raft| raft.report_unreachable(*peer));
        Ok(())
    }

    fn set_election_timeout(&mut self, directive: &Directive) -> Result<(), String> {
        let values = directive.values("timeout").and_then(<[_]>::first).ok_or("timeout is missing")?;
        let timeout = Ticks(values.parse().map_err(|error| format!("{values}: {error}"))?);
        let node = self.node(first_id(directive)?)?;
        node.act(|raft| raft.set_election_timeout(timeout)).map_err(|error| error.to_string())
    }

    fn tick(&mut self, directive: &Directive, times: Ticks) -> Result<(), String> {
        let node = self.node(first_id(directive)?)?;
        for _ in 0..times.0 {
            node.act(|raft| raft.tick());
        }
        Ok(())
    }

    fn send_snapshot(&mut self, directive: &Directive) -> Result<(), String> {
        let ids = bare_ids(directive)?;
        let [from, to] = ids.as_slice() else { return Err("two servers are needed".to_owned()) };
        let envelope = self.node(*from)?.snapshot_message(*to);
        self.output.push(&messages::Shape::of_envelope(&envelope).describe(""));
        self.mailbox.post(envelope);
        Ok(())
    }

    fn compact(&mut self, directive: &Directive) -> Result<(), String> {
        let [_, index] = directive.arguments.as_slice() else {
            return Err("a server and an index are needed".to_owned());
        };
        let index = LogIndex(index.key.parse().map_err(|error| format!("{}: {error}", index.key))?);
        let id = first_id(directive)?;
        self.node(id)?.compact(index)?;
        self.print_log(id)
    }

    fn print_log(&mut self, id: NodeId) -> Result<(), String> {
        let log = self.node(id)?.stored_log();
        if log.is_empty() {
            let (first, last) = (log.first_index(), log.last().index);
            self.output.push(&format!("log is empty: first index={first}, last index={last}"));
        }
        for (id, entry) in log.iter() {
            self.output.push_line(&messages::describe_entry(id, &entry.payload));
        }
        Ok(())
    }

    fn print_states(&mut self) -> Result<(), String> {
        for node in &self.nodes {
            let raft = node.raft();
            let voter = if raft.configuration().is_voter(raft.id()) { "Voter" } else { "Non-Voter" };
            self.output.push_line(&format!(
                "{}: {} ({voter}) Term:{} Lead:{}",
                raft.id().number(),
                wording::role(raft.role()),
                raft.term().0,
                raft.leader().map_or(0, NodeId::number),
            ));
        }
        Ok(())
    }

    fn print_progress(&mut self, directive: &Directive) -> Result<(), String> {
        let table = self.node(first_id(directive)?)?.describe_progress();
        self.output.push(&table);
        Ok(())
    }
}

/// The servers that are named alone, in order.
fn bare_ids(directive: &Directive) -> Result<Vec<NodeId>, String> {
    directive.bare_keys().map(parse_id).collect()
}

/// The server that is named first.
fn first_id(directive: &Directive) -> Result<NodeId, String> {
    let first = directive.bare_keys().next().ok_or("a server is missing")?;
    parse_id(first)
}

fn parse_id(text: &str) -> Result<NodeId, String> {
    text.parse().ok().and_then(NodeId::new).ok_or_else(|| format!("{text} is no server"))
}

//! Which messages wait for which write.

use std::collections::VecDeque;

use bytes::Bytes;
use raft::{RawNode, Ready};
use raft_core::{EntryId, HardState, LogIndex, NodeId, Term};
use wavetank_process::{Outputs, Persist};

use crate::{log, message, snapshot, storage::MemoryStorage};

/// The writes under way.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// The number of the last write that is durable.
    durable: u64,
    /// The writes after it, in order.
    pending: VecDeque<Pending>,
    /// Messages whose writes have become durable.
    released: Vec<(NodeId, Bytes)>,
}

/// A write under way.
#[derive(Debug)]
struct Pending {
    /// The crate's number for it.
    ready: u64,
    /// The last index of the snapshot that it installs.
    installs: Option<LogIndex>,
    /// The messages that wait for it.
    held: Vec<(NodeId, Bytes)>,
}

impl Writes {
    /// Asks for what a `Ready` wants written, and holds its messages until that is durable.
    ///
    /// A `Ready` may have messages and nothing to write. They wait for the writes before it, if there are any: a
    /// write of their own would tie every reply to a heartbeat to the disk. The crate still wants to hear of its
    /// number; a later number includes it.
    pub(crate) fn submit(
        &mut self,
        node: &mut RawNode<MemoryStorage>,
        mut ready: Ready,
        outputs: &mut Outputs,
    ) {
        let number = ready.number();
        let mut held = ready.take_persisted_messages();
        // Nobody waits for a snapshot of one that no longer leads.
        message::take_snapshots(&mut held, &mut Vec::new());
        let held = message::encode(held);
        let writes = ready.hs().is_some() || !ready.entries().is_empty() || !ready.snapshot().is_empty();
        let write = writes.then(|| persist(self.durable + self.pending.len() as u64 + 1, node, &ready));
        node.advance_append_async(ready);
        match (write, self.pending.back_mut()) {
            (Some(write), _) => {
                let installs = write.snapshot.as_ref().map(|snapshot| snapshot.last.index);
                outputs.writes.push(write);
                self.pending.push_back(Pending { ready: number, installs, held: held.collect() });
            }
            (None, Some(pending)) => pending.held.extend(held),
            (None, None) => {
                outputs.sends.extend(held);
                node.on_persist_ready(number);
            }
        }
    }

    /// The write of this number, and so all before it, is durable.
    pub(crate) fn persisted(&mut self, node: &mut RawNode<MemoryStorage>, number: u64) {
        while self.durable < number {
            let next = self.pending.pop_front().expect("only what was asked for becomes durable");
            let Pending { ready, installs, held } = next;
            self.durable += 1;
            self.released.extend(held);
            node.on_persist_ready(ready);
            if let Some(index) = installs {
                node.advance_apply_to(index.0);
            }
        }
    }

    /// Whether a snapshot is to become durable yet.
    pub(crate) fn installs_snapshot(&self) -> bool {
        self.pending.iter().any(|write| write.installs.is_some())
    }

    /// Takes the messages whose writes have become durable.
    pub(crate) fn release(&mut self, outputs: &mut Outputs) {
        outputs.sends.append(&mut self.released);
    }
}

/// The write of a `Ready`. From now on the crate expects to find it in its storage.
fn persist(number: u64, node: &mut RawNode<MemoryStorage>, ready: &Ready) -> Persist {
    let installed = (!ready.snapshot().is_empty()).then(|| ready.snapshot().clone());
    let entries = ready.entries().first().map(|first| {
        let term = node.raft.raft_log.term(first.index - 1).expect("the log goes back that far");
        log::log_slice(EntryId::new(term, first.index - 1), ready.entries()).expect("a log of the crate")
    });
    let hard_state = node.raft.hard_state();
    let commit = LogIndex(node.raft.raft_log.committed);
    let storage = node.mut_store();
    let snapshot = installed
        .as_ref()
        .map(|installed| snapshot::description(installed).expect("its message was looked at when it came"));
    if let Some(installed) = installed {
        storage.install(installed);
    }
    storage.append(ready.entries());
    let changed = (storage.hard_state.term, storage.hard_state.vote) != (hard_state.term, hard_state.vote);
    let (term, vote) = (Term(hard_state.term), NodeId::new(hard_state.vote));
    storage.hard_state = hard_state;
    Persist {
        number,
        hard_state: changed.then(|| HardState::recovered(term, vote)),
        commit,
        snapshot,
        entries,
    }
}

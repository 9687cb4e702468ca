//! Persist before send, in types (§3.8, and Figure 2 on persistent state).
//!
//! A promise that rests on unwritten state (a vote, an acknowledgement) travels *inside* the [`Write`] it rests
//! on. It can be looked at there, but it can be taken out only by [`Write::durable`], the one line at which a
//! driver claims that its storage has done its work. A driver that forgets a write goes silent; it cannot
//! vote twice.
//!
//! Gated messages cannot be sent early. (With each piece that must not compile stands one that does and differs in
//! nothing but the offence.)
//!
//! ```compile_fail,E0308
//! fn send(envelope: raft_core::Envelope) {}
//! fn too_early(write: &raft_core::Write) {
//!     write.gated().for_each(|message| send(message.clone()));
//! }
//! ```
//!
//! ```
//! fn send(envelope: raft_core::Envelope) {}
//! fn in_time(write: raft_core::Write) {
//!     write.durable().messages.into_iter().for_each(|message| send(message));
//! }
//! ```
//!
//! A write cannot be claimed durable twice:
//!
//! ```compile_fail,E0382
//! fn twice(write: raft_core::Write) {
//!     let first = write.durable();
//!     let second = write.durable();
//! }
//! ```
//!
//! ```
//! fn once(write: raft_core::Write, other: raft_core::Write) {
//!     let first = write.durable();
//!     let second = other.durable();
//! }
//! ```
//!
//! A receipt cannot be made up:
//!
//! ```compile_fail,E0451
//! fn forged(number: raft_core::WriteNumber) -> raft_core::Receipt {
//!     raft_core::Receipt { number, ..panic!() }
//! }
//! ```
//!
//! ```
//! fn earned(write: raft_core::Write) -> raft_core::Receipt {
//!     write.durable().receipt
//! }
//! ```

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use crate::{
    config::WriteRules,
    digest::Digest,
    entry::LogSlice,
    hard_state::HardState,
    id::{EntryId, Incarnation, LogIndex, NodeId, Term},
    message::{Envelope, Message},
    snapshot::SnapshotMeta,
};

/// The number of a write within an incarnation. The first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteNumber(pub u64);

/// State to make durable, with the messages that must wait for it.
///
/// Writes are numbered without gaps, may be carried out side by side, and are acknowledged in order. All of one
/// write must become durable at once or in this order: snapshot, entries, hard state. It is not `Clone`: there is
/// one claim to make about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Write {
    receipt: Receipt,
    term: Term,
    hard_state: Option<HardState>,
    commit: LogIndex,
    commit_moved: bool,
    vouches_for: Option<EntryId>,
    snapshot: Option<Box<SnapshotMeta>>,
    entries: Option<LogSlice>,
    gated: Vec<Envelope>,
}

impl Write {
    /// Its place in the order of writes.
    pub fn number(&self) -> WriteNumber {
        self.receipt.number
    }

    /// Term and vote, if they have changed.
    pub fn hard_state(&self) -> Option<HardState> {
        self.hard_state
    }

    /// The commit index by now. Moved alone, it need not survive: it is learned again. But what a write with entries says must
    /// be as durable as they are. A change of members is proposed when the one before it is in force, so who holds it knows
    /// that one to be committed; a server that restarted with both and knew neither would count its votes by a configuration
    /// before the last two, of which a quorum may have nothing in common with one of the last.
    pub fn commit(&self) -> LogIndex {
        self.commit
    }

    /// Whether the commit index is a reason for this write: under [`WriteRules::Etcd`], if it has moved since the
    /// write before.
    pub fn commit_moved(&self) -> bool {
        self.commit_moved
    }

    /// The term in which it was handed out.
    pub fn term(&self) -> Term {
        self.term
    }

    /// The end of the log, unless all of it is known to be durable already: once this write is durable, the log is
    /// up to here.
    pub fn vouches_for(&self) -> Option<EntryId> {
        self.vouches_for
    }

    /// A snapshot that takes the place of everything in storage, the log included. The write is durable once the
    /// storage holds it, an empty log behind its last entry, and the state machine has been set to it: what is
    /// handed out to be applied afterwards comes behind it.
    pub fn snapshot(&self) -> Option<&SnapshotMeta> {
        self.snapshot.as_deref()
    }

    /// Entries to append, behind the snapshot if there is one. They replace everything in storage from the first of them on.
    pub fn entries(&self) -> Option<&LogSlice> {
        self.entries.as_ref()
    }

    /// Whether anything in it must reach the disk. Without, it only keeps its messages behind earlier writes.
    pub fn is_empty(&self) -> bool {
        self.hard_state.is_none() && self.snapshot.is_none() && self.entries.is_none()
    }

    /// The messages that wait for it, to look at. Under [`WriteRules::Etcd`] there are some to this server itself
    /// among them, which are not to be sent: what it promises itself. It takes them back with the receipt.
    pub fn gated(&self) -> impl ExactSizeIterator<Item = Gated<'_>> {
        self.gated.iter().map(|envelope| Gated { envelope })
    }

    /// Claims that this write, and every write before it, is durable. Releases the messages that waited and
    /// yields the receipt for [`Raft::on_persisted`](crate::Raft::on_persisted).
    ///
    /// This is the one claim that a driver makes, and the one line to audit in it.
    #[inline]
    pub fn durable(self) -> Durable {
        let Self { receipt, gated: mut messages, .. } = self;
        messages.retain(|envelope| envelope.to != receipt.node);
        Durable { messages, receipt }
    }
}

/// A message behind glass: it shows what it says, and is not an [`Envelope`] that could be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gated<'a> {
    envelope: &'a Envelope,
}

impl<'a> Gated<'a> {
    /// Whom it is for.
    pub fn to(self) -> NodeId {
        self.envelope.to
    }

    /// The term it will carry.
    pub fn term(self) -> Term {
        self.envelope.term
    }

    /// What it will say.
    pub fn message(self) -> &'a Message {
        &self.envelope.message
    }
}

/// What a durable write sets free.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the messages are to be sent and the receipt is to be handed back"]
pub struct Durable {
    /// The messages that waited. They may leave in any order, late, or never.
    pub messages: Vec<Envelope>,
    /// For [`Raft::on_persisted`](crate::Raft::on_persisted).
    pub receipt: Receipt,
}

/// Stands for a write that is durable. Only [`Write::durable`] makes one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "hand it to `Raft::on_persisted`"]
pub struct Receipt {
    node: NodeId,
    incarnation: Incarnation,
    number: WriteNumber,
}

/// Why a receipt was not taken. The write it stands for counts as not yet durable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It was issued by another replica, or by this one before a restart.
    #[error("the receipt belongs to {node} in {incarnation:?}")]
    Foreign {
        /// Whose receipt it is.
        node: NodeId,
        /// Of which incarnation.
        incarnation: Incarnation,
    },
    /// An earlier write has not been acknowledged: acknowledge in the order of the writes.
    #[error("the receipt is for write {}, but write {} is due first", given.0, due.0)]
    OutOfOrder {
        /// The write acknowledged.
        given: WriteNumber,
        /// The oldest write that waits.
        due: WriteNumber,
    },
}

/// The books on writes: what must go into the next one, and which are under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writes {
    rules: WriteRules,
    node: NodeId,
    incarnation: Incarnation,
    last_number: WriteNumber,
    /// Handed out and not yet acknowledged, by ascending number.
    under_way: VecDeque<UnderWay>,
    /// Whether term or vote have changed since they were last handed out.
    hard_state_dirty: bool,
    /// For the next write.
    snapshot: Option<Box<SnapshotMeta>>,
    /// The commit index as last handed out, if that makes a difference.
    commit: LogIndex,
    /// Messages for the next write.
    gated: Vec<Envelope>,
}

/// What the acknowledgement of a write will mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnderWay {
    number: WriteNumber,
    /// The term it was handed out in.
    pub(crate) term: Term,
    has_hard_state: bool,
    /// It carries a snapshot up to here.
    pub(crate) snapshot: Option<LogIndex>,
    /// The log is durable up to here, once this write is. Lowered when the log is truncated meanwhile: an
    /// acknowledgement that comes late must not vouch for entries that were written over since.
    pub(crate) log_end: LogIndex,
    /// What the server has promised itself.
    pub(crate) own_promises: Vec<Envelope>,
}

impl Writes {
    /// Nothing is under way, and storage holds this `commit` index.
    pub(crate) fn new(rules: WriteRules, node: NodeId, incarnation: Incarnation, commit: LogIndex) -> Self {
        let commit = match rules {
            WriteRules::Minimal => LogIndex(0),
            WriteRules::Etcd => commit,
        };
        Self {
            rules,
            node,
            incarnation,
            last_number: WriteNumber(0),
            under_way: VecDeque::new(),
            hard_state_dirty: false,
            snapshot: None,
            commit,
            gated: Vec::new(),
        }
    }

    /// This life of the replica.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    pub(crate) fn hard_state_changed(&mut self) {
        self.hard_state_dirty = true;
    }

    /// The log was truncated: no write under way vouches for anything behind `kept`.
    pub(crate) fn log_truncated(&mut self, kept: LogIndex) {
        for write in &mut self.under_way {
            write.log_end = write.log_end.min(kept);
        }
    }

    /// A snapshot takes the place of the log, of which storage may keep what was committed before, up to `commit`.
    pub(crate) fn restore(&mut self, snapshot: SnapshotMeta, commit: LogIndex) {
        self.log_truncated(commit);
        self.snapshot = Some(Box::new(snapshot));
    }

    /// Whether term or vote are on their way to the disk still.
    pub(crate) fn hard_state_pending(&self) -> bool {
        self.hard_state_dirty || self.under_way.iter().any(|write| write.has_hard_state)
    }

    /// Takes an empty list to gather messages in.
    pub(crate) fn recycle(&mut self, messages: Vec<Envelope>) {
        if self.gated.capacity() == 0 {
            self.gated = messages;
        }
    }

    /// Keeps a message for the next write.
    pub(crate) fn gate(&mut self, envelope: Envelope) {
        self.gated.push(envelope);
    }

    /// Keeps for the next write what the server promises itself, if its rules ask for that.
    pub(crate) fn gate_own(&mut self, term: Term, promise: Message) {
        match self.rules {
            WriteRules::Minimal => (),
            WriteRules::Etcd => {
                self.gate(Envelope { from: self.node, to: self.node, term, message: promise });
            }
        }
    }

    fn is_news(&self, commit: LogIndex) -> bool {
        match self.rules {
            WriteRules::Minimal => false,
            WriteRules::Etcd => self.commit != commit,
        }
    }

    /// Whether there is anything to hand out, apart from entries. The commit index is `commit` by now.
    pub(crate) fn is_due(&self, commit: LogIndex) -> bool {
        self.hard_state_dirty || self.snapshot.is_some() || !self.gated.is_empty() || self.is_news(commit)
    }

    /// Hands out the next write. `log_end` is the end of the log with `entries` in it, `vouches_for` the same unless
    /// all of it is durable.
    pub(crate) fn next(
        &mut self,
        hard_state: HardState,
        commit: LogIndex,
        entries: Option<LogSlice>,
        log_end: LogIndex,
        vouches_for: Option<EntryId>,
    ) -> Write {
        self.last_number.0 += 1;
        let number = self.last_number;
        let has_hard_state = core::mem::take(&mut self.hard_state_dirty);
        let snapshot = self.snapshot.take();
        let term = hard_state.term();
        let commit_moved = self.is_news(commit);
        if commit_moved {
            self.commit = commit;
        }
        let gated = core::mem::take(&mut self.gated);
        let own_promises = match self.rules {
            WriteRules::Minimal => Vec::new(),
            WriteRules::Etcd => gated.iter().filter(|envelope| envelope.to == self.node).cloned().collect(),
        };
        let snapshot_index = snapshot.as_ref().map(|snapshot| snapshot.last.index);
        self.under_way.push_back(UnderWay {
            number,
            term,
            has_hard_state,
            snapshot: snapshot_index,
            log_end,
            own_promises,
        });
        Write {
            receipt: Receipt { node: self.node, incarnation: self.incarnation, number },
            term,
            hard_state: has_hard_state.then_some(hard_state),
            commit,
            commit_moved,
            vouches_for,
            snapshot,
            entries,
            gated,
        }
    }

    /// Takes a receipt and says what is durable by it.
    pub(crate) fn acknowledge(&mut self, receipt: Receipt) -> Result<UnderWay, ReceiptError> {
        let Receipt { node, incarnation, number } = receipt;
        if (node, incarnation) != (self.node, self.incarnation) {
            return Err(ReceiptError::Foreign { node, incarnation });
        }
        let is_due = self.under_way.front().is_some_and(|due| due.number == number);
        if let Some(due) = is_due.then(|| self.under_way.pop_front()).flatten() {
            return Ok(due);
        }
        // Without any under way, only a clone of this replica can have handed the write out.
        let next = WriteNumber(self.last_number.0 + 1);
        let due = self.under_way.front().map_or(next, |due| due.number);
        Err(ReceiptError::OutOfOrder { given: number, due })
    }

    /// Leaves out numbers, which say how often something was written and not what is true.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self {
            rules: _,
            node: _,
            incarnation: _,
            last_number: _,
            under_way,
            hard_state_dirty,
            snapshot,
            commit,
            gated,
        } = self;
        digest.flag(*hard_state_dirty);
        digest.number(commit.0);
        digest.number(under_way.len() as u64);
        for UnderWay { number: _, term, has_hard_state, snapshot, log_end, own_promises } in under_way {
            digest.number(term.0);
            digest.flag(*has_hard_state);
            digest.option(snapshot.map(|index| index.0));
            digest.number(log_end.0);
            digest.number(own_promises.len() as u64);
            for promise in own_promises {
                digest.envelope(promise);
            }
        }
        digest.flag(snapshot.is_some());
        if let Some(snapshot) = snapshot {
            digest.snapshot(snapshot);
        }
        digest.number(gated.len() as u64);
        for envelope in gated {
            digest.envelope(envelope);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Writes {
        /// The same books, as if nothing had been written before.
        pub(crate) fn without_numbers(mut self) -> Self {
            self.last_number = WriteNumber(0);
            for write in &mut self.under_way {
                write.number = WriteNumber(0);
            }
            self
        }
    }

    fn writes() -> Writes {
        Writes::new(WriteRules::Minimal, NodeId::new(1).expect("not zero"), Incarnation(1), LogIndex(0))
    }

    fn next(writes: &mut Writes, log_end: u64) -> Receipt {
        writes.next(HardState::default(), LogIndex(0), None, LogIndex(log_end), None).durable().receipt
    }

    #[test]
    fn an_acknowledgement_vouches_for_the_log_as_it_was_when_the_write_was_handed_out() {
        let mut writes = writes();
        let receipts = [3, 5, 9].map(|log_end| next(&mut writes, log_end));
        let ends = receipts.map(|receipt| writes.acknowledge(receipt).expect("in order").log_end);
        assert_eq!(ends, [3, 5, 9].map(LogIndex));
    }

    #[test]
    fn a_truncation_takes_back_what_writes_under_way_would_vouch_for() {
        let mut writes = writes();
        let receipts = [3, 5, 9].map(|log_end| next(&mut writes, log_end));
        writes.log_truncated(LogIndex(4));
        let after = next(&mut writes, 9);
        let ends = receipts.map(|receipt| writes.acknowledge(receipt).expect("in order").log_end);
        assert_eq!(ends, [3, 4, 4].map(LogIndex));
        assert_eq!(writes.acknowledge(after).expect("in order").log_end, LogIndex(9));
    }

    #[test]
    fn term_and_vote_wait_from_their_change_to_the_receipt_of_the_write_that_carries_them() {
        let mut writes = writes();
        let before = next(&mut writes, 0);
        assert!(!writes.hard_state_pending() && !writes.is_due(LogIndex(0)));
        writes.hard_state_changed();
        assert!(writes.hard_state_pending() && writes.is_due(LogIndex(0)));
        let carrying = next(&mut writes, 0);
        assert!(writes.hard_state_pending() && !writes.is_due(LogIndex(0)));
        let after = next(&mut writes, 0);
        for (receipt, is_pending) in [(before, true), (carrying, false), (after, false)] {
            writes.acknowledge(receipt).expect("in order");
            assert_eq!(writes.hard_state_pending(), is_pending);
        }
    }
}

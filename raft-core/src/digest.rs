//! A digest of a replica's state: 128 bits of xxh3, the same on every machine.
//!
//! Every part feeds its fields by hand and takes itself apart without `..`, so that a new field cannot be forgotten.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed, xxh3_128};

use crate::{
    configuration::{Configuration, Leave},
    entry::{Entry, LogSlice, Payload},
    id::{EntryId, NodeId},
    message::{AppendOutcome, Envelope, Message, ReadContext, ReadPosition},
    snapshot::SnapshotMeta,
};

/// Takes in values and condenses them.
#[derive(Default)]
pub(crate) struct Digest(Xxh3);

impl Digest {
    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(crate) fn wide(&mut self, number: u128) {
        self.0.update(&number.to_le_bytes());
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.number(u64::from(flag));
    }

    /// A value or its absence, which no value is mistaken for.
    pub(crate) fn option(&mut self, value: Option<u64>) {
        self.flag(value.is_some());
        self.number(value.unwrap_or(0));
    }

    pub(crate) fn node(&mut self, node: Option<NodeId>) {
        self.option(node.map(NodeId::number));
    }

    pub(crate) fn entry_id(&mut self, EntryId { term, index }: EntryId) {
        self.number(term.0);
        self.number(index.0);
    }

    fn committed(&mut self, committed: Option<EntryId>) {
        self.flag(committed.is_some());
        self.entry_id(committed.unwrap_or(EntryId::ORIGIN));
    }

    /// A set of servers, which no other set is mistaken for.
    fn nodes(&mut self, nodes: impl Iterator<Item = NodeId>) {
        for node in nodes {
            self.node(Some(node));
        }
        self.node(None);
    }

    pub(crate) fn configuration(&mut self, configuration: &Configuration) {
        let voters = configuration.voters();
        self.nodes(voters.incoming().voters().iter().copied());
        self.nodes(voters.outgoing().into_iter().flat_map(|half| half.voters()).copied());
        self.nodes(configuration.learners().iter().copied());
        self.nodes(configuration.learners_next().iter().copied());
        self.option(configuration.leave().map(|leave| match leave {
            Leave::Automatic => 1,
            Leave::Explicit => 2,
        }));
    }

    pub(crate) fn snapshot(&mut self, SnapshotMeta { last, configuration, handle }: &SnapshotMeta) {
        self.entry_id(*last);
        self.configuration(configuration);
        self.number(handle.0);
    }

    fn read(&mut self, read: Option<ReadPosition>) {
        self.option(read.map(|position| position.0));
    }

    pub(crate) fn read_context(&mut self, ReadContext { incarnation, id }: ReadContext) {
        self.number(incarnation.0);
        self.number(id.0);
    }

    fn slice(&mut self, slice: &LogSlice) {
        self.entry_id(slice.prev());
        self.number(slice.len() as u64);
        for entry in slice.entries() {
            self.wide(chain(0, entry));
        }
    }

    pub(crate) fn envelope(&mut self, Envelope { from, to, term, message }: &Envelope) {
        self.number(from.number());
        self.number(to.number());
        self.number(term.0);
        match message {
            Message::RequestPreVote { last, committed } => {
                self.number(1);
                self.entry_id(*last);
                self.committed(*committed);
            }
            Message::RequestPreVoteReply { granted, committed } => {
                self.number(2);
                self.flag(*granted);
                self.committed(*committed);
            }
            Message::RequestVote { last, transfer, committed } => {
                self.number(3);
                self.entry_id(*last);
                self.flag(*transfer);
                self.committed(*committed);
            }
            Message::RequestVoteReply { granted, committed } => {
                self.number(4);
                self.flag(*granted);
                self.committed(*committed);
            }
            Message::AppendEntries { entries, commit } => {
                self.number(5);
                self.slice(entries);
                self.number(commit.0);
            }
            Message::AppendEntriesReply(AppendOutcome::Matched { index }) => {
                self.number(6);
                self.number(index.0);
            }
            Message::AppendEntriesReply(AppendOutcome::Mismatched { probed, hint }) => {
                self.number(7);
                self.number(probed.0);
                self.entry_id(*hint);
            }
            Message::AppendEntriesReply(AppendOutcome::StaleTerm) => self.number(8),
            Message::Heartbeat { commit, read, sent_at } => {
                self.number(9);
                self.number(commit.0);
                self.read(*read);
                self.option(sent_at.map(|ticks| ticks.0));
            }
            Message::HeartbeatReply { read, sent_at } => {
                self.number(10);
                self.read(*read);
                self.option(sent_at.map(|ticks| ticks.0));
            }
            Message::TimeoutNow => self.number(11),
            Message::InstallSnapshot { snapshot } => {
                self.number(12);
                self.snapshot(snapshot);
            }
            Message::Propose { payload } => {
                self.number(13);
                self.number(payload_hash(payload));
            }
            Message::ReadIndex { read } => {
                self.number(14);
                self.read_context(*read);
            }
            Message::ReadIndexReply { read, index } => {
                self.number(15);
                self.read_context(*read);
                self.number(index.0);
            }
            Message::TransferLeader { to } => {
                self.number(16);
                self.node(Some(*to));
            }
        }
    }

    pub(crate) fn finish(&self) -> u128 {
        self.0.digest128()
    }
}

/// The hash of a log that ends with `entry`, given the hash of what stands before it. Equal chains mean equal
/// logs, so that the digest of a log costs nothing.
pub(crate) fn chain(before: u128, entry: &Entry) -> u128 {
    let Entry { term, payload } = entry;
    let mut link = [0; 32];
    link[..16].copy_from_slice(&before.to_le_bytes());
    link[16..24].copy_from_slice(&term.0.to_le_bytes());
    link[24..].copy_from_slice(&payload_hash(payload).to_le_bytes());
    xxh3_128(&link)
}

/// A hash of what an entry carries.
fn payload_hash(payload: &Payload) -> u64 {
    match payload {
        Payload::Noop => xxh3_64_with_seed(&[], 0),
        Payload::Command(bytes) => xxh3_64_with_seed(bytes, 1),
        Payload::ConfChange(change) => xxh3_64_with_seed(&change.to_hashable_bytes(), 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(feed: impl FnOnce(&mut Digest)) -> u128 {
        let mut digest = Digest::default();
        feed(&mut digest);
        digest.finish()
    }

    #[test]
    fn different_values_have_different_digests() {
        let entry = |term, index| digest(|digest| digest.entry_id(EntryId::new(term, index)));
        assert_eq!(entry(1, 2), entry(1, 2));
        assert_ne!(entry(1, 2), entry(1, 3));
        assert_ne!(entry(1, 2), entry(2, 2));
        let option = |value| digest(|digest| digest.option(value));
        assert_ne!(option(None), option(Some(0)));
        let node = |number| digest(|digest| digest.node(NodeId::new(number)));
        assert_ne!(node(1), node(2));
        let members = |numbers: &[u64]| {
            let configuration =
                Configuration::of_voters(numbers.iter().filter_map(|&number| NodeId::new(number)));
            digest(|digest| digest.configuration(&configuration))
        };
        assert_ne!(members(&[1, 2]), members(&[1, 3]));
        assert_ne!(members(&[1, 2]), members(&[1, 2, 3]));
    }
}

//! Storage for drivers that work synchronously, and the loop that goes with it.

use alloc::vec::Vec;

use crate::{
    configuration::Configuration,
    entry::{Entry, LogSlice, Payload},
    error::ApplyConfChangeError,
    hard_state::HardState,
    id::{EntryId, LogIndex},
    message::Envelope,
    raft::{Raft, Recovered},
    read::ReadState,
    ready::Ready,
    snapshot::SnapshotMeta,
    write::Write,
};

/// Where a driver keeps what must survive a crash.
pub trait Storage {
    /// What can go wrong. A driver cannot go on after it: nobody knows then what is durable.
    type Error;

    /// Makes a write durable; returns once it is.
    ///
    /// # Errors
    /// When the storage failed.
    fn persist(&mut self, write: &Write) -> Result<(), Self::Error>;

    /// What a replica needs to start again.
    ///
    /// # Errors
    /// When the storage failed, or what it holds is damaged.
    fn recover(&self) -> Result<Recovered, Self::Error>;
}

/// What the state machine is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply<'a> {
    /// To forget its state and become what this snapshot stands for.
    Snapshot(&'a SnapshotMeta),
    /// To apply these entries, which follow what it has applied.
    Entries(&'a LogSlice),
}

/// Does everything a replica has to say, with a storage that blocks: persists, then sends, then applies. Returns
/// the reads that were answered. Changes of members are put in force once `apply` has seen them.
///
/// Leaders' messages leave before the write, everything that promises something after it.
///
/// # Errors
/// When the storage fails; the replica must not be used any more.
pub fn handle_ready<S: Storage>(
    raft: &mut Raft,
    storage: &mut S,
    mut send: impl FnMut(Envelope),
    mut apply: impl FnMut(Apply<'_>),
) -> Result<Vec<ReadState>, S::Error> {
    let mut reads = Vec::new();
    while let Some(Ready { mut messages, write, committed, reads: answered, soft_state: _ }) = raft.ready() {
        messages.drain(..).for_each(&mut send);
        raft.recycle(messages);
        if let Some(write) = write {
            storage.persist(&write)?;
            if let Some(snapshot) = write.snapshot() {
                apply(Apply::Snapshot(snapshot));
            }
            let mut durable = write.durable();
            durable.messages.drain(..).for_each(&mut send);
            raft.recycle(durable.messages);
            raft.on_persisted(durable.receipt).expect("writes are acknowledged one by one, in order");
        }
        if let Some(committed) = committed {
            apply(Apply::Entries(&committed));
            apply_conf_changes(raft, &committed);
            raft.on_applied(committed.last().index).expect("entries are applied as they are handed out");
        }
        reads.extend(answered);
    }
    Ok(reads)
}

/// Puts the changes of members among these entries in force. What fits nowhere has no effect.
fn apply_conf_changes(raft: &mut Raft, committed: &LogSlice) {
    for (id, entry) in committed.iter() {
        if let Payload::ConfChange(_) = entry.payload {
            match raft.apply_conf_change(id.index) {
                Ok(_) | Err(ApplyConfChangeError::Rejected(_)) => (),
                Err(error) => panic!("entries are applied as they are handed out, but {error}"),
            }
        }
    }
}

/// Storage that forgets everything when the program ends: for tests, examples and first steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryStorage {
    hard_state: HardState,
    commit: LogIndex,
    configuration: Configuration,
    snapshot: Option<SnapshotMeta>,
    applied: LogIndex,
    prev: EntryId,
    entries: Vec<Entry>,
}

impl MemoryStorage {
    /// Storage that holds this.
    pub fn new(recovered: Recovered) -> Self {
        let Recovered { hard_state, commit, configuration, snapshot, applied, log } = recovered;
        let (prev, entries) = (log.prev(), log.entries().to_vec());
        Self { hard_state, commit, configuration, snapshot, applied, prev, entries }
    }

    /// Keeps a snapshot of the state machine from now on, whose bytes are the driver's to keep. To be reported to
    /// the replica afterwards ([`Raft::snapshot_available`]).
    pub fn keep_snapshot(&mut self, snapshot: SnapshotMeta) {
        self.configuration = snapshot.configuration.clone();
        self.applied = snapshot.last.index;
        self.snapshot = Some(snapshot);
    }

    /// Removes the entries up to `base` from the log, as the replica did ([`Raft::compact`], [`Raft::base`]).
    pub fn compact(&mut self, base: EntryId) {
        let count = self.count_up_to(base.index);
        self.entries.drain(..count.min(self.entries.len()));
        self.prev = base;
    }

    /// How many of the entries kept stand at or before `index`, if the log reaches there.
    fn count_up_to(&self, index: LogIndex) -> usize {
        usize::try_from(index.0.saturating_sub(self.prev.index.0)).unwrap_or(usize::MAX)
    }
}

impl Storage for MemoryStorage {
    type Error = core::convert::Infallible;

    fn persist(&mut self, write: &Write) -> Result<(), Self::Error> {
        if let Some(snapshot) = write.snapshot() {
            self.keep_snapshot(snapshot.clone());
            self.entries.clear();
            self.prev = snapshot.last;
        }
        if let Some(entries) = write.entries() {
            self.entries.truncate(self.count_up_to(entries.prev().index));
            self.entries.extend_from_slice(entries.entries());
        }
        self.hard_state = write.hard_state().unwrap_or(self.hard_state);
        self.commit = write.commit();
        Ok(())
    }

    fn recover(&self) -> Result<Recovered, Self::Error> {
        let log = LogSlice::new(self.prev, self.entries.clone());
        Ok(Recovered {
            hard_state: self.hard_state,
            commit: self.commit,
            configuration: self.configuration.clone(),
            snapshot: self.snapshot.clone(),
            applied: self.applied,
            log: log.expect("the entries of one replica's writes are in order"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        id::{Incarnation, NodeId, Term},
        message::Message,
    };

    fn node(number: u64) -> NodeId {
        NodeId::new(number).expect("not zero")
    }

    fn slice(prev: EntryId, terms: &[u64]) -> LogSlice {
        let entry = |&term: &u64| Entry { term: Term(term), payload: Payload::Noop };
        LogSlice::new(prev, terms.iter().map(entry).collect()).expect("terms in order")
    }

    fn recovered() -> Recovered {
        Recovered {
            hard_state: HardState::recovered(Term(2), None),
            commit: LogIndex(6),
            log: slice(EntryId::new(1, 5), &[1, 2, 2]),
            ..Recovered::founding([1, 2, 3].map(node))
        }
    }

    #[test]
    fn storage_gives_back_what_it_was_given() {
        assert_eq!(MemoryStorage::new(recovered()).recover(), Ok(recovered()));
    }

    /// Entries of a later leader replace everything from the first of them on, however many stood there.
    #[test]
    fn storage_equals_the_replica_after_every_write() {
        let mut storage = MemoryStorage::new(recovered());
        let mut raft = Raft::new(Config::new(node(1)), recovered(), Incarnation(1)).expect("it starts");
        for (term, entries) in [
            (3, slice(EntryId::new(2, 8), &[3, 3])),
            (4, slice(EntryId::new(2, 7), &[4])),
            (4, slice(EntryId::new(4, 8), &[])),
            (5, slice(EntryId::new(1, 6), &[5, 5, 5, 5])),
        ] {
            let message = Message::AppendEntries { entries: entries.clone(), commit: LogIndex(6) };
            raft.step(Envelope { from: node(term), to: node(1), term: Term(term), message })
                .expect("it fits");
            handle_ready(&mut raft, &mut storage, |_| (), |_| ()).expect("it never fails");
            let on_disk = storage.recover().expect("it never fails");
            assert_eq!(on_disk.log.last(), raft.last());
            assert_eq!(on_disk.log.after(entries.prev().index), Some(entries));
            assert_eq!(on_disk.hard_state, raft.hard_state());
        }
    }
}

//! A past for a server that has none: what its log store would have written.

use std::collections::BTreeMap;

use wavetank_process::{DiskQueue, LogStore, Persist, Recovered, StoreEvent, disk::FileName};

use crate::{
    chance::{Door, Recorded},
    disk::{DiskOptions, SectorDisk},
    time::Time,
};

/// Has a log store write this past to an empty disk, and returns its files; `None` if it does not.
pub(super) fn write<L: LogStore>(past: &Recovered) -> Option<BTreeMap<FileName, Vec<u8>>> {
    let Recovered { hard_state, commit, snapshot, log } = past.clone();
    // The bytes of a snapshot would have to be saved before.
    if snapshot.is_some() {
        return None;
    }
    let write =
        Persist { number: 1, hard_state: Some(hard_state), commit, snapshot: None, entries: Some(log) };
    let mut disk = SectorDisk::new(DiskOptions::default());
    let mut door = Door::new(Recorded::quiet());
    let mut queue = DiskQueue::default();
    let mut store = L::default();
    store.open(&mut queue);
    loop {
        let requests: Vec<_> = queue.drain().collect();
        // A store that asks for nothing more has not written what it should.
        if requests.is_empty() {
            return None;
        }
        for (id, request) in requests {
            disk.submit(Time::ZERO, id, request, 0, &mut door);
            let result = disk.complete(id);
            match store.complete(id, result, &mut queue).ok()? {
                StoreEvent::Pending | StoreEvent::SnapshotSaved(_) => (),
                StoreEvent::Recovered(_) => store.append(&write, &mut queue),
                StoreEvent::Durable(_) => return Some(disk.files()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::{
        WalStore,
        raft_core::{Entry, EntryId, HardState, LogIndex, LogSlice, NodeId, Payload, Term},
    };

    use super::*;
    use crate::audit::LogAudit;

    #[test]
    fn a_past_is_on_the_disk_as_an_independent_reader_finds_it() {
        let entries = [1, 1, 4].map(|term| Entry { term: Term(term), payload: Payload::Noop });
        let past = Recovered {
            snapshot: None,
            hard_state: HardState::recovered(Term(5), NodeId::new(2)),
            commit: LogIndex(2),
            log: LogSlice::new(EntryId::ORIGIN, entries.to_vec()).expect("rising terms"),
        };
        let files = write::<WalStore>(&past).expect("the log can be written");
        let audit = LogAudit::of(&files[&FileName::from("log.0")]);
        assert_eq!((audit.term(), audit.vote(), audit.commit()), (Term(5), NodeId::new(2), LogIndex(2)));
        assert_eq!(audit.log().iter().map(|entry| entry.term.0).collect::<Vec<_>>(), [1, 1, 4]);
    }
}

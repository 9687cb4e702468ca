//! Log entries: the crate's, and the tank's.

use bytes::Bytes;
use raft::{
    RaftLog,
    eraftpb::{self, EntryType},
};
use raft_core::{Entry, EntryId, LogSlice, Payload, Term};
use wavetank_process::Committed;

use crate::storage::MemoryStorage;

/// The crate's entries behind `prev`, which must be contiguous and no changes of configuration.
pub(crate) fn log_slice(prev: EntryId, entries: &[eraftpb::Entry]) -> Result<LogSlice, String> {
    let convert = |entry: &eraftpb::Entry| Entry {
        term: Term(entry.term),
        payload: command(entry).map_or(Payload::Noop, Payload::Command),
    };
    let slice =
        LogSlice::new(prev, entries.iter().map(convert).collect()).map_err(|error| error.to_string())?;
    for (entry, (id, _)) in entries.iter().zip(slice.iter()) {
        if entry.index != id.index.0 || entry.entry_type != EntryType::EntryNormal {
            return Err(format!("{:?} {} in the place of {id}", entry.entry_type, entry.index));
        }
    }
    Ok(slice)
}

/// The whole log, from its last compaction on.
pub(crate) fn whole(log: &RaftLog<MemoryStorage>) -> LogSlice {
    let first = log.first_index();
    let base = EntryId::new(log.term(first - 1).expect("it is kept"), first - 1);
    let entries = log.all_entries();
    log_slice(base, &entries).expect("a log of the crate")
}

/// The command in an entry. The crate's own entries have no data.
fn command(entry: &eraftpb::Entry) -> Option<Bytes> {
    (!entry.data.is_empty()).then(|| entry.data.clone())
}

/// An entry that is to be applied.
pub(crate) fn committed(entry: &eraftpb::Entry) -> Committed {
    Committed { id: EntryId::new(entry.term, entry.index), command: command(entry) }
}

/// A recovered entry as the crate's.
pub(crate) fn recovered((id, entry): (EntryId, &Entry)) -> eraftpb::Entry {
    let data = match &entry.payload {
        Payload::Noop => Bytes::new(),
        Payload::Command(bytes) => bytes.clone(),
        Payload::ConfChange(change) => {
            unreachable!("this adapter has written no change of members: {change:?}")
        }
    };
    eraftpb::Entry { term: id.term.0, index: id.index.0, data, ..eraftpb::Entry::default() }
}

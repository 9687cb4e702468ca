//! Log entries: the crate's, and the tank's.

use bytes::Bytes;
use protobuf::Message as _;
use raft::{
    RaftLog,
    eraftpb::{self, EntryType},
};
use raft_core::{ConfChange, Entry, EntryId, LogSlice, Payload, Term};
use wavetank_process::Committed;

use crate::{members, storage::MemoryStorage};

/// The crate's entries behind `prev`, which must be contiguous.
pub(crate) fn log_slice(prev: EntryId, entries: &[eraftpb::Entry]) -> Result<LogSlice, String> {
    let convert = |entry: &eraftpb::Entry| Ok(Entry { term: Term(entry.term), payload: payload(entry)? });
    let converted = entries.iter().map(convert).collect::<Result<_, String>>()?;
    let slice = LogSlice::new(prev, converted).map_err(|error| error.to_string())?;
    for (entry, (id, _)) in entries.iter().zip(slice.iter()) {
        if entry.index != id.index.0 {
            return Err(format!("{} in the place of {id}", entry.index));
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

fn payload(entry: &eraftpb::Entry) -> Result<Payload, String> {
    match change(entry) {
        Some(change) => Ok(Payload::ConfChange(Box::new(change?))),
        None => Ok(command(entry).map_or(Payload::Noop, Payload::Command)),
    }
}

/// The command in an entry. The crate's own entries have no data.
fn command(entry: &eraftpb::Entry) -> Option<Bytes> {
    let is_command = entry.entry_type == EntryType::EntryNormal && !entry.data.is_empty();
    is_command.then(|| entry.data.clone())
}

/// The change of members in an entry, if it is one.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn change(entry: &eraftpb::Entry) -> Option<Result<ConfChange, String>> {
    match entry.entry_type {
        EntryType::EntryNormal => None,
        EntryType::EntryConfChange => Some(Err("a change of members in the older form".to_owned())),
        EntryType::EntryConfChangeV2 => Some(members::change_in(&entry.data)),
    }
}

/// An entry that is to be applied.
pub(crate) fn committed(entry: &eraftpb::Entry) -> Committed {
    Committed { id: EntryId::new(entry.term, entry.index), command: command(entry) }
}

/// A recovered entry as the crate's.
pub(crate) fn recovered((id, entry): (EntryId, &Entry)) -> eraftpb::Entry {
    let (entry_type, data) = match &entry.payload {
        Payload::Noop => (EntryType::EntryNormal, Bytes::new()),
        Payload::Command(bytes) => (EntryType::EntryNormal, bytes.clone()),
        Payload::ConfChange(change) => {
            let change = members::change_of_crate(change).expect("this adapter has written no other");
            let data = change.write_to_bytes().expect("every required field is set");
            (EntryType::EntryConfChangeV2, data.into())
        }
    };
    eraftpb::Entry { term: id.term.0, index: id.index.0, entry_type, data, ..eraftpb::Entry::default() }
}

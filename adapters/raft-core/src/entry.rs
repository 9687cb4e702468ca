//! Entries of the core, as the replica applies them.

use raft_core::{Entry, EntryId, Payload};
use wavetank_process::Committed;

/// An entry that is to be applied.
pub(crate) fn committed((id, entry): (EntryId, &Entry)) -> Committed {
    let command = match &entry.payload {
        Payload::Noop | Payload::ConfChange(_) => None,
        Payload::Command(command) => Some(command.clone()),
    };
    Committed { id, command }
}

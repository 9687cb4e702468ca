//! Changes of members: how the crate is asked for one, and how one is put in force.

use raft::{GetEntriesContext, INVALID_ID, RawNode, StateRole};
use raft_core::{ConfChange, EntryId};
use wavetank_process::Refusal;

use crate::{log, members, storage::MemoryStorage};

/// Has a leader append a change. The crate looks at little of it, and appends an empty entry in the place of what it does not
/// like; so it is looked at here.
///
/// # Errors
/// When another change may be under way, or this one does not fit.
pub(crate) fn propose(node: &mut RawNode<MemoryStorage>, change: &ConfChange) -> Result<(), Refusal> {
    let other = |reason: String| Refusal::Other(reason);
    let translated =
        members::change_of_crate(change).ok_or_else(|| other("the crate knows no such change".to_owned()))?;
    if node.raft.has_pending_conf() {
        return Err(Refusal::ChangePending);
    }
    change.apply_to(&members::in_force(node)).map_err(|rejection| other(rejection.to_string()))?;
    node.propose_conf_change(Vec::new(), translated).map_err(|error| other(error.to_string()))
}

/// Puts the change in the entry `id` in force. Whether there is one that fits.
///
/// A leader that has lost its vote by it goes on leading, as far as the crate is concerned, and takes no commands; whoever uses
/// it is to end it. So it steps down here.
///
/// # Errors
/// When the entry is not to be had or not to be read, in words.
pub(crate) fn apply(node: &mut RawNode<MemoryStorage>, id: EntryId) -> Result<bool, String> {
    let index = id.index.0;
    let entries = node.raft.raft_log.slice(index, index + 1, None, GetEntriesContext::empty(false));
    let entries = entries.map_err(|error| error.to_string())?;
    let Some(change) = entries.first().and_then(log::change) else { return Ok(false) };
    let translated = members::change_of_crate(&change?).ok_or("a change that the crate does not know")?;
    match node.apply_conf_change(&translated) {
        Ok(_) => (),
        Err(raft::Error::ConfChangeError(_)) => return Ok(false),
        Err(error) => return Err(error.to_string()),
    }
    if node.raft.state == StateRole::Leader && !node.raft.promotable() {
        let term = node.raft.term;
        node.raft.become_follower(term, INVALID_ID);
    }
    Ok(true)
}

/// Whether a follower waits for a snapshot in which it is a member, and the latest one is none. See
/// [`MemoryStorage::offers`].
pub(crate) fn want_snapshot(node: &RawNode<MemoryStorage>) -> bool {
    let first = node.raft.raft_log.first_index();
    let leads = node.raft.state == StateRole::Leader;
    leads
        && node.raft.prs().iter().any(|(&id, progress)| {
            id != node.raft.id && progress.next_idx < first && !node.store().offers(id)
        })
}

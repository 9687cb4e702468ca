//! When something will happen next. The crate does not tell, so its counters are read.

use raft::{Raft, StateRole};

use crate::storage::MemoryStorage;

/// How many ticks may go by before anything happens, with this election timeout. `None` for one that has no vote and only
/// waits.
pub(crate) fn ticks_until_timeout(raft: &Raft<MemoryStorage>, election_timeout: usize) -> Option<u64> {
    if raft.state != StateRole::Leader && !raft.promotable() {
        return None;
    }
    let election = |timeout: usize| timeout.saturating_sub(raft.election_elapsed);
    let ticks = if raft.state == StateRole::Leader {
        // It checks its quorum, and ends a transfer, once in an election timeout.
        election(raft.election_timeout()).min(raft.heartbeat_timeout() - raft.heartbeat_elapsed())
    } else {
        election(election_timeout)
    };
    Some(ticks.max(1) as u64)
}

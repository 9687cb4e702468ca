//! What the checks may know of the core. All of it is exact.

use raft_core::{Raft, RoleKind};
use wavetank_process::{Observation, Role};

/// The core's state.
pub(crate) fn observe(raft: &Raft) -> Observation {
    Observation {
        role: match raft.role() {
            RoleKind::Follower => Role::Follower,
            RoleKind::PreCandidate => Role::PreCandidate,
            RoleKind::Candidate => Role::Candidate,
            RoleKind::Leader => Role::Leader,
        },
        term: raft.term(),
        vote: raft.hard_state().vote(),
        leader: raft.leader(),
        last: raft.last(),
        commit: raft.commit(),
        applied: raft.applied(),
        digest: raft.state_digest(),
        machine_digest: 0,
    }
}

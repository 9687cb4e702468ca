//! What the checks may know of the crate. All of it is exact.

use raft::{Raft, StateRole};
use raft_core::{EntryId, LogIndex, NodeId, Term};
use wavetank_process::{Observation, Role};
use xxhash_rust::xxh3::Xxh3;

use crate::storage::MemoryStorage;

/// The crate's state, but for what is applied.
pub(crate) fn observe(raft: &Raft<MemoryStorage>, election_timeout: usize) -> Observation {
    Observation {
        role: match raft.state {
            StateRole::Follower => Role::Follower,
            StateRole::PreCandidate => Role::PreCandidate,
            StateRole::Candidate => Role::Candidate,
            StateRole::Leader => Role::Leader,
        },
        term: Term(raft.term),
        vote: NodeId::new(raft.vote),
        leader: NodeId::new(raft.leader_id),
        last: EntryId::new(raft.raft_log.last_term(), raft.raft_log.last_index()),
        commit: LogIndex(raft.raft_log.committed),
        applied: LogIndex(0),
        digest: digest(raft, election_timeout),
        machine_digest: 0,
    }
}

/// What of the crate's state can be seen, timers included. The id of the last entry stands for the log; the windows of
/// unanswered messages and the reads under way show only once they act.
fn digest(raft: &Raft<MemoryStorage>, election_timeout: usize) -> u128 {
    let mut digest = Xxh3::new();
    let mut add = |numbers: &[u64]| numbers.iter().for_each(|number| digest.update(&number.to_le_bytes()));
    add(&[raft.term, raft.vote, raft.state as u64, raft.leader_id, raft.lead_transferee.unwrap_or(0)]);
    let log = &raft.raft_log;
    add(&[log.committed, log.persisted, log.last_index(), log.last_term(), log.first_index()]);
    add(&[raft.election_elapsed, raft.heartbeat_elapsed(), election_timeout].map(|ticks| ticks as u64));
    let members = raft.prs().conf().to_conf_state();
    for ids in [&members.voters, &members.voters_outgoing, &members.learners, &members.learners_next] {
        let mut ids = ids.clone();
        ids.sort_unstable();
        add(&[ids.len() as u64]);
        add(&ids);
    }
    add(&[members.auto_leave.into()]);
    let mut peers: Vec<_> = raft.prs().iter().collect();
    peers.sort_unstable_by_key(|(id, _)| **id);
    for (id, progress) in peers {
        add(&[*id, raft.prs().votes().get(id).map_or(2, |&granted| u64::from(granted))]);
        if raft.state == StateRole::Leader {
            let active = u64::from(progress.recent_active);
            add(&[
                progress.matched,
                progress.next_idx,
                progress.state as u64,
                progress.paused.into(),
                active,
            ]);
        }
    }
    digest.digest128()
}

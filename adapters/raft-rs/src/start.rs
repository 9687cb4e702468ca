//! What the crate starts from: its settings, and its storage.

use raft::{Config, storage::MemStorage};
use raft_core::{EntryId, NodeId};
use wavetank_process::{Boot, RaftOptions, Recovered};

use crate::log;

/// The crate's settings. It checks most of them itself, but doubles the election timeout and sets memory aside for
/// the whole window of each peer, so these have a limit here.
pub(crate) fn config(boot: &Boot) -> Result<Config, String> {
    let RaftOptions { election_timeout_ticks, heartbeat_ticks, max_inflight_messages, .. } = boot.options;
    if 1 << 32 < election_timeout_ticks || 1 << 16 < max_inflight_messages {
        return Err(format!(
            "{election_timeout_ticks} ticks or {max_inflight_messages} messages are too many"
        ));
    }
    Ok(Config {
        election_tick: election_timeout_ticks as usize,
        heartbeat_tick: heartbeat_ticks as usize,
        pre_vote: boot.options.pre_vote,
        check_quorum: boot.options.check_quorum,
        max_size_per_msg: boot.options.max_message_bytes,
        max_inflight_msgs: max_inflight_messages,
        ..Config::new(boot.id.number())
    })
}

/// The crate's storage, filled with what was recovered.
pub(crate) fn storage(voters: &[NodeId], recovered: &Recovered) -> Result<MemStorage, String> {
    let Recovered { hard_state, commit, log } = recovered;
    let last = log.last();
    if log.prev() != EntryId::ORIGIN || last.index < *commit || hard_state.term() < last.term {
        return Err(format!("{hard_state:?} and commit {commit} with a log from {} to {last}", log.prev()));
    }
    let storage = MemStorage::new_with_conf_state((voters.iter().map(|voter| voter.number()), []));
    let entries: Vec<_> = log.iter().map(log::recovered).collect();
    storage.wl().append(&entries).expect("memory does not fail");
    storage.wl().mut_hard_state().term = hard_state.term().0;
    storage.wl().mut_hard_state().vote = hard_state.vote().map_or(0, NodeId::number);
    storage.wl().mut_hard_state().commit = commit.0;
    Ok(storage)
}

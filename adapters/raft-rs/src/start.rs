//! What the crate starts from: its settings, and its storage.

use raft::{
    Config, RawNode,
    eraftpb::{ConfState, HardState},
};
use raft_core::{EntryId, LogIndex, NodeId};
use wavetank_process::{Boot, RaftOptions, Recovered};

use crate::{log, members, snapshot, storage::MemoryStorage};

/// The crate's settings. It checks most of them itself, but doubles the election timeout and sets memory aside for
/// the whole window of each peer, so these have a limit here.
fn config(boot: &Boot, applied: LogIndex) -> Result<Config, String> {
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
        applied: applied.0,
        ..Config::new(boot.id.number())
    })
}

/// The crate's storage, filled with what was recovered.
fn storage(boot: &Boot, recovered: &Recovered) -> Result<MemoryStorage, String> {
    let Recovered { hard_state, commit, snapshot, log } = recovered;
    let last = log.last();
    let covered = snapshot.as_ref().map_or(EntryId::ORIGIN, |stored| stored.meta.last);
    let is_whole = log.prev().index <= covered.index && covered.index <= last.index;
    if !is_whole || last.index < *commit || hard_state.term() < last.term {
        return Err(format!(
            "{hard_state:?} and commit {commit} with a log from {} to {last} and a snapshot of {covered}",
            log.prev()
        ));
    }
    let numbers = |ids: &[NodeId]| ids.iter().copied().map(NodeId::number).collect::<Vec<_>>();
    let mut storage = MemoryStorage {
        // What the snapshot covers was committed, even if the commit index that says so was lost.
        hard_state: HardState {
            term: hard_state.term().0,
            vote: hard_state.vote().map_or(0, NodeId::number),
            commit: commit.max(&covered.index).0,
            ..HardState::default()
        },
        members: ConfState::from((numbers(&boot.voters), numbers(&boot.learners))),
        base: log.prev(),
        entries: log.iter().map(log::recovered).collect(),
        snapshot: None,
    };
    if let Some(stored) = snapshot {
        storage.members = members::conf_state(&stored.meta.configuration);
        storage.snapshot = Some(snapshot::described(&stored.meta));
    }
    Ok(storage)
}

/// A replica of the crate that boots.
pub(crate) fn node(boot: &Boot, recovered: &Recovered) -> Result<RawNode<MemoryStorage>, String> {
    let covered = recovered.snapshot.as_ref().map_or(LogIndex(0), |stored| stored.meta.last.index);
    let config = config(boot, covered)?;
    let storage = storage(boot, recovered)?;
    let logger = slog::Logger::root(slog::Discard, slog::o!());
    RawNode::new(&config, storage, &logger).map_err(|error| error.to_string())
}

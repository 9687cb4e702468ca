//! What the core starts from: its settings, and what was recovered.

use std::collections::BTreeSet;

use raft_core::{
    ByteCount, Config, Configuration, ConfigurationError, Incarnation, LogIndex, Majority, Raft, Ticks,
};
use wavetank_process::{Boot, Recovered};

/// A replica of the core that boots.
///
/// # Errors
/// When it cannot start from this, in words.
pub(crate) fn replica(boot: &Boot, recovered: Recovered) -> Result<Raft, String> {
    let options = &boot.options;
    let config = Config {
        election_timeout: Ticks(options.election_timeout_ticks),
        heartbeat_interval: Ticks(options.heartbeat_ticks),
        pre_vote: options.pre_vote,
        check_quorum: options.check_quorum,
        max_message_bytes: ByteCount(options.max_message_bytes),
        max_inflight_messages: options.max_inflight_messages,
        keep_digests: true,
        ..Config::new(boot.id)
    };
    let Recovered { hard_state, commit, snapshot, log } = recovered;
    let configuration = founding(boot).map_err(|error| error.to_string())?;
    let applied = LogIndex(0);
    let mut recovered =
        raft_core::Recovered { hard_state, commit, configuration, snapshot: None, applied, log };
    if let Some(stored) = snapshot {
        recovered.configuration = stored.meta.configuration.clone();
        recovered.applied = stored.meta.last.index;
        recovered.snapshot = Some(stored.meta);
    }
    Raft::new(config, recovered, Incarnation(boot.incarnation)).map_err(|error| error.to_string())
}

/// The configuration with which the cluster began, on all its servers.
fn founding(boot: &Boot) -> Result<Configuration, ConfigurationError> {
    let voters = boot.voters.iter().copied().collect::<Majority>();
    Configuration::new(voters.into(), boot.learners.iter().copied().collect(), BTreeSet::new(), None)
}

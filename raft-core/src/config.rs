//! The settings of a replica.
//!
//! # Two presets
//!
//! [`Config::new`] is for somebody who wants a cluster; [`Config::etcd`] behaves as etcd's library does with the
//! settings that it has when nothing but the required ones is given. They differ in this:
//!
//! | setting | [`new`](Config::new) | [`etcd`](Config::etcd) | why |
//! |---|---|---|---|
//! | `pre_vote` | on | off | a server that returns from a partition should not depose a healthy leader |
//! | `check_quorum` | on | off | a leader that nobody hears should not go on as if; voters should not help to depose one that they hear |
//! | `refuse_stale_candidates` | on | off | a candidate whose term is behind learns of the later one (Figure 2), or it may stay behind a removed server that campaigns for ever |
//! | `tell_commit_in_elections` | on | off | if only servers that were removed, or with shorter logs, know that a change of members is committed, nobody could be elected (etcd's issue 12359) |
//! | `heartbeat_interval` | 2 ticks | 1 tick | one lost heartbeat in five is no worse than one in ten, and ticks can be finer |
//! | `max_message_bytes` | 1 MiB | unlimited | one message should not block a connection for everybody else |
//! | `max_applying_bytes` | 64 MiB | unlimited | a replica that catches up should not be handed the whole log at once |
//! | `max_uncommitted_bytes` | 256 MiB | unlimited | without a quorum a leader's memory would fill up |
//! | `forward_proposals` | off | on | who proposes should learn what became of it; a proposal that was passed on may be lost or doubled |
//! | `forward_requests` | off | on | as with proposals: an error says at once whom to ask |
//! | `apply_before_durable` | off | on | a state machine that survives a crash must not be ahead of its own log |
//! | `conf_change_validation` | [`Refuse`](ConfChangeValidation::Refuse) | [`Replace`](ConfChangeValidation::Replace) | who proposes a change should learn that it came to nothing |
//! | `step_down_on_removal` | on | off | a leader without a vote would have to be deposed |
//! | `write_rules` | [`Minimal`](WriteRules::Minimal) | [`Etcd`](WriteRules::Etcd) | a message need not wait for what it does not rest on, but a candidate's request does rest on its vote |
//!
//! Whoever uses etcd's leases ([`ReadMode::EtcdLease`]) here should know what [`ReadMode::Lease`] adds.
//!
//! Some things are the same in both, and differ from etcd: nothing panics on what comes from outside; a read that is
//! lost is reported; a leader that is the only voter confirms a read by its own first entry like any other, since what
//! it has committed in an earlier life may lie beyond what it recovered of its commit index; a snapshot that was
//! restored is what followers are sent.

use crate::id::{ByteCount, NodeId, Ticks};

/// The settings of a replica. All replicas of a cluster should agree on the times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who this replica is.
    pub id: NodeId,
    /// The base T of the election timeout: a follower waits between T and 2T - 1 for a leader. Longer than
    /// the heartbeat interval, by enough to survive a few lost heartbeats.
    pub election_timeout: Ticks,
    /// The time between two heartbeats of a leader. At least one tick.
    pub heartbeat_interval: Ticks,
    /// Whether a server asks if it could win before it starts an election, so that one which was cut off does
    /// not depose a healthy leader when it returns (§9.6).
    pub pre_vote: bool,
    /// Whether a leader that does not hear from a quorum for an election timeout steps down, and whether
    /// voters that hear a leader refuse to elect another (§6.2, §4.2.3).
    pub check_quorum: bool,
    /// Whether a request for a vote in an earlier term is refused, as Figure 2 has it, instead of being left without an
    /// answer. (A survey before an election is refused in any case.)
    pub refuse_stale_candidates: bool,
    /// Whether candidates and voters tell each other which entry is the last that they know to be committed, and believe it
    /// where their own log holds that very entry. A configuration is in force where it is applied; so whoever could be elected
    /// may need, by the configuration it knows, the votes of servers that know a later one and have a longer log, or have
    /// gone.
    pub tell_commit_in_elections: bool,
    /// The most payload bytes in one `AppendEntries`. A single entry always fits.
    pub max_message_bytes: ByteCount,
    /// The most unanswered `AppendEntries` with entries to one follower. At least 1.
    pub max_inflight_messages: usize,
    /// The most unanswered payload bytes to one follower; the last message may overshoot. At least 1.
    pub max_inflight_bytes: ByteCount,
    /// The most bytes of committed entries, [as encoded](crate::Entry::encoded_size), that are handed out to be
    /// applied and not yet reported as applied. A single entry is handed out in any case. At least 1.
    pub max_applying_bytes: ByteCount,
    /// The most payload bytes that a leader appends and that are not yet applied here; beyond it proposals are
    /// refused. A first one is taken in any case, and so are empty ones.
    pub max_uncommitted_bytes: ByteCount,
    /// Whether a follower passes proposals on to its leader instead of refusing them. Whoever proposed never hears
    /// what became of them, and the network may repeat them.
    pub forward_proposals: bool,
    /// Whether a follower passes reads, and requests to hand the leadership over, on to its leader instead of
    /// refusing them.
    pub forward_requests: bool,
    /// How a leader makes sure that it still leads before it answers a read.
    pub read_mode: ReadMode,
    /// Whether committed entries may be applied before this replica's own copy of them is durable. A quorum
    /// holds them in any case; but a replica that crashes then recovers a log shorter than what it has applied, so
    /// a state machine that survives crashes would be ahead of its log.
    pub apply_before_durable: bool,
    /// What a leader does with a proposed change of members that does not fit.
    pub conf_change_validation: ConfChangeValidation,
    /// Whether a leader steps down as soon as it has applied that it has no vote any more. It is the better way: a
    /// leader that stays would have to be deposed (§4.2.2).
    pub step_down_on_removal: bool,
    /// What waits for a write, and what makes one.
    pub write_rules: WriteRules,
    /// Whether to keep a record of what happens for [`Raft::take_events`](crate::Raft::take_events).
    pub record_events: bool,
    /// Whether the log keeps a hash up to each entry, so that [`Raft::state_digest`](crate::Raft::state_digest) need not
    /// walk through it, and what was compacted counts in it still.
    pub keep_digests: bool,
}

impl Config {
    /// The default settings: an election timeout of 10 to 19 ticks, a heartbeat every 2, and everything that
    /// makes a cluster calmer or safer switched on.
    pub const fn new(id: NodeId) -> Self {
        Self {
            id,
            election_timeout: Ticks(10),
            heartbeat_interval: Ticks(2),
            pre_vote: true,
            check_quorum: true,
            refuse_stale_candidates: true,
            tell_commit_in_elections: true,
            max_message_bytes: ByteCount(1 << 20),
            max_inflight_messages: 256,
            max_inflight_bytes: ByteCount::UNLIMITED,
            max_applying_bytes: ByteCount(64 << 20),
            max_uncommitted_bytes: ByteCount(256 << 20),
            forward_proposals: false,
            forward_requests: false,
            read_mode: ReadMode::Quorum,
            apply_before_durable: false,
            conf_change_validation: ConfChangeValidation::Refuse,
            step_down_on_removal: true,
            write_rules: WriteRules::Minimal,
            record_events: false,
            keep_digests: false,
        }
    }

    /// The settings of etcd's library where nothing is said: see [the table](self#two-presets).
    pub const fn etcd(id: NodeId) -> Self {
        Self {
            id,
            election_timeout: Ticks(10),
            heartbeat_interval: Ticks(1),
            pre_vote: false,
            check_quorum: false,
            refuse_stale_candidates: false,
            tell_commit_in_elections: false,
            max_message_bytes: ByteCount::UNLIMITED,
            max_inflight_messages: 256,
            max_inflight_bytes: ByteCount::UNLIMITED,
            max_applying_bytes: ByteCount::UNLIMITED,
            max_uncommitted_bytes: ByteCount::UNLIMITED,
            forward_proposals: true,
            forward_requests: true,
            read_mode: ReadMode::Quorum,
            apply_before_durable: true,
            conf_change_validation: ConfChangeValidation::Replace,
            step_down_on_removal: false,
            write_rules: WriteRules::Etcd,
            record_events: false,
            keep_digests: false,
        }
    }

    /// Whether voters must do their part for a lease of the leader.
    pub(crate) fn keeps_lease(&self) -> bool {
        matches!(self.read_mode, ReadMode::Lease { .. })
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// The first that does not.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if self.heartbeat_interval < Ticks(1) {
            return Err(ConfigError::NoHeartbeat);
        }
        if self.election_timeout <= self.heartbeat_interval || Ticks(u64::MAX >> 2) < self.election_timeout {
            return Err(ConfigError::ElectionTimeout {
                election_timeout: self.election_timeout,
                heartbeat_interval: self.heartbeat_interval,
            });
        }
        if self.max_inflight_messages == 0 || self.max_inflight_bytes == ByteCount(0) {
            return Err(ConfigError::NothingInflight);
        }
        if self.max_applying_bytes == ByteCount(0) {
            return Err(ConfigError::NothingApplying);
        }
        self.validate_lease()
    }

    fn validate_lease(&self) -> Result<(), ConfigError> {
        let margin = match self.read_mode {
            ReadMode::Quorum => return Ok(()),
            ReadMode::EtcdLease => Ticks(0),
            ReadMode::Lease { margin } => margin,
        };
        if !self.check_quorum {
            return Err(ConfigError::LeaseWithoutCheckQuorum);
        }
        if self.election_timeout <= margin {
            return Err(ConfigError::LeaseMargin { margin, election_timeout: self.election_timeout });
        }
        Ok(())
    }
}

/// How a leader makes sure that it still leads before it answers a read (§6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadMode {
    /// It asks a quorum. This assumes nothing.
    #[default]
    Quorum,
    /// It answers at once as long as a quorum has promised to elect nobody else, and asks a quorum otherwise.
    ///
    /// A voter that has heard from its leader votes for nobody for an election timeout, whatever term it learns of; one
    /// that starts (again) does not know whom it has heard from, and waits as long. The leader counts from when it *sent*
    /// the heartbeats that a quorum has answered, and its lease ends for good when it hands its leadership over. This
    /// assumes that ticks are equally long everywhere: over an election timeout two clocks may differ by `margin`.
    Lease {
        /// How many ticks before the end of the election timeout the lease ends.
        margin: Ticks,
    },
    /// It answers at once as long as it leads. As check-quorum looks once an election timeout only, and as votes are
    /// protected by nothing but a leader that is known, a deposed leader may answer. This is what etcd does.
    EtcdLease,
}

/// What a leader does with a proposed change of members while another one may be under way, or that does not fit the
/// configuration in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfChangeValidation {
    /// It says so to whoever proposed it.
    Refuse,
    /// It appends an entry without effect in its place. This is what etcd does.
    Replace,
    /// It appends the change as it is. What does not fit when it is applied has no effect.
    Off,
}

/// What has to wait until storage has done its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteRules {
    /// A message waits if it promises something that is not durable yet. A write is made when there is something
    /// to keep, or something that waits.
    Minimal,
    /// As in etcd: the answers to requests for votes and pre-votes and to entries wait for the next write, whatever
    /// they say, and with them what a server promises itself: its own vote and pre-vote, and its own entries.
    /// Nothing else waits, not even a candidate's requests: its own vote, which they rest on, is not counted before
    /// it is durable. A commit index that has moved makes a write. A write that is acknowledged in a later term
    /// than its own vouches for no entries; the next one does.
    Etcd,
}

/// Settings that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The heartbeat interval is zero.
    #[error("heartbeat_interval must be at least 1 tick")]
    NoHeartbeat,
    /// Followers would give a leader up between two heartbeats, or the timeout is absurdly long.
    #[error(
        "election_timeout ({election_timeout}) must be longer than heartbeat_interval ({heartbeat_interval})"
    )]
    ElectionTimeout {
        /// As configured.
        election_timeout: Ticks,
        /// As configured.
        heartbeat_interval: Ticks,
    },
    /// No entry could ever be sent.
    #[error("max_inflight_messages and max_inflight_bytes must be at least 1")]
    NothingInflight,
    /// Nobody would keep voters from electing another leader while a lease holds.
    #[error("a lease needs check_quorum, which makes voters protect their leader")]
    LeaseWithoutCheckQuorum,
    /// No lease would ever hold.
    #[error("a lease that ends {margin} before the election timeout of {election_timeout} never holds")]
    LeaseMargin {
        /// As configured.
        margin: Ticks,
        /// As configured.
        election_timeout: Ticks,
    },
    /// No entry could ever be applied.
    #[error("max_applying_bytes must be at least 1")]
    NothingApplying,
}

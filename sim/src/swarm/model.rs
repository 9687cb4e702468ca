//! From what configurations are drawn: which features and faults there may be, and how much of each.

use std::ops::RangeInclusive;

use crate::tank::MOST_SERVERS;

/// How much there is of something in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// In every run, so much.
    Within(RangeInclusive<u64>),
    /// In half of the runs nothing, in the others so much.
    Sometimes(RangeInclusive<u64>),
}

impl Amount {
    /// Nothing, in any run.
    pub const NONE: Self = Self::exactly(0);

    /// The same in every run.
    pub const fn exactly(amount: u64) -> Self {
        Self::Within(amount..=amount)
    }

    /// The range from which it is drawn when there is any.
    pub const fn range(&self) -> &RangeInclusive<u64> {
        let (Self::Within(range) | Self::Sometimes(range)) = self;
        range
    }
}

/// From what the configuration of a run is drawn.
///
/// Of a list, one is drawn; what stands there twice is drawn twice as often. Ranges take in both their ends. The default
/// is wide: a cluster of one to seven, tiny limits as well as none, every fault. To fix something, or leave it out:
///
/// ```
/// use wavetank::swarm::{Amount, FaultModel};
///
/// let model = FaultModel {
///     voters: vec![3, 5],
///     pre_vote: vec![false],
///     loss_permille: Amount::Sometimes(1..=50),
///     transfers: Amount::NONE,
///     ..FaultModel::default()
/// };
/// assert_eq!(model.validate(), Ok(()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultModel {
    /// How many servers there may be that vote when the cluster begins.
    pub voters: Vec<u64>,
    /// The base of the election timeout.
    pub election_timeout_ticks: RangeInclusive<u64>,
    /// The time between two heartbeats; shorter than any election timeout.
    pub heartbeat_ticks: RangeInclusive<u64>,
    /// Whether an election begins with a survey.
    pub pre_vote: Vec<bool>,
    /// Whether a leader steps down when it does not hear from a quorum.
    pub check_quorum: Vec<bool>,
    /// The most payload bytes in one `AppendEntries`.
    pub max_message_bytes: Vec<u64>,
    /// The most unanswered `AppendEntries` to one follower.
    pub max_inflight_messages: Vec<usize>,
    /// After how many applied entries a replica takes a snapshot; 0 for never.
    pub snapshot_every_entries: Amount,
    /// How many entries it keeps in its log behind the snapshot.
    pub keep_entries_behind_snapshot: Vec<u64>,
    /// The most bytes of a snapshot in one message.
    pub snapshot_chunk_bytes: Vec<u64>,
    /// By how many parts per million a clock may be fast or slow, at most 500,000.
    pub drift_ppm: Amount,
    /// The least time that a message travels, in microseconds.
    pub latency_min_micros: RangeInclusive<u64>,
    /// By how much the mean exceeds it.
    pub latency_spread_micros: RangeInclusive<u64>,
    /// How many of a thousand messages take exceptionally long.
    pub tail_permille: Amount,
    /// How many of a thousand messages are lost.
    pub loss_permille: Amount,
    /// How many of a thousand messages arrive twice.
    pub duplicate_permille: Amount,
    /// How many messages beyond four fit on one link at a time; 0 means any number.
    pub link_capacity: Amount,
    /// How long a disk takes for a request on average, in microseconds.
    pub disk_latency_micros: Vec<u64>,
    /// Whether a sector may be torn when its machine loses power.
    pub torn_sectors: Vec<bool>,
    /// How many clients there are.
    pub clients: RangeInclusive<u64>,
    /// How many keys they share.
    pub keys: RangeInclusive<u64>,
    /// How many of a hundred operations are reads, at most 75.
    pub read_percent: RangeInclusive<u64>,
    /// How many events the storm lasts, before everything is mended.
    pub storm_events: RangeInclusive<u64>,
    /// How many processes are killed.
    pub crashes: Amount,
    /// How many machines lose power, and with it what was not synced.
    pub power_losses: Amount,
    /// How often the network falls into parts.
    pub partitions: Amount,
    /// How often a server can be heard and not hear, or the reverse.
    pub one_way_cuts: Amount,
    /// How many processes stand still for a while.
    pub pauses: Amount,
    /// How often a leader is told to hand over.
    pub transfers: Amount,
    /// How often messages of one kind are kept back until somebody else leads.
    pub holds: Amount,
    /// How often the members are to be changed: servers added, removed, promoted and demoted, one by one and jointly. 0 for
    /// an implementation whose members never change. They change only with PreVote or CheckQuorum: without, servers that were
    /// removed may keep a cluster from its work for ever.
    pub changes: Amount,
    /// How many servers there may be that wait to be added, in a run in which the members change.
    pub spares: Vec<u64>,
}

impl Default for FaultModel {
    fn default() -> Self {
        Self {
            voters: vec![3, 5, 3, 4, 5, 3, 2, 6, 7, 1],
            election_timeout_ticks: 10..=20,
            heartbeat_ticks: 1..=3,
            pre_vote: vec![true, false],
            check_quorum: vec![true, false],
            max_message_bytes: vec![1 << 20, 0, 64, 512],
            max_inflight_messages: vec![64, 1, 2, 8],
            snapshot_every_entries: Amount::Sometimes(1..=30),
            keep_entries_behind_snapshot: vec![0, 1, 5, 20],
            snapshot_chunk_bytes: vec![1 << 16, 16, 64, 256],
            drift_ppm: Amount::Sometimes(1..=50_000),
            latency_min_micros: 100..=3_000,
            latency_spread_micros: 100..=15_000,
            tail_permille: Amount::Sometimes(1..=10),
            loss_permille: Amount::Sometimes(1..=100),
            duplicate_permille: Amount::Sometimes(1..=200),
            link_capacity: Amount::Sometimes(1..=30),
            disk_latency_micros: vec![200, 1_000, 5_000, 20_000],
            torn_sectors: vec![false, true],
            clients: 2..=5,
            keys: 1..=5,
            read_percent: 10..=70,
            storm_events: 5_000..=10_000,
            crashes: Amount::Sometimes(1..=4),
            power_losses: Amount::Within(2..=6),
            partitions: Amount::Within(0..=5),
            one_way_cuts: Amount::Sometimes(1..=3),
            pauses: Amount::Sometimes(1..=3),
            transfers: Amount::Sometimes(1..=3),
            holds: Amount::Sometimes(1..=6),
            changes: Amount::Sometimes(2..=16),
            spares: vec![0, 2, 1, 3],
        }
    }
}

impl FaultModel {
    /// The same configurations without any fault: nothing is lost, nobody fails, clocks agree. To be filled with the
    /// faults that one wants, and only those.
    pub fn calm() -> Self {
        Self {
            drift_ppm: Amount::NONE,
            tail_permille: Amount::NONE,
            loss_permille: Amount::NONE,
            duplicate_permille: Amount::NONE,
            link_capacity: Amount::NONE,
            torn_sectors: vec![false],
            crashes: Amount::NONE,
            power_losses: Amount::NONE,
            partitions: Amount::NONE,
            one_way_cuts: Amount::NONE,
            pauses: Amount::NONE,
            transfers: Amount::NONE,
            holds: Amount::NONE,
            changes: Amount::NONE,
            ..Self::default()
        }
    }

    /// Whether configurations can be drawn from this.
    ///
    /// # Errors
    /// When they cannot; names the field and says what was expected of it.
    pub fn validate(&self) -> Result<(), FaultModelError> {
        let lists = [
            ("voters", self.voters.len()),
            ("spares", self.spares.len()),
            ("pre_vote", self.pre_vote.len()),
            ("check_quorum", self.check_quorum.len()),
            ("max_message_bytes", self.max_message_bytes.len()),
            ("max_inflight_messages", self.max_inflight_messages.len()),
            ("keep_entries_behind_snapshot", self.keep_entries_behind_snapshot.len()),
            ("snapshot_chunk_bytes", self.snapshot_chunk_bytes.len()),
            ("disk_latency_micros", self.disk_latency_micros.len()),
            ("torn_sectors", self.torn_sectors.len()),
        ];
        if let Some((field, _)) = lists.into_iter().find(|(_, options)| *options == 0) {
            return Err(FaultModelError::Empty { field });
        }
        for (field, zero) in [
            ("voters", self.voters.contains(&0)),
            ("max_inflight_messages", self.max_inflight_messages.contains(&0)),
            ("snapshot_chunk_bytes", self.snapshot_chunk_bytes.contains(&0)),
        ] {
            if zero {
                return Err(FaultModelError::Zero { field });
            }
        }
        let most = |servers: &[u64]| servers.iter().copied().max().unwrap_or(0);
        let servers = most(&self.voters).saturating_add(most(&self.spares));
        if MOST_SERVERS < servers {
            return Err(FaultModelError::TooManyServers { servers });
        }
        for (field, range, lo, hi) in self.ranges() {
            if range.is_empty() || *range.start() < lo || hi < *range.end() {
                return Err(FaultModelError::Range { field, range: range.clone(), lo, hi });
            }
        }
        let (slowest, shortest) = (*self.heartbeat_ticks.end(), *self.election_timeout_ticks.start());
        if shortest <= slowest {
            return Err(FaultModelError::Heartbeat { slowest, shortest });
        }
        Ok(())
    }

    /// How many messages fit on a link, by what was drawn from [`link_capacity`](Self::link_capacity).
    pub(crate) fn capacity(drawn: u64) -> Option<u64> {
        if drawn == 0 { None } else { Some(SMALLEST_CAPACITY + drawn) }
    }

    /// Every range, with the limits that it has to keep.
    fn ranges(&self) -> [(&'static str, &RangeInclusive<u64>, u64, u64); 22] {
        [
            ("election_timeout_ticks", &self.election_timeout_ticks, 2, 1 << 20),
            ("heartbeat_ticks", &self.heartbeat_ticks, 1, 1 << 20),
            ("snapshot_every_entries", self.snapshot_every_entries.range(), 0, 1 << 20),
            ("drift_ppm", self.drift_ppm.range(), 0, 500_000),
            ("latency_min_micros", &self.latency_min_micros, 0, MOST_MICROS),
            ("latency_spread_micros", &self.latency_spread_micros, 0, MOST_MICROS),
            ("tail_permille", self.tail_permille.range(), 0, 1_000),
            ("loss_permille", self.loss_permille.range(), 0, 1_000),
            ("duplicate_permille", self.duplicate_permille.range(), 0, 1_000),
            ("link_capacity", self.link_capacity.range(), 0, 1 << 20),
            ("clients", &self.clients, 1, 100),
            ("keys", &self.keys, 1, 1 << 20),
            ("read_percent", &self.read_percent, 0, MOST_READ_PERCENT),
            ("storm_events", &self.storm_events, 1, 1 << 40),
            ("crashes", self.crashes.range(), 0, MOST_FAULTS),
            ("power_losses", self.power_losses.range(), 0, MOST_FAULTS),
            ("partitions", self.partitions.range(), 0, MOST_FAULTS),
            ("one_way_cuts", self.one_way_cuts.range(), 0, MOST_FAULTS),
            ("pauses", self.pauses.range(), 0, MOST_FAULTS),
            ("transfers", self.transfers.range(), 0, MOST_FAULTS),
            ("holds", self.holds.range(), 0, MOST_FAULTS),
            ("changes", self.changes.range(), 0, MOST_FAULTS),
        ]
    }
}

/// An hour is more than anything takes that a cluster could survive.
const MOST_MICROS: u64 = 3_600_000_000;
/// The other operations take up the rest.
const MOST_READ_PERCENT: u64 = 75;
/// More faults of a kind than a run has room for.
const MOST_FAULTS: u64 = 1_000_000;

/// So many messages fit on a link of limited capacity at least: fewer would stop any conversation.
const SMALLEST_CAPACITY: u64 = 4;

/// Why no configuration can be drawn from a [`FaultModel`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultModelError {
    /// There is nothing to draw from.
    #[error("{field} is empty; expected at least one value to draw")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// A value may not be zero.
    #[error("{field} holds 0; expected values of 1 or more")]
    Zero {
        /// The field.
        field: &'static str,
    },
    /// A range is empty, or goes too far.
    #[error("{field} is {range:?}; expected a range within {lo}..={hi} that is not empty")]
    Range {
        /// The field.
        field: &'static str,
        /// What it is.
        range: RangeInclusive<u64>,
        /// The least it may be.
        lo: u64,
        /// The most it may be.
        hi: u64,
    },
    /// There may be more servers than the tank has room for.
    #[error("voters and spares come to {servers} servers; expected {MOST_SERVERS} at most")]
    TooManyServers {
        /// How many there may be.
        servers: u64,
    },
    /// Followers would stand for election although their leader is well.
    #[error(
        "heartbeat_ticks reaches {slowest}; expected less than the shortest election timeout, {shortest}"
    )]
    Heartbeat {
        /// The longest time between two heartbeats.
        slowest: u64,
        /// The shortest election timeout.
        shortest: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_draws_nothing_is_refused_by_name() {
        assert_eq!(FaultModel::default().validate(), Ok(()));
        assert_eq!(FaultModel::calm().validate(), Ok(()));
        let usual = FaultModel::default;
        let models = [
            (FaultModel { voters: vec![], ..usual() }, "voters is empty"),
            (FaultModel { voters: vec![3, 0], ..usual() }, "voters holds 0"),
            (FaultModel { torn_sectors: vec![], ..usual() }, "torn_sectors is empty"),
            (FaultModel { heartbeat_ticks: 0..=3, ..usual() }, "heartbeat_ticks is 0..=3"),
            (FaultModel { heartbeat_ticks: 1..=10, ..usual() }, "heartbeat_ticks reaches 10"),
            (FaultModel { loss_permille: Amount::exactly(1_001), ..usual() }, "loss_permille is 1001..=1001"),
            (FaultModel { keys: empty(), ..usual() }, "keys is 2..=1"),
            (
                FaultModel { voters: vec![3, u64::MAX], ..usual() },
                "voters and spares come to 18446744073709551615",
            ),
            (FaultModel { read_percent: 0..=80, ..usual() }, "read_percent is 0..=80"),
            (FaultModel { drift_ppm: Amount::exactly(u64::MAX), ..usual() }, "drift_ppm is"),
        ];
        for (model, expected) in models {
            let told = model.validate().unwrap_err().to_string();
            assert!(told.starts_with(expected), "{told}");
        }
    }

    /// As a variable makes it; written out, the compiler would object.
    fn empty() -> RangeInclusive<u64> {
        let lo = 2;
        lo..=1
    }
}

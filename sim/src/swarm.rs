//! What a run is: its configuration, and how one is drawn from a seed.
//!
//! Each run has its own cluster size, limits, weather and budget of faults, and about half of the features are off
//! in each: some bugs hide where everything is on. Every draw has an address of its own, so that a new feature
//! does not change what the others get.

use serde::{Deserialize, Serialize};
use wavetank_process::{RaftOptions, SnapshotOptions};

use crate::{
    chance::{Door, Site, labels},
    client::ClientOptions,
    disk::DiskOptions,
    network::NetworkOptions,
    storm::Budget,
    tank::TankOptions,
    time::Span,
};

/// Everything that a run depends on, apart from its decisions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOptions {
    /// The implementation on each machine, by name, in turn.
    pub programs: Vec<String>,
    /// The cluster and its surroundings.
    pub tank: TankOptions,
    /// The faults.
    pub faults: Budget,
}

/// The addresses of the draws: one number for each feature, never used again for another.
#[derive(Clone, Copy)]
enum Feature {
    Voters = 1,
    ElectionTimeout,
    Heartbeat,
    PreVote,
    CheckQuorum,
    MessageBytes,
    Inflight,
    Drift,
    LatencyMin,
    LatencyMean,
    Tail,
    Loss,
    Duplicate,
    Capacity,
    DiskLatency,
    Tear,
    Clients,
    Keys,
    Reads,
    Think,
    StormEvents,
    Crashes,
    PowerLosses,
    Partitions,
    OneWayCuts,
    Pauses,
    Transfers,
    FewValues,
    Snapshots,
    KeptEntries,
    ChunkBytes,
}

struct Draw<'a>(&'a mut Door);

/// Beside the feature stands what of it is drawn: this, for a feature of which there is one thing to say.
const WHOLE: u64 = 0;

/// How much of a feature there is, after it was drawn that there is any.
const AMOUNT: u64 = 1;

/// The share of the first machine or client, for a feature of each; those of the others follow.
const FIRST: u64 = 2;

impl Draw<'_> {
    fn range(&mut self, feature: Feature, lo: u64, hi: u64) -> u64 {
        self.range_of(feature, WHOLE, lo, hi)
    }

    fn range_of(&mut self, feature: Feature, part: u64, lo: u64, hi: u64) -> u64 {
        self.0.range(Site { label: labels::SWARM, subject: [feature as u64, part] }, lo, hi)
    }

    fn pick<T: Copy>(&mut self, feature: Feature, options: &[T]) -> T {
        *self.0.pick(Site { label: labels::SWARM, subject: [feature as u64, WHOLE] }, options)
    }

    /// Half of the time nothing, otherwise a number from 1 to `most`.
    fn sometimes(&mut self, feature: Feature, most: u64) -> u64 {
        if self.pick(feature, &[false, true]) { self.range_of(feature, AMOUNT, 1, most) } else { 0 }
    }
}

impl RunOptions {
    /// Draws the configuration of a run of this implementation.
    pub fn draw(program: &str, door: &mut Door) -> Self {
        let draw = &mut Draw(door);
        let voters = draw.pick(Feature::Voters, &[3, 5, 3, 4, 5, 3, 2, 6, 7, 1]);
        Self {
            programs: vec![program.to_owned()],
            tank: TankOptions {
                voters,
                raft: raft(draw),
                tick: Span::from_millis(10),
                drift_ppm: drift(draw, voters),
                network: network(draw),
                disk: DiskOptions {
                    latency_min: Span::ZERO,
                    latency_mean: Span::from_micros(
                        draw.pick(Feature::DiskLatency, &[200, 1_000, 5_000, 20_000]),
                    ),
                    lose: true,
                    tear: draw.pick(Feature::Tear, &[false, true]),
                },
                clients: clients(draw),
            },
            faults: Budget {
                events: draw.range(Feature::StormEvents, 5_000, 10_000),
                crashes: draw.sometimes(Feature::Crashes, 4),
                power_losses: draw.range(Feature::PowerLosses, 2, 6),
                partitions: draw.range(Feature::Partitions, 0, 5),
                one_way_cuts: draw.sometimes(Feature::OneWayCuts, 3),
                pauses: draw.sometimes(Feature::Pauses, 3),
                transfers: draw.sometimes(Feature::Transfers, 3),
            },
        }
    }
}

fn raft(draw: &mut Draw<'_>) -> RaftOptions {
    RaftOptions {
        election_timeout_ticks: draw.range(Feature::ElectionTimeout, 10, 20),
        heartbeat_ticks: draw.range(Feature::Heartbeat, 1, 3),
        pre_vote: draw.pick(Feature::PreVote, &[true, false]),
        check_quorum: draw.pick(Feature::CheckQuorum, &[true, false]),
        max_message_bytes: draw.pick(Feature::MessageBytes, &[1 << 20, 0, 64, 512]),
        max_inflight_messages: draw.pick(Feature::Inflight, &[64, 1, 2, 8]),
        snapshots: snapshots(draw),
    }
}

fn snapshots(draw: &mut Draw<'_>) -> SnapshotOptions {
    SnapshotOptions {
        snapshot_every_entries: match draw.sometimes(Feature::Snapshots, 30) {
            0 => None,
            entries => Some(entries),
        },
        keep_entries_behind_snapshot: draw.pick(Feature::KeptEntries, &[0, 1, 5, 20]),
        snapshot_chunk_bytes: draw.pick(Feature::ChunkBytes, &[1 << 16, 16, 64, 256]),
    }
}

fn drift(draw: &mut Draw<'_>, voters: u64) -> Vec<i64> {
    let most = draw.sometimes(Feature::Drift, 50_000);
    (0..voters)
        .map(|machine| {
            let drift = draw.range_of(Feature::Drift, FIRST + machine, 0, 2 * most);
            i64::try_from(drift).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
        })
        .collect()
}

fn network(draw: &mut Draw<'_>) -> NetworkOptions {
    let latency_min = Span::from_micros(draw.range(Feature::LatencyMin, 100, 3_000));
    NetworkOptions {
        latency_min,
        latency_mean: latency_min + Span::from_micros(draw.range(Feature::LatencyMean, 100, 15_000)),
        tail_permille: draw.sometimes(Feature::Tail, 10),
        loss_permille: draw.sometimes(Feature::Loss, 100),
        duplicate_permille: draw.sometimes(Feature::Duplicate, 200),
        capacity: match draw.sometimes(Feature::Capacity, 30) {
            0 => None,
            more => Some(4 + more),
        },
    }
}

fn clients(draw: &mut Draw<'_>) -> Vec<ClientOptions> {
    let count = draw.range(Feature::Clients, 2, 5);
    let keys = draw.range(Feature::Keys, 1, 5);
    let reads = draw.range(Feature::Reads, 10, 70);
    let values = draw.pick(Feature::FewValues, &[None, None, None, Some(4)]);
    (0..count)
        .map(|client| ClientOptions {
            keys,
            read_percent: reads,
            cas_percent: 15,
            append_percent: if values.is_some() { 0 } else { 10 },
            values,
            think_mean: Span::from_millis(draw.range_of(Feature::Think, FIRST + client, 2, 30)),
            operations: u64::MAX,
            ..ClientOptions::default()
        })
        .collect()
}

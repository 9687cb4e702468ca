//! What a run is: its configuration, and how one is drawn from a seed.
//!
//! Each run has its own cluster size, limits, weather and budget of faults, and about half of the features are off
//! in each: some bugs hide where everything is on. Every draw has an address of its own, so that a new feature
//! does not change what the others get.

mod model;

use std::ops::RangeInclusive;

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

pub use model::{Amount, FaultModel, FaultModelError};

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
    Holds,
    Snapshots,
    KeptEntries,
    ChunkBytes,
    Changes,
    Spares,
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

    fn within(&mut self, feature: Feature, range: &RangeInclusive<u64>) -> u64 {
        self.range(feature, *range.start(), *range.end())
    }

    fn amount(&mut self, feature: Feature, amount: &Amount) -> u64 {
        match amount {
            Amount::Within(range) => self.within(feature, range),
            Amount::Sometimes(range) if self.pick(feature, &[false, true]) => {
                self.range_of(feature, AMOUNT, *range.start(), *range.end())
            }
            Amount::Sometimes(_) => 0,
        }
    }
}

impl RunOptions {
    /// Draws the configuration of a run of this implementation from the usual model.
    pub fn draw(program: &str, door: &mut Door) -> Self {
        Self::draw_from(&FaultModel::default(), program, door)
    }

    /// Draws the configuration of a run of this implementation.
    ///
    /// # Panics
    /// When nothing can be drawn from this model: it is not [valid](FaultModel::validate).
    pub fn draw_from(model: &FaultModel, program: &str, door: &mut Door) -> Self {
        let draw = &mut Draw(door);
        let voters = draw.pick(Feature::Voters, &model.voters);
        let changes = draw.amount(Feature::Changes, &model.changes);
        let spares = if changes == 0 { 0 } else { draw.pick(Feature::Spares, &model.spares) };
        Self {
            programs: vec![program.to_owned()],
            tank: TankOptions {
                voters,
                learners: 0,
                spares,
                raft: raft(model, draw),
                tick: Span::from_millis(10),
                drift_ppm: drift(model, draw, voters + spares),
                network: network(model, draw),
                disk: DiskOptions {
                    latency_min: Span::ZERO,
                    latency_mean: Span::from_micros(
                        draw.pick(Feature::DiskLatency, &model.disk_latency_micros),
                    ),
                    lose: true,
                    tear: draw.pick(Feature::Tear, &model.torn_sectors),
                },
                clients: clients(model, draw),
            },
            faults: Budget {
                events: draw.within(Feature::StormEvents, &model.storm_events),
                crashes: draw.amount(Feature::Crashes, &model.crashes),
                power_losses: draw.amount(Feature::PowerLosses, &model.power_losses),
                partitions: draw.amount(Feature::Partitions, &model.partitions),
                one_way_cuts: draw.amount(Feature::OneWayCuts, &model.one_way_cuts),
                pauses: draw.amount(Feature::Pauses, &model.pauses),
                transfers: draw.amount(Feature::Transfers, &model.transfers),
                holds: draw.amount(Feature::Holds, &model.holds),
                changes,
            },
        }
    }
}

fn raft(model: &FaultModel, draw: &mut Draw<'_>) -> RaftOptions {
    RaftOptions {
        election_timeout_ticks: draw.within(Feature::ElectionTimeout, &model.election_timeout_ticks),
        heartbeat_ticks: draw.within(Feature::Heartbeat, &model.heartbeat_ticks),
        pre_vote: draw.pick(Feature::PreVote, &model.pre_vote),
        check_quorum: draw.pick(Feature::CheckQuorum, &model.check_quorum),
        max_message_bytes: draw.pick(Feature::MessageBytes, &model.max_message_bytes),
        max_inflight_messages: draw.pick(Feature::Inflight, &model.max_inflight_messages),
        snapshots: snapshots(model, draw),
    }
}

fn snapshots(model: &FaultModel, draw: &mut Draw<'_>) -> SnapshotOptions {
    SnapshotOptions {
        snapshot_every_entries: match draw.amount(Feature::Snapshots, &model.snapshot_every_entries) {
            0 => None,
            entries => Some(entries),
        },
        keep_entries_behind_snapshot: draw.pick(Feature::KeptEntries, &model.keep_entries_behind_snapshot),
        snapshot_chunk_bytes: draw.pick(Feature::ChunkBytes, &model.snapshot_chunk_bytes),
    }
}

fn drift(model: &FaultModel, draw: &mut Draw<'_>, servers: u64) -> Vec<i64> {
    let most = draw.amount(Feature::Drift, &model.drift_ppm);
    (0..servers)
        .map(|machine| {
            let drift = draw.range_of(Feature::Drift, FIRST + machine, 0, 2 * most);
            i64::try_from(drift).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
        })
        .collect()
}

fn network(model: &FaultModel, draw: &mut Draw<'_>) -> NetworkOptions {
    let latency_min = Span::from_micros(draw.within(Feature::LatencyMin, &model.latency_min_micros));
    let spread = Span::from_micros(draw.within(Feature::LatencyMean, &model.latency_spread_micros));
    NetworkOptions {
        latency_min,
        latency_mean: latency_min + spread,
        tail_permille: draw.amount(Feature::Tail, &model.tail_permille),
        loss_permille: draw.amount(Feature::Loss, &model.loss_permille),
        duplicate_permille: draw.amount(Feature::Duplicate, &model.duplicate_permille),
        capacity: FaultModel::capacity(draw.amount(Feature::Capacity, &model.link_capacity)),
    }
}

fn clients(model: &FaultModel, draw: &mut Draw<'_>) -> Vec<ClientOptions> {
    let count = draw.within(Feature::Clients, &model.clients);
    let keys = draw.within(Feature::Keys, &model.keys);
    let reads = draw.within(Feature::Reads, &model.read_percent);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Random;

    fn draws(model: &FaultModel) -> Vec<RunOptions> {
        (0..60).map(|seed| RunOptions::draw_from(model, "x", &mut Door::new(Random::new(seed)))).collect()
    }

    #[test]
    fn what_is_fixed_is_drawn_so() {
        let model = FaultModel {
            voters: vec![5],
            pre_vote: vec![false],
            crashes: Amount::exactly(3),
            loss_permille: Amount::Sometimes(7..=9),
            ..FaultModel::calm()
        };
        let runs = draws(&model);
        assert!(runs.iter().all(|run| run.tank.voters == 5 && !run.tank.raft.pre_vote));
        assert!(runs.iter().all(|run| run.faults.crashes == 3 && run.faults.partitions == 0));
        let losses = runs.iter().map(|run| run.tank.network.loss_permille);
        assert_eq!(losses.collect::<std::collections::BTreeSet<_>>(), [0, 7, 8, 9].into());
    }

    #[test]
    fn calm_weather_has_no_faults() {
        for run in draws(&FaultModel::calm()) {
            let faults = run.faults.counts().map(|(_, count)| count);
            assert_eq!((faults, run.tank.spares), ([0; 8], 0));
            let NetworkOptions { tail_permille, loss_permille, duplicate_permille, capacity, .. } =
                run.tank.network;
            assert_eq!((tail_permille, loss_permille, duplicate_permille, capacity), (0, 0, 0, None));
            assert!(!run.tank.disk.tear);
            assert!(run.tank.drift_ppm.iter().all(|drift| *drift == 0));
        }
    }
}

//! Strategies for proptest: configurations and fault plans, which shrink towards few servers in calm weather.
//!
//! The harness draws a configuration from a seed, and a failure is one seed. A proptest draws the configuration itself, and
//! shrinks it when the run fails: what is left in the report is what the failure needs. The decisions of the run
//! are drawn from a seed beside it, which has nothing to shrink.
//!
//! ```
//! # use wavetank_raft_core::RaftCore as MyRaft;
//! use proptest::{prelude::*, test_runner::TestRunner};
//! use wavetank::{harness::Harness, strategies, swarm::FaultModel};
//!
//! // In a test of yours; `proptest!` does the same.
//! let harness = Harness::adapter::<MyRaft>();
//! let runs = (strategies::run_options(&FaultModel::default()), any::<u64>().no_shrink());
//! let mut runner = TestRunner::new(ProptestConfig::with_cases(4));
//! runner
//!     .run(&runs, |(options, seed)| match harness.run_one(&options, seed) {
//!         Ok(_) => Ok(()),
//!         Err(failure) => Err(TestCaseError::fail(failure.to_string())),
//!     })
//!     .unwrap();
//! ```

use proptest::{collection::vec, prelude::*, sample::select};
use wavetank_process::{RaftOptions, SnapshotOptions};

use crate::{
    client::ClientOptions,
    disk::DiskOptions,
    network::NetworkOptions,
    storm::Budget,
    swarm::{Amount, FaultModel, RunOptions},
    tank::TankOptions,
    time::Span,
};

/// Configurations of whole runs. No program is named in them: the harness has one.
///
/// # Panics
/// When the model is not [valid](FaultModel::validate).
pub fn run_options(model: &FaultModel) -> impl Strategy<Value = RunOptions> + use<> {
    (tank_options(model), budgets(model)).prop_map(|(tank, faults)| RunOptions {
        programs: Vec::new(),
        tank,
        faults,
    })
}

/// Fault plans: how many of each kind strike in a run.
///
/// # Panics
/// When the model is not [valid](FaultModel::validate).
pub fn budgets(model: &FaultModel) -> impl Strategy<Value = Budget> + use<> {
    assert_valid(model);
    let amounts = (
        model.storm_events.clone(),
        amount(&model.crashes),
        amount(&model.power_losses),
        amount(&model.partitions),
        amount(&model.one_way_cuts),
        amount(&model.pauses),
        amount(&model.transfers),
        amount(&model.holds),
        amount(&model.changes),
    );
    amounts.prop_map(
        |(events, crashes, power_losses, partitions, one_way_cuts, pauses, transfers, holds, changes)| {
            Budget {
                events,
                crashes,
                power_losses,
                partitions,
                one_way_cuts,
                pauses,
                transfers,
                holds,
                changes,
            }
        },
    )
}

/// Clusters, with the weather on their network and the habits of their disks and clients.
///
/// # Panics
/// When the model is not [valid](FaultModel::validate).
pub fn tank_options(model: &FaultModel) -> impl Strategy<Value = TankOptions> + use<> {
    assert_valid(model);
    let changes = 0 < *model.changes.range().end();
    let spares = if changes { model.spares.clone() } else { vec![0] };
    let voters = (select(model.voters.clone()), select(spares));
    let drifts = amount(&model.drift_ppm);
    let parts = (raft_options(model), network_options(model), disk_options(model), clients(model));
    (voters, drifts, parts).prop_flat_map(|((voters, spares), drift, (raft, network, disk, clients))| {
        let most = i64::try_from(drift).unwrap_or(0);
        let servers = usize::try_from(voters + spares).unwrap_or(1);
        vec(-most..=most, servers).prop_map(move |drift_ppm| TankOptions {
            voters,
            learners: 0,
            spares,
            raft: raft.clone(),
            tick: Span::from_millis(10),
            drift_ppm,
            network: network.clone(),
            disk: disk.clone(),
            clients: clients.clone(),
        })
    })
}

fn assert_valid(model: &FaultModel) {
    let valid = model.validate();
    assert!(valid.is_ok(), "nothing can be drawn from this fault model: {valid:?}");
}

fn amount(amount: &Amount) -> BoxedStrategy<u64> {
    match amount {
        Amount::Within(range) => range.clone().boxed(),
        Amount::Sometimes(range) => prop_oneof![Just(0), range.clone()].boxed(),
    }
}

fn raft_options(model: &FaultModel) -> impl Strategy<Value = RaftOptions> + use<> {
    let options = (
        model.election_timeout_ticks.clone(),
        model.heartbeat_ticks.clone(),
        select(model.pre_vote.clone()),
        select(model.check_quorum.clone()),
        select(model.max_message_bytes.clone()),
        select(model.max_inflight_messages.clone()),
        snapshot_options(model),
    );
    options.prop_map(|(election, heartbeat, pre_vote, check_quorum, bytes, inflight, snapshots)| {
        RaftOptions {
            election_timeout_ticks: election,
            heartbeat_ticks: heartbeat,
            pre_vote,
            check_quorum,
            max_message_bytes: bytes,
            max_inflight_messages: inflight,
            snapshots,
        }
    })
}

fn snapshot_options(model: &FaultModel) -> impl Strategy<Value = SnapshotOptions> + use<> {
    let options = (
        amount(&model.snapshot_every_entries),
        select(model.keep_entries_behind_snapshot.clone()),
        select(model.snapshot_chunk_bytes.clone()),
    );
    options.prop_map(|(every, keep_entries_behind_snapshot, snapshot_chunk_bytes)| SnapshotOptions {
        snapshot_every_entries: (0 < every).then_some(every),
        keep_entries_behind_snapshot,
        snapshot_chunk_bytes,
    })
}

fn network_options(model: &FaultModel) -> impl Strategy<Value = NetworkOptions> + use<> {
    let options = (
        model.latency_min_micros.clone(),
        model.latency_spread_micros.clone(),
        amount(&model.tail_permille),
        amount(&model.loss_permille),
        amount(&model.duplicate_permille),
        amount(&model.link_capacity),
    );
    options.prop_map(|(latency, spread, tail, loss, duplicate, capacity)| NetworkOptions {
        latency_min: Span::from_micros(latency),
        latency_mean: Span::from_micros(latency + spread),
        tail_permille: tail,
        loss_permille: loss,
        duplicate_permille: duplicate,
        capacity: FaultModel::capacity(capacity),
    })
}

fn disk_options(model: &FaultModel) -> impl Strategy<Value = DiskOptions> + use<> {
    let options = (select(model.disk_latency_micros.clone()), select(model.torn_sectors.clone()));
    options.prop_map(|(latency, tear)| DiskOptions {
        latency_min: Span::ZERO,
        latency_mean: Span::from_micros(latency),
        lose: true,
        tear,
    })
}

fn clients(model: &FaultModel) -> impl Strategy<Value = Vec<ClientOptions>> + use<> {
    let count = model.clients.clone();
    let (keys, reads) = (model.keys.clone(), model.read_percent.clone());
    (count, keys, reads).prop_map(|(count, keys, read_percent)| {
        let client = ClientOptions { keys, read_percent, operations: u64::MAX, ..ClientOptions::default() };
        (0..count).map(|_| client.clone()).collect()
    })
}

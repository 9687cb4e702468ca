//! The tank: whole randomized runs with every fault and every check, what it costs to judge every return of a client as
//! it happens, and quiet clusters with no check at all beside the least that a simulation needs.

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wavetank::{
    chance::{Door, Random},
    checks::{self, Check},
    client::ClientOptions,
    kv::KvSpecification,
    linearizability::{Budget, Online, Progress},
    network::NetworkOptions,
    program::Program,
    run::{self, Keep},
    tank::{Tank, TankOptions},
    time::Span,
    trace::Trace,
};
use wavetank_benches::{
    bare_process::Bare,
    heap::{ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS, Heap},
};
use wavetank_process::RaftOptions;

fn random_run(c: &mut Criterion) {
    let mut group = c.benchmark_group("random_run");
    group.sample_size(20);
    for implementation in ["raft-core", "raft-rs"] {
        // The same ten histories each time.
        let seeds = 0..10;
        let events = seeds.clone().map(|seed| one_run(implementation, seed)).sum();
        group.throughput(Throughput::Elements(events));
        group.bench_function(BenchmarkId::from_parameter(implementation), |b| {
            b.iter(|| seeds.clone().map(|seed| one_run(implementation, seed)).sum::<u64>());
        });
    }
    group.finish();
}

fn one_run(implementation: &str, seed: u64) -> u64 {
    run::run_seed(implementation, seed, Keep::default()).expect("it comes with the tank").events
}

/// How many events a cluster with busy clients is watched for.
const BUSY_EVENTS: u64 = 20_000;

/// Five servers and five clients that write no value twice to ten keys. The judge alone is told the same history again:
/// what it takes of the time that the tank takes is what judging costs.
fn judging(c: &mut Criterion) {
    let sample = busy(Vec::new());
    let (events, returns) = (sample.events(), sample.online().answers());
    println!("{returns} returns in {events} events: {} in a thousand", 1_000 * returns / events);
    let mut group = c.benchmark_group("5_servers_5_clients_10_keys");
    group.throughput(Throughput::Elements(events)).sample_size(20);
    group.bench_function("tank and judge", |b| b.iter(|| busy(Vec::new())));
    group.bench_function("tank, judge and all checks", |b| b.iter(|| busy(checks::built_in())));
    group.bench_function("judge alone", |b| {
        b.iter(|| {
            let mut judge = Online::new(KvSpecification::default(), Budget::default());
            assert_eq!(judge.advance(sample.history()), Progress::Explained);
            judge
        });
    });
    group.finish();
}

fn busy(checks: Vec<Box<dyn Check>>) -> Tank {
    let client = ClientOptions { keys: 10, values: None, operations: u64::MAX, ..ClientOptions::default() };
    let options = TankOptions { voters: 5, clients: vec![client; 5], ..TankOptions::default() };
    let programs = run::find_programs(&["raft-core".to_owned()]).expect("it comes with the tank");
    let mut tank = Tank::new(options, &programs, checks, Door::new(Random::new(1)), Trace::default());
    while tank.events() < BUSY_EVENTS && tank.step() {}
    assert_eq!(tank.violation(), None);
    tank
}

/// How much virtual time goes by in one iteration.
const MILLISECONDS: u64 = 1_000;

/// Virtual seconds: so many elements a second are so many virtual seconds per second.
fn quiet(c: &mut Criterion) {
    let mut group = c.benchmark_group("virtual_second_of_3");
    group.throughput(Throughput::Elements(MILLISECONDS / 1_000)).sample_size(20);
    for proposals in [0, 1, 10] {
        group.bench_function(BenchmarkId::new("tank", format!("{proposals} per ms")), |b| {
            let mut tank = tank(proposals);
            b.iter(|| tank.run_to(tank.now() + Span::from_millis(MILLISECONDS)));
        });
        group.bench_function(BenchmarkId::new("bare heap", format!("{proposals} per ms")), |b| {
            let mut heap = Heap::new(proposals);
            b.iter(|| heap.run(MILLISECONDS));
        });
    }
    group.finish();
}

/// The cluster of [`Heap`], in the tank, without checks.
fn tank(proposals_per_millisecond: u64) -> Tank {
    let options = TankOptions {
        raft: RaftOptions {
            election_timeout_ticks: ELECTION_TIMEOUT_TICKS,
            heartbeat_ticks: HEARTBEAT_TICKS,
            pre_vote: false,
            check_quorum: false,
            ..RaftOptions::default()
        },
        network: NetworkOptions {
            latency_min: Span::from_millis(1),
            latency_mean: Span::from_micros(5_500),
            ..NetworkOptions::default()
        },
        ..TankOptions::default()
    };
    let program: Arc<dyn Program> = Arc::new(Bare { proposals_per_millisecond });
    Tank::new(options, &[program], Vec::new(), Door::new(Random::new(1)), Trace::default())
}

criterion_group!(benches, random_run, judging, quiet);
criterion_main!(benches);

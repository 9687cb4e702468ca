//! Whole randomized runs, with every fault and every check: events per second.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wavetank::run::{self, Keep};

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

criterion_group!(benches, random_run);
criterion_main!(benches);

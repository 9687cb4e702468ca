//! The core by itself: committed commands, idle ticks, elections.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wavetank_benches::Cluster;

fn commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit_on_3");
    for batch in [1, 16, 256] {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::new("256_bytes", batch), |b| {
            let command = Bytes::from(vec![7; 256]);
            // A log that is never compacted grows, so each measurement has a cluster of its own.
            b.iter_batched_ref(
                || Cluster::elected(3),
                |cluster| cluster.commit(black_box(&command), batch),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn idle(c: &mut Criterion) {
    let mut group = c.benchmark_group("idle_tick");
    for size in [3, 5, 7] {
        let mut cluster = Cluster::elected(size);
        group.bench_function(BenchmarkId::from_parameter(size), |b| b.iter(|| cluster.tick()));
    }
    group.finish();
}

fn election(c: &mut Criterion) {
    let mut group = c.benchmark_group("election");
    for size in [3, 5, 7, 51] {
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| Cluster::elected(black_box(size)));
        });
    }
    group.finish();
}

criterion_group!(benches, commit, idle, election);
criterion_main!(benches);

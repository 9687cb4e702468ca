//! The cores by themselves, driven in the same way: committed commands, idle ticks, elections.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use wavetank_benches::{Batch, Cluster, CoreReplica, PeerReplica, Replica};

fn commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit_on_3");
    for bytes in [16, 256, 4_096] {
        for (count, batch) in [
            (1, Batch::AtOnce),
            (16, Batch::AtOnce),
            (16, Batch::OneByOne),
            (256, Batch::AtOnce),
            (256, Batch::OneByOne),
        ] {
            group.throughput(Throughput::Elements(count));
            commit_by::<CoreReplica>(&mut group, bytes, count, batch);
            commit_by::<PeerReplica>(&mut group, bytes, count, batch);
        }
    }
    group.finish();
}

fn commit_by<R: Replica>(group: &mut BenchmarkGroup<'_, WallTime>, bytes: usize, count: u64, batch: Batch) {
    let mut cluster = Cluster::<R>::elected(3);
    let command = Bytes::from(vec![7; bytes]);
    let case = format!("{bytes} B, {count} {}", batch.name());
    group.bench_function(BenchmarkId::new(R::NAME, case), |b| {
        b.iter(|| cluster.commit(black_box(&command), count, batch));
    });
}

fn idle(c: &mut Criterion) {
    let mut group = c.benchmark_group("idle_tick");
    for size in [3, 5, 7] {
        idle_by::<CoreReplica>(&mut group, size);
        idle_by::<PeerReplica>(&mut group, size);
    }
    group.finish();
}

fn idle_by<R: Replica>(group: &mut BenchmarkGroup<'_, WallTime>, size: u64) {
    let mut cluster = Cluster::<R>::elected(size);
    group.bench_function(BenchmarkId::new(R::NAME, size), |b| b.iter(|| cluster.tick()));
}

fn election(c: &mut Criterion) {
    let mut group = c.benchmark_group("election");
    for size in [3, 5, 7, 51] {
        election_by::<CoreReplica>(&mut group, size);
        election_by::<PeerReplica>(&mut group, size);
    }
    group.finish();
}

fn election_by<R: Replica>(group: &mut BenchmarkGroup<'_, WallTime>, size: u64) {
    group.bench_function(BenchmarkId::new(R::NAME, size), |b| {
        b.iter_with_large_drop(|| Cluster::<R>::elected(black_box(size)));
    });
}

criterion_group!(benches, commit, idle, election);
criterion_main!(benches);

//! The linearizability checker, beside those of other crates, in one run.
//!
//! On recorded histories, for which `LINEARIZABILITY_DIR` names a directory with `verdicts.json`; on generated histories
//! of one hot key; and on a million operations with unique values. First comes a table of all of them, with nodes, which
//! are the same on every machine, and the best of a few times; then each is measured with more care.
//!
//! The times of this crate hold the proof: an order that was replayed, or a few operations that are enough to show a
//! violation. The others say yes or no. What porcupine, which is written in Go, took for recorded histories on some
//! other machine stands in `verdicts.json`.
//!
//! `stateright` remembers no configuration, so it gets only the histories of one client: it does not come back from the
//! others.

#[expect(clippy::disallowed_types, reason = "a benchmark measures real time")]
use std::time::Instant;
use std::{env, fs, path::PathBuf, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use linearizability::{
    Budget, Ending, History, Keys, Online, Progress, Report, Specification, Verdict, check,
    formats::{edn, jepsen},
    specifications::{
        key_value::{Command, KeyValue, Reply},
        register,
    },
};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use wavetank_benches::histories::{Registers, Shape, Values, generate};

type KvHistory = History<Command, Reply>;

/// A recorded history.
struct Recorded {
    name: String,
    history: KvHistory,
    initial: Option<&'static str>,
}

/// Recorded histories that are measured together.
struct DataSet {
    name: String,
    all: Vec<Recorded>,
    /// What porcupine took for them, on another machine.
    porcupine_nodes: u64,
    porcupine_time: Duration,
}

/// The logs of etcd as one set, and each of the others.
fn data_sets() -> Vec<DataSet> {
    let Some(directory) = env::var_os("LINEARIZABILITY_DIR").map(PathBuf::from) else {
        println!("LINEARIZABILITY_DIR is not set: recorded histories are left out");
        return Vec::new();
    };
    let list = fs::read_to_string(directory.join("verdicts.json")).expect("the list of verdicts");
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).expect("a list of verdicts");
    let mut sets = std::collections::BTreeMap::<String, DataSet>::new();
    for known in &list {
        let file = known["file"].as_str().expect("a name");
        let name = if file.starts_with("jepsen/") { "etcd logs" } else { file }.to_owned();
        let set = sets.entry(name.clone()).or_insert(DataSet {
            name,
            all: Vec::new(),
            porcupine_nodes: 0,
            porcupine_time: Duration::ZERO,
        });
        set.all.push(read(&directory, file.to_owned()));
        set.porcupine_nodes += known["porcupine_nodes"].as_u64().expect("a number of nodes");
        set.porcupine_time += known["porcupine_ms"].as_str().and_then(read_milliseconds).expect("a time");
    }
    sets.into_values().collect()
}

/// Reads a time such as `0.24`.
fn read_milliseconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let micros = format!("{whole}{fraction:0<3}").parse().ok()?;
    (fraction.len() <= 3).then(|| Duration::from_micros(micros))
}

fn read(directory: &std::path::Path, name: String) -> Recorded {
    let text = fs::read_to_string(directory.join(&name)).expect("a history");
    let (history, initial) = if name.starts_with("jepsen/") {
        (jepsen::read(&text), jepsen::INITIAL)
    } else {
        (edn::read(&text), edn::INITIAL)
    };
    Recorded { history: history.expect("a history"), name, initial }
}

fn ours(recorded: &Recorded) -> Report {
    check(&KeyValue::starting_with(recorded.initial), &recorded.history, Budget::default())
}

/// How many of the histories have a violation.
fn violations(set: &DataSet) -> u64 {
    let is_violation = |recorded: &&Recorded| matches!(ours(recorded).verdict, Verdict::Violation(_));
    set.all.iter().filter(is_violation).count() as u64
}

/// A checker of another crate: how many keys of a history have a violation. `None`: it does not come back.
type Peer = fn(&Recorded) -> Option<u64>;

const PEERS: [(&str, Peer); 3] =
    [("porcupine-rs", by_porcupine_rs), ("todc-utils", by_todc_utils), ("stateright", by_stateright)];

fn by_porcupine_rs(recorded: &Recorded) -> Option<u64> {
    let check = if recorded.initial.is_some() { porcupine::<true> } else { porcupine::<false> };
    (!resists(recorded)).then(|| check(&recorded.history))
}

fn by_todc_utils(recorded: &Recorded) -> Option<u64> {
    let check = if recorded.initial.is_some() { todc::<true> } else { todc::<false> };
    (!resists(recorded)).then(|| check(&recorded.history))
}

fn by_stateright(recorded: &Recorded) -> Option<u64> {
    recorded.name.contains("c01").then(|| stateright::<true>(&recorded.history))
}

/// Some keys of this history resist those that know no reductions.
fn resists(recorded: &Recorded) -> bool {
    recorded.name.contains("c50")
}

/// How many histories of a set have a violation, by the word of another crate.
fn violations_by(peer: Peer, set: &DataSet) -> Option<u64> {
    set.all.iter().map(|recorded| peer(recorded).map(|keys| u64::from(0 < keys))).sum()
}

/// An operation as the other crates see it: without an answer, whatever happens is fine.
#[derive(Clone, Debug)]
struct Op {
    input: Command,
    output: Option<Reply>,
}

/// One key of a history whose keys begin with nothing, or with the empty text.
fn apply<const EMPTY: bool>(held: &Option<String>, op: &Op) -> (bool, Option<String>) {
    let specification = KeyValue::default();
    let state = linearizability::specifications::key_value::State::One(held.clone());
    let outcome = specification.apply(&state, &op.input).into_iter().next();
    let (foretold, next) = outcome.expect("a map always answers");
    let agrees = op.output.as_ref().is_none_or(|told| specification.agrees(&foretold, told));
    let linearizability::specifications::key_value::State::One(next) = next else {
        unreachable!("there is one key")
    };
    (agrees, if agrees { next } else { held.clone() })
}

fn beginning<const EMPTY: bool>() -> Option<String> {
    EMPTY.then(String::new)
}

/// The operations of each key, with the events of invocation and answer; those without an answer end last. Reads
/// without an answer and operations that failed are left out.
fn by_key(history: &KvHistory) -> Vec<Vec<(u64, u64, u64, Op)>> {
    let mut keys = std::collections::BTreeMap::<String, Vec<_>>::new();
    let mut late = history.events().len() as u64;
    for operation in history.operations() {
        let Keys::One(key) = KeyValue::default().keys(&operation.input) else { continue };
        let (end, output) = match &operation.ending {
            Ending::Completed { event, output, .. } => (event.0, Some(output.clone())),
            Ending::Failed { .. } => continue,
            Ending::Open | Ending::Abandoned { .. } if matches!(operation.input, Command::Get { .. }) => {
                continue;
            }
            Ending::Open | Ending::Abandoned { .. } => {
                late += 1;
                (late, None)
            }
        };
        let op = Op { input: operation.input.clone(), output };
        keys.entry(key).or_default().push((operation.client.0, operation.invoked.0, end, op));
    }
    keys.into_values().collect()
}

#[derive(Clone, Debug)]
struct PorcupineModel<const EMPTY: bool>;

impl<const EMPTY: bool> porcupine_rs::Model for PorcupineModel<EMPTY> {
    type State = Option<String>;
    type Op = Op;
    type Metadata = ();

    fn init() -> Option<String> {
        beginning::<EMPTY>()
    }

    fn step(state: &Option<String>, op: &Op) -> (bool, Option<String>) {
        apply::<EMPTY>(state, op)
    }
}

fn porcupine<const EMPTY: bool>(history: &KvHistory) -> u64 {
    let check = |operations: Vec<(u64, u64, u64, Op)>| {
        let operation = |(client, call, end, op): (u64, u64, u64, Op)| porcupine_rs::Operation {
            client_id: u32::try_from(client).ok(),
            call_time: i64::try_from(call).expect("events are few"),
            return_time: i64::try_from(end).expect("events are few"),
            op,
            metadata: None,
        };
        let operations: Vec<porcupine_rs::Operation<PorcupineModel<EMPTY>>> =
            operations.into_iter().map(operation).collect();
        porcupine_rs::check_operations(&operations)
    };
    by_key(history).into_iter().map(check).filter(|explained| !explained).count() as u64
}

struct TodcSpecification<const EMPTY: bool>;

impl<const EMPTY: bool> todc_utils::specifications::Specification for TodcSpecification<EMPTY> {
    type State = Option<String>;
    type Operation = Op;

    fn init() -> Option<String> {
        beginning::<EMPTY>()
    }

    fn apply(op: &Op, state: &Option<String>) -> (bool, Option<String>) {
        apply::<EMPTY>(state, op)
    }
}

fn todc<const EMPTY: bool>(history: &KvHistory) -> u64 {
    use todc_utils::linearizability::{WGLChecker, history};
    let check = |operations: Vec<(u64, u64, u64, Op)>| {
        let mut actions = Vec::new();
        for (process, (_, call, end, op)) in operations.into_iter().enumerate() {
            actions.push((call, (process, history::Action::Call(op.clone()))));
            actions.push((end, (process, history::Action::Response(op))));
        }
        actions.sort_by_key(|&(event, _)| event);
        let actions = actions.into_iter().map(|(_, action)| action).collect();
        WGLChecker::<TodcSpecification<EMPTY>>::is_linearizable(history::History::from_actions(actions))
    };
    by_key(history).into_iter().map(check).filter(|explained| !explained).count() as u64
}

/// One key, for the crate that has inputs and outputs apart.
#[derive(Clone, Debug)]
struct Reference(Option<String>);

impl SequentialSpec for Reference {
    type Op = Command;
    type Ret = Reply;

    fn invoke(&mut self, input: &Command) -> Reply {
        let specification = KeyValue::default();
        let state = linearizability::specifications::key_value::State::One(self.0.clone());
        let outcome = specification.apply(&state, input).into_iter().next();
        let (reply, next) = outcome.expect("a map always answers");
        if let linearizability::specifications::key_value::State::One(next) = next {
            self.0 = next;
        }
        reply
    }
}

fn stateright<const EMPTY: bool>(history: &KvHistory) -> u64 {
    let check = |operations: Vec<(u64, u64, u64, Op)>| {
        let mut tester = LinearizabilityTester::new(Reference(beginning::<EMPTY>()));
        for (client, _, _, op) in operations {
            let reply = op.output.expect("one client is always answered");
            tester.on_invoke(client, op.input).expect("in order").on_return(client, reply).expect("in order");
        }
        tester.is_consistent()
    };
    by_key(history).into_iter().map(check).filter(|explained| !explained).count() as u64
}

/// The best of a few runs.
#[expect(clippy::disallowed_types, reason = "a benchmark measures real time")]
fn best_time<T>(mut run: impl FnMut() -> T) -> Duration {
    let started = Instant::now();
    let mut best = Duration::MAX;
    while best == Duration::MAX || started.elapsed() < Duration::from_millis(400) {
        let before = Instant::now();
        std::hint::black_box(run());
        best = best.min(before.elapsed());
    }
    best
}

fn milliseconds(time: Duration) -> String {
    format!("{}.{:03} ms", time.as_millis(), time.subsec_micros() % 1_000)
}

/// Everything in one table.
fn table(_: &mut Criterion) {
    println!("{:<36} {:>10} {:>8} {:>10} {:>11}", "history", "operations", "nodes", "memory", "time");
    for set in data_sets() {
        let (mut nodes, mut bytes) = (0, 0);
        for Report { cost, .. } in set.all.iter().map(ours) {
            nodes += cost.nodes;
            bytes = cost.peak_bytes.max(bytes);
        }
        let operations: usize = set.all.iter().map(|recorded| recorded.history.operations().len()).sum();
        let here = best_time(|| violations(&set));
        row(&set.name, operations, nodes, bytes, here);
        for (name, peer) in PEERS {
            let Some(found) = violations_by(peer, &set) else { continue };
            assert_eq!(found, violations(&set), "{name} on {}", set.name);
            let time = best_time(|| violations_by(peer, &set));
            let tenths = 10 * time.as_nanos() / here.as_nanos();
            println!("  {name:<65} {:>11} {:>5}.{} ×", milliseconds(time), tenths / 10, tenths % 10);
        }
        let (nodes, time) = (set.porcupine_nodes, set.porcupine_time);
        println!(
            "  {:<45} {nodes:>8} {:>10} {:>11}",
            "porcupine, recorded elsewhere",
            "",
            milliseconds(time)
        );
    }
    for (name, history) in hot_keys() {
        let Report { verdict, cost, .. } = judge(&history);
        assert!(!matches!(verdict, Verdict::Unknown { .. }), "{name} is not decided: {verdict}");
        row(&name, history.operations().len(), cost.nodes, cost.peak_bytes, best_time(|| judge(&history)));
    }
    for (name, history) in millions() {
        row(&name, history.operations().len(), 0, 0, best_time(|| judge(&history)));
    }
}

fn row(name: &str, operations: usize, nodes: u64, bytes: u64, time: Duration) {
    let memory = if bytes == 0 { "-".to_owned() } else { format!("{} KiB", bytes / 1_024) };
    println!("{name:<36} {operations:>10} {nodes:>8} {memory:>10} {:>11}", milliseconds(time));
}

fn recorded(c: &mut Criterion) {
    for set in data_sets() {
        let mut group = c.benchmark_group(set.name.as_str());
        group.sample_size(10);
        group.bench_function("linearizability", |b| b.iter(|| violations(&set)));
        for (name, peer) in PEERS {
            if set.all.iter().all(|recorded| peer(recorded).is_some()) {
                group.bench_function(name, |b| b.iter(|| violations_by(peer, &set)));
            }
        }
        group.finish();
    }
}

fn judge(history: &Registers) -> Report {
    check(&register::Registers::holding(0), history, Budget::default())
}

fn judge_online(history: &Registers) -> u64 {
    let mut online = Online::new(register::Registers::holding(0), Budget::default());
    assert!(!matches!(online.advance(history), Progress::Unknown(_)), "the budget was spent");
    online.answers()
}

/// Histories of one hot key, by name.
fn hot_keys() -> Vec<(String, Registers)> {
    let mut histories = Vec::new();
    for clients in [5, 10, 20] {
        for abandoned_percent in [0, 1, 3] {
            for values in [Values::Five, Values::Unique] {
                for (ending, stale_read_from_end) in [("sound", None), ("stale", Some(100))] {
                    let shape = Shape {
                        clients,
                        operations: 1_000,
                        keys: 1,
                        values,
                        abandoned_percent,
                        stale_read_from_end,
                        swap_percent: 20,
                    };
                    let name = format!("{clients} clients, {values:?}, {abandoned_percent} % lost, {ending}");
                    histories.push((name, generate(1, shape)));
                }
            }
        }
    }
    histories
}

fn hot_key(c: &mut Criterion) {
    let histories = hot_keys();
    let mut group = c.benchmark_group("hot_key");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    for (name, history) in &histories {
        group.bench_function(BenchmarkId::new("check", name), |b| b.iter(|| judge(history)));
        group.bench_function(BenchmarkId::new("online", name), |b| b.iter(|| judge_online(history)));
    }
    group.finish();
}

/// A million operations that write no value twice, by name.
fn millions() -> Vec<(String, Registers)> {
    let mut histories = Vec::new();
    for keys in [1, 1_000] {
        for (name, stale_read_from_end) in [("sound", None), ("stale", Some(1_000))] {
            let shape = Shape {
                clients: 20,
                operations: 1_000_000,
                keys,
                values: Values::Unique,
                abandoned_percent: 1,
                stale_read_from_end,
                swap_percent: 0,
            };
            histories.push((format!("a million, unique, {keys} keys, {name}"), generate(1, shape)));
        }
    }
    histories
}

fn unique_writes(c: &mut Criterion) {
    let mut group = c.benchmark_group("unique_writes");
    group.sample_size(10).throughput(Throughput::Elements(1_000_000));
    for (name, history) in millions() {
        assert_eq!(judge(&history).cost.searched_keys, 0, "values are unique");
        group.bench_function(name, |b| b.iter(|| judge(&history)));
    }
    group.finish();
}

criterion_group!(benches, table, recorded, hot_key, unique_writes);
criterion_main!(benches);

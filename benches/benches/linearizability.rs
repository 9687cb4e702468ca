//! The linearizability checker, beside those of other crates, in one run.
//!
//! On recorded histories, for which `LINEARIZABILITY_DIR` names a directory with `verdicts.json`; on generated histories
//! of one hot key; and on a million operations with unique values. Nodes, which are the same on every machine, are
//! printed first. `stateright` remembers no configuration, so it gets only the histories of one client: it does not
//! come back from the others.

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

fn recorded() -> Vec<Recorded> {
    let Some(directory) = env::var_os("LINEARIZABILITY_DIR").map(PathBuf::from) else {
        println!("LINEARIZABILITY_DIR is not set: recorded histories are left out");
        return Vec::new();
    };
    let list = fs::read_to_string(directory.join("verdicts.json")).expect("the list of verdicts");
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).expect("a list of verdicts");
    let names = list.iter().map(|known| known["file"].as_str().expect("a name").to_owned());
    names.map(|name| read(&directory, name)).collect()
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

fn registers_of_etcd(c: &mut Criterion) {
    let all = recorded();
    let logs: Vec<_> = all.iter().filter(|recorded| recorded.name.starts_with("jepsen/")).collect();
    if logs.is_empty() {
        return;
    }
    let nodes: u64 = logs.iter().map(|recorded| ours(recorded).cost.nodes).sum();
    let violations =
        |check: &dyn Fn(&Recorded) -> u64| logs.iter().map(|recorded| check(recorded)).sum::<u64>();
    let here = violations(&|recorded| u64::from(matches!(ours(recorded).verdict, Verdict::Violation(_))));
    println!("{} logs of etcd: {nodes} nodes, {here} violations", logs.len());
    assert_eq!(here, violations(&|recorded| porcupine::<false>(&recorded.history)), "porcupine-rs");
    assert_eq!(here, violations(&|recorded| todc::<false>(&recorded.history)), "todc-utils");
    let mut group = c.benchmark_group("etcd_logs");
    group.sample_size(10);
    group.bench_function("linearizability", |b| {
        b.iter(|| logs.iter().map(|recorded| ours(recorded).cost.nodes).sum::<u64>());
    });
    group.bench_function("porcupine-rs", |b| {
        b.iter(|| violations(&|recorded| porcupine::<false>(&recorded.history)));
    });
    group.bench_function("todc-utils", |b| {
        b.iter(|| violations(&|recorded| todc::<false>(&recorded.history)));
    });
    group.finish();
}

fn key_value(c: &mut Criterion) {
    for recorded in recorded().iter().filter(|recorded| recorded.name.starts_with("kv/")) {
        let report = ours(recorded);
        println!("{}: {} nodes, {} bytes", recorded.name, report.cost.nodes, report.cost.peak_bytes);
        let mut group = c.benchmark_group(recorded.name.as_str());
        group.sample_size(10);
        group.bench_function("linearizability", |b| b.iter(|| ours(recorded)));
        if recorded.name.contains("c50") {
            // Some keys of this one resist those that know no reductions.
            continue;
        }
        group.bench_function("porcupine-rs", |b| b.iter(|| porcupine::<true>(&recorded.history)));
        group.bench_function("todc-utils", |b| b.iter(|| todc::<true>(&recorded.history)));
        if recorded.name.contains("c01") {
            group.bench_function("stateright", |b| b.iter(|| stateright::<true>(&recorded.history)));
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
                    let name =
                        format!("{clients} clients, {values:?}, {abandoned_percent} % abandoned, {ending}");
                    histories.push((name, generate(1, shape)));
                }
            }
        }
    }
    histories
}

fn hot_key(c: &mut Criterion) {
    let histories = hot_keys();
    for (name, history) in &histories {
        let Report { verdict, cost, merged_keys: _ } = judge(history);
        let verdict = match &verdict {
            Verdict::Linearizable { .. } => "linearizable".to_owned(),
            Verdict::Violation(violation) => format!("violation at {}", violation.first_bad),
            Verdict::Unknown { .. } => panic!("{name} is not decided: {verdict}"),
        };
        println!("{name}: {} nodes, {} bytes, {verdict}", cost.nodes, cost.peak_bytes);
    }
    let mut group = c.benchmark_group("hot_key");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    for (name, history) in &histories {
        group.bench_function(BenchmarkId::new("check", name), |b| b.iter(|| judge(history)));
        group.bench_function(BenchmarkId::new("online", name), |b| b.iter(|| judge_online(history)));
    }
    group.finish();
}

fn unique_writes(c: &mut Criterion) {
    let mut group = c.benchmark_group("a_million_operations");
    group.sample_size(10).throughput(Throughput::Elements(1_000_000));
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
            let history = generate(1, shape);
            let report = judge(&history);
            assert_eq!(report.cost.searched_keys, 0, "values are unique");
            group.bench_function(BenchmarkId::new(name, format!("{keys} keys")), |b| {
                b.iter(|| judge(&history));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, registers_of_etcd, key_value, hot_key, unique_writes);
criterion_main!(benches);

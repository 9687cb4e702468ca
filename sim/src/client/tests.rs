//! Tests of the client.

use linearizability::{Budget, Ending, Operation, OutcomeCounts, Verdict, check};

use super::*;
use crate::kv::Command;
use crate::{
    chance::{Random, Recorded},
    kv::KvSpecification,
};

type KvHistory = History<Command, Reply>;

const SECOND: Span = Span::from_secs(1);

fn node(number: u64) -> NodeId {
    NodeId::new(number).unwrap()
}

fn at(milliseconds: u64) -> Time {
    Time::ZERO + Span::from_millis(milliseconds)
}

/// A client of three servers without rests, its history, and a door behind which everything is mild: it reads
/// `k1`, at server 1 unless told otherwise.
struct Bench {
    client: Client,
    door: Door,
    history: KvHistory,
}

impl Bench {
    fn new(options: ClientOptions) -> Self {
        let servers = [1, 2, 3].map(node).to_vec();
        let client = Client::new(ClientId(1), servers, KvWorkload::default(), options);
        Self { client, door: Door::new(Recorded::quiet()), history: KvHistory::default() }
    }

    fn poll(&mut self, now: Time) -> Option<Request> {
        self.client.poll(now, &mut self.door, &mut self.history)
    }

    fn reply(&mut self, now: Time, sequence: u64, outcome: Outcome) {
        let id = RequestId { client: ClientId(1), sequence };
        self.client.reply(now, id, outcome, &mut self.door, &mut self.history);
    }

    fn endings(&self) -> Vec<Ending<Reply>> {
        self.history.operations().iter().map(|operation| operation.ending.clone()).collect()
    }

    fn counts(&self) -> (ClientCounts, OutcomeCounts) {
        (self.client.counts(), self.history.counts())
    }
}

fn options() -> ClientOptions {
    ClientOptions {
        timeout: SECOND,
        retry_after: Span::from_millis(100),
        think_min: Span::ZERO,
        think_mean: Span::ZERO,
        operations: 2,
        attempts: 3,
        ..ClientOptions::default()
    }
}

fn done(reply: &Reply) -> Outcome {
    Outcome::Done(reply.encode())
}

fn refused(leader: Option<u64>) -> Outcome {
    Outcome::Refused { leader: leader.map(|number| NodeId::new(number).unwrap()) }
}

fn targets(requests: &[Option<Request>]) -> Vec<Option<u64>> {
    requests.iter().map(|request| request.as_ref().map(|request| request.to.number())).collect()
}

#[test]
fn an_operation_is_recorded_before_it_is_sent_and_ends_with_its_answer() {
    let mut bench = Bench::new(options());
    assert_eq!(bench.client.status(), None);
    let request = bench.poll(at(0)).unwrap();
    let command = Command::Get { key: "k1".into() };
    assert_eq!(request.id, RequestId { client: ClientId(1), sequence: 1 });
    assert_eq!(Command::decode(&request.bytes), Ok(command.clone()));
    assert_eq!(bench.history.operations()[0].input, command);
    assert_eq!(bench.client.open(), Some((OperationId(1), &command)));
    assert_eq!(bench.client.status(), Some(&Status::Open));
    assert!(!bench.client.is_idle());
    assert_eq!(bench.poll(at(0)), None);
    bench.reply(at(5), 1, done(&Reply::Value(None)));
    assert_eq!(bench.client.status(), Some(&Status::Done(Reply::Value(None))));
    assert_eq!(bench.client.open(), None);
    assert!(bench.client.is_idle() && !bench.client.is_done());
    assert_eq!(bench.client.counts(), ClientCounts { acknowledged: 1, ..ClientCounts::default() });
    let operation = &bench.history.operations()[0];
    assert!(
        matches!(operation.ending, Ending::Completed { at_ns: end, .. } if end == at(5).0),
        "{operation:?}"
    );
}

#[test]
fn a_client_stops_after_its_operations() {
    let mut bench = Bench::new(options());
    for sequence in 1..=2 {
        assert_eq!(bench.client.deadline(), Some(at(0)));
        assert_eq!(bench.poll(at(0)).unwrap().id.sequence, sequence);
        bench.reply(at(0), sequence, done(&Reply::Value(None)));
    }
    assert!(bench.client.is_done());
    assert_eq!((bench.client.deadline(), bench.poll(at(9_000))), (None, None));
}

#[test]
fn a_stopped_client_ends_what_is_open_and_begins_nothing() {
    let mut bench = Bench::new(options());
    bench.poll(at(0)).unwrap();
    bench.client.stop();
    assert!(!bench.client.is_done());
    assert!(bench.poll(at(100)).is_some(), "what is open is tried again");
    bench.reply(at(150), 1, done(&Reply::Value(None)));
    assert!(bench.client.is_done());
    assert_eq!((bench.client.deadline(), bench.poll(at(200))), (None, None));
}

#[test]
fn a_retry_is_the_same_request_to_another_server() {
    let mut bench = Bench::new(options());
    let first = bench.poll(at(0)).unwrap();
    assert_eq!(bench.client.deadline(), Some(at(100)));
    assert_eq!(bench.poll(at(99)), None);
    let second = bench.poll(at(100)).unwrap();
    assert_ne!(first.to, second.to);
    assert_eq!((&first.id, &first.bytes), (&second.id, &second.bytes));
    let third = bench.poll(at(200)).unwrap();
    assert_ne!(second.to, third.to);
    assert_eq!(bench.poll(at(300)), None, "three attempts and no more");
    assert_eq!(bench.client.deadline(), Some(at(1_000)));
    assert_eq!(bench.history.operations().len(), 1);
}

#[test]
fn a_single_server_is_asked_again() {
    let mut client = Client::new(ClientId(1), vec![node(1)], KvWorkload::default(), options());
    let (mut door, mut history) = (Door::new(Recorded::quiet()), KvHistory::default());
    let mut poll = |now| client.poll(now, &mut door, &mut history);
    assert_eq!(targets(&[poll(at(0)), poll(at(100))]), [Some(1), Some(1)]);
}

#[test]
fn a_hint_is_followed_at_once_and_remembered() {
    let mut bench = Bench::new(options());
    let first = bench.poll(at(0));
    bench.reply(at(10), 1, refused(Some(3)));
    assert_eq!(bench.client.status(), Some(&Status::Refused { leader: NodeId::new(3) }));
    assert_eq!(bench.client.deadline(), Some(at(10)));
    let second = bench.poll(at(10));
    assert_eq!(bench.client.status(), Some(&Status::Open));
    bench.reply(at(20), 1, done(&Reply::Value(None)));
    let third = bench.poll(at(20));
    assert_eq!(targets(&[first, second, third]), [Some(1), Some(3), Some(3)]);
}

#[test]
fn a_refusal_without_a_useful_hint_is_followed_by_a_pause() {
    for hint in [None, Some(1), Some(9)] {
        let mut bench = Bench::new(options());
        let first = bench.poll(at(0));
        bench.reply(at(10), 1, refused(hint));
        assert_eq!(bench.client.deadline(), Some(at(100)), "the retry that was planned anyway");
        let second = bench.poll(at(100));
        assert_eq!(targets(&[first, second]), [Some(1), Some(2)], "{hint:?}");
    }
}

#[test]
fn an_operation_of_which_every_attempt_was_refused_has_failed() {
    let mut bench = Bench::new(options());
    for now in [0, 100, 200] {
        assert_eq!(bench.history.counts().failed, 0);
        bench.poll(at(now)).unwrap();
        bench.reply(at(now + 10), 1, refused(None));
    }
    let (client, history) = bench.counts();
    assert_eq!(client, ClientCounts { refused: 1, ..ClientCounts::default() });
    assert_eq!(history, OutcomeCounts { failed: 1, ..OutcomeCounts::default() });
    assert_eq!(bench.client.status(), Some(&Status::Refused { leader: None }));
    assert_eq!(bench.poll(at(210)).unwrap().id.sequence, 2);
}

#[test]
fn an_operation_refused_until_its_timeout_has_failed() {
    let mut bench = Bench::new(ClientOptions { timeout: Span::from_millis(150), ..options() });
    bench.poll(at(0)).unwrap();
    bench.reply(at(10), 1, refused(None));
    bench.poll(at(100)).unwrap();
    bench.reply(at(110), 1, refused(None));
    assert_eq!(bench.client.deadline(), Some(at(150)));
    bench.poll(at(150));
    assert_eq!(bench.history.counts().failed, 1);
}

#[test]
fn an_operation_with_one_attempt_unanswered_is_abandoned_however_many_were_refused() {
    let mut bench = Bench::new(options());
    for now in [0, 100, 200] {
        bench.poll(at(now)).unwrap();
    }
    bench.reply(at(210), 1, refused(None));
    bench.reply(at(220), 1, refused(Some(2)));
    assert_eq!(bench.poll(at(999)), None);
    assert!(!bench.client.is_idle());
    assert_eq!(bench.poll(at(1_000)).unwrap().id.sequence, 2, "the next operation, at once");
    let (client, history) = bench.counts();
    assert_eq!(client, ClientCounts { abandoned: 1, ..ClientCounts::default() });
    assert_eq!(history, OutcomeCounts { abandoned: 1, open: 1, ..OutcomeCounts::default() });
}

#[test]
fn a_late_answer_to_an_abandoned_operation_is_ignored() {
    let mut bench = Bench::new(options());
    bench.poll(at(0)).unwrap();
    bench.poll(at(1_000)).unwrap();
    let before = (bench.history.clone(), bench.client.counts());
    bench.reply(at(1_001), 1, done(&Reply::Written));
    bench.reply(at(1_001), 1, refused(None));
    bench.reply(at(1_001), 7, done(&Reply::Written));
    assert_eq!((bench.history.clone(), bench.client.counts()), before);
    bench.reply(at(1_002), 2, done(&Reply::Value(None)));
    assert_eq!(bench.client.counts().acknowledged, 1);
}

#[test]
fn an_answer_in_no_known_language_is_recorded_as_malformed() {
    let mut bench = Bench::new(options());
    bench.poll(at(0)).unwrap();
    bench.reply(at(1), 1, Outcome::Done(Bytes::from_static(&[99, 1])));
    assert_eq!(bench.client.status(), Some(&Status::Done(Reply::Malformed)));
    let verdict = check(&KvSpecification::default(), &bench.history, Budget::default()).verdict;
    assert!(matches!(verdict, Verdict::Violation(_)), "{verdict:?}");
}

#[test]
fn a_client_rests_between_operations_and_before_the_first() {
    let rest = Span::from_millis(7);
    let mut bench = Bench::new(ClientOptions { think_min: rest, think_mean: rest, ..options() });
    assert_eq!(bench.client.deadline(), Some(Time::ZERO));
    assert_eq!(bench.poll(at(0)), None);
    assert_eq!(bench.client.deadline(), Some(at(7)));
    assert_eq!(bench.poll(at(6)), None);
    assert!(bench.poll(at(7)).is_some());
    bench.reply(at(10), 1, done(&Reply::Value(None)));
    assert_eq!(bench.client.deadline(), Some(at(17)));
}

fn put(value: &str) -> Command {
    Command::Put { key: "x".into(), value: value.into() }
}

#[test]
fn a_scripted_operation_is_sent_only_when_told() {
    let mut bench = Bench::new(ClientOptions { operations: 0, ..options() });
    let first = bench.client.submit(at(0), put("1"), node(2), &mut bench.history);
    assert_eq!(first.to, node(2));
    assert_eq!(bench.client.deadline(), Some(at(1_000)));
    bench.reply(at(10), 1, refused(Some(3)));
    assert_eq!(bench.client.status(), Some(&Status::Refused { leader: NodeId::new(3) }));
    assert_eq!(bench.poll(at(500)), None);
    let second = bench.client.resend(node(3)).unwrap();
    assert_eq!((second.to, second.id), (node(3), first.id));
    assert_eq!(bench.client.status(), Some(&Status::Open));
    bench.reply(at(20), 1, done(&Reply::Written));
    assert_eq!(bench.client.status(), Some(&Status::Done(Reply::Written)));
    assert_eq!(bench.client.resend(node(3)), None);
    assert!(bench.client.is_done());
}

#[test]
fn a_scripted_operation_times_out_by_what_is_known_of_it() {
    for (refusals, status, failed) in
        [(0, Status::TimedOut, 0), (1, Status::TimedOut, 0), (2, Status::Refused { leader: None }, 1)]
    {
        let mut bench = Bench::new(ClientOptions { operations: 0, ..options() });
        bench.client.submit(at(0), put("1"), node(1), &mut bench.history);
        bench.client.resend(node(2)).unwrap();
        for _ in 0..refusals {
            bench.reply(at(10), 1, refused(None));
        }
        assert_eq!(bench.poll(at(1_000)), None);
        assert_eq!(bench.client.status(), Some(&status));
        assert_eq!(
            bench.history.counts(),
            OutcomeCounts { failed, abandoned: 1 - failed, ..Default::default() }
        );
        assert!(bench.client.is_done());
    }
}

#[test]
fn a_scripted_operation_gives_up_the_one_before() {
    let mut bench = Bench::new(ClientOptions { operations: 0, ..options() });
    bench.client.submit(at(0), put("1"), node(1), &mut bench.history);
    let second = bench.client.submit(at(1), put("2"), node(1), &mut bench.history);
    assert_eq!(second.id.sequence, 2);
    assert!(matches!(bench.endings().as_slice(), [Ending::Abandoned { .. }, Ending::Open]));
}

/// The commands that a client chooses when everything is answered at once by one store.
fn workload(options: ClientOptions) -> (Vec<Command>, KvHistory) {
    use crate::kv::Kv;
    use wavetank_process::StateMachine as _;
    let servers = [1, 2, 3].map(node).to_vec();
    let mut client = Client::new(ClientId(1), servers, KvWorkload::default(), options);
    let (mut door, mut history, mut kv) = (Door::new(Random::new(1)), KvHistory::default(), Kv::default());
    while let Some(now) = client.deadline() {
        if let Some(request) = client.poll(now, &mut door, &mut history) {
            let outcome = Outcome::Done(kv.apply(request.id, &request.bytes));
            client.reply(now, request.id, outcome, &mut door, &mut history);
        }
    }
    (history.operations().iter().map(|operation| operation.input.clone()).collect(), history)
}

#[test]
fn the_workload_has_the_mixture_asked_for() {
    let options = ClientOptions { operations: 4_000, ..ClientOptions::default() };
    let (commands, history) = workload(options.clone());
    let share =
        |is_kind: fn(&Command) -> bool| commands.iter().filter(|command| is_kind(command)).count() / 40;
    let shares = [
        (share(|command| matches!(command, Command::Get { .. })), options.read_percent),
        (share(|command| matches!(command, Command::Cas { .. })), options.cas_percent),
        (share(|command| matches!(command, Command::Append { .. })), options.append_percent),
        (share(|command| matches!(command, Command::Put { .. })), 35),
    ];
    for (share, percent) in shares {
        assert!((share as u64).abs_diff(percent) <= 3, "{shares:?}");
    }
    let keys: std::collections::BTreeSet<_> = commands.iter().map(Command::key).collect();
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["k1", "k2", "k3"]);
    let swapped = |operation: &&Operation<Command, Reply>| {
        matches!(operation.ending, Ending::Completed { output: Reply::CasResult { ok: true, .. }, .. })
    };
    assert!(300 < history.operations().iter().filter(swapped).count(), "compare-and-sets often succeed");
}

#[test]
fn values_are_written_once_unless_they_are_few_by_choice() {
    let written = |values| {
        let options = ClientOptions { read_percent: 0, values, operations: 200, ..ClientOptions::default() };
        let (commands, _) = workload(options);
        let value = |command: &Command| match command {
            Command::Get { .. } => panic!("no reads were asked for"),
            Command::Put { value, .. } | Command::Cas { value, .. } | Command::Append { value, .. } => {
                value.clone()
            }
        };
        commands.iter().map(value).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(written(None).len(), 200);
    assert!(written(None).contains("c1.17"));
    assert_eq!(written(Some(2)).into_iter().collect::<Vec<_>>(), ["v1", "v2"]);
}

#[test]
fn now_and_then_another_server_than_the_leader_is_asked() {
    let mut bench = Bench::new(ClientOptions { operations: 400, ..options() });
    bench.door = Door::new(Random::new(1));
    let mut elsewhere = 0;
    for sequence in 1..=400 {
        let leader = bench.client.leader;
        let request = bench.poll(at(0)).unwrap();
        elsewhere += u64::from(leader.is_some_and(|leader| leader != request.to));
        bench.reply(at(0), sequence, done(&Reply::Written));
    }
    assert!(50 < elsewhere && elsewhere < 150, "{elsewhere} of 400");
}

#[test]
fn an_abandoned_write_that_comes_behind_the_next_takes_no_effect() {
    use crate::kv::Kv;
    use wavetank_process::StateMachine as _;
    let mut bench = Bench::new(ClientOptions { operations: 0, ..options() });
    let first = bench.client.submit(at(0), put("1"), node(1), &mut bench.history);
    bench.poll(at(1_000));
    let second = bench.client.submit(at(1_000), put("2"), node(1), &mut bench.history);
    let mut kv = Kv::default();
    assert_eq!(kv.apply(second.id, &second.bytes), Reply::Written.encode());
    assert_eq!(kv.apply(first.id, &first.bytes), Reply::Stale.encode());
    assert_eq!(kv.value("x"), Some("2"));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    use ClientOptionsError::{RestTooShort, TooManyPercent, Zero};
    assert_eq!(ClientOptions::default().validate(), Ok(()));
    let refused = |change: fn(&mut ClientOptions)| {
        let mut options = ClientOptions::default();
        change(&mut options);
        options.validate().unwrap_err()
    };
    assert_eq!(refused(|options| options.read_percent = 76), TooManyPercent { sum: 101 });
    assert_eq!(refused(|options| options.cas_percent = u64::MAX), TooManyPercent { sum: u64::MAX });
    let (mean, min) = (Span::from_millis(10), SECOND);
    assert_eq!(refused(|options| options.think_min = SECOND), RestTooShort { mean, min });
    assert_eq!(refused(|options| options.keys = 0), Zero { option: "keys" });
    assert_eq!(refused(|options| options.values = Some(0)), Zero { option: "values" });
    assert_eq!(refused(|options| options.timeout = Span::ZERO), Zero { option: "timeout" });
    assert_eq!(refused(|options| options.retry_after = Span::ZERO), Zero { option: "retry_after" });
    assert_eq!(refused(|options| options.attempts = 0), Zero { option: "attempts" });
}

#[test]
fn options_can_be_written_down_in_part() {
    let options: ClientOptions = serde_json::from_str(r#"{"keys":1,"timeout":"150ms"}"#).unwrap();
    let expected = ClientOptions { keys: 1, timeout: Span::from_millis(150), ..ClientOptions::default() };
    assert_eq!(options, expected);
    assert!(serde_json::from_str::<ClientOptions>(r#"{"kees":1}"#).is_err());
    let text = serde_json::to_string(&expected).unwrap();
    assert_eq!(serde_json::from_str::<ClientOptions>(&text).unwrap(), expected);
}

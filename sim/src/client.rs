//! A client of the key-value store: what it asks for, whom it asks, and when it gives up.
//!
//! Like everything that is driven it does no IO: [`poll`](Client::poll) hands out requests, and answers are handed
//! in with [`reply`](Client::reply). What it does it records in a [history](crate::history), each invocation before
//! the request leaves and each answer when it is handled, so that the history can be judged.
//!
//! A client has one operation open at a time. It sends it again, to another server, when an answer is long in
//! coming or the request was refused; always with the same [`RequestId`], by which the store knows a retry (§6.3).
//! However often it was sent, it is one operation in the history. It ends in one of three ways:
//!
//! - *Acknowledged*: an answer came.
//! - *Refused*: every single attempt was answered with a refusal, which says that the attempt had no effect and
//!   never will. One attempt without an answer, and this can no longer be known. It takes a connection that never
//!   delivers a request or a reply twice, as real ones do not: of two copies of one attempt the first could be
//!   refused and the second taken, and two refusals of one attempt would hide the fate of another.
//! - *Abandoned*: the timeout passed. The operation may still take effect, for the request may lie in some server's
//!   log or in the network.
//!
//! After an abandoned operation the client goes on under its own name with the next sequence number. Nothing is
//! wrong with that. If the old request is applied before any newer one of this client is, it takes effect late; if
//! after, its session has moved on, so the store answers [`Reply::Stale`] and changes nothing, and it never takes
//! effect. Both are what "abandoned" says. Replies to an abandoned request are ignored: the history says already
//! that its fate is unknown.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wavetank_process::{ClientId, Label, Outcome, RequestId, raft_core::NodeId};

use crate::{
    chance::{Door, Site, labels},
    history::{History, OperationId, RecordError},
    kv::{Command, Reply},
    time::{Span, Time},
};

/// What a client does, and how patient it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientOptions {
    /// How many keys there are to choose from, at least one. The fewer, the more operations meet.
    pub keys: u64,
    /// How many of a hundred operations are reads.
    pub read_percent: u64,
    /// How many of a hundred operations compare and set.
    pub cas_percent: u64,
    /// How many of a hundred operations append. The rest are puts.
    pub append_percent: u64,
    /// How many values there are to write, at least one; `None`: every value is written once in a run, so that a
    /// read tells which write it saw.
    pub values: Option<u64>,
    /// How long an operation waits for its answer before it is abandoned. Not zero.
    pub timeout: Span,
    /// How long an attempt waits for its answer before the next. Not zero.
    pub retry_after: Span,
    /// The shortest rest between two operations.
    pub think_min: Span,
    /// The rest between two operations on average; no shorter than the shortest.
    pub think_mean: Span,
    /// How many operations to begin.
    pub operations: u64,
    /// How often one operation is sent, at least once.
    pub attempts: u64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            keys: 3,
            read_percent: 40,
            cas_percent: 15,
            append_percent: 10,
            values: None,
            timeout: Span::from_secs(2),
            retry_after: Span::from_millis(150),
            think_min: Span::from_millis(1),
            think_mean: Span::from_millis(10),
            operations: 100,
            attempts: 12,
        }
    }
}

impl ClientOptions {
    /// Whether a client can work with these.
    ///
    /// # Errors
    /// When it cannot; says why.
    pub fn validate(&self) -> Result<(), ClientOptionsError> {
        let percent = [self.read_percent, self.cas_percent, self.append_percent];
        let sum = percent.into_iter().fold(0, u64::saturating_add);
        if 100 < sum {
            return Err(ClientOptionsError::TooManyPercent { sum });
        }
        if self.think_mean < self.think_min {
            return Err(ClientOptionsError::RestTooShort { mean: self.think_mean, min: self.think_min });
        }
        let zeros = [
            ("keys", self.keys == 0),
            ("values", self.values == Some(0)),
            ("timeout", self.timeout == Span::ZERO),
            ("retry_after", self.retry_after == Span::ZERO),
            ("attempts", self.attempts == 0),
        ];
        match zeros.into_iter().find(|(_, zero)| *zero) {
            Some((option, _)) => Err(ClientOptionsError::Zero { option }),
            None => Ok(()),
        }
    }
}

/// Why a client cannot work with its options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientOptionsError {
    /// The kinds of operations make more than the whole.
    #[error("reads, compare-and-sets and appends make {sum} percent of the operations; expected at most 100")]
    TooManyPercent {
        /// Their sum.
        sum: u64,
    },
    /// The mean is below the minimum.
    #[error("think_mean is {mean}; expected at least think_min, {min}")]
    RestTooShort {
        /// The mean.
        mean: Span,
        /// The minimum.
        min: Span,
    },
    /// An option is zero that must not be.
    #[error("{option} is zero; expected more")]
    Zero {
        /// Its name.
        option: &'static str,
    },
}

/// A request that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// To whom.
    pub to: NodeId,
    /// Which of the client's requests it is; the same for all attempts.
    pub id: RequestId,
    /// What it says.
    pub bytes: Bytes,
}

/// How many operations ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounts {
    /// With an answer.
    pub acknowledged: u64,
    /// Without one.
    pub abandoned: u64,
    /// Certainly without effect.
    pub refused: u64,
}

/// What became of the last operation, as far as the client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It waits for an answer.
    Open,
    /// It was answered.
    Done(Reply),
    /// The last answer was a refusal. A scripted operation can still be sent again until its timeout.
    Refused {
        /// Who might serve it.
        leader: Option<NodeId>,
    },
    /// It was abandoned.
    TimedOut,
}

/// A client. See the [module's page](self).
#[derive(Debug)]
pub struct Client {
    id: ClientId,
    servers: Vec<NodeId>,
    options: ClientOptions,
    open: Option<OpenOperation>,
    /// When the next operation may begin; `None` before the first poll.
    rested_at: Option<Time>,
    /// What became of the last operation; `None` before the first.
    status: Option<Status>,
    last_sequence: u64,
    /// How many operations of its own it has begun.
    begun: u64,
    stopped: bool,
    /// The server to turn to: it served the last request, or was named as the leader.
    leader: Option<NodeId>,
    /// What keys held when last seen, as a guess for the next compare-and-set.
    seen: BTreeMap<String, Option<String>>,
    counts: ClientCounts,
}

/// An operation that waits for its answer.
#[derive(Debug)]
struct OpenOperation {
    operation: OperationId,
    id: RequestId,
    command: Command,
    bytes: Bytes,
    /// How often the client may send it of its own accord; `None`: a script says when.
    attempts: Option<u64>,
    /// When it is given up.
    expires: Time,
    /// When the client sends it again of its own accord.
    resend_at: Option<Time>,
    /// How often it was sent.
    sent: u64,
    /// How many of those attempts were refused.
    refused: u64,
    /// To whom it was sent last.
    target: NodeId,
}

impl OpenOperation {
    /// The request, once more.
    fn send(&mut self, to: NodeId) -> Request {
        self.sent += 1;
        self.target = to;
        Request { to, id: self.id, bytes: self.bytes.clone() }
    }

    /// Whether the client may send it once more of its own accord.
    fn may_retry(&self) -> bool {
        self.attempts.is_some_and(|attempts| self.sent < attempts)
    }

    /// Whether no attempt can have had an effect, nor ever will.
    fn is_refused(&self) -> bool {
        self.sent <= self.refused
    }
}

/// One in so many operations goes to another server than the one believed to lead.
const ELSEWHERE_ODDS: u64 = 4;

impl Client {
    /// A client of these servers.
    ///
    /// # Panics
    /// When there is no server, or the options are not [valid](ClientOptions::validate).
    pub fn new(id: ClientId, servers: Vec<NodeId>, options: ClientOptions) -> Self {
        assert!(!servers.is_empty(), "client {} has no server to turn to", id.0);
        let valid = options.validate();
        assert!(valid.is_ok(), "client {}: {valid:?}", id.0);
        Self {
            id,
            servers,
            options,
            open: None,
            rested_at: None,
            status: None,
            last_sequence: 0,
            begun: 0,
            stopped: false,
            leader: None,
            seen: BTreeMap::new(),
            counts: ClientCounts::default(),
        }
    }

    /// Who it is.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// Lets the client do what it wants to do by now: give up, try again, begin something. At most one request
    /// comes out; another may follow at the same moment.
    ///
    /// # Panics
    /// When something else recorded under this client's name.
    pub fn poll(
        &mut self,
        now: Time,
        door: &mut Door,
        history: &mut History<Command, Reply>,
    ) -> Option<Request> {
        if self.open.as_ref().is_some_and(|open| open.expires <= now) {
            self.give_up(history);
            self.rest(now, door);
        }
        match &self.open {
            Some(open) if open.resend_at.is_some_and(|at| at <= now) => {
                let to = self.next_target(open.target, door);
                self.attempt(now, to)
            }
            Some(_) => None,
            None => self.begin_if_rested(now, door, history),
        }
    }

    /// Takes a server's answer. Answers to anything but the open operation are ignored.
    ///
    /// # Panics
    /// When something else recorded under this client's name.
    pub fn reply(
        &mut self,
        now: Time,
        id: RequestId,
        outcome: Outcome,
        door: &mut Door,
        history: &mut History<Command, Reply>,
    ) {
        let Some(open) = self.open.take_if(|open| open.id == id) else { return };
        match outcome {
            Outcome::Done(bytes) => {
                self.acknowledge(now, &open, &bytes, history);
                self.rest(now, door);
            }
            Outcome::Refused { leader } => {
                let open = self.open.insert(open);
                open.refused += 1;
                let hopeless = open.attempts.is_some() && !open.may_retry() && open.is_refused();
                self.heed_refusal(now, leader);
                if hopeless {
                    self.give_up(history);
                    self.rest(now, door);
                }
            }
        }
    }

    /// When [`poll`](Self::poll) has something to do next; `None`: never, unless an answer comes.
    pub fn deadline(&self) -> Option<Time> {
        match &self.open {
            Some(open) => Some(open.resend_at.map_or(open.expires, |at| at.min(open.expires))),
            None => self.wants_more().then_some(self.rested_at.unwrap_or(Time::ZERO)),
        }
    }

    /// Begins nothing more. What is open goes on.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether no operation is open.
    pub fn is_idle(&self) -> bool {
        self.open.is_none()
    }

    /// Whether no operation is open, and none will be begun.
    pub fn is_done(&self) -> bool {
        self.is_idle() && !self.wants_more()
    }

    /// The operation that is open.
    pub fn open(&self) -> Option<(OperationId, &Command)> {
        self.open.as_ref().map(|open| (open.operation, &open.command))
    }

    /// What became of the last operation; `None` before the first.
    pub fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    /// How many operations ended how.
    pub fn counts(&self) -> ClientCounts {
        self.counts
    }

    /// For scripts: begins this operation, at this server, and sends it again only when [told to](Self::resend). An
    /// operation that is still open is given up for it. The timeout counts as usual: [`poll`](Self::poll) keeps it.
    ///
    /// # Panics
    /// When something else recorded under this client's name.
    pub fn submit(
        &mut self,
        now: Time,
        command: Command,
        to: NodeId,
        history: &mut History<Command, Reply>,
    ) -> Request {
        self.give_up(history);
        self.begin(now, command, to, None, history)
    }

    /// For scripts: sends the open operation once more, as the same request. `None` when none is open.
    pub fn resend(&mut self, to: NodeId) -> Option<Request> {
        let open = self.open.as_mut()?;
        self.status = Some(Status::Open);
        Some(open.send(to))
    }

    fn wants_more(&self) -> bool {
        !self.stopped && self.begun < self.options.operations
    }

    /// The address of this client's choices of one kind.
    fn site(&self, label: Label) -> Site {
        Site::of(label, self.id.0)
    }

    fn rest(&mut self, now: Time, door: &mut Door) {
        let mut rested_at = now;
        if self.wants_more() {
            let ClientOptions { think_min, think_mean, .. } = self.options;
            rested_at += door.latency(self.site(labels::CLIENT_PAUSE), think_min, think_mean);
        }
        self.rested_at = Some(rested_at);
    }

    fn begin_if_rested(
        &mut self,
        now: Time,
        door: &mut Door,
        history: &mut History<Command, Reply>,
    ) -> Option<Request> {
        if self.rested_at.is_none() {
            self.rest(now, door);
        }
        if !self.wants_more() || self.rested_at.is_none_or(|rested_at| now < rested_at) {
            return None;
        }
        self.begun += 1;
        let command = self.choose_command(door);
        let to = self.first_target(door);
        let request = self.begin(now, command, to, Some(self.options.attempts), history);
        self.schedule_retry(now);
        Some(request)
    }

    fn begin(
        &mut self,
        now: Time,
        command: Command,
        to: NodeId,
        attempts: Option<u64>,
        history: &mut History<Command, Reply>,
    ) -> Request {
        let operation = recorded(history.invoke(self.id, command.clone(), now));
        self.last_sequence += 1;
        let mut open = OpenOperation {
            operation,
            id: RequestId { client: self.id, sequence: self.last_sequence },
            bytes: command.encode(),
            command,
            attempts,
            expires: now + self.options.timeout,
            resend_at: None,
            sent: 0,
            refused: 0,
            target: to,
        };
        let request = open.send(to);
        self.open = Some(open);
        self.status = Some(Status::Open);
        request
    }

    /// One more attempt of the client's own accord.
    fn attempt(&mut self, now: Time, to: NodeId) -> Option<Request> {
        let request = self.resend(to);
        self.schedule_retry(now);
        request
    }

    /// Sets when an attempt made now is followed by the next, if no answer comes.
    fn schedule_retry(&mut self, now: Time) {
        if let Some(open) = &mut self.open {
            open.resend_at = open.may_retry().then(|| now + self.options.retry_after);
        }
    }

    fn acknowledge(
        &mut self,
        now: Time,
        open: &OpenOperation,
        bytes: &[u8],
        history: &mut History<Command, Reply>,
    ) {
        // A server that answers in no known language is recorded as it behaved: no specification explains that.
        let reply = Reply::decode(bytes).unwrap_or(Reply::Malformed);
        recorded(history.complete(open.operation, reply.clone(), now));
        if let Some(held) = held_after(&open.command, &reply) {
            self.seen.insert(open.command.key().to_owned(), held);
        }
        self.leader = Some(open.target);
        self.counts.acknowledged += 1;
        self.status = Some(Status::Done(reply));
    }

    /// Follows the hint of a refusal, if it has one.
    fn heed_refusal(&mut self, now: Time, leader: Option<NodeId>) {
        self.status = Some(Status::Refused { leader });
        self.leader = leader.filter(|leader| self.servers.contains(leader));
        if let Some(OpenOperation { resend_at: Some(resend_at), target, .. }) = &mut self.open {
            // Who names another server saves us the wait; who names none is probably amid an election.
            let elsewhere = self.leader.is_some_and(|leader| leader != *target);
            let pause = if elsewhere { Span::ZERO } else { self.options.retry_after };
            *resend_at = (now + pause).min(*resend_at);
        }
    }

    /// Ends the open operation, if there is one, without an answer.
    fn give_up(&mut self, history: &mut History<Command, Reply>) {
        let Some(open) = self.open.take() else { return };
        if open.is_refused() {
            recorded(history.fail(open.operation));
            self.counts.refused += 1;
        } else {
            recorded(history.abandon(open.operation));
            self.counts.abandoned += 1;
            self.status = Some(Status::TimedOut);
            // Whoever was asked last may be cut off.
            self.leader = None;
        }
    }

    fn choose_command(&mut self, door: &mut Door) -> Command {
        let percent = door.choose(self.site(labels::CLIENT_OPERATION), 100);
        let key = format!("k{}", 1 + door.choose(self.site(labels::CLIENT_KEY), self.options.keys));
        let ClientOptions { read_percent, cas_percent, append_percent, .. } = self.options;
        if percent < read_percent {
            return Command::Get { key };
        }
        let value = self.choose_value(door);
        if percent < read_percent + cas_percent {
            let expected = self.seen.get(&key).cloned().flatten();
            Command::Cas { key, expected, value }
        } else if percent < read_percent + cas_percent + append_percent {
            Command::Append { key, value }
        } else {
            Command::Put { key, value }
        }
    }

    fn choose_value(&mut self, door: &mut Door) -> String {
        match self.options.values {
            Some(values) => format!("v{}", 1 + door.choose(self.site(labels::CLIENT_VALUE), values)),
            None => format!("c{}.{}", self.id.0, self.last_sequence + 1),
        }
    }

    /// Whom to ask first: mostly the leader, if one is known, and now and then another, who must not answer wrongly.
    fn first_target(&self, door: &mut Door) -> NodeId {
        let site = self.site(labels::CLIENT_TARGET);
        let Some(leader) = self.leader else { return *door.pick(site, &self.servers) };
        let others = self.servers_but(leader);
        if others.is_empty() {
            return leader;
        }
        if door.chance(site, 1, ELSEWHERE_ODDS) { *door.pick(site, &others) } else { leader }
    }

    /// Whom to ask after `last`: the leader, if it is known to be another, or any other server.
    fn next_target(&self, last: NodeId, door: &mut Door) -> NodeId {
        match self.leader {
            Some(leader) if leader != last => leader,
            Some(_) | None => match self.servers_but(last).as_slice() {
                [] => last,
                others => *door.pick(self.site(labels::CLIENT_TARGET), others),
            },
        }
    }

    fn servers_but(&self, one: NodeId) -> Vec<NodeId> {
        self.servers.iter().copied().filter(|&server| server != one).collect()
    }
}

/// What a key holds after an operation that was answered so; `None`: the answer does not tell.
fn held_after(command: &Command, reply: &Reply) -> Option<Option<String>> {
    match (command, reply) {
        (Command::Get { .. }, Reply::Value(held)) => Some(held.clone()),
        (Command::Put { value, .. }, Reply::Written) => Some(Some(value.clone())),
        (Command::Cas { value, .. }, Reply::CasResult { ok: true, .. }) => Some(Some(value.clone())),
        (Command::Cas { .. }, Reply::CasResult { ok: false, actual }) => Some(actual.clone()),
        _ => None,
    }
}

/// What a client records fits: it does one thing at a time, and ends what it began.
fn recorded<T>(result: Result<T, RecordError>) -> T {
    result.unwrap_or_else(|error| panic!("a client's record does not fit its history: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chance::{Random, Recorded},
        history::{Ending, OutcomeCounts},
        linearizability::{Budget, KvSpecification, Verdict, check},
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
            let client = Client::new(ClientId(1), servers, options);
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
            matches!(operation.ending, Ending::Completed { at: end, .. } if end == at(5)),
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
        let mut client = Client::new(ClientId(1), vec![node(1)], options());
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
        let verdict = check(&KvSpecification::default(), &bench.history, Budget::default());
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
        let mut client = Client::new(ClientId(1), servers, options);
        let (mut door, mut history, mut kv) =
            (Door::new(Random::new(1)), KvHistory::default(), Kv::default());
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
        let swapped = |operation: &&crate::history::Operation<Command, Reply>| {
            matches!(operation.ending, Ending::Completed { output: Reply::CasResult { ok: true, .. }, .. })
        };
        assert!(300 < history.operations().iter().filter(swapped).count(), "compare-and-sets often succeed");
    }

    #[test]
    fn values_are_written_once_unless_they_are_few_by_choice() {
        let written = |values| {
            let options =
                ClientOptions { read_percent: 0, values, operations: 200, ..ClientOptions::default() };
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
}

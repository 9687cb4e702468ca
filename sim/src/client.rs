//! A client of the key-value store: what it asks for, whom it asks, and when it gives up.
//!
//! Like everything that is driven it does no IO: [`poll`](Client::poll) hands out requests, and answers are handed
//! in with [`reply`](Client::reply). What it does it records in a [history](linearizability::history), each invocation before
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
use linearizability::{History, OperationId, RecordError};
use serde::{Deserialize, Serialize};
use wavetank_process::{ClientId, Label, Outcome, RequestId, raft_core::NodeId};

use crate::{
    chance::{Door, Site, labels},
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
        let operation = recorded(history.invoke(recorded_id(self.id), command.clone(), now.0));
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
        recorded(history.complete(open.operation, reply.clone(), now.0));
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

/// A client as the history calls it.
fn recorded_id(ClientId(number): ClientId) -> linearizability::ClientId {
    linearizability::ClientId(number)
}

/// What a client records fits: it does one thing at a time, and ends what it began.
fn recorded<T>(result: Result<T, RecordError>) -> T {
    result.unwrap_or_else(|error| panic!("a client's record does not fit its history: {error}"))
}

#[cfg(test)]
mod tests;

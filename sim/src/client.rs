//! A client of the cluster: whom it asks, how often, and when it gives up. What it asks for is its [`Workload`]'s to say;
//! that of the built-in key-value store is [`KvWorkload`].
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

mod options;
mod workload;

use bytes::Bytes;
use linearizability::{History, OperationId, RecordError};
use wavetank_process::{ClientId, Label, Outcome, RequestId, raft_core::NodeId};

use crate::{
    chance::{Door, Site, labels},
    kv::Reply,
    time::{Span, Time},
};

pub use options::{ClientOptions, ClientOptionsError};
pub use workload::{KvWorkload, Turn, Workload};

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
pub enum Status<O = Reply> {
    /// It waits for an answer.
    Open,
    /// It was answered.
    Done(O),
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
pub struct Client<W: Workload = KvWorkload> {
    id: ClientId,
    workload: W,
    servers: Vec<NodeId>,
    options: ClientOptions,
    open: Option<OpenOperation<W::Input>>,
    /// When the next operation may begin; `None` before the first poll.
    rested_at: Option<Time>,
    /// What became of the last operation; `None` before the first.
    status: Option<Status<W::Output>>,
    last_sequence: u64,
    /// How many operations of its own it has begun.
    begun: u64,
    stopped: bool,
    /// The server to turn to: it served the last request, or was named as the leader.
    leader: Option<NodeId>,
    counts: ClientCounts,
}

/// An operation that waits for its answer.
#[derive(Debug)]
struct OpenOperation<I> {
    operation: OperationId,
    id: RequestId,
    command: I,
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

impl<I> OpenOperation<I> {
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

impl<W: Workload> Client<W> {
    /// A client of these servers, which asks for what `workload` says.
    ///
    /// # Panics
    /// When there is no server, or the options are not [valid](ClientOptions::validate).
    pub fn new(id: ClientId, servers: Vec<NodeId>, workload: W, options: ClientOptions) -> Self {
        assert!(!servers.is_empty(), "client {} has no server to turn to", id.0);
        let valid = options.validate();
        assert!(valid.is_ok(), "client {}: {valid:?}", id.0);
        Self {
            id,
            workload,
            servers,
            options,
            open: None,
            rested_at: None,
            status: None,
            last_sequence: 0,
            begun: 0,
            stopped: false,
            leader: None,
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
        history: &mut History<W::Input, W::Output>,
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
        history: &mut History<W::Input, W::Output>,
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
    pub fn open(&self) -> Option<(OperationId, &W::Input)> {
        self.open.as_ref().map(|open| (open.operation, &open.command))
    }

    /// What became of the last operation; `None` before the first.
    pub fn status(&self) -> Option<&Status<W::Output>> {
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
        command: W::Input,
        to: NodeId,
        history: &mut History<W::Input, W::Output>,
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
        history: &mut History<W::Input, W::Output>,
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
        command: W::Input,
        to: NodeId,
        attempts: Option<u64>,
        history: &mut History<W::Input, W::Output>,
    ) -> Request {
        let operation = recorded(history.invoke(recorded_id(self.id), command.clone(), now.0));
        self.last_sequence += 1;
        let mut open = OpenOperation {
            operation,
            id: RequestId { client: self.id, sequence: self.last_sequence },
            bytes: W::encode(&command),
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
        open: &OpenOperation<W::Input>,
        bytes: &[u8],
        history: &mut History<W::Input, W::Output>,
    ) {
        // A server that answers in no known language is recorded as it behaved: no specification explains that.
        let reply = W::decode_output(bytes).unwrap_or_else(|_| W::unreadable());
        recorded(history.complete(open.operation, reply.clone(), now.0));
        self.workload.learn(&open.command, &reply);
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
    fn give_up(&mut self, history: &mut History<W::Input, W::Output>) {
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

    fn choose_command(&mut self, door: &mut Door) -> W::Input {
        let (client, sequence) = (self.id, self.last_sequence + 1);
        self.workload.next(&mut Turn { client, sequence, options: &self.options, door })
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

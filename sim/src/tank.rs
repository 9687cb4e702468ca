//! The tank: machines, the network between them, their disks and clocks, and the one loop that moves them.
//!
//! Everything happens on one thread, one event after the other, at moments of virtual time; what is left open is
//! decided at the [door](crate::chance). After every event the [checks](crate::checks) look at what it changed. The
//! tank does nothing of its own accord: faults and clients are brought by [`storm`](crate::storm) or by a
//! [scenario](crate::scenario), through the same methods.

mod machine;
mod client_port;
mod watch;
mod mail;
mod trouble;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use linearizability::{Budget, History, Online, Progress};
use serde::{Deserialize, Serialize};
use wavetank_process::{
    Description, Input, Outcome, Output, RaftOptions, RequestId, Role,
    disk::FileName,
    raft_core::{LogIndex, NodeId},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    chance::{DecisionLog, Door, Site, labels},
    checks::{Check, CheckCounters, Fact, Judge, Violation, Watched},
    client::{ClientOptions, KvWorkload, Workload},
    disk::DiskOptions,
    members::Members,
    network::{Delivery, DropReason, Endpoint, MessageId, Network, NetworkCounters, NetworkOptions, Sent},
    program::Program,
    queue::{Queue, Scheduled},
    time::{Span, Time},
    trace::{Fingerprint, Line, LineKind, Trace},
};

use machine::Machine;
pub use machine::Status;
pub use mail::Unmoved;

/// The most servers that a tank has room for.
pub(crate) const MOST_SERVERS: u64 = 100;
/// The longest election timeout: far more than any run lasts.
pub(crate) const MOST_TICKS: u64 = 1 << 32;

/// How a tank is built. Everything in it belongs to the identity of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TankOptions {
    /// How many servers vote when the cluster begins, n1 and up.
    pub voters: u64,
    /// How many more get its log, and have no vote.
    pub learners: u64,
    /// How many more there are that wait to be added.
    pub spares: u64,
    /// The settings of their Raft.
    pub raft: RaftOptions,
    /// What a tick is worth on their clocks.
    pub tick: Span,
    /// By how many parts per million each clock is fast, or slow if negative; zero for those not named.
    pub drift_ppm: Vec<i64>,
    /// The weather on the network.
    pub network: NetworkOptions,
    /// The habits of the disks.
    pub disk: DiskOptions,
    /// The clients.
    pub clients: Vec<ClientOptions>,
}

impl Default for TankOptions {
    /// Three servers with a tick of 10 ms, in calm weather and without clients.
    fn default() -> Self {
        Self {
            voters: 3,
            learners: 0,
            spares: 0,
            raft: RaftOptions::default(),
            tick: Span::from_millis(10),
            drift_ppm: Vec::new(),
            network: NetworkOptions::default(),
            disk: DiskOptions::default(),
            clients: Vec::new(),
        }
    }
}

impl TankOptions {
    /// The longest time a follower waits for a leader before it stands for election: 2T - 1 ticks.
    pub fn longest_election_timeout(&self) -> Span {
        self.tick * (2 * self.raft.election_timeout_ticks)
    }

    /// How many servers there are.
    pub fn servers(&self) -> u64 {
        self.voters.saturating_add(self.learners).saturating_add(self.spares)
    }

    /// Who votes when the cluster begins.
    fn voter_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.voters).filter_map(NodeId::new)
    }

    /// Who learns when the cluster begins.
    fn learner_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.voters + 1..=self.voters + self.learners).filter_map(NodeId::new)
    }
}

/// What travels on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// A message between servers.
    Peer(Bytes),
    /// A client's request.
    Request {
        /// Which.
        id: RequestId,
        /// What it says.
        bytes: Bytes,
    },
    /// The answer to it.
    Reply {
        /// The request answered.
        id: RequestId,
        /// The answer.
        outcome: Outcome,
    },
}

/// A parcel, and the event in which it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The event in which it was sent.
    pub cause: u64,
    /// What is in it.
    pub parcel: Parcel,
    /// What a message between servers is, for the checks; `None` for any other, or if its sender cannot say.
    pub description: Option<Description>,
}

impl Post {
    /// What it is called: a message between servers by the paper's name, or `?` if its sender cannot say.
    pub fn kind(&self) -> &'static str {
        match &self.parcel {
            Parcel::Peer(_) => self.description.as_ref().map_or("?", |description| description.kind),
            Parcel::Request { .. } => "Request",
            Parcel::Reply { .. } => "Reply",
        }
    }
}

/// More events than this at one moment mean that time has stopped.
const LIVELOCK_EVENTS: u64 = 100_000;

/// A cluster in a tank.
pub struct Tank<W: Workload = KvWorkload> {
    options: TankOptions,
    now: Time,
    queue: Queue,
    door: Door,
    network: Network<Post>,
    /// What of the network's counters befell messages whose receiver was up.
    noticed: NetworkCounters,
    machines: Vec<Machine>,
    /// The same machines, as the checks see them.
    cluster: Vec<Watched>,
    /// Who belonged to the cluster when it began.
    founding: Arc<Members>,
    judge: Judge,
    workload: W,
    clients: Vec<client_port::Port<W>>,
    history: History<W::Input, W::Output>,
    /// Judges the history as it is recorded.
    online: Online<W::Specification>,
    events: u64,
    events_at_now: u64,
    fingerprint: Fingerprint,
    trace: Trace,
    violation: Option<Violation>,
    tally: Tally,
    /// How often each of the processes' rare branches was reached.
    branches: BTreeMap<&'static str, u64>,
    /// Reused from event to event.
    outputs: Vec<Output>,
    /// Why the process that was last asked something by its operator refused it.
    refusal: Option<String>,
    /// Up to where the changes of members are counted.
    changes_counted: LogIndex,
}

/// What a run has seen, beyond its faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Elections won.
    pub elections: u64,
    /// Changes of members that came into force anywhere. The end of a joint configuration is none.
    pub changes: u64,
    /// Crashes that lost bytes a process had written.
    pub lossy_crashes: u64,
    /// Messages that a process refused as impossible.
    pub refused_messages: u64,
    /// Messages that the sender's own program could not describe, so that nothing they promise was checked.
    pub undescribed_messages: u64,
}

impl<W: Workload> std::fmt::Debug for Tank<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tank")
            .field("now", &self.now)
            .field("events", &self.events)
            .field("fingerprint", &self.fingerprint)
            .field("violation", &self.violation)
            .finish_non_exhaustive()
    }
}

impl Tank {
    /// A tank whose clients use the key-value store and whose disks are empty; otherwise as [`of`](Tank::of).
    ///
    /// # Panics
    /// When there is no program, or no voter.
    pub fn new(
        options: TankOptions,
        programs: &[Arc<dyn Program>],
        checks: Vec<Box<dyn Check>>,
        door: Door,
        trace: Trace,
    ) -> Self {
        Self::of(KvWorkload::default(), options, &[], programs, checks, door, trace)
    }
}

impl<W: Workload> Tank<W> {
    /// A tank whose machines have just been switched on. The programs are given out in turn: one program runs
    /// everywhere, two alternate. Their state machine must understand what this workload asks for.
    ///
    /// `files` are on the disks already: of each machine in turn, by name. What they promise counts as durable.
    ///
    /// # Panics
    /// When there is no program, or no voter.
    pub fn of(
        workload: W,
        options: TankOptions,
        files: &[BTreeMap<FileName, Vec<u8>>],
        programs: &[Arc<dyn Program>],
        checks: Vec<Box<dyn Check>>,
        door: Door,
        trace: Trace,
    ) -> Self {
        assert!(!programs.is_empty() && 0 < options.voters, "a tank needs a program and a machine to run it");
        let ids = (1..=options.servers()).filter_map(NodeId::new).collect::<Vec<_>>();
        let founding = Arc::new(Members::founding(options.voter_ids(), options.learner_ids()));
        let machine = |(position, &id): (usize, &NodeId)| {
            let drift = options.drift_ppm.get(position).copied().unwrap_or(0);
            Machine::new(id, Arc::clone(&programs[position % programs.len()]), &options, drift)
        };
        let machines = ids.iter().enumerate().map(machine).collect::<Vec<_>>();
        let mut tank = Self {
            cluster: machines.iter().map(|machine| machine.watched(&founding)).collect(),
            founding,
            machines,
            network: Network::new(options.network.clone()),
            noticed: NetworkCounters::default(),
            now: Time::ZERO,
            queue: Queue::default(),
            door,
            judge: Judge::new(checks),
            online: Online::new(workload.specification(), Budget::default()),
            workload,
            clients: Vec::new(),
            history: History::default(),
            events: 0,
            events_at_now: 0,
            fingerprint: Fingerprint::default(),
            trace,
            violation: None,
            tally: Tally::default(),
            branches: BTreeMap::new(),
            outputs: Vec::new(),
            refusal: None,
            changes_counted: LogIndex(0),
            options,
        };
        for (machine, files) in files.iter().enumerate() {
            tank.install(machine, files);
        }
        for machine in 0..tank.machines.len() {
            tank.boot(machine);
        }
        for options in tank.options.clients.clone() {
            tank.add_client(options);
        }
        tank
    }

    /// How the tank was built.
    pub fn options(&self) -> &TankOptions {
        &self.options
    }

    /// The present.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many events there have been: deliveries, answers of disks, timers, calls and returns of clients, and faults.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The identity of the run so far.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The first violation. Nothing happens after it.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The machines, as the checks see them.
    pub fn cluster(&self) -> &[Watched] {
        &self.cluster
    }

    /// Whether a machine is up.
    pub fn status(&self, machine: usize) -> &Status {
        self.machines[machine].status()
    }

    /// The trace so far, if it is kept.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The history of the clients' operations so far.
    pub fn history(&self) -> &History<W::Input, W::Output> {
        &self.history
    }

    /// What the clients ask for.
    pub fn workload(&self) -> &W {
        &self.workload
    }

    /// The judge of this history.
    pub fn online(&self) -> &Online<W::Specification> {
        &self.online
    }

    /// Has the answers judged that came since the last time. One that cannot be explained ends the run.
    fn judge_history(&mut self) {
        let story = match self.online.advance(&self.history) {
            Progress::Explained | Progress::Unknown(_) => return,
            Progress::Violation(violation) => violation.story.clone(),
        };
        self.violate("Linearizability", story);
    }

    /// What the run has seen.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How often each of the processes' rare branches was reached, by its name.
    pub fn branches(&self) -> &BTreeMap<&'static str, u64> {
        &self.branches
    }

    /// The network, to look at.
    pub fn network(&self) -> &Network<Post> {
        &self.network
    }

    /// The network's counters, without the messages whose receiver was down: these made no difference.
    pub fn noticed(&self) -> NetworkCounters {
        self.noticed
    }

    /// How often each check was asked.
    pub fn check_counters(&self) -> BTreeMap<String, CheckCounters> {
        self.judge.counters()
    }

    /// Makes a choice that belongs to the run, such as where a fault strikes.
    pub fn door(&mut self) -> &mut Door {
        &mut self.door
    }

    /// The decisions made so far, if the door records them.
    pub fn decisions(&self) -> DecisionLog {
        self.door.log()
    }

    /// Who leads in the latest term in which anybody does. A leader that was deposed and does not know it may lead
    /// an earlier one.
    pub fn leader(&self) -> Option<usize> {
        let leads = |machine: &usize| {
            let observation = self.cluster[*machine].observation.as_ref()?;
            (observation.role == Role::Leader).then_some((observation.term, *machine))
        };
        (0..self.cluster.len()).filter_map(|machine| leads(&machine)).max().map(|(_, machine)| machine)
    }

    fn schedule(&mut self, time: Time, what: Scheduled) {
        let (label, subject) = match what {
            Scheduled::Arrival(id) => {
                let message = self.network.message(id).expect("what is scheduled is in flight");
                (labels::ARRIVAL_TIE, [message.from.subject(), message.to.subject()])
            }
            Scheduled::Disk { machine, .. } => (labels::EVENT_TIE, [2, machine as u64]),
            Scheduled::Timer { machine } => (labels::EVENT_TIE, [3, machine as u64]),
            Scheduled::Client { client } => (labels::EVENT_TIE, [4, client as u64]),
        };
        let tie = self.door.choose(Site { label, subject }, 1 << 16);
        self.queue.push(time, tie, what);
    }

    /// When the next event is due.
    pub fn next_event(&self) -> Option<Time> {
        self.queue.next_time()
    }

    /// Lets the next event happen; `false` when there is none, or when a violation has ended the run.
    pub fn step(&mut self) -> bool {
        if self.violation.is_some() {
            return false;
        }
        let Some((time, what)) = self.queue.pop() else { return false };
        if self.now < time {
            self.now = time;
            self.events_at_now = 0;
        }
        match what {
            // What cannot arrive is lost.
            Scheduled::Arrival(id) => _ = self.arrive(id),
            Scheduled::Disk { machine, incarnation, id } => self.disk_answers(machine, incarnation, id),
            Scheduled::Timer { machine } => self.timer(machine),
            Scheduled::Client { client } => self.client_acts(client),
        }
        true
    }

    /// Lets everything happen that is due by `until`, and moves the present there.
    pub fn run_to(&mut self, until: Time) {
        while self.violation.is_none() && self.next_event().is_some_and(|next| next <= until) {
            self.step();
        }
        if self.violation.is_none() && self.now < until {
            self.now = until;
            self.events_at_now = 0;
        }
    }

    /// Counts an event, and takes it into the identity of the run.
    fn count_event(&mut self, kind: u64, words: [u64; 4]) {
        self.events += 1;
        self.events_at_now += 1;
        let [a, b, c, d] = words;
        self.fingerprint.absorb([self.now.0, kind, a, b, c, d]);
        if LIVELOCK_EVENTS < self.events_at_now {
            let message =
                format!("{LIVELOCK_EVENTS} events have happened at {} and time does not go on", self.now);
            self.violate("Livelock", message);
        }
    }

    /// Reports a violation; the first one counts.
    pub(crate) fn violate(&mut self, check: &str, message: String) {
        if self.violation.is_none() {
            self.line(LineKind::Violation, None, || format!("{check}: {message}"));
            self.violation = Some(Violation { check: check.to_owned(), event: self.events, message });
        }
    }

    /// Puts a fact about a machine before the checks.
    fn judge(&mut self, fact: &Fact<'_>, machine: usize) {
        if let Some((check, message)) = self.judge.judge(fact, machine, &self.cluster) {
            self.violate(check, message);
        }
    }

    /// Adds a line to the trace, if one is kept.
    fn line(&mut self, kind: LineKind, cause: Option<u64>, text: impl FnOnce() -> String) {
        if self.trace.is_kept() {
            self.trace.push(Line { event: self.events, time: self.now, cause, kind, text: text() });
        }
    }

    /// Adds a heading to the trace: a [step](LineKind::Step) or a [remark](LineKind::Remark).
    pub fn heading(&mut self, kind: LineKind, text: &str) {
        self.line(kind, None, || text.to_owned());
    }

    /// Sends a parcel on its way.
    fn send(&mut self, from: Endpoint, to: Endpoint, parcel: Parcel, description: Option<Description>) {
        let post = Post { cause: self.events, parcel, description };
        let lost = self.trace.is_kept().then(|| post.clone());
        let before = self.network.counters();
        let sent = self.network.send(self.now, from, to, post, &mut self.door);
        self.note_network(before, to);
        match sent {
            Sent::Dropped(reason) => {
                if let Some(post) = lost {
                    self.line_lost(
                        from,
                        to,
                        &post,
                        match reason {
                            DropReason::Cut => "the link is cut",
                            DropReason::Lost => "lost",
                            DropReason::QueueFull => "the queue is full",
                        },
                    );
                }
            }
            sent @ Sent::InFlight { .. } => {
                for (id, due) in sent.in_flight() {
                    self.schedule(due, Scheduled::Arrival(id));
                }
            }
        }
    }

    fn line_lost(&mut self, from: Endpoint, to: Endpoint, post: &Post, reason: &str) {
        let text = self.render_post(from, to, post, "↛");
        self.line(LineKind::Lost, Some(post.cause), || format!("{text} ({reason})"));
    }

    /// A parcel in one line.
    pub fn render_post(&self, from: Endpoint, to: Endpoint, post: &Post, arrow: &str) -> String {
        let what = match &post.parcel {
            Parcel::Peer(bytes) => match from {
                Endpoint::Server(id) => self.machines[self.position(id)].program().render(bytes),
                Endpoint::Client(_) => "(a client's message)".to_owned(),
            },
            Parcel::Request { id, bytes } => client_port::render_request::<W>(*id, bytes),
            Parcel::Reply { id, outcome } => client_port::render_reply::<W>(*id, outcome),
        };
        format!("{from} {arrow} {to}  {what}")
    }

    fn position(&self, id: NodeId) -> usize {
        usize::try_from(id.number() - 1).expect("machines are few")
    }

    /// A message is due. Whether it arrives: a script may have delivered, dropped or held it.
    fn arrive(&mut self, id: MessageId) -> Result<(), Unmoved> {
        let message = self.network.message(id).ok_or(Unmoved::Gone)?;
        let (from, to) = (message.from, message.to);
        let post = self.trace.is_kept().then(|| message.payload.clone());
        let before = self.network.counters();
        let delivery = self.network.deliver(id, self.now);
        self.note_network(before, to);
        match delivery {
            Delivery::Delivered(message) => self.delivered(from, to, message.payload),
            Delivery::Cut => {
                if let Some(post) = post {
                    self.line_lost(from, to, &post, "the link was cut under way");
                }
                Err(Unmoved::Cut)
            }
            Delivery::Gone => Err(Unmoved::Gone),
            Delivery::Held => Err(Unmoved::Held),
        }
    }

    /// Takes what the network did to a message into account, if its receiver is there to notice.
    fn note_network(&mut self, before: NetworkCounters, to: Endpoint) {
        let listens = match to {
            Endpoint::Server(server) => self.machines[self.position(server)].status().hears(),
            Endpoint::Client(_) => true,
        };
        if listens {
            self.noticed.add(self.network.counters().since(before));
        }
    }

    fn delivered(&mut self, from: Endpoint, to: Endpoint, post: Post) -> Result<(), Unmoved> {
        if let Endpoint::Server(server) = to
            && !self.machines[self.position(server)].status().hears()
        {
            if self.trace.is_kept() {
                self.line_lost(from, to, &post, &format!("{server} is down"));
            }
            return Err(Unmoved::Down);
        }
        match (to, post.parcel.clone()) {
            (Endpoint::Server(server), Parcel::Peer(bytes)) => {
                let Endpoint::Server(sender) = from else { unreachable!("only servers send to servers") };
                self.hand_over(from, to, &post, server, Input::Message { from: sender, bytes });
            }
            (Endpoint::Server(server), Parcel::Request { id, bytes }) => {
                self.hand_over(from, to, &post, server, Input::Request { id, bytes });
            }
            (Endpoint::Client(client), Parcel::Reply { id, outcome }) => {
                self.count_event(5, [client.0, id.sequence, 0, 0]);
                let text = self.trace.is_kept().then(|| self.render_post(from, to, &post, "→"));
                if let Some(text) = text {
                    self.line(LineKind::Client, Some(post.cause), || text);
                }
                self.client_hears(client, id, outcome);
            }
            (Endpoint::Server(_), Parcel::Reply { .. })
            | (Endpoint::Client(_), Parcel::Peer(_) | Parcel::Request { .. }) => {
                unreachable!("parcels go to endpoints of their kind")
            }
        }
        Ok(())
    }

    /// Hands a parcel to a machine that can hear it.
    fn hand_over(&mut self, from: Endpoint, to: Endpoint, post: &Post, server: NodeId, input: Input) {
        let machine = self.position(server);
        let (kind, bytes) = match &input {
            Input::Message { bytes, .. } => (1, bytes),
            Input::Request { bytes, .. } => (2, bytes),
            Input::Start | Input::Disk { .. } | Input::Control(_) | Input::Timer => {
                unreachable!("only these two come in parcels")
            }
        };
        self.count_event(kind, [from.subject(), to.subject(), post.cause, xxh3_64(bytes)]);
        if self.trace.is_kept() {
            let text = self.render_post(from, to, post, "→");
            let kind = if kind == 1 { LineKind::Message } else { LineKind::Client };
            self.line(kind, Some(post.cause), || text);
        }
        // What comes to a process that stands still is put before the checks when it goes on.
        if let (Some(message), Endpoint::Server(from), Status::Up) =
            (&post.description, from, self.machines[machine].status())
        {
            self.judge(&Fact::Received { from, message }, machine);
        }
        self.handle(machine, input);
    }

    /// Counts a fault as an event.
    fn count_fault(&mut self, [kind, a, b]: [u64; 3]) {
        self.count_event(6, [kind, a, b, 0]);
    }

    /// Cuts one direction between two servers, for what is under way as well.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.count_fault([1, from.number(), to.number()]);
        self.line(LineKind::Fault, None, || format!("{from} ⇥ {to}: cut"));
        self.network.cut(Endpoint::Server(from), Endpoint::Server(to));
    }

    /// Mends one direction between two servers.
    pub fn mend(&mut self, from: NodeId, to: NodeId) {
        self.count_fault([2, from.number(), to.number()]);
        self.line(LineKind::Fault, None, || format!("{from} → {to}: mended"));
        self.network.heal(Endpoint::Server(from), Endpoint::Server(to));
    }

    /// Mends every link.
    pub fn mend_all(&mut self) {
        self.count_fault([3, 0, 0]);
        self.line(LineKind::Fault, None, || "every link is whole".to_owned());
        self.network.heal_all();
    }

    /// Changes the weather on the network, for what is sent from now on.
    pub fn set_network(&mut self, options: NetworkOptions) {
        self.network.set_options(options);
    }

    /// How many clocks are off by a tick or more by now.
    pub fn clocks_apart(&self) -> u64 {
        self.machines.iter().filter(|machine| machine.clock_is_off(self.now)).count() as u64
    }

    /// Changes the habits of one machine's disk, for what is asked of it from now on.
    pub fn set_disk(&mut self, position: usize, options: DiskOptions) {
        self.machines[position].set_disk(options);
    }

    /// Changes the habits of every disk, for what is asked of them from now on.
    pub fn set_disks(&mut self, options: &DiskOptions) {
        for machine in &mut self.machines {
            machine.set_disk(options.clone());
        }
    }
}

//! Playing a script, step by step.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use wavetank_process::{Control, raft_core::NodeId};

use super::{
    ClientName, Condition, Fate, Messages, Party, Scenario, Scripted, Server, Step,
    condition::Scene,
    mistake::{Mistake, Place},
};
use crate::{
    chance::{Decider, Door, Site, labels},
    checks::{self, Violation},
    client::ClientOptions,
    disk::DiskOptions,
    kv::Command,
    network::{Endpoint, InFlight, MessageId, NetworkOptions},
    program::Program,
    run::{self, Verdict},
    tank::{Parcel, Post, Tank, TankOptions},
    time::Span,
    trace::{Fingerprint, Line, LineKind, Trace},
};

/// What playing a scenario has come to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Passed, or what did not hold.
    pub verdict: Verdict,
    /// Everything that happened, with each step as a heading.
    pub trace: Vec<Line>,
    /// How many events there were.
    pub events: u64,
    /// The identity of the run.
    pub hash: Fingerprint,
}

/// Plays a scenario on these programs, given out to the servers in turn.
pub fn play(scenario: &Scenario, programs: &[Arc<dyn Program>]) -> Outcome {
    Player::new(scenario, programs).play(None)
}

/// Plays a scenario with the claim at this place of the script turned into its contrary. If the claim means
/// anything, the scenario fails.
pub fn play_negated(scenario: &Scenario, programs: &[Arc<dyn Program>], step: usize) -> Outcome {
    Player::new(scenario, programs).play(Some(step))
}

/// Makes the mildest choice everywhere, except where a step says what becomes of unsynced sectors.
struct Quiet {
    fate: Arc<AtomicU64>,
}

impl Decider for Quiet {
    fn decide(&mut self, site: Site, _ordinal: u64, bound: u64) -> u64 {
        match site.label {
            labels::DISK_UNSYNCED => self.fate.load(Ordering::Relaxed).min(bound - 1),
            labels::DISK_TEAR => bound / 2,
            _ => 0,
        }
    }
}

struct Player<'a> {
    scenario: &'a Scenario,
    tank: Tank,
    fate: Arc<AtomicU64>,
    last_crashed: Option<usize>,
}

/// A scenario is short. More events than this mean that a span of time was mistyped.
const EVENT_LIMIT: u64 = 500_000;

/// After so many deliveries at one moment a cluster does not settle.
const SETTLE_LIMIT: u64 = 100_000;

impl<'a> Player<'a> {
    fn new(scenario: &'a Scenario, programs: &[Arc<dyn Program>]) -> Self {
        let cluster = &scenario.cluster;
        let mut options = TankOptions {
            voters: cluster.voters,
            tick: cluster.tick,
            network: NetworkOptions {
                latency_min: cluster.latency,
                latency_mean: cluster.latency,
                ..NetworkOptions::default()
            },
            ..TankOptions::default()
        };
        options.raft.pre_vote = cluster.pre_vote;
        options.raft.check_quorum = cluster.check_quorum;
        options.raft.election_timeout_ticks = cluster.election_timeout_ticks;
        options.raft.heartbeat_ticks = cluster.heartbeat_ticks;
        options.raft.max_message_bytes = cluster.max_message_bytes;
        options.raft.max_inflight_messages = cluster.max_inflight_messages;
        // Clients do only what the script has them do.
        let client =
            ClientOptions { operations: 0, timeout: cluster.client_timeout, ..ClientOptions::default() };
        options.clients = (0..cluster.clients).map(|_| client.clone()).collect();
        let fate = Arc::new(AtomicU64::new(0));
        let door = Door::new(Quiet { fate: Arc::clone(&fate) });
        let tank = Tank::new(options, programs, checks::built_in(), door, Trace::kept());
        Self { scenario, tank, fate, last_crashed: None }
    }

    fn play(mut self, negated: Option<usize>) -> Outcome {
        self.settle_moment();
        let script = &self.scenario.script;
        for (position, Scripted { step, place, remark }) in script.iter().enumerate() {
            if !remark.is_empty() {
                self.tank.heading(LineKind::Remark, remark);
            }
            self.tank.heading(LineKind::Step, &heading(place.text(&self.scenario.source)));
            let played = match step {
                Step::Expect(condition) if negated == Some(position) => {
                    self.expect(&Condition::Not(Box::new(condition.clone())))
                }
                step => self.step(step),
            };
            self.settle_moment();
            if let Some(violation) = self.tank.violation() {
                let verdict = Verdict::Fail(violation.clone());
                return self.outcome(verdict);
            }
            if let Err((check, message)) = played {
                return self.failed(check, *place, &message);
            }
        }
        let verdict = run::judge_history(&self.tank);
        self.outcome(verdict)
    }

    /// Lets everything happen that takes no time.
    fn settle_moment(&mut self) {
        self.tank.run_to(self.tank.now());
    }

    fn failed(self, check: &str, place: Place, message: &str) -> Outcome {
        let Scenario { path, source, .. } = self.scenario;
        let title = if check == "Expectation" { "this does not hold" } else { "this step cannot be taken" };
        let message = Mistake::new(path, source, place, title, message).to_string();
        let violation = Violation { check: check.to_owned(), event: self.tank.events(), message };
        self.outcome(Verdict::Fail(violation))
    }

    fn outcome(self, verdict: Verdict) -> Outcome {
        Outcome {
            verdict,
            trace: self.tank.trace().lines().to_vec(),
            events: self.tank.events(),
            hash: self.tank.fingerprint(),
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene { tank: &self.tank, last_crashed: self.last_crashed }
    }

    /// The place of a server in the cluster.
    fn find(&self, server: Server) -> Result<usize, Failure> {
        self.scene().find(server).map_err(unplayable)
    }

    fn id(&self, server: Server) -> Result<NodeId, Failure> {
        self.find(server).map(|position| self.tank.cluster()[position].id)
    }

    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Campaign(server) => self.control(*server, Control::Campaign),
            Step::Transfer { from, to } => {
                let to = self.id(*to)?;
                self.control(*from, Control::Transfer(to))
            }
            Step::Deliver(messages) => self.each(messages, Tank::deliver_now),
            Step::Drop(messages) => self.each(messages, Tank::drop_now),
            Step::Duplicate(messages) => self.each(messages, Tank::duplicate_now),
            Step::Hold(messages) => self.each(messages, Tank::hold),
            Step::Release(messages) => self.each(messages, Tank::release),
            Step::Delay { kind, from, to, by } => {
                let messages = Messages { kind: *kind, from: *from, to: *to, nth: None };
                self.each(&messages, |tank, id| tank.delay(id, *by))
            }
            Step::Partition(groups) => self.partition(groups),
            Step::Cut { from, to } => {
                let (from, to) = (self.id(*from)?, self.id(*to)?);
                self.tank.cut(from, to);
                Ok(())
            }
            Step::Heal => {
                self.tank.mend_all();
                Ok(())
            }
            Step::Crash(server) => self.crash(*server, None),
            Step::LosePower(server, fate) => self.crash(*server, Some(*fate)),
            Step::Restart(server) => {
                let position = self.find(*server)?;
                possible(self.tank.restart(position), "it is running")
            }
            Step::Pause(server) => {
                let position = self.find(*server)?;
                possible(self.tank.pause(position), "it is not running")
            }
            Step::Resume(server) => {
                let position = self.find(*server)?;
                possible(self.tank.resume(position).is_some(), "it is not paused")
            }
            Step::Slow(server, latency) => {
                let position = self.find(*server)?;
                let options =
                    DiskOptions { latency_min: *latency, latency_mean: *latency, ..DiskOptions::default() };
                self.tank.set_disk(position, options);
                Ok(())
            }
            Step::Put { .. }
            | Step::Get { .. }
            | Step::Cas { .. }
            | Step::Append { .. }
            | Step::Retry { .. } => self.client_step(step),
            Step::RunFor(span) => self.run_for(*span),
            Step::RunUntil { condition, within } => self.run_until(condition, *within),
            Step::Settle => self.settle(),
            Step::Expect(condition) => self.expect(condition),
        }
    }

    fn control(&mut self, server: Server, control: Control) -> Result<(), Failure> {
        let position = self.find(server)?;
        match self.tank.control(position, control) {
            None => Ok(()),
            Some(reason) => {
                Err(unplayable(format!("{} refuses: {reason}", self.tank.cluster()[position].id)))
            }
        }
    }

    fn crash(&mut self, server: Server, fate: Option<Fate>) -> Result<(), Failure> {
        let position = self.find(server)?;
        let choice = match fate {
            None | Some(Fate::Kept) => 0,
            Some(Fate::Lost) => 1,
            Some(Fate::Torn) => 2,
        };
        self.fate.store(choice, Ordering::Relaxed);
        let crashed = self.tank.crash(position, fate.is_some()).is_some();
        self.fate.store(0, Ordering::Relaxed);
        self.last_crashed = Some(position);
        possible(crashed, "it is down already")
    }

    fn partition(&mut self, groups: &[Vec<Server>]) -> Result<(), Failure> {
        let mut group_of = vec![0; self.tank.cluster().len()];
        for (group, servers) in groups.iter().enumerate() {
            for server in servers {
                let position = self.find(*server)?;
                if group_of[position] != 0 {
                    let id = self.tank.cluster()[position].id;
                    return Err(unplayable(format!("{id} is in two groups")));
                }
                group_of[position] = group + 1;
            }
        }
        let ids = self.tank.cluster().iter().map(|machine| machine.id).collect::<Vec<_>>();
        for (&from, from_group) in ids.iter().zip(&group_of) {
            for (&to, to_group) in ids.iter().zip(&group_of) {
                if from_group != to_group {
                    self.tank.cut(from, to);
                }
            }
        }
        Ok(())
    }

    /// Does something with every message that fits.
    fn each(
        &mut self,
        messages: &Messages,
        mut act: impl FnMut(&mut Tank, MessageId) -> bool,
    ) -> Result<(), Failure> {
        for id in self.matching(messages)? {
            if !act(&mut self.tank, id) {
                return Err(unplayable("the message is held, or gone".to_owned()));
            }
            self.settle_moment();
        }
        Ok(())
    }

    /// The messages that fit, in the order in which they were sent.
    fn matching(&self, messages: &Messages) -> Result<Vec<MessageId>, Failure> {
        let end = |party: Option<Party>| -> Result<Option<Endpoint>, Failure> {
            party.map(|party| self.endpoint(party)).transpose()
        };
        let (from, to) = (end(messages.from)?, end(messages.to)?);
        let fits = |message: &&InFlight<Post>| {
            from.is_none_or(|from| message.from == from)
                && to.is_none_or(|to| message.to == to)
                && messages.kind.is_none_or(|kind| self.kind(message) == kind.name())
        };
        let found = self.tank.network().in_flight().filter(fits).map(|message| message.id);
        let found = match messages.nth {
            None => found.collect::<Vec<_>>(),
            Some(nth) => found.skip(nth.saturating_sub(1)).take(1).collect(),
        };
        if !found.is_empty() {
            return Ok(found);
        }
        let waiting = self
            .tank
            .network()
            .in_flight()
            .map(|message| format!("{} {} → {}", self.kind(message), message.from, message.to));
        let waiting = waiting.collect::<Vec<_>>().join(", ");
        Err(unplayable(if waiting.is_empty() {
            "no such message: the mailboxes are empty".to_owned()
        } else {
            format!("no such message; in the mailboxes: {waiting}")
        }))
    }

    fn kind(&self, message: &InFlight<Post>) -> &'static str {
        match &message.payload.parcel {
            Parcel::Peer(_) => self.tank.kind(message.from, &message.payload).unwrap_or("?"),
            Parcel::Request { .. } => "Request",
            Parcel::Reply { .. } => "Reply",
        }
    }

    fn endpoint(&self, party: Party) -> Result<Endpoint, Failure> {
        match party.server_or_client() {
            Ok(server) => self.id(server).map(Endpoint::Server),
            Err(client) => Ok(Endpoint::Client(wavetank_process::ClientId(client.number()))),
        }
    }

    fn client_step(&mut self, step: &Step) -> Result<(), Failure> {
        let (client, to, command) = match step.clone() {
            Step::Put { client, to, key, value } => (client, to, Command::Put { key, value }),
            Step::Get { client, to, key } => (client, to, Command::Get { key }),
            Step::Cas { client, to, key, expected, value } => {
                (client, to, Command::Cas { key, expected, value })
            }
            Step::Append { client, to, key, value } => (client, to, Command::Append { key, value }),
            Step::Retry { client, to } => {
                let to = self.id(to)?;
                return possible(self.tank.resend(place(client), to), "the client has no open request");
            }
            _ => return Ok(()),
        };
        let to = self.id(to)?;
        self.tank.submit(place(client), command, to);
        Ok(())
    }

    fn expect(&self, condition: &Condition) -> Result<(), Failure> {
        condition.judge(&self.scene()).map_err(|instead| ("Expectation", instead))
    }

    fn run_for(&mut self, span: Span) -> Result<(), Failure> {
        let until = self.tank.now() + span;
        while self.tank.violation().is_none() && self.tank.next_event().is_some_and(|next| next <= until) {
            self.tank.step();
            self.within_limit()?;
        }
        self.tank.run_to(until);
        Ok(())
    }

    fn within_limit(&self) -> Result<(), Failure> {
        let told = || unplayable(format!("more than {EVENT_LIMIT} events: too long for a scenario"));
        if EVENT_LIMIT < self.tank.events() { Err(told()) } else { Ok(()) }
    }

    fn run_until(&mut self, condition: &Condition, within: Span) -> Result<(), Failure> {
        let deadline = self.tank.now() + within;
        loop {
            let Err(instead) = condition.judge(&self.scene()) else { return Ok(()) };
            match self.tank.next_event() {
                Some(next) if next <= deadline && self.tank.violation().is_none() => {
                    self.tank.step();
                    self.within_limit()?;
                }
                _ => return Err(("Expectation", format!("after {within} {instead}"))),
            }
        }
    }

    fn settle(&mut self) -> Result<(), Failure> {
        for _ in 0..SETTLE_LIMIT {
            self.settle_moment();
            let next =
                self.tank.network().in_flight().find(|message| !message.held).map(|message| message.id);
            let Some(next) = next else { return Ok(()) };
            if self.tank.violation().is_some() {
                return Ok(());
            }
            self.tank.deliver_now(next);
        }
        Err(unplayable(format!("after {SETTLE_LIMIT} deliveries there are still messages")))
    }
}

/// The check that a step has failed, and why.
type Failure = (&'static str, String);

fn unplayable(reason: String) -> Failure {
    ("Script", reason)
}

fn possible(done: bool, otherwise: &str) -> Result<(), Failure> {
    if done { Ok(()) } else { Err(unplayable(otherwise.to_owned())) }
}

fn place(client: ClientName) -> usize {
    usize::try_from(client.number() - 1).unwrap_or(0)
}

/// A step as a heading: its text on one line.
fn heading(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

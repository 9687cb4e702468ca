//! Playing a script, step by step.

mod quiet;
mod mail;
mod machines;
mod clients;
mod passage;

use std::sync::Arc;

use wavetank_process::{RaftOptions, raft_core::NodeId};

use super::{
    Cluster, Mistake, Scenario, Scripted, Server, Step,
    scene::{Claim, Instead, Scene},
};
use crate::{
    chance::Door,
    checks::{self, Violation},
    client::ClientOptions,
    mistake::Place,
    network::NetworkOptions,
    program::Program,
    run::{self, Verdict},
    tank::{Tank, TankOptions},
    trace::{Fingerprint, Line, LineKind, Trace},
};
use quiet::{FateOfSectors, Quiet};

/// What playing a scenario has come to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Passed, or what did not hold; or the step that could not be taken, which is a mistake in the script.
    pub verdict: Result<Verdict, Mistake>,
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

/// Plays a scenario with the claim at this place of the script, an `expect` or a `run_until`, turned into its contrary.
/// If the claim means anything, the scenario fails.
pub fn play_negated(scenario: &Scenario, programs: &[Arc<dyn Program>], step: usize) -> Outcome {
    Player::new(scenario, programs).play(Some(step))
}

/// Why a script does not go on.
enum Failure {
    /// A claim does not hold: the scenario fails.
    Claim(Instead),
    /// A step cannot be taken: the script is mistaken.
    Step(String),
}

impl From<Instead> for Failure {
    /// A step that names a server or client that is not there cannot be taken.
    fn from(instead: Instead) -> Self {
        Self::Step(instead.into_words())
    }
}

/// What has become of a step.
type Played = Result<(), Failure>;

fn possible(done: bool, otherwise: &str) -> Played {
    if done { Ok(()) } else { Err(Failure::Step(otherwise.to_owned())) }
}

fn claimed(claim: Claim) -> Played {
    claim.map_err(Failure::Claim)
}

/// The contrary of a claim. Where there is nothing to judge there is no contrary either.
fn contrary(played: Played) -> Played {
    match played {
        Ok(()) => Err(Failure::Claim(Instead::Otherwise("it holds".to_owned()))),
        Err(Failure::Claim(Instead::Otherwise(_))) => Ok(()),
        unplayed => unplayed,
    }
}

struct Player<'a> {
    scenario: &'a Scenario,
    tank: Tank,
    fate: FateOfSectors,
    last_crashed: Option<usize>,
}

impl<'a> Player<'a> {
    fn new(scenario: &'a Scenario, programs: &[Arc<dyn Program>]) -> Self {
        let fate = FateOfSectors::default();
        let door = Door::new(Quiet::new(&fate));
        let options = tank_options(&scenario.cluster);
        let tank = Tank::new(options, programs, checks::built_in(), door, Trace::kept());
        Self { scenario, tank, fate, last_crashed: None }
    }

    fn play(mut self, negated: Option<usize>) -> Outcome {
        self.settle_moment();
        let script = &self.scenario.script;
        for (position, scripted) in script.iter().enumerate() {
            let played = self.play_step(scripted);
            let played = if negated == Some(position) { contrary(played) } else { played };
            if let Some(violation) = self.tank.violation() {
                let verdict = Verdict::Fail(violation.clone());
                return self.outcome(Ok(verdict));
            }
            if let Err(failure) = played {
                let verdict = self.failed(failure, scripted.place);
                return self.outcome(verdict);
            }
        }
        let verdict = run::judge_history(&self.tank);
        self.outcome(Ok(verdict))
    }

    /// Plays a step under its heading, with everything that follows at the same moment.
    fn play_step(&mut self, Scripted { step, place, remark }: &Scripted) -> Played {
        if !remark.is_empty() {
            self.tank.heading(LineKind::Remark, remark);
        }
        self.tank.heading(LineKind::Step, &heading(place.text(&self.scenario.source)));
        let played = self.step(step);
        self.settle_moment();
        played
    }

    fn failed(&self, failure: Failure, place: Place) -> Result<Verdict, Mistake> {
        let Scenario { path, source, .. } = self.scenario;
        match failure {
            Failure::Step(reason) => {
                Err(Mistake::new(path, source, place, "this step cannot be taken", reason))
            }
            Failure::Claim(instead) => {
                let mistake = Mistake::new(path, source, place, "this does not hold", instead.into_words());
                let (event, message) = (self.tank.events(), mistake.to_string());
                Ok(Verdict::Fail(Violation { check: "Expectation".to_owned(), event, message }))
            }
        }
    }

    fn outcome(self, verdict: Result<Verdict, Mistake>) -> Outcome {
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
        Ok(self.scene().find(server)?)
    }

    fn id(&self, server: Server) -> Result<NodeId, Failure> {
        self.find(server).map(|position| self.tank.cluster()[position].id)
    }

    /// Takes a step. Each verb is played in one of the chapters below this file.
    fn step(&mut self, step: &Step) -> Played {
        match step {
            Step::Campaign(server) => self.campaign(*server),
            Step::Transfer { from, to } => self.transfer(*from, *to),
            Step::Deliver(messages) => self.each(messages, Tank::deliver_now),
            Step::Drop(messages) => self.each(messages, Tank::drop_now),
            Step::Duplicate(messages) => self.each(messages, Tank::duplicate_now),
            Step::Hold(messages) => self.each(messages, Tank::hold),
            Step::Release(messages) => self.each(messages, Tank::release),
            Step::Delay { kind, from, to, by } => self.delay(*kind, *from, *to, *by),
            Step::Partition(groups) => self.partition(groups),
            Step::Cut { from, to } => self.cut(*from, *to),
            Step::Heal => self.heal(),
            Step::Crash(server) => self.crash(*server, None),
            Step::LosePower(server, fate) => self.crash(*server, Some(*fate)),
            Step::Restart(server) => self.restart(*server),
            Step::Pause(server) => self.pause(*server),
            Step::Resume(server) => self.resume(*server),
            Step::Slow(server, latency) => self.slow(*server, *latency),
            Step::Put(_) | Step::Get(_) | Step::Cas(_) | Step::Append(_) => self.call(step),
            Step::Retry { client, to } => self.retry(*client, *to),
            Step::RunFor(span) => self.run_for(*span),
            Step::RunUntil { condition, within } => self.run_until(condition, *within),
            Step::Settle => self.settle(),
            Step::Expect(condition) => claimed(condition.judge(&self.scene())),
        }
    }
}

/// The tank for a cluster. Its clients do only what the script has them do.
fn tank_options(cluster: &Cluster) -> TankOptions {
    let Cluster {
        voters,
        clients,
        pre_vote,
        check_quorum,
        election_timeout_ticks,
        heartbeat_ticks,
        max_message_bytes,
        max_inflight_messages,
        tick,
        latency,
        client_timeout,
    } = *cluster;
    let client = ClientOptions { operations: 0, timeout: client_timeout, ..ClientOptions::default() };
    TankOptions {
        voters,
        tick,
        raft: RaftOptions {
            election_timeout_ticks,
            heartbeat_ticks,
            pre_vote,
            check_quorum,
            max_message_bytes,
            max_inflight_messages,
        },
        network: NetworkOptions { latency_min: latency, latency_mean: latency, ..NetworkOptions::default() },
        clients: (0..clients).map(|_| client.clone()).collect(),
        ..TankOptions::default()
    }
}

/// A step as a heading: its text on one line.
fn heading(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

//! Playing a script, step by step.

mod quiet;
mod setting;
mod mail;
mod machines;
mod members;
mod clients;
mod passage;

use std::sync::Arc;

use wavetank_process::{Control, raft_core::NodeId};

use super::{
    Condition, Messages, Mistake, Scenario, Scripted, Server, Step,
    scene::{Claim, Instead, Scene},
};
use crate::{
    chance::Door,
    checks::{self, Violation},
    client::KvWorkload,
    disk::DiskFault,
    mistake::Place,
    program::Program,
    run::{self, Verdict},
    tank::Tank,
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
    play_or_refuse(scenario, programs, &Twist::None)
}

/// Plays a scenario with the claim at this place of the script, an `expect` or a `run_until`, turned into its contrary.
/// If the claim means anything, the scenario fails.
pub fn play_negated(scenario: &Scenario, programs: &[Arc<dyn Program>], step: usize) -> Outcome {
    play_or_refuse(scenario, programs, &Twist::Contrary { step })
}

/// Plays a scenario and, when it comes to this step of the script, claims something else instead.
pub fn play_claiming(
    scenario: &Scenario,
    programs: &[Arc<dyn Program>],
    step: usize,
    claim: Condition,
) -> Outcome {
    play_or_refuse(scenario, programs, &Twist::Claim { step, claim })
}

/// How a script is played otherwise than it is written.
enum Twist {
    /// It is not.
    None,
    /// A step counts as taken if it fails as a claim, and the reverse.
    Contrary { step: usize },
    /// In the place of a step there is a claim.
    Claim { step: usize, claim: Condition },
}

fn play_or_refuse(scenario: &Scenario, programs: &[Arc<dyn Program>], twist: &Twist) -> Outcome {
    match Player::new(scenario, programs) {
        Ok(player) => player.play(twist),
        Err(mistake) => {
            Outcome { verdict: Err(mistake), trace: Vec::new(), events: 0, hash: Fingerprint::default() }
        }
    }
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
    /// Who refused what its operator asked last, and why.
    refusal: Option<(usize, String)>,
    /// The step that is being taken.
    place: Place,
    /// Faults of disks, each with the machine that it was ordered for and the step that did it.
    ordered: Vec<(usize, DiskFault, Place)>,
    /// Whether steps are being taken together, so that nothing happens between them.
    together: bool,
}

impl<'a> Player<'a> {
    fn new(scenario: &'a Scenario, programs: &[Arc<dyn Program>]) -> Result<Self, Mistake> {
        let fate = FateOfSectors::default();
        let door = Door::new(Quiet::new(&fate));
        let options = setting::tank_options(&scenario.cluster);
        let files = setting::files(scenario, programs)?;
        let checks = checks::built_in();
        let tank = Tank::of(KvWorkload::default(), options, &files, programs, checks, door, Trace::kept());
        let place = Place::whole(&scenario.source);
        Ok(Self {
            scenario,
            tank,
            fate,
            last_crashed: None,
            refusal: None,
            place,
            ordered: Vec::new(),
            together: false,
        })
    }

    fn play(mut self, twist: &Twist) -> Outcome {
        self.settle_moment();
        let script = &self.scenario.script;
        for (position, scripted) in script.iter().enumerate() {
            let played = match twist {
                Twist::Contrary { step } if *step == position => contrary(self.play_step(scripted)),
                Twist::Claim { step, claim } if *step == position => claimed(claim.judge(&self.scene())),
                Twist::None | Twist::Contrary { .. } | Twist::Claim { .. } => self.play_step(scripted),
            };
            if let Some(violation) = self.tank.violation() {
                let verdict = Verdict::Fail(violation.clone());
                return self.outcome(Ok(verdict));
            }
            if let Err(failure) = played {
                let verdict = self.failed(failure, scripted.place);
                return self.outcome(verdict);
            }
        }
        let verdict = self.idle_fault().map_or_else(|| Ok(run::judge_history(&self.tank)), Err);
        self.outcome(verdict)
    }

    /// A fault that was ordered and has not struck, as a mistake.
    fn idle_fault(&self) -> Option<Mistake> {
        let idle =
            |(position, fault, _): &&(usize, DiskFault, Place)| self.tank.disk_fault_waits(*position, *fault);
        let (_, _, place) = self.ordered.iter().find(idle)?;
        let Scenario { path, source, .. } = self.scenario;
        Some(Mistake::new(
            path,
            source,
            *place,
            "this step had no effect",
            "when the script ends, it has made no difference",
        ))
    }

    /// Plays a step under its heading, with everything that follows at the same moment.
    fn play_step(&mut self, Scripted { step, place, remark }: &Scripted) -> Played {
        if !remark.is_empty() {
            self.tank.heading(LineKind::Remark, remark);
        }
        self.tank.heading(LineKind::Step, &heading(place.text(&self.scenario.source)));
        self.place = *place;
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
        Scene { tank: &self.tank, last_crashed: self.last_crashed, refusal: self.refusal.as_ref() }
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
            Step::Change(change) => self.change(change),
            Step::Leave(server) => self.leave(*server),
            Step::Snapshot(server) => self.control(*server, Control::Snapshot),
            Step::Compact(server) => self.control(*server, Control::Compact),
            Step::Deliver(messages) => self.each(messages, Tank::deliver_now),
            Step::Drop(messages) => self.each(messages, Tank::drop_now),
            Step::Duplicate(messages) => self.each(messages, Tank::duplicate_now),
            Step::Hold(messages) => self.each(messages, Tank::hold),
            Step::Release(messages) => self.each(messages, Tank::release),
            Step::Delay { kind, from, to, nth, by } => {
                let messages = Messages { kind: *kind, from: *from, to: *to, nth: *nth };
                self.each(&messages, |tank, id| tank.delay(id, *by))
            }
            Step::Partition(groups) => self.partition(groups),
            Step::Cut { from, to } => self.cut(*from, *to),
            Step::Heal => self.heal(),
            Step::Crash(server) => self.crash(*server, None),
            Step::LosePower(server, fate) => self.crash(*server, Some(*fate)),
            Step::Restart(server) => self.restart(*server),
            Step::Pause(server) => self.pause(*server),
            Step::Resume(server) => self.resume(*server),
            Step::Slow(server, latency) => self.slow(*server, *latency),
            Step::Skew { server, ppm, forward } => self.skew(*server, *ppm, *forward),
            Step::Fail(server, operation) => self.order(*server, DiskFault::Fail(*operation)),
            Step::Fill(server) => self.order(*server, DiskFault::Full),
            Step::Tear(server, bytes) => self.order(*server, DiskFault::Tear { bytes: *bytes }),
            Step::Rot(server, damage) => self.order(*server, DiskFault::Rot(*damage)),
            Step::MakeRoom(server) => self.make_room(*server),
            Step::Put(_) | Step::Get(_) | Step::Cas(_) | Step::Append(_) => self.call(step),
            Step::Retry { client, to } => self.retry(*client, *to),
            Step::Together(steps) => self.together(steps),
            Step::RunFor(span) => self.run_for(*span),
            Step::RunUntil { condition, within } => self.run_until(condition, *within),
            Step::Settle => self.settle(),
            Step::Expect(condition) => claimed(condition.judge(&self.scene())),
        }
    }
}

/// A step as a heading: its text on one line.
fn heading(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

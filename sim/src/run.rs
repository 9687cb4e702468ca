//! One randomized run: a storm, then calm, then judgement.
//!
//! Safety is checked all along. When the storm is over, everything is mended, and the cluster has so many election
//! timeouts to elect a leader, answer everybody and agree. The clients' history is judged all along as well; at the
//! end, the order found for it is replayed.

use std::{collections::BTreeMap, fmt, sync::Arc};

use linearizability::OutcomeCounts;
use serde::Serialize;
use wavetank_process::raft_core::LogIndex;

use crate::{
    chance::{DecisionLog, Door, Random, Recorded},
    checks::{self, Check, CheckCounters, Violation},
    client::{ClientOptions, KvWorkload, Workload},
    disk::DiskOptions,
    network::NetworkOptions,
    program::{self, Program},
    storm::{FaultCounters, Storm},
    swarm::RunOptions,
    tank::{Status, Tally, Tank},
    time::{Span, Time},
    trace::{Fingerprint, Line, Trace},
};

/// What a run has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was checked held.
    Pass,
    /// Something did not.
    Fail(Violation),
    /// The run ended before it could be judged, which proves nothing.
    Inconclusive(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Fail(violation) => write!(f, "{violation}"),
            Self::Inconclusive(reason) => write!(f, "inconclusive: {reason}"),
        }
    }
}

/// A run, told afterwards.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it has come to.
    pub verdict: Verdict,
    /// Its identity.
    pub hash: Fingerprint,
    /// How many events there were.
    pub events: u64,
    /// How long it lasted, in virtual time.
    pub virtual_time: Span,
    /// What happened in it.
    pub tally: Tally,
    /// How the clients' operations ended.
    pub operations: OutcomeCounts,
    /// What its faults came to.
    pub faults: BTreeMap<String, FaultCounters>,
    /// How often each check was asked.
    pub checks: BTreeMap<String, CheckCounters>,
    /// How often each rare branch of the processes was reached.
    pub branches: BTreeMap<&'static str, u64>,
    /// Its trace, if it was kept.
    pub trace: Vec<Line>,
    /// The decisions it was made of, if they were recorded.
    pub decisions: DecisionLog,
}

impl Report {
    /// What was violated, told with the part of the trace that led there; `None` if nothing was.
    pub fn story(&self) -> Option<String> {
        match &self.verdict {
            Verdict::Fail(violation) => Some(violation.story(&self.trace)),
            Verdict::Pass | Verdict::Inconclusive(_) => None,
        }
    }
}

/// What to keep of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The trace.
    pub trace: bool,
    /// The decisions.
    pub decisions: bool,
}

/// No implementation has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no implementation named {name:?}; there are: {}", known.join(", "))]
pub struct UnknownProgram {
    /// The name.
    pub name: String,
    /// Those that there are.
    pub known: Vec<String>,
}

/// Finds implementations by name.
///
/// # Errors
/// When there is none of a name.
pub fn find_programs(names: &[String]) -> Result<Vec<Arc<dyn Program>>, UnknownProgram> {
    let known = program::built_in();
    let find = |name: &String| {
        known.iter().find(|program| program.name() == name).cloned().ok_or_else(|| UnknownProgram {
            name: name.clone(),
            known: known.iter().map(|program| program.name().to_owned()).collect(),
        })
    };
    names.iter().map(find).collect()
}

/// Runs the history that a seed stands for, of an implementation that comes with the tank.
///
/// # Errors
/// When there is no such implementation.
pub fn run_seed(program: &str, seed: u64, keep: Keep) -> Result<Report, UnknownProgram> {
    let programs = find_programs(&[program.to_owned()])?;
    Ok(run_seed_of(&programs[0], seed, keep))
}

/// Runs the history that a seed stands for, of any program.
pub fn run_seed_of(program: &Arc<dyn Program>, seed: u64, keep: Keep) -> Report {
    let options = RunOptions::draw(program.name(), &mut Door::new(Random::new(seed)));
    let random = Random::new(seed);
    let door = if keep.decisions { Door::recording(random) } else { Door::new(random) };
    run(&options, std::slice::from_ref(program), door, keep)
}

/// Runs a configuration with recorded decisions: the same run, event for event.
///
/// # Errors
/// When there is no such implementation.
pub fn run_recorded(
    options: &RunOptions,
    decisions: DecisionLog,
    keep: Keep,
) -> Result<Report, UnknownProgram> {
    let programs = find_programs(&options.programs)?;
    let recorded = Recorded::new(decisions);
    let door = if keep.decisions { Door::recording(recorded) } else { Door::new(recorded) };
    Ok(run(options, &programs, door, keep))
}

/// Runs a configuration behind any door.
pub fn run(options: &RunOptions, programs: &[Arc<dyn Program>], door: Door, keep: Keep) -> Report {
    let subject = Subject { programs, workload: KvWorkload::default(), checks: checks::built_in() };
    run_subject(options, subject, door, keep)
}

/// What is put to the test in a run, and by what.
#[expect(missing_debug_implementations, reason = "checks need not be printable")]
pub struct Subject<'a, W> {
    /// What runs on the machines, in turn.
    pub programs: &'a [Arc<dyn Program>],
    /// What clients ask for, and what the answers mean.
    pub workload: W,
    /// What must hold after every event.
    pub checks: Vec<Box<dyn Check>>,
}

/// Runs a configuration behind any door, with checks and a workload of one's own.
pub fn run_subject<W: Workload>(
    options: &RunOptions,
    subject: Subject<'_, W>,
    door: Door,
    keep: Keep,
) -> Report {
    let Subject { programs, workload, checks } = subject;
    let trace = if keep.trace { Trace::kept() } else { Trace::default() };
    let mut tank = Tank::of(workload, options.tank.clone(), &[], programs, checks, door, trace);
    let mut storm = Storm::plan(&options.faults, &mut tank);
    let verdict = play(options, &mut tank, &mut storm);
    report(verdict, &tank, &storm)
}

/// More events than this, for each event of the storm, end a run without a verdict.
const EVENT_LIMIT: u64 = 40;

/// Every process must be as far as every other one within so many of the longest election timeouts.
const CALM_LIMIT: u64 = 60;

/// When that is so, the cluster is watched for so many more: a leader that works is to go on leading.
const REST: u64 = 4;

/// A message that was long under way may depose a leader, and who is elected instead may be deposed by another. More
/// elections than these within the rest have no such excuse.
const REST_ELECTIONS: u64 = 2;

/// Lets a run go by and judges it. Whether liveness was judged too.
fn play<W: Workload>(options: &RunOptions, tank: &mut Tank<W>, storm: &mut Storm) -> (Verdict, bool) {
    while tank.events() < options.faults.events && storm.step(tank) {
        judge_halts(tank);
    }
    if let Some(violation) = tank.violation() {
        return (Verdict::Fail(violation.clone()), false);
    }
    settle(options, tank, storm);
    if let Some(violation) = tank.violation() {
        return (Verdict::Fail(violation.clone()), violation.check == "Liveness");
    }
    let limit = event_limit(options);
    if limit < tank.events() {
        return (Verdict::Inconclusive(format!("it took more than {limit} events")), false);
    }
    let undescribed = tank.tally().undescribed_messages;
    match judge_history(tank) {
        Verdict::Pass if 0 < undescribed => {
            let reason =
                format!("{undescribed} messages could not be described, so their promises were not checked");
            (Verdict::Inconclusive(reason), true)
        }
        verdict => (verdict, true),
    }
}

/// With so many events a run ends without a verdict.
fn event_limit(options: &RunOptions) -> u64 {
    options.faults.events.saturating_mul(EVENT_LIMIT)
}

/// No disk fails here, so no process has a reason to give up.
fn judge_halts<W: Workload>(tank: &mut Tank<W>) {
    for machine in 0..tank.cluster().len() {
        if let Status::Halted { reason } = tank.status(machine) {
            let message = format!("{} gave up, but its disk is sound: {reason}", tank.cluster()[machine].id);
            tank.violate("Halt", message);
        }
    }
}

/// Mends everything and sees to it that the cluster comes to rest, with every client answered.
fn settle<W: Workload>(options: &RunOptions, tank: &mut Tank<W>, storm: &mut Storm) {
    storm.calm(tank);
    tank.set_network(NetworkOptions::default());
    tank.set_disks(&DiskOptions::default());
    tank.stop_clients();
    let deadline =
        tank.now() + options.tank.longest_election_timeout() * CALM_LIMIT + slowest_client(options);
    let limit = event_limit(options);
    run_until(tank, deadline, limit, |tank| clients_open(tank).or_else(|| no_leader(tank)));
    if 0 < options.faults.changes {
        settle_members(tank, deadline, limit);
    }
    // To leave joint configurations may have taken longer.
    let deadline = deadline.max(tank.now() + tank.options().longest_election_timeout());
    // What was open may have been given up. A client that comes now must be served, however often it has to ask: a
    // message that was long under way may still depose a leader once.
    let probe = tank.add_client(ClientOptions {
        keys: options.tank.clients.first().map_or(1, |client| client.keys),
        read_percent: 50,
        operations: 8,
        attempts: u64::MAX,
        timeout: deadline.since(tank.now()).max(Span::from_secs(1)),
        ..ClientOptions::default()
    });
    run_until(tank, deadline, limit, |tank| probe_unanswered(tank, probe).or_else(|| not_converged(tank)));
    rest(tank, limit);
}

/// Sees to it that the changes of members come to an end.
fn settle_members<W: Workload>(tank: &mut Tank<W>, deadline: Time, limit: u64) {
    run_until(tank, deadline, limit, not_converged);
    let deadline = deadline.max(tank.now() + tank.options().longest_election_timeout() * CALM_LIMIT);
    while tank.violation().is_none() && tank.events() <= limit && tank.stays_joint() {
        tank.leave_joint();
        let pause = tank.now() + tank.options().longest_election_timeout();
        if deadline < pause {
            tank.violate("Liveness", "a joint configuration cannot be left".to_owned());
        }
        while tank.stays_joint() && tank.next_event().is_some_and(|next| next <= pause) && tank.step() {
            judge_halts(tank);
        }
    }
    run_until(tank, deadline, limit, not_converged);
    retire(tank);
}

/// Switches off who was removed: that does not know it, and may campaign for ever (§4.2.3). Leaders that check their quorum
/// have nothing to fear from it.
fn retire<W: Workload>(tank: &mut Tank<W>) {
    let Some(leader) = tank.leader().filter(|_| !tank.options().raft.check_quorum) else { return };
    let members = tank.cluster()[leader].members().clone();
    for machine in 0..tank.cluster().len() {
        if !members.contains(tank.cluster()[machine].id) {
            tank.crash(machine, false);
        }
    }
}

/// Lets a cluster that has come to rest be, and sees to it that it stays at rest.
fn rest<W: Workload>(tank: &mut Tank<W>, limit: u64) {
    let until = tank.now() + tank.options().longest_election_timeout() * REST;
    let before = tank.tally().elections;
    let due = |tank: &Tank<W>| tank.next_event().is_some_and(|next| next <= until);
    while tank.violation().is_none() && tank.events() <= limit && due(tank) {
        tank.step();
        judge_halts(tank);
    }
    let elections = tank.tally().elections - before;
    if REST_ELECTIONS < elections {
        let reason = format!(
            "{elections} leaders were elected within {REST} election timeouts, though all was well with the one there was"
        );
        tank.violate("Liveness", reason);
    }
}

fn slowest_client(options: &RunOptions) -> Span {
    options.tank.clients.iter().map(|client| client.timeout).max().unwrap_or(Span::ZERO)
}

/// Lets things happen until `missing` has nothing to say. If it still has at the deadline, that is a violation.
fn run_until<W: Workload>(
    tank: &mut Tank<W>,
    deadline: Time,
    limit: u64,
    missing: impl Fn(&Tank<W>) -> Option<String>,
) {
    while let Some(reason) = missing(tank) {
        if tank.violation().is_some() || limit < tank.events() {
            return;
        }
        judge_halts(tank);
        if tank.next_event().is_none_or(|next| deadline < next) {
            tank.violate("Liveness", format!("{reason}, though everything was mended long ago"));
            return;
        }
        tank.step();
    }
}

fn clients_open<W: Workload>(tank: &Tank<W>) -> Option<String> {
    let open = (0..tank.clients()).map(|place| tank.client(place)).find(|client| !client.is_idle())?;
    Some(format!("{} still waits for an answer", open.id()))
}

fn no_leader<W: Workload>(tank: &Tank<W>) -> Option<String> {
    tank.leader().is_none().then(|| "there is no leader".to_owned())
}

fn probe_unanswered<W: Workload>(tank: &Tank<W>, probe: usize) -> Option<String> {
    let client = tank.client(probe);
    let counts = client.counts();
    if !client.is_done() {
        return Some(format!("{} has been answered {} times and waits", client.id(), counts.acknowledged));
    }
    (0 < counts.abandoned + counts.refused).then(|| {
        let (abandoned, refused) = (counts.abandoned, counts.refused);
        format!("{} got no answer to {abandoned} requests and was refused {refused} times", client.id())
    })
}

/// What is missing for every member to be up, with the leader's log and all of it applied, and for the members to be settled;
/// `None` if nothing is. Who was removed need not know of anything.
pub(crate) fn not_converged<W: Workload>(tank: &Tank<W>) -> Option<String> {
    let leader = tank.leader().map(|leader| &tank.cluster()[leader]);
    let Some((leader, target)) = leader.and_then(|leader| Some((leader, leader.observation?))) else {
        return no_leader(tank).or_else(|| Some("the leader shows nothing".to_owned()));
    };
    let members = leader.members();
    if members.is_joint() && members.leaves_by_itself {
        return Some(format!("the joint configuration of {members} has not ended"));
    }
    let mut machines = tank.cluster().iter().filter(|machine| members.contains(machine.id));
    machines.find_map(|machine| {
        let Some(now) = machine.observation else { return Some(format!("{} shows nothing", machine.id)) };
        let behind = now.last != target.last || now.applied != target.last.index;
        behind.then(|| {
            format!(
                "{} has a log to {} and has applied {}, while the log of the leader {} ends at {}",
                machine.id, now.last, now.applied, leader.id, target.last
            )
        })
    })
}

/// Judges what the clients of a tank have seen so far.
pub(crate) fn judge_history<W: Workload>(tank: &Tank<W>) -> Verdict {
    let report = tank.online().report(tank.history());
    match report.verdict {
        linearizability::Verdict::Linearizable { .. } => Verdict::Pass,
        linearizability::Verdict::Violation(violation) => Verdict::Fail(Violation {
            check: "Linearizability".to_owned(),
            event: tank.events(),
            message: violation.story,
        }),
        unknown @ linearizability::Verdict::Unknown { .. } => {
            Verdict::Inconclusive(format!("linearizability is {unknown}"))
        }
    }
}

fn report<W: Workload>((verdict, liveness_judged): (Verdict, bool), tank: &Tank<W>, storm: &Storm) -> Report {
    let mut checks = tank.check_counters();
    let operations = tank.history().counts();
    let count = |asked: bool, could_fail: bool| CheckCounters {
        evaluations: u64::from(asked),
        non_trivial: u64::from(asked && could_fail),
    };
    let moved = tank.cluster().iter().any(|m| m.observation.is_some_and(|o| LogIndex(1) < o.commit));
    checks.insert("Liveness".to_owned(), count(liveness_judged, moved));
    let online = tank.online();
    let linearizability =
        CheckCounters { evaluations: online.answers(), non_trivial: online.telling_answers() };
    checks.insert("Linearizability".to_owned(), linearizability);
    Report {
        verdict,
        hash: tank.fingerprint(),
        events: tank.events(),
        virtual_time: tank.now().since(Time::ZERO),
        tally: tank.tally(),
        operations,
        faults: storm.counters(tank),
        checks,
        branches: tank.branches().clone(),
        trace: tank.trace().lines().to_vec(),
        decisions: tank.decisions(),
    }
}

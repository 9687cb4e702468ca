//! A check of one's own: in calm weather a cluster keeps its leader.
//!
//! Raft promises safety, and this says nothing of that: it is what somebody who runs a cluster wants to be sure of. The
//! second test shows that the check fires, on a program that stands for election whenever a client asks for something.

use std::sync::Arc;

use wavetank::{
    audit::Auditor,
    checks::{Check, Fact, Finding, Watched},
    harness::Harness,
    process::{
        Boot, Context, Control, Description, Input, LocalTime, Observation, Process,
        raft_core::{Configuration, LogSlice, Term},
    },
    program::{self, Program},
    swarm::FaultModel,
    time::Span,
};
use wavetank_raft_core::RaftCore;

/// In calm weather a leader is found within so many terms, and stays.
const MOST_TERMS: Term = Term(20);

/// Nobody gets beyond [`MOST_TERMS`].
struct KeepsItsLeader;

impl Check for KeepsItsLeader {
    fn name(&self) -> &'static str {
        "KeepsItsLeader"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        match fact {
            Fact::Observed { before, now } if before.term != now.term => {
                if now.term <= MOST_TERMS {
                    return Finding::Holds;
                }
                let id = cluster[subject].id;
                Finding::Violated(format!(
                    "{id} has come to {}, though nothing is wrong with any server or link: expected at most {MOST_TERMS}",
                    now.term
                ))
            }
            Fact::Observed { .. }
            | Fact::Recovered { .. }
            | Fact::Received { .. }
            | Fact::Sent { .. }
            | Fact::Wrote { .. }
            | Fact::Persisted
            | Fact::Crashed => Finding::Unconcerned,
        }
    }
}

/// A program that stands for election whenever a client asks for something.
struct Restless(Arc<dyn Program>);

impl Program for Restless {
    fn name(&self) -> &str {
        "restless"
    }

    fn boot(&self, boot: Boot, tick: Span) -> Box<dyn Process> {
        Box::new(RestlessProcess(self.0.boot(boot, tick)))
    }

    fn describe(&self, bytes: &[u8]) -> Option<Description> {
        self.0.describe(bytes)
    }

    fn render(&self, bytes: &[u8]) -> String {
        self.0.render(bytes)
    }

    fn auditor(&self) -> Option<Box<dyn Auditor>> {
        self.0.auditor()
    }
}

struct RestlessProcess(Box<dyn Process>);

impl Process for RestlessProcess {
    fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        let asked = matches!(input, Input::Request { .. });
        self.0.handle(input, context);
        if asked {
            self.0.handle(Input::Control(Control::Campaign), context);
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.0.deadline()
    }

    fn observe(&self) -> Option<Observation> {
        self.0.observe()
    }

    fn log(&self) -> Option<LogSlice> {
        self.0.log()
    }

    fn configuration(&self) -> Option<Configuration> {
        self.0.configuration()
    }
}

/// Calm weather: nobody fails and so nobody recovers, and after the first election there is hardly another to judge.
fn harness(program: Arc<dyn Program>) -> Harness {
    let model = FaultModel { voters: vec![3, 5], pre_vote: vec![false], ..FaultModel::calm() };
    Harness::program(program)
        .faults(model)
        .seeds(0..24)
        .check(|| KeepsItsLeader)
        .allow_idle("Recovery")
        .allow_idle("ConfigurationSafety")
        .allow_idle("PreVoteQuorum")
        .allow_idle("ElectionSafety")
        .allow_idle("LeaderCompleteness")
}

fn main() {
    harness(program::replica::<RaftCore>()).run();
    match harness(Arc::new(Restless(program::replica::<RaftCore>()))).try_run() {
        Ok(_) => println!("the restless program passed"),
        Err(failure) => println!("{failure}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank::harness::Failure;

    #[test]
    fn a_patient_program_keeps_its_leader() {
        harness(program::replica::<RaftCore>()).run();
    }

    #[test]
    fn a_restless_program_is_found() {
        let failure = harness(Arc::new(Restless(program::replica::<RaftCore>()))).try_run().unwrap_err();
        let Failure::Run(failed) = failure else { panic!("{failure}") };
        assert_eq!(failed.violation().map(|violation| violation.check.as_str()), Some("KeepsItsLeader"));
    }
}

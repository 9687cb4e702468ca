//! Every scenario passes on the built-in core, its trace is the golden one, and every claim in it means something.

use std::{fs, path::PathBuf, sync::Arc};

use wavetank::{
    program::{self, Program},
    run::Verdict,
    scenario::{self, Condition, RoleName, Scenario, Server, Step},
};

fn scenario_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn scenarios() -> Vec<Scenario> {
    let mut paths = fs::read_dir(scenario_folder())
        .expect("the scenarios are beside the crate")
        .map(|entry| entry.expect("a folder that can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ron"))
        .collect::<Vec<_>>();
    paths.sort();
    assert!(42 <= paths.len(), "{} scenarios", paths.len());
    paths.iter().map(|path| scenario::load(path).unwrap_or_else(|mistake| panic!("{mistake}"))).collect()
}

fn core() -> [Arc<dyn Program>; 1] {
    [program::replica::<wavetank_raft_core::RaftCore>()]
}

#[test]
fn every_scenario_passes_with_its_golden_trace() {
    for scenario in scenarios() {
        let outcome = scenario::play(&scenario, &core());
        let trace = outcome.trace.iter().map(|line| format!("{line}\n")).collect::<String>();
        match &outcome.verdict {
            Ok(Verdict::Pass) => (),
            Ok(verdict) => panic!("{}: {verdict}\n{trace}", scenario.name()),
            Err(mistake) => panic!("{trace}\n{mistake}"),
        }
        insta::with_settings!({
            snapshot_path => scenario_folder().join("../snapshots"),
            prepend_module_to_snapshot => false,
            omit_expression => true,
            description => scenario.story().split_whitespace().collect::<Vec<_>>().join(" "),
        }, {
            insta::assert_snapshot!(scenario.name().to_owned(), trace);
        });
    }
}

#[test]
fn the_contrary_of_every_claim_fails() {
    let mut claims = 0;
    for scenario in scenarios() {
        for (position, step) in scenario.steps().enumerate() {
            if matches!(step, Step::Expect(_) | Step::RunUntil { .. }) {
                let outcome = scenario::play_negated(&scenario, &core(), position);
                let failed = matches!(&outcome.verdict, Ok(Verdict::Fail(violation)) if violation.check == "Expectation");
                assert!(failed, "{} does not depend on step {}: {step:?}", scenario.name(), position + 1);
                claims += 1;
            }
        }
    }
    assert!(200 <= claims, "{claims} claims");
}

/// Claims that are not quite this one: of another server or client, of a number beside it, of other words.
fn near_misses(claim: &Condition) -> Vec<Condition> {
    use Condition as C;
    let beside = |number: &u64| number + 1;
    let others = |servers: &[Server]| match servers {
        [] => vec![Server::Number(1)],
        [_, rest @ ..] => rest.to_vec(),
    };
    let longer = |terms: &[u64]| [terms, &[99]].concat();
    let other_role = |role: &RoleName| match role {
        RoleName::Follower => RoleName::Leader,
        RoleName::PreCandidate | RoleName::Candidate | RoleName::Leader => RoleName::Follower,
    };
    let contrary = || C::Not(Box::new(claim.clone()));
    match claim {
        C::Role(server, role) => vec![C::Role(*server, other_role(role)), contrary()],
        C::Term(server, term) => vec![C::Term(*server, beside(term))],
        C::Vote(server, candidate) => vec![C::Vote(*server, other(*candidate)), C::NoVote(*server)],
        C::NoVote(server) => vec![C::Vote(*server, *server)],
        C::Commit(server, index) => {
            vec![C::Commit(*server, beside(index)), C::CommitAtLeast(*server, beside(index))]
        }
        C::CommitAtLeast(server, _) => vec![C::CommitAtLeast(*server, u64::MAX)],
        C::Log(server, terms) => vec![C::Log(*server, longer(terms)), C::Log(*server, vec![98])],
        C::DurableLog(server, terms) => vec![C::DurableLog(*server, longer(terms))],
        C::Voters(server, voters) => vec![C::Voters(*server, others(voters))],
        C::Outgoing(server, voters) => vec![C::Outgoing(*server, others(voters))],
        C::Learners(server, learners) => vec![C::Learners(*server, others(learners))],
        C::ToLearn(server, learners) => vec![C::ToLearn(*server, others(learners))],
        C::Joint(server) => vec![C::Outgoing(*server, Vec::new()), contrary()],
        C::Refuses(server, reason) => vec![C::Refuses(*server, format!("{reason}!"))],
        C::Leader(server) => vec![C::Leader(other(*server)), C::NoLeader],
        C::Answer(client, words) => vec![C::Answer(*client, format!("{words}!")), C::Waiting(*client)],
        C::Waiting(client) => vec![C::Unknown(*client), C::Refused(*client)],
        C::Unknown(client) | C::Refused(client) => vec![C::Waiting(*client)],
        C::Down(server) => vec![C::Halted(*server)],
        C::Halted(server) => vec![C::Down(*server)],
        C::NoLeader | C::Converged => vec![contrary()],
        C::Not(claim) => vec![(**claim).clone()],
    }
}

fn other(server: Server) -> Server {
    match server {
        Server::Number(1) => Server::Number(2),
        Server::Number(_) | Server::Leader | Server::Follower | Server::LastCrashed => Server::Number(1),
    }
}

/// That the contrary fails shows only that a claim was judged; this shows that it says something precise.
#[test]
fn claims_that_are_not_quite_right_fail() {
    let mut claims = 0;
    for scenario in scenarios() {
        for (position, step) in scenario.steps().enumerate() {
            let Step::Expect(claim) = step else { continue };
            for miss in near_misses(claim) {
                let outcome = scenario::play_claiming(&scenario, &core(), position, miss.clone());
                let failed = matches!(&outcome.verdict, Ok(Verdict::Fail(violation)) if violation.check == "Expectation");
                assert!(failed, "{}: instead of {claim:?} there might be {miss:?}", scenario.name());
                claims += 1;
            }
        }
    }
    assert!(300 <= claims, "{claims} claims");
}

/// The scenarios that another implementation plays otherwise, and rightly so.
#[cfg(feature = "raft-rs")]
const OTHERWISE: [(&str, &str); 1] = [(
    "a_commit_index_may_be_forgotten",
    "it writes its commit index with whatever else it writes, and so keeps it",
)];

/// The claims are about Raft, not about one implementation of it.
#[cfg(feature = "raft-rs")]
#[test]
fn another_implementation_plays_them_as_well() {
    let programs: [Arc<dyn Program>; 1] = [program::replica::<wavetank_raft_rs::RaftRs>()];
    let fails = |scenario: &Scenario| scenario::play(scenario, &programs).verdict != Ok(Verdict::Pass);
    let scenarios = scenarios();
    let failed: Vec<_> =
        scenarios.iter().filter(|scenario| fails(scenario)).map(|scenario| scenario.name()).collect();
    assert_eq!(failed, OTHERWISE.map(|(name, _)| name));
}

#[test]
fn playing_again_gives_the_same_run() {
    for scenario in scenarios() {
        let hashes = [(); 2].map(|()| scenario::play(&scenario, &core()).hash);
        assert_eq!(hashes[0], hashes[1], "{}", scenario.name());
    }
}

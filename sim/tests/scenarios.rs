//! Every scenario passes on the built-in core, its trace is the golden one, and every claim in it means something.

use std::{fs, path::PathBuf, sync::Arc};

use wavetank::{
    program::{self, Program},
    run::Verdict,
    scenario::{self, Scenario, Step},
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
    assert!(6 <= paths.len(), "{} scenarios", paths.len());
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
    assert!(30 <= claims, "{claims} claims");
}

#[test]
fn playing_again_gives_the_same_run() {
    for scenario in scenarios() {
        let hashes = [(); 2].map(|()| scenario::play(&scenario, &core()).hash);
        assert_eq!(hashes[0], hashes[1], "{}", scenario.name());
    }
}

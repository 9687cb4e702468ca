//! Every check fires, by name, on an implementation that is broken in the way the check is there for.
//!
//! A check that has never been seen to fail proves nothing. So each variant below is the correct replica with one
//! part wrapped and one thing done wrong, as small as it could be made, and randomized histories of it are run until
//! the expected check is the first to object. The number of seeds it may take is part of the claim.
//!
//! The lines of the table read: what the variant does wrong, and which check says so, within how many seeds. The
//! first check to fire ends a run. `alone` says that this one fires when no other watches the inner state, because
//! another sees the same mistake earlier.

#[path = "broken/hunt.rs"]
mod hunt;
#[path = "broken/twist.rs"]
mod twist;
#[path = "broken/adapters.rs"]
mod adapters;
#[path = "broken/messages.rs"]
mod messages;
#[path = "broken/stores.rs"]
mod stores;
#[path = "broken/machines.rs"]
mod machines;
#[path = "broken/processes.rs"]
mod processes;

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use rayon::prelude::*;
use twist::{Twist, Twisted};
use wavetank::{
    audit::LogAudit,
    checks,
    explore::explore_program,
    kv::{Kv, KvSpecification},
    linearizability::{self, Budget, Ending, Precision, check},
    program::{self, Program},
    run::{Keep, Verdict, run_seed},
    trace::Trace,
};
use wavetank_process::{LogStore, StateMachine, WalStore};
use wavetank_raft_core::RaftCore;

/// The replica whose adapter is twisted so.
fn adapter<T: Twist>() -> Arc<dyn Program> {
    program::replica::<Twisted<T>>()
}

/// The replica over this log store.
fn store<L: LogStore>() -> Arc<dyn Program> {
    program::custom_replica::<RaftCore, L, Kv>(Some(|| Box::new(LogAudit::new("log".into()))))
}

/// The replica of this state machine.
fn machine<S: StateMachine>() -> Arc<dyn Program> {
    program::custom_replica::<RaftCore, WalStore, S>(Some(|| Box::new(LogAudit::new("log".into()))))
}

/// Turns each line into a test of its name, and collects the checks that were seen to fire.
macro_rules! broken_variants {
    ($($test:ident: $program:expr => $hunt:ident $check:literal within $seeds:literal;)+) => {
        $(
            #[test]
            fn $test() {
                hunt::$hunt(&$program, $check, 0..$seeds);
            }
        )+

        const SEEN_TO_FIRE: &[&str] = &[$($check),+];
    };
}

broken_variants! {
    acknowledging_before_durable_violates_promises:
        adapter::<adapters::AcknowledgesEarly>() => first "Promises" within 8;
    asking_for_votes_before_ones_own_is_durable_violates_promises:
        adapter::<adapters::AsksBeforeVoting>() => first "Promises" within 8;
    acknowledging_other_entries_than_were_sent_violates_promises:
        adapter::<messages::ChangesCommands>() => alone "Promises" within 8;
    a_store_that_never_syncs_violates_promises:
        store::<stores::NeverSyncs<stores::Everything>>() => first "Promises" within 8;
    a_store_that_never_syncs_violates_commit_durability:
        store::<stores::NeverSyncs<stores::Everything>>() => alone "CommitDurability" within 3;
    a_store_that_forgets_votes_violates_votes:
        store::<stores::Twisted<stores::ForgetsVotes>>() => alone "Votes" within 15;
    voting_for_everybody_violates_votes:
        adapter::<messages::VotesForEverybody>() => first "Votes" within 15;
    forgetting_the_vote_at_a_restart_violates_recovery:
        adapter::<adapters::ForgetsVoteAtRestart>() => first "Recovery" within 10;
    recovering_other_commands_violates_recovery:
        adapter::<adapters::RecoversOtherCommands>() => first "Recovery" within 10;
    dropping_the_last_entry_at_a_restart_violates_recovery:
        adapter::<adapters::DropsLastEntryAtRestart>() => first "Recovery" within 10;
    counting_refusals_as_votes_violates_election_quorum:
        adapter::<messages::CountsRefusals>() => first "ElectionQuorum" within 8;
    counting_refusals_as_votes_violates_election_safety:
        adapter::<messages::CountsRefusals>() => alone "ElectionSafety" within 40;
    standing_for_election_after_a_survey_that_failed_violates_pre_vote_quorum:
        adapter::<messages::TakesRefusedSurveysForWon>() => first "PreVoteQuorum" within 8;
    answering_in_a_term_of_ones_own_making_violates_term_origin:
        adapter::<messages::RaisesTerms>() => first "TermOrigin" within 8;
    rewriting_entries_as_a_leader_violates_leader_append_only:
        store::<stores::Twisted<stores::RewritesTheLast>>() => alone "LeaderAppendOnly" within 3;
    counting_copies_of_entries_of_any_term_violates_commit_term:
        adapter::<adapters::CommitsAnyTerm>() => alone "CommitTerm" within 60;
    replacing_what_is_committed_violates_monotonic:
        store::<stores::Twisted<stores::RewritesTheCommitted>>() => first "Monotonic" within 3;
    applying_what_is_only_appended_violates_monotonic:
        adapter::<adapters::AppliesOnAppend>() => first "Monotonic" within 3;
    changing_entries_on_their_way_violates_log_matching:
        adapter::<messages::ChangesCommands>() => first "LogMatching" within 8;
    overstating_the_log_in_elections_violates_leader_completeness:
        adapter::<messages::OverstatesLog>() => first "LeaderCompleteness" within 30;
    counting_what_was_only_sent_violates_commit_durability:
        adapter::<messages::CountsWhatWasSent>() => first "CommitDurability" within 8;
    taking_rejections_for_matches_violates_commit_durability:
        adapter::<messages::TakesRejectionsForMatches>() => first "CommitDurability" within 8;
    passing_over_changes_of_members_violates_configuration_safety:
        adapter::<adapters::PassesOverChanges>() => first "ConfigurationSafety" within 15;
    counting_copies_by_former_members_violates_commit_durability:
        adapter::<adapters::PassesOverChanges>() => alone "CommitDurability" within 40;
    counting_votes_by_former_members_violates_election_quorum:
        adapter::<adapters::PassesOverChanges>() => alone "ElectionQuorum" within 30;
    never_leaving_a_joint_configuration_violates_liveness:
        adapter::<adapters::StaysJoint>() => first "Liveness" within 30;
    a_machine_with_local_state_violates_state_machine_safety:
        machine::<machines::Twisted<machines::CountsQueries>>() => first "StateMachineSafety" within 3;
    naming_snapshots_before_they_are_durable_violates_snapshot_durability:
        store::<stores::NeverSyncs<stores::SnapshotsOnly>>() => first "SnapshotDurability" within 8;
    a_snapshot_that_lacks_the_last_entry_violates_state_machine_safety:
        machine::<machines::Twisted<machines::SnapshotsLag>>() => first "StateMachineSafety" within 8;
    a_restore_that_forgets_sessions_violates_state_machine_safety:
        machine::<machines::Twisted<machines::RestoresWithoutSessions>>() => first "StateMachineSafety" within 8;
    applying_a_retry_twice_violates_linearizability:
        machine::<machines::Twisted<machines::ForgetsSessions>>() => first "Linearizability" within 15;
    reading_without_a_quorum_violates_linearizability:
        adapter::<adapters::ReadsLocally>() => first "Linearizability" within 15;
    acknowledging_on_append_violates_linearizability:
        processes::acknowledges_on_append() => first "Linearizability" within 8;
    campaigning_against_a_leader_that_works_violates_liveness:
        adapter::<adapters::NeverContent>() => first "Liveness" within 8;
    never_campaigning_violates_liveness:
        adapter::<adapters::NeverCampaigns>() => first "Liveness" within 3;
    a_panic_is_reported:
        adapter::<messages::PanicsOnRejection>() => first "Panic" within 8;
    outputs_without_end_are_a_panic:
        adapter::<adapters::NeverFinishes>() => first "Panic" within 3;
    timers_without_end_are_a_livelock:
        adapter::<adapters::NeverRests>() => first "Livelock" within 3;
    giving_up_on_a_sound_disk_is_reported:
        store::<stores::Twisted<stores::GivesUp>>() => first "Halt" within 3;
}

/// The answer that no order explains is the last thing that happens: neither the tank nor the judge goes on.
#[test]
fn a_stale_read_ends_the_run_at_the_event_at_which_it_returned() {
    let program = adapter::<adapters::ReadsLocally>();
    let stale_reads = (0..15).into_par_iter().filter(|seed| ends_with_a_stale_read(&program, *seed)).count();
    assert!(3 < stale_reads, "{stale_reads} stale reads are too few");
}

/// Runs a history, which ends with the wrong answer if there is one. Whether that is a read.
fn ends_with_a_stale_read(program: &Arc<dyn Program>, seed: u64) -> bool {
    let mut tank = hunt::storm(program, Vec::new(), Trace::kept(), seed);
    let Some(violation) = tank.violation().cloned() else { return false };
    assert_eq!(violation.check, "Linearizability", "seed {seed}");
    let last = tank.history().events().last().expect("an answer was wrong");
    let read = tank.history().operation(last.operation).expect("an event is about an operation");
    let Ending::Completed { event, at_ns, output } = &read.ending else {
        panic!("seed {seed}: {read:?} is no answer");
    };
    // What sees the whole history at once finds nothing wrong before this answer.
    let report = check(&KvSpecification::default(), tank.history(), Budget::default());
    let linearizability::Verdict::Violation(found) = report.verdict else {
        panic!("seed {seed}: {}", report.verdict)
    };
    assert_eq!((found.first_bad, found.precision), (*event, Precision::Exact), "seed {seed}");
    // The event of the tank is the one in which this client got it.
    assert_eq!((violation.event, *at_ns), (tank.events(), tank.now().0), "seed {seed}");
    let line = tank.trace().lines().iter().find(|line| line.event == violation.event);
    let heard = line.expect("the answer is in the trace").text.clone();
    assert!(heard.contains(&format!("→ c{}  #", read.client.0)), "seed {seed}: {heard}");
    assert!(heard.ends_with(&output.to_string()), "seed {seed}: {heard} is not {output}");
    let is_read = read.input.is_read();
    assert!(!tank.step(), "seed {seed}: it goes on");
    is_read
}

#[test]
fn every_check_was_seen_to_fire() {
    let mut all = checks::built_in().iter().map(|check| check.name()).collect::<BTreeSet<_>>();
    // What the run and the tank judge by themselves.
    all.extend(["Linearizability", "Liveness", "Panic", "Halt", "Livelock"]);
    assert_eq!(SEEN_TO_FIRE.iter().copied().collect::<BTreeSet<_>>(), all);
}

/// Otherwise it might be the wrapping that is caught, and not the mistake inside.
#[test]
fn the_wrapper_alone_changes_nothing() {
    for seed in 0..3 {
        let wrapped = hunt::run(&adapter::<twist::Untwisted>(), seed);
        let plain = run_seed("raft-core", seed, Keep::default()).expect("it is built in");
        assert_eq!(wrapped.verdict, Verdict::Pass, "seed {seed}");
        assert_eq!(wrapped.hash, plain.hash, "seed {seed}");
    }
}

#[test]
fn a_program_whose_messages_cannot_be_described_never_passes() {
    let summary = explore_program(&adapter::<twist::Mumbling>(), 0..4, |_| ControlFlow::Continue(()));
    assert_eq!((summary.passed, summary.inconclusive.len()), (0, 4));
    let problem = summary.verify().expect_err("nothing was judged");
    assert!(problem.contains("could not be described"), "{problem}");
}

#[test]
fn a_program_without_an_auditor_is_told_which_checks_are_idle() {
    let program = program::custom_replica::<RaftCore, WalStore, Kv>(None);
    let problem = explore_program(&program, 0..4, |_| ControlFlow::Continue(())).verify();
    let problem = problem.expect_err("the checks of durability had nothing to go by");
    for check in
        ["CommitDurability", "CommitTerm", "LeaderCompleteness", "LogMatching", "Promises", "Recovery"]
    {
        assert!(problem.contains(check), "{problem}");
    }
    let sound = explore_program(&adapter::<twist::Untwisted>(), 0..24, |_| ControlFlow::Continue(()));
    assert_eq!(sound.verify(), Ok(()));
}

//! Surveys (§9.6 of the dissertation): who stands for election after a survey has heard of a majority, in that very
//! survey, that it could win.
//!
//! Nothing is lost when this is broken: a leader that works is deposed now and then for no reason. So no other check
//! would ever say so.

use std::collections::{BTreeMap, BTreeSet};

use wavetank_process::{
    Description, Observation, Role,
    raft_core::{NodeId, Term},
};

use super::{Check, Fact, Finding, Watched};

/// A pre-candidate becomes a candidate only with answers of a majority by its configuration, itself included, that came since
/// it began to ask.
///
/// An answer names the term that would be entered. A refusal that names it too makes the pre-candidate follow into
/// that term, so that it never counts.
#[derive(Debug, Default)]
pub struct PreVoteQuorum {
    surveys: BTreeMap<NodeId, Survey>,
}

/// What a pre-candidate has heard.
#[derive(Debug, Default)]
struct Survey {
    /// The term that was asked about.
    term: Term,
    /// Whether the question was seen to leave: if not, nothing is known of the answers either.
    seen: bool,
    /// Who answered since it was last asked.
    answers: BTreeSet<NodeId>,
    /// Who answers in the present event: it may be that the question is asked in the same event, and before.
    present: Option<NodeId>,
    /// A write has become durable in the present event. What leaves now may have waited for it, and the survey may
    /// have begun long before.
    released: bool,
}

impl Survey {
    fn asked(&mut self, term: Term) {
        if !self.released || term != self.term {
            self.answers = self.present.into_iter().collect();
        }
        self.term = term;
        self.seen = true;
    }

    fn answered(&mut self, from: NodeId, term: Term) {
        if self.term < term {
            *self = Self { term, released: self.released, ..Self::default() };
        }
        if self.term == term {
            self.answers.insert(from);
            self.present = Some(from);
        }
    }

    /// The event is over.
    fn end_event(&mut self) {
        self.present = None;
        self.released = false;
    }
}

impl PreVoteQuorum {
    fn note(&mut self, fact: &Fact<'_>, id: NodeId) {
        let is = |message: &Description, kind: &str| message.kind == kind;
        let survey = self.surveys.entry(id).or_default();
        match fact {
            Fact::Received { from, message } if is(message, "RequestPreVoteReply") => {
                survey.answered(*from, message.term);
            }
            Fact::Sent { message, .. } if is(message, "RequestPreVote") => survey.asked(message.term),
            Fact::Persisted => survey.released = true,
            Fact::Crashed => *survey = Survey::default(),
            Fact::Received { .. }
            | Fact::Sent { .. }
            | Fact::Observed { .. }
            | Fact::Recovered { .. }
            | Fact::Wrote { .. } => (),
        }
    }

    fn judge(&self, machine: &Watched, before: &Observation, now: &Observation) -> Finding {
        let stands = matches!(now.role, Role::Candidate | Role::Leader) && before.term < now.term;
        if before.role != Role::PreCandidate || !stands || now.vote != Some(machine.id) {
            return Finding::Unconcerned;
        }
        let survey = self.surveys.get(&machine.id).filter(|survey| survey.seen && survey.term == now.term);
        let Some(Survey { answers, .. }) = survey else { return Finding::Unconcerned };
        let agrees = |id: NodeId| id == machine.id || answers.contains(&id);
        let mut configurations = machine.members_between(before.applied, now.applied);
        if configurations.any(|members| members.is_quorum(agrees)) {
            return Finding::Holds;
        }
        let answers = answers.iter().filter(|id| **id != machine.id).collect::<Vec<_>>();
        Finding::Violated(format!(
            "{} stands for election in {} although only {answers:?} of {} answered its last survey",
            machine.id,
            now.term,
            machine.members_at(before.applied)
        ))
    }
}

impl Check for PreVoteQuorum {
    fn name(&self) -> &'static str {
        "PreVoteQuorum"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        self.note(fact, machine.id);
        let Fact::Observed { before, now } = fact else { return Finding::Unconcerned };
        let finding = self.judge(machine, before, now);
        if let Some(survey) = self.surveys.get_mut(&machine.id) {
            survey.end_event();
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wavetank_process::Promise;

    use super::*;
    use crate::{
        checks::{
            Configurations,
            testing::{cluster, node, observation},
        },
        members::Members,
    };

    fn message(kind: &'static str, term: u64) -> Description {
        Description { kind, term: Term(term), promise: Promise::None }
    }

    /// What happens to n1 of five, one event after the other.
    enum Event {
        Asks,
        Hears(u64),
        Writes,
    }
    use Event::{Asks, Hears, Writes};

    /// What is made of n1 when it stands for election thereafter.
    fn stands(events: &[Event]) -> Finding {
        let mut check = PreVoteQuorum::default();
        let cluster = cluster(5);
        let before = observation(Role::PreCandidate, 6);
        let (question, answer) = (message("RequestPreVote", 7), message("RequestPreVoteReply", 7));
        for event in events {
            match event {
                Asks => {
                    check.check(&Fact::Sent { to: node(2), message: &question }, 0, &cluster);
                    check.check(&Fact::Sent { to: node(3), message: &question }, 0, &cluster);
                }
                Hears(from) => {
                    check.check(&Fact::Received { from: node(*from), message: &answer }, 0, &cluster);
                }
                Writes => {
                    check.check(&Fact::Persisted, 0, &cluster);
                    continue;
                }
            }
            assert_eq!(
                check.check(&Fact::Observed { before: &before, now: &before }, 0, &cluster),
                Finding::Unconcerned
            );
        }
        let now = Observation { vote: Some(node(1)), ..observation(Role::Candidate, 7) };
        check.check(&Fact::Observed { before: &before, now: &now }, 0, &cluster)
    }

    #[test]
    fn standing_for_election_without_a_majority_of_this_survey_is_a_violation() {
        assert_eq!(stands(&[Asks, Hears(2), Hears(3)]), Finding::Holds);
        assert_eq!(
            stands(&[Asks, Hears(2), Asks, Hears(3)]),
            Finding::Violated(
                "n1 stands for election in t7 although only [n3] of n1 n2 n3 n4 n5 answered its last survey"
                    .to_owned()
            )
        );
        assert!(matches!(stands(&[Asks, Hears(2), Hears(2)]), Finding::Violated(_)), "n2 twice");
        assert!(
            matches!(stands(&[Hears(2), Hears(3), Asks]), Finding::Violated(_)),
            "answers of another survey"
        );
    }

    #[test]
    fn a_question_that_waited_for_a_write_may_be_older_than_the_answers() {
        assert_eq!(stands(&[Asks, Hears(2), Writes, Asks, Hears(3)]), Finding::Holds);
    }

    #[test]
    fn of_a_survey_that_was_not_seen_nothing_is_said() {
        assert_eq!(stands(&[]), Finding::Unconcerned);
        assert_eq!(stands(&[Hears(2)]), Finding::Unconcerned);
    }

    #[test]
    fn a_follower_may_be_told_to_stand() {
        let now = Observation { vote: Some(node(1)), ..observation(Role::Candidate, 7) };
        let before = observation(Role::Follower, 6);
        let finding =
            PreVoteQuorum::default().check(&Fact::Observed { before: &before, now: &now }, 0, &cluster(5));
        assert_eq!(finding, Finding::Unconcerned);
    }

    #[test]
    fn servers_that_are_no_voters_are_not_asked() {
        let mut cluster = cluster(5);
        cluster[0].configurations =
            Configurations::founding(Arc::new(Members::founding([1, 2, 4].map(node), [5].map(node))));
        let finding = |from: u64| {
            let mut check = PreVoteQuorum::default();
            let (question, answer) = (message("RequestPreVote", 7), message("RequestPreVoteReply", 7));
            check.check(&Fact::Sent { to: node(2), message: &question }, 0, &cluster);
            check.check(&Fact::Received { from: node(from), message: &answer }, 0, &cluster);
            let before = observation(Role::PreCandidate, 6);
            let now = Observation { vote: Some(node(1)), ..observation(Role::Candidate, 7) };
            check.check(&Fact::Observed { before: &before, now: &now }, 0, &cluster)
        };
        assert_eq!(finding(4), Finding::Holds);
        assert!(matches!(finding(3), Finding::Violated(_)), "a stranger");
        assert!(matches!(finding(5), Finding::Violated(_)), "a learner");
    }
}

//! What only ever grows (Figure 2: "increases monotonically"): the term, the commit index, what is committed and what is
//! applied within an incarnation, and the durable term for ever.

use std::collections::BTreeMap;

use wavetank_process::{
    Observation,
    raft_core::{LogIndex, NodeId, Term},
};

use super::{Check, Fact, Finding, Watched};

/// Terms, commit indexes and applied indexes never go back, and no server replaces an entry that it knows to be
/// committed (§3.6.2).
#[derive(Debug, Default)]
pub struct Monotonic {
    durable_terms: BTreeMap<NodeId, Term>,
}

impl Monotonic {
    fn durable_term(&mut self, machine: &Watched) -> Finding {
        let Some(durable) = machine.durable() else { return Finding::Unconcerned };
        let before = self.durable_terms.insert(machine.id, durable.term).unwrap_or_default();
        if durable.term < before {
            return Finding::Violated(format!(
                "the term on the disk of {} went back from {before} to {}",
                machine.id, durable.term
            ));
        }
        if before == Term(0) { Finding::Trivial } else { Finding::Holds }
    }
}

impl Check for Monotonic {
    fn name(&self) -> &'static str {
        "Monotonic"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        match fact {
            Fact::Observed { before, now } => match regression(before, now) {
                None if position(before) == position(now) => Finding::Trivial,
                None => Finding::Holds,
                Some(what) => Finding::Violated(format!("{}: {what}", machine.id)),
            },
            Fact::Persisted | Fact::Crashed => self.durable_term(machine),
            Fact::Wrote { kept: Some(kept) } => kept_committed(machine, *kept),
            Fact::Recovered { .. }
            | Fact::Received { .. }
            | Fact::Sent { .. }
            | Fact::Wrote { kept: None } => Finding::Unconcerned,
        }
    }
}

/// A log was cut behind `kept`: whether that spared what its server knew to be committed.
fn kept_committed(machine: &Watched, kept: LogIndex) -> Finding {
    match &machine.observation {
        Some(before) if kept < before.commit => Finding::Violated(format!(
            "{} replaced its log from {} on, although it knew everything up to {} to be committed",
            machine.id,
            kept.next(),
            before.commit
        )),
        Some(_) => Finding::Holds,
        None => Finding::Unconcerned,
    }
}

/// What only grows, and the vote that goes with it.
fn position(shown: &Observation) -> (Term, Option<NodeId>, LogIndex, LogIndex) {
    (shown.term, shown.vote, shown.commit, shown.applied)
}

fn regression(before: &Observation, now: &Observation) -> Option<String> {
    if now.term < before.term {
        return Some(format!("its term went back from {} to {}", before.term, now.term));
    }
    if now.term == before.term && before.vote.is_some() && now.vote != before.vote {
        let vote = |vote: Option<NodeId>| {
            vote.map_or_else(|| "nobody".to_owned(), |candidate| candidate.to_string())
        };
        let (was, is) = (vote(before.vote), vote(now.vote));
        return Some(format!("its vote in {} changed from {was} to {is}", now.term));
    }
    if now.commit < before.commit {
        return Some(format!("its commit index went back from {} to {}", before.commit, now.commit));
    }
    if now.applied < before.applied {
        return Some(format!("its applied index went back from {} to {}", before.applied, now.applied));
    }
    if now.commit < now.applied {
        return Some(format!("it applied {} with only {} committed", now.applied, now.commit));
    }
    if now.last.index < now.commit {
        return Some(format!("it takes {} for committed, and its log ends at {}", now.commit, now.last));
    }
    None
}

#[cfg(test)]
mod tests {
    use wavetank_process::{Role, raft_core::EntryId};

    use super::*;
    use crate::checks::testing::{cluster, durable, node, observation};

    fn finding(before: &Observation, now: &Observation) -> Finding {
        Monotonic::default().check(&Fact::Observed { before, now }, 0, &cluster(1))
    }

    #[test]
    fn each_regression_is_a_violation() {
        let base = Observation {
            vote: Some(node(1)),
            last: EntryId::new(3, 7),
            commit: LogIndex(5),
            applied: LogIndex(4),
            ..observation(Role::Follower, 3)
        };
        assert_eq!(finding(&base, &base), Finding::Trivial);
        let later = Observation { vote: None, last: EntryId::new(3, 7), ..observation(Role::Follower, 4) };
        assert_eq!(
            finding(&base, &Observation { commit: LogIndex(5), applied: LogIndex(4), ..later }),
            Finding::Holds
        );
        let regressions = [
            Observation { term: Term(2), ..base },
            Observation { vote: None, ..base },
            Observation { vote: Some(node(2)), ..base },
            Observation { commit: LogIndex(4), ..base },
            Observation { applied: LogIndex(3), ..base },
            Observation { applied: LogIndex(6), ..base },
            Observation { last: EntryId::new(3, 4), ..base },
        ];
        for now in &regressions {
            assert!(matches!(finding(&base, now), Finding::Violated(_)), "{now:?}");
        }
    }

    #[test]
    fn replacing_what_is_known_to_be_committed_is_a_violation() {
        let replaced = |kept: u64| {
            let mut cluster = cluster(1);
            cluster[0].observation =
                Some(Observation { commit: LogIndex(5), ..observation(Role::Follower, 3) });
            Monotonic::default().check(&Fact::Wrote { kept: Some(LogIndex(kept)) }, 0, &cluster)
        };
        assert_eq!(replaced(5), Finding::Holds);
        assert_eq!(
            replaced(4),
            Finding::Violated(
                "n1 replaced its log from 5 on, although it knew everything up to 5 to be committed"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_durable_term_that_goes_back_is_a_violation() {
        let mut check = Monotonic::default();
        let mut cluster = cluster(1);
        for (term, violated) in [(3, false), (3, false), (4, false), (2, true)] {
            durable(&mut cluster[0], term, None, &[]);
            let finding = check.check(&Fact::Crashed, 0, &cluster);
            assert_eq!(matches!(finding, Finding::Violated(_)), violated, "term {term}");
        }
    }
}

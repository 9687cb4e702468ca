//! Where terms come from (§5.1 of the paper, §3.3): a term begins with an election, so every term that a server enters
//! is one in which somebody has stood.
//!
//! Terms that come from nowhere depose leaders for nothing, and nothing else gives them away.

use std::collections::BTreeSet;

use wavetank_process::{
    Observation, Promise,
    raft_core::{NodeId, Term},
};

use super::{Check, Fact, Finding, Watched};

/// Whoever enters a term either stands for election in it or enters it after somebody who does. What a disk held when
/// its machine was first looked at is taken as it is.
#[derive(Debug, Default)]
pub struct TermOrigin {
    /// The terms in which somebody has stood.
    contested: BTreeSet<Term>,
}

impl TermOrigin {
    fn enter(&mut self, id: NodeId, now: &Observation) -> Finding {
        if now.vote == Some(id) {
            self.contested.insert(now.term);
            return Finding::Trivial;
        }
        if self.contested.contains(&now.term) {
            return Finding::Holds;
        }
        Finding::Violated(format!("{id} entered {}, in which nobody had stood for election", now.term))
    }
}

impl Check for TermOrigin {
    fn name(&self) -> &'static str {
        "TermOrigin"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let id = cluster[subject].id;
        match fact {
            Fact::Observed { before, now } if before.term < now.term => self.enter(id, now),
            Fact::Recovered { now, .. } => {
                self.contested.insert(now.term);
                Finding::Unconcerned
            }
            // It may have lost the election again within the event in which it began it.
            Fact::Sent { message, .. } if message.promise == (Promise::Vote { candidate: id }) => {
                self.contested.insert(message.term);
                Finding::Unconcerned
            }
            Fact::Observed { .. }
            | Fact::Sent { .. }
            | Fact::Received { .. }
            | Fact::Wrote { .. }
            | Fact::Persisted
            | Fact::Crashed => Finding::Unconcerned,
        }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::Role;

    use super::*;
    use crate::checks::testing::{cluster, node, observation, vote};

    fn enters(check: &mut TermOrigin, subject: usize, term: u64, vote: Option<u64>) -> Finding {
        let (before, now) = (observation(Role::Follower, term - 1), observation(Role::Follower, term));
        let now = Observation { vote: vote.map(node), ..now };
        check.check(&Fact::Observed { before: &before, now: &now }, subject, &cluster(3))
    }

    #[test]
    fn a_term_in_which_nobody_stood_is_a_violation() {
        let mut check = TermOrigin::default();
        assert_eq!(enters(&mut check, 0, 4, Some(1)), Finding::Trivial);
        assert_eq!(enters(&mut check, 1, 4, None), Finding::Holds);
        assert_eq!(
            enters(&mut check, 1, 5, None),
            Finding::Violated("n2 entered t5, in which nobody had stood for election".to_owned())
        );
        assert!(matches!(enters(&mut check, 1, 6, Some(3)), Finding::Violated(_)), "n3 did not");
    }

    #[test]
    fn a_request_for_votes_says_that_somebody_stands() {
        let mut check = TermOrigin::default();
        check.check(&Fact::Sent { to: node(2), message: &vote(7, 1) }, 0, &cluster(3));
        assert_eq!(enters(&mut check, 1, 7, None), Finding::Holds);
        check.check(&Fact::Sent { to: node(2), message: &vote(8, 3) }, 0, &cluster(3));
        assert!(
            matches!(enters(&mut check, 1, 8, None), Finding::Violated(_)),
            "a vote for n3 is not n3 standing"
        );
    }
}

//! Election Safety (Figure 3): no term has two leaders.

use std::collections::BTreeMap;

use wavetank_process::{
    Role,
    raft_core::{NodeId, Term},
};

use super::{Check, Fact, Finding, Watched};

/// At most one leader a term, over the whole run: leaders of the past are remembered.
#[derive(Debug, Default)]
pub struct ElectionSafety {
    leaders: BTreeMap<Term, NodeId>,
}

impl Check for ElectionSafety {
    fn name(&self) -> &'static str {
        "ElectionSafety"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let (Fact::Observed { now, .. } | Fact::Recovered { now, .. }) = fact else {
            return Finding::Unconcerned;
        };
        if now.role != Role::Leader {
            return Finding::Unconcerned;
        }
        let id = cluster[subject].id;
        let is_first = self.leaders.is_empty();
        match self.leaders.insert(now.term, id) {
            // A leader after others might have led a term of theirs.
            None if is_first => Finding::Trivial,
            None => Finding::Holds,
            Some(leader) if leader == id => Finding::Trivial,
            Some(leader) => Finding::Violated(format!("{leader} and {id} both lead {}", now.term)),
        }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::Role;

    use super::*;
    use crate::checks::testing::{cluster, observation};

    #[test]
    fn two_leaders_of_one_term_are_a_violation_even_if_the_first_is_gone() {
        let mut check = ElectionSafety::default();
        let cluster = cluster(3);
        let leader = |term| observation(Role::Leader, term);
        assert_eq!(
            check.check(&Fact::Recovered { now: &leader(2), log: None }, 0, &cluster),
            Finding::Trivial
        );
        assert_eq!(check.check(&Fact::Recovered { now: &leader(3), log: None }, 1, &cluster), Finding::Holds);
        assert_eq!(
            check.check(&Fact::Recovered { now: &leader(2), log: None }, 0, &cluster),
            Finding::Trivial
        );
        assert_eq!(
            check.check(&Fact::Recovered { now: &leader(2), log: None }, 2, &cluster),
            Finding::Violated("n1 and n3 both lead t2".to_owned())
        );
        let follower = observation(Role::Follower, 2);
        assert_eq!(
            check.check(&Fact::Recovered { now: &follower, log: None }, 1, &cluster),
            Finding::Unconcerned
        );
    }
}

//! Votes (Figure 2, "votedFor"; §3.4): a server votes once a term, and a crash does not make it forget.

use std::collections::BTreeMap;

use wavetank_process::{
    Promise,
    raft_core::{NodeId, Term},
};

use super::{Check, Fact, Finding, Watched};

/// A vote that was sent is the only one of its server in that term, and outlives every crash.
#[derive(Debug, Default)]
pub struct Votes {
    /// Who got a server's vote in a term, by the messages it sent.
    sent: BTreeMap<(NodeId, Term), NodeId>,
    /// Each server's latest vote that was sent.
    latest: BTreeMap<NodeId, (Term, NodeId)>,
}

impl Votes {
    fn on_vote(&mut self, voter: NodeId, term: Term, candidate: NodeId) -> Finding {
        let latest = self.latest.entry(voter).or_insert((term, candidate));
        *latest = (*latest).max((term, candidate));
        match self.sent.insert((voter, term), candidate) {
            None => Finding::Trivial,
            Some(first) if first == candidate => Finding::Holds,
            Some(first) => {
                Finding::Violated(format!("{voter} voted for {first} and for {candidate} in {term}"))
            }
        }
    }

    /// What a crash left must still know the latest vote that left the machine.
    fn after_crash(&self, machine: &Watched) -> Finding {
        let (Some(&(term, candidate)), Some(left)) = (self.latest.get(&machine.id), machine.durable()) else {
            return Finding::Unconcerned;
        };
        if left.term < term || (left.term == term && left.vote != Some(candidate)) {
            let vote = left.vote.map_or("nobody".to_owned(), |vote| vote.to_string());
            return Finding::Violated(format!(
                "{} had sent its vote for {candidate} in {term}, but after the crash its disk says {} and a \
                 vote for {vote}: it can vote again",
                machine.id, left.term
            ));
        }
        Finding::Holds
    }
}

impl Check for Votes {
    fn name(&self) -> &'static str {
        "Votes"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        match fact {
            Fact::Sent { to: _, message } => match message.promise {
                Promise::Vote { candidate } => self.on_vote(cluster[subject].id, message.term, candidate),
                Promise::None | Promise::Holds { .. } => Finding::Unconcerned,
            },
            Fact::Crashed => self.after_crash(&cluster[subject]),
            Fact::Observed { .. }
            | Fact::Recovered { .. }
            | Fact::Received { .. }
            | Fact::Wrote { .. }
            | Fact::Persisted => Finding::Unconcerned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::{cluster, durable, node, vote};

    #[test]
    fn a_second_vote_in_a_term_is_a_violation() {
        let mut check = Votes::default();
        let cluster = cluster(3);
        let sent = |check: &mut Votes, term, candidate| {
            let message = vote(term, candidate);
            check.check(&Fact::Sent { to: node(candidate), message: &message }, 0, &cluster)
        };
        assert_eq!(sent(&mut check, 1, 2), Finding::Trivial);
        assert_eq!(sent(&mut check, 1, 2), Finding::Holds, "a repeated vote is the same vote");
        assert_eq!(sent(&mut check, 2, 3), Finding::Trivial);
        assert_eq!(sent(&mut check, 1, 3), Finding::Violated("n1 voted for n2 and for n3 in t1".to_owned()));
    }

    #[test]
    fn a_vote_forgotten_in_a_crash_is_a_violation() {
        let mut check = Votes::default();
        let mut cluster = cluster(3);
        let message = vote(4, 2);
        check.check(&Fact::Sent { to: node(2), message: &message }, 0, &cluster);
        for (term, vote, holds) in
            [(4, Some(2), true), (5, None, true), (4, None, false), (4, Some(3), false), (3, Some(2), false)]
        {
            durable(&mut cluster[0], term, vote, &[]);
            let finding = check.check(&Fact::Crashed, 0, &cluster);
            assert_eq!(finding == Finding::Holds, holds, "term {term}, vote {vote:?}: {finding:?}");
        }
        assert_eq!(check.check(&Fact::Crashed, 1, &cluster), Finding::Unconcerned, "n2 never voted");
    }
}

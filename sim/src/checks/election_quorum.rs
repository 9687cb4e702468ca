//! Elections (§5.2 of the paper, §3.4): who leads a term has heard a majority of votes, and votes of that term.
//!
//! Two leaders of one term are rare even where votes are counted wrongly. That one was elected without a majority is
//! seen whenever it happens.

use std::collections::{BTreeMap, BTreeSet};

use wavetank_process::{
    Description, Observation, Promise, Role,
    raft_core::{NodeId, Term},
};

use super::{Check, Fact, Finding, Watched};

/// When a server begins to lead, a majority by its configuration, and in a joint one a majority of either half, had voted
/// for it in that term, and it knew. A machine that has sent messages which nobody could read may have voted for anybody.
#[derive(Debug, Default)]
pub struct ElectionQuorum {
    /// Who voted for a server, by the messages it got, in the latest term in which anybody did.
    votes: BTreeMap<NodeId, (Term, BTreeSet<NodeId>)>,
    /// The last term in which each machine was seen to lead.
    led: BTreeMap<NodeId, Term>,
}

impl ElectionQuorum {
    fn note_vote(&mut self, from: NodeId, by: NodeId, message: &Description) {
        let Promise::Vote { candidate } = message.promise else { return };
        if candidate != by {
            return;
        }
        let (term, voters) = self.votes.entry(by).or_default();
        if *term < message.term {
            *term = message.term;
            voters.clear();
        }
        if *term == message.term {
            voters.insert(from);
        }
    }

    /// Counts the votes of a leader by its own configuration: the one that it applied when it won, which may be another one by
    /// the end of that event.
    fn count(
        &self,
        leader: &Watched,
        before: &Observation,
        now: &Observation,
        cluster: &[Watched],
    ) -> Finding {
        let heard = self.votes.get(&leader.id).filter(|(of, _)| *of == now.term);
        let voted = |id: NodeId| id == leader.id || heard.is_some_and(|(_, voters)| voters.contains(&id));
        let is_mute = |id: NodeId| cluster.iter().any(|machine| machine.id == id && machine.is_mute);
        let may_have_voted = |id: NodeId| voted(id) || is_mute(id);
        let mut configurations = leader.members_between(before.applied, now.applied);
        if let Some(members) = configurations.find(|members| members.is_quorum(may_have_voted)) {
            let alone = members.incoming.len() == 1 && !members.is_joint();
            return if alone { Finding::Trivial } else { Finding::Holds };
        }
        let voters = cluster.iter().map(|machine| machine.id).filter(|id| voted(*id)).collect::<Vec<_>>();
        Finding::Violated(format!(
            "{} leads {} with the votes of {voters:?} only: no majority of {}",
            leader.id,
            now.term,
            leader.members_at(before.applied)
        ))
    }
}

impl Check for ElectionQuorum {
    fn name(&self) -> &'static str {
        "ElectionQuorum"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let id = cluster[subject].id;
        match fact {
            Fact::Received { from, message } => self.note_vote(*from, id, message),
            Fact::Observed { before, now } if now.role == Role::Leader => {
                if self.led.insert(id, now.term) != Some(now.term) {
                    return self.count(&cluster[subject], before, now, cluster);
                }
            }
            Fact::Observed { .. }
            | Fact::Recovered { .. }
            | Fact::Sent { .. }
            | Fact::Wrote { .. }
            | Fact::Persisted
            | Fact::Crashed => (),
        }
        Finding::Unconcerned
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::raft_core::LogIndex;

    use super::*;
    use crate::checks::testing::{cluster, joint_change, node, observation, reconfigured, vote};

    /// What is made of n1 as leader of term 3 of five, after these (voter, term, candidate) were sent to it. The first so
    /// many of the machines can be read.
    fn elected(votes: &[(u64, u64, u64)], readable: usize) -> Finding {
        let mut check = ElectionQuorum::default();
        let mut cluster = cluster(5);
        cluster[readable..].iter_mut().for_each(|machine| machine.is_mute = true);
        for &(voter, term, candidate) in votes {
            let message = vote(term, candidate);
            check.check(&Fact::Received { from: node(voter), message: &message }, 0, &cluster);
        }
        let (before, now) = (observation(Role::Candidate, 3), observation(Role::Leader, 3));
        check.check(&Fact::Observed { before: &before, now: &now }, 0, &cluster)
    }

    #[test]
    fn a_leader_without_a_majority_of_votes_of_its_term_is_a_violation() {
        assert_eq!(elected(&[(2, 3, 1), (4, 3, 1)], 5), Finding::Holds);
        let unfounded: [&[_]; 5] =
            [&[], &[(2, 3, 1)], &[(2, 3, 1), (2, 3, 1)], &[(2, 3, 1), (4, 2, 1)], &[(2, 3, 1), (4, 3, 5)]];
        for votes in unfounded {
            assert!(matches!(elected(votes, 5), Finding::Violated(_)), "{votes:?}");
        }
        assert_eq!(
            elected(&[(2, 3, 1), (4, 2, 1)], 5),
            Finding::Violated(
                "n1 leads t3 with the votes of [n1, n2] only: no majority of n1 n2 n3 n4 n5".to_owned()
            )
        );
    }

    #[test]
    fn whose_messages_cannot_be_read_may_have_voted() {
        assert_eq!(elected(&[(2, 3, 1)], 4), Finding::Holds, "n5 was not understood");
        assert_eq!(elected(&[], 0), Finding::Holds);
    }

    #[test]
    fn the_votes_of_either_half_count_by_the_configuration_that_the_leader_applied() {
        let elected = |voters: &[u64], applied: u64| {
            let mut check = ElectionQuorum::default();
            let mut cluster = cluster(6);
            for machine in &mut cluster {
                machine.configurations = cluster_of_five();
            }
            reconfigured(&mut cluster[0], &[(2, joint_change())], 2);
            for &voter in voters {
                check.check(&Fact::Received { from: node(voter), message: &vote(3, 1) }, 0, &cluster);
            }
            let shown = |role| Observation { applied: LogIndex(applied), ..observation(role, 3) };
            let (before, now) = (shown(Role::Candidate), shown(Role::Leader));
            check.check(&Fact::Observed { before: &before, now: &now }, 0, &cluster)
        };
        assert_eq!(elected(&[4, 5], 2), Finding::Holds, "n1 n4 n5 of either half");
        assert_eq!(elected(&[2, 4, 6], 2), Finding::Holds, "n1 n2 n4, and n1 n4 n6");
        assert_eq!(elected(&[2, 3], 1), Finding::Holds, "it has not applied the change");
        assert!(matches!(elected(&[2, 3], 2), Finding::Violated(_)), "of the outgoing half only");
        assert!(matches!(elected(&[4, 6], 2), Finding::Violated(_)), "of the incoming half only");
    }

    fn cluster_of_five() -> crate::checks::Configurations {
        cluster(5).remove(0).configurations
    }
}

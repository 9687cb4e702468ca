//! Persist before send (§3.8): what a message promises is on its sender's disk when it leaves.

use wavetank_process::{
    Promise, Role,
    raft_core::{LogIndex, NodeId, Term},
};

use super::{Check, Fact, Finding, Watched};
use crate::audit::DurableState;

/// A vote or an acknowledgement leaves a machine only when a loss of power could not take it back, and what is
/// acknowledged to a leader is what that leader has in its log.
#[derive(Debug)]
pub struct Promises;

impl Check for Promises {
    fn name(&self) -> &'static str {
        "Promises"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        let (Fact::Sent { to, message }, Some(durable)) = (fact, machine.durable()) else {
            return Finding::Unconcerned;
        };
        let receiver = cluster.iter().find(|machine| machine.id == *to);
        let unkept = match message.promise {
            Promise::None => return Finding::Unconcerned,
            // Acknowledged in a term that is over: a later leader may have replaced the entries since, and rightly so.
            Promise::Holds { .. } if message.term < durable.term => return Finding::Unconcerned,
            _ if durable.term < message.term => {
                Some(format!("the disk is in {}, not in {}", durable.term, message.term))
            }
            Promise::Vote { candidate } => forgotten_vote(message.term, candidate, durable),
            Promise::Holds { index } => missing_entries(index, durable)
                .or_else(|| other_entry(message.term, index, durable, receiver?)),
        };
        unkept.map_or(Finding::Holds, |unkept| {
            Finding::Violated(format!(
                "{} sent {to} a {} of {} before it was durable: {unkept}",
                machine.id, message.kind, message.term
            ))
        })
    }
}

/// A vote cast in this term that is not on the disk, which is in the same term or a later one.
fn forgotten_vote(term: Term, candidate: NodeId, durable: &DurableState) -> Option<String> {
    let forgotten = durable.term == term && durable.vote != Some(candidate);
    forgotten.then(|| format!("the disk holds no vote for {candidate}"))
}

fn missing_entries(index: LogIndex, durable: &DurableState) -> Option<String> {
    let last = durable.last().index;
    if last < index {
        return Some(format!("the log on the disk ends at {last}, not at {index}"));
    }
    let is_lost = LogIndex(0) < index && durable.entry(index).is_none() && !durable.covers(index);
    is_lost
        .then(|| format!("the log on the disk begins behind {}, and its snapshot is not whole", durable.base))
}

/// An acknowledged entry that is not the leader's. That those before it are the same is what Log Matching says.
fn other_entry(term: Term, index: LogIndex, durable: &DurableState, leader: &Watched) -> Option<String> {
    let shown = leader.observation.as_ref()?;
    if (shown.role, shown.term) != (Role::Leader, term) {
        return None;
    }
    let (ours, theirs) = (durable.entry(index)?, leader.written()?.entry(index)?);
    (ours != theirs).then(|| {
        let (ours, theirs) = (ours.term, theirs.term);
        format!("its entry {index} is one of {ours}, and {} has another one there, of {theirs}", leader.id)
    })
}

#[cfg(test)]
mod tests {
    use wavetank_process::{Description, raft_core::EntryId};

    use super::*;
    use crate::checks::testing::{acknowledgement, cluster, compacted, durable, node, observation, vote};

    fn sent(message: &Description, disk: (u64, Option<u64>, &[u64])) -> Finding {
        let mut cluster = cluster(3);
        durable(&mut cluster[0], disk.0, disk.1, disk.2);
        Promises.check(&Fact::Sent { to: node(2), message }, 0, &cluster)
    }

    #[test]
    fn a_vote_must_be_durable() {
        let vote = vote(3, 2);
        assert_eq!(sent(&vote, (3, Some(2), &[])), Finding::Holds);
        assert_eq!(sent(&vote, (4, None, &[])), Finding::Holds, "a vote of the past, now settled");
        assert!(matches!(sent(&vote, (3, None, &[])), Finding::Violated(_)));
        assert!(matches!(sent(&vote, (3, Some(3), &[])), Finding::Violated(_)));
        assert!(matches!(sent(&vote, (2, Some(2), &[])), Finding::Violated(_)));
    }

    #[test]
    fn acknowledged_entries_must_be_durable() {
        let acknowledgement = acknowledgement(3, 2);
        assert_eq!(sent(&acknowledgement, (3, None, &[1, 3])), Finding::Holds);
        assert_eq!(
            sent(&acknowledgement, (3, None, &[1])),
            Finding::Violated(
                "n1 sent n2 a AppendEntriesReply of t3 before it was durable: the log on the disk ends at 1, not at 2"
                    .to_owned()
            )
        );
        assert!(matches!(sent(&acknowledgement, (2, None, &[1, 3])), Finding::Violated(_)));
        assert_eq!(
            sent(&acknowledgement, (4, None, &[1])),
            Finding::Unconcerned,
            "replaced by a later leader"
        );
    }

    #[test]
    fn acknowledged_entries_must_be_the_leaders() {
        let acknowledged = |leader_term: u64, leaders_log: &[u64]| {
            let mut cluster = cluster(3);
            durable(&mut cluster[0], 3, None, &[1, 2]);
            durable(&mut cluster[1], 3, None, leaders_log);
            cluster[1].observation = Some(observation(Role::Leader, leader_term));
            Promises.check(&Fact::Sent { to: node(2), message: &acknowledgement(3, 2) }, 0, &cluster)
        };
        assert_eq!(acknowledged(3, &[1, 2]), Finding::Holds);
        assert_eq!(acknowledged(3, &[1]), Finding::Holds, "the leader has not handed it to its disk");
        assert_eq!(acknowledged(4, &[1, 4]), Finding::Holds, "n2 leads another term by now");
        assert!(matches!(acknowledged(3, &[1, 3]), Finding::Violated(_)));
    }

    #[test]
    fn a_whole_snapshot_keeps_the_promise_of_what_it_covers() {
        let sent = |is_whole: bool, index: u64| {
            let mut cluster = cluster(3);
            durable(&mut cluster[0], 3, None, &[]);
            compacted(&mut cluster[0], EntryId::new(2, 4), is_whole, &[3]);
            let message = acknowledgement(3, index);
            Promises.check(&Fact::Sent { to: node(2), message: &message }, 0, &cluster)
        };
        assert_eq!(
            [3, 4, 5].map(|index| sent(true, index)),
            [Finding::Holds, Finding::Holds, Finding::Holds]
        );
        assert!(matches!(sent(true, 6), Finding::Violated(_)));
        assert!(matches!(sent(false, 4), Finding::Violated(_)));
        assert_eq!(sent(false, 5), Finding::Holds, "the entry itself is there");
    }
}

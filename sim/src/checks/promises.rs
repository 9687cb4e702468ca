//! Persist before send (§3.8): what a message promises is on its sender's disk when it leaves.

use wavetank_process::{Description, Promise};

use super::{Check, Fact, Finding, Watched};
use crate::audit::DurableState;

/// A vote or an acknowledgement leaves a machine only when a loss of power could not take it back.
#[derive(Debug)]
pub struct Promises;

impl Check for Promises {
    fn name(&self) -> &'static str {
        "Promises"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let (Fact::Sent { to, message }, Some(durable)) = (fact, cluster[subject].durable()) else {
            return Finding::Unconcerned;
        };
        match missing(message, durable) {
            None => Finding::Unconcerned,
            Some(None) => Finding::Holds,
            Some(Some(missing)) => {
                let id = cluster[subject].id;
                Finding::Violated(format!(
                    "{id} sent {to} a {} before it was durable: {missing}",
                    message.kind
                ))
            }
        }
    }
}

/// For a message that promises something: what of it is not durable.
fn missing(message: &Description, durable: &DurableState) -> Option<Option<String>> {
    let term_behind = (durable.term < message.term)
        .then(|| format!("the disk is in {}, not in {}", durable.term, message.term));
    match message.promise {
        Promise::None => None,
        Promise::Vote { candidate } => {
            let forgotten = durable.term == message.term && durable.vote != Some(candidate);
            Some(term_behind.or_else(|| forgotten.then(|| format!("the disk holds no vote for {candidate}"))))
        }
        // Acknowledged in a term that is over: a later leader may have replaced the entries since, and rightly so.
        Promise::Holds { .. } if message.term < durable.term => None,
        Promise::Holds { index } => {
            let last = durable.log.len() as u64;
            let lacks = || format!("the log on the disk ends at {last}, not at {index}");
            Some(term_behind.or_else(|| (last < index.0).then(lacks)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::{acknowledgement, cluster, durable, node, vote};

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
                "n1 sent n2 a AppendEntriesReply before it was durable: the log on the disk ends at 1, not at 2"
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
}

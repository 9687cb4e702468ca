//! What a leader may commit by counting (§5.4.2 of the paper, §3.6.2): entries of its own term, and with one of them
//! everything before it.
//!
//! Figure 8 shows why: an entry of an earlier term can be on a majority and still be replaced by a later leader.
//! Seen end to end, that takes a long chain of accidents; the step that makes it possible is seen at once.

use wavetank_process::{Observation, Role};

use super::{Check, Fact, Finding, Watched};

/// Wherever a leader moves its commit index to, there stands an entry of its own term.
#[derive(Debug)]
pub struct CommitTerm;

fn judge(machine: &Watched, before: &Observation, now: &Observation) -> Finding {
    let leads = before.role == Role::Leader && now.role == Role::Leader && before.term == now.term;
    if !leads || now.commit <= before.commit {
        return Finding::Unconcerned;
    }
    let entry = |index| machine.written().and_then(|log| log.entry(index));
    let Some(committed) = entry(now.commit) else { return Finding::Unconcerned };
    if committed.term != now.term {
        return Finding::Violated(format!(
            "{}, the leader of {}, committed {} by counting, where an entry of {} stands: a later leader may lack it",
            machine.id, now.term, now.commit, committed.term
        ));
    }
    // Behind an entry of the same term nothing could have gone wrong.
    if entry(before.commit).is_some_and(|entry| entry.term == now.term) {
        Finding::Trivial
    } else {
        Finding::Holds
    }
}

impl Check for CommitTerm {
    fn name(&self) -> &'static str {
        "CommitTerm"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        match fact {
            Fact::Observed { before, now } => judge(&cluster[subject], before, now),
            Fact::Recovered { .. }
            | Fact::Received { .. }
            | Fact::Sent { .. }
            | Fact::Wrote { .. }
            | Fact::Persisted
            | Fact::Crashed => Finding::Unconcerned,
        }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::raft_core::LogIndex;

    use super::*;
    use crate::checks::testing::{cluster, durable, observation};

    fn moved(role: Role, from: u64, to: u64) -> Finding {
        let mut cluster = cluster(3);
        durable(&mut cluster[0], 4, None, &[1, 2, 4, 4]);
        let at = |commit| Observation { commit: LogIndex(commit), ..observation(role, 4) };
        CommitTerm.check(&Fact::Observed { before: &at(from), now: &at(to) }, 0, &cluster)
    }

    #[test]
    fn committing_an_entry_of_an_earlier_term_by_counting_is_a_violation() {
        assert_eq!(moved(Role::Leader, 1, 3), Finding::Holds, "2@2 goes along with 4@3");
        assert_eq!(moved(Role::Leader, 3, 4), Finding::Trivial);
        assert_eq!(
            moved(Role::Leader, 1, 2),
            Finding::Violated(
                "n1, the leader of t4, committed 2 by counting, where an entry of t2 stands: a later leader may lack it"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_follower_commits_what_it_is_told() {
        assert_eq!(moved(Role::Follower, 1, 2), Finding::Unconcerned);
    }
}

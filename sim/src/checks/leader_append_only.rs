//! Leader Append-Only (Figure 3): a leader never overwrites or removes entries of its log, it only appends.

use std::collections::BTreeMap;

use wavetank_process::{
    Observation, Role,
    raft_core::{LogIndex, NodeId, Term},
};

use super::{Check, Fact, Finding, Watched};

/// As long as a server leads a term, its log only grows at the end, in memory and on its way to the disk.
#[derive(Debug, Default)]
pub struct LeaderAppendOnly {
    /// A leader has had entries replaced, in this term and behind this index; whether it still led then shows at
    /// the end of the event.
    replaced: BTreeMap<NodeId, (Term, LogIndex)>,
}

impl LeaderAppendOnly {
    /// Compares the log of a leader with what it was before the event.
    fn compare(&mut self, machine: &Watched, before: &Observation, now: &Observation) -> Finding {
        let replaced = self.replaced.remove(&machine.id);
        let leads = |shown: &Observation| shown.role == Role::Leader;
        if !leads(before) || !leads(now) || before.term != now.term {
            return Finding::Unconcerned;
        }
        if let Some((_, kept)) = replaced.filter(|(term, _)| *term == now.term) {
            return Finding::Violated(format!(
                "{} leads {} and replaced its own log from {} on",
                machine.id,
                now.term,
                kept.next()
            ));
        }
        let (last, still) = (before.last, machine.written().and_then(|log| log.entry(before.last.index)));
        let cut = now.last.index < last.index;
        let other = still.is_some_and(|entry| entry.term != last.term);
        if cut || other {
            return Finding::Violated(format!(
                "{} leads {}, and the entry {last} is gone from its log, which ends at {}",
                machine.id, now.term, now.last
            ));
        }
        if last == now.last { Finding::Trivial } else { Finding::Holds }
    }
}

impl Check for LeaderAppendOnly {
    fn name(&self) -> &'static str {
        "LeaderAppendOnly"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        match fact {
            Fact::Wrote { kept: Some(kept) } => {
                if let Some(shown) = machine.observation.filter(|shown| shown.role == Role::Leader) {
                    self.replaced.insert(machine.id, (shown.term, *kept));
                }
                Finding::Unconcerned
            }
            Fact::Observed { before, now } => self.compare(machine, before, now),
            Fact::Recovered { .. } | Fact::Crashed => {
                self.replaced.remove(&machine.id);
                Finding::Unconcerned
            }
            Fact::Wrote { kept: None } | Fact::Received { .. } | Fact::Sent { .. } | Fact::Persisted => {
                Finding::Unconcerned
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::raft_core::EntryId;

    use super::*;
    use crate::checks::testing::{cluster, durable, observation};

    fn leader(term: u64, last: EntryId) -> Observation {
        Observation { last, ..observation(Role::Leader, term) }
    }

    fn compare(before: &Observation, now: &Observation, written: &[u64]) -> Finding {
        let mut cluster = cluster(1);
        durable(&mut cluster[0], 3, None, written);
        LeaderAppendOnly::default().check(&Fact::Observed { before, now }, 0, &cluster)
    }

    #[test]
    fn a_leader_whose_log_loses_its_end_is_a_violation() {
        let before = leader(3, EntryId::new(2, 2));
        assert_eq!(compare(&before, &leader(3, EntryId::new(3, 3)), &[1, 2, 3]), Finding::Holds);
        assert_eq!(compare(&before, &before, &[1, 2]), Finding::Trivial);
        assert_eq!(
            compare(&before, &leader(3, EntryId::new(1, 1)), &[1]),
            Finding::Violated(
                "n1 leads t3, and the entry 2@2 is gone from its log, which ends at 1@1".to_owned()
            )
        );
        let overwritten = compare(&before, &leader(3, EntryId::new(3, 3)), &[1, 3, 3]);
        assert!(matches!(overwritten, Finding::Violated(_)));
        let follower = Observation { role: Role::Follower, ..leader(4, EntryId::new(1, 1)) };
        assert_eq!(compare(&before, &follower, &[1]), Finding::Unconcerned, "it has stepped down");
    }

    #[test]
    fn a_leader_that_replaces_entries_is_a_violation_once_it_is_seen_to_lead_still() {
        let replaced = |now: &Observation| {
            let mut check = LeaderAppendOnly::default();
            let mut cluster = cluster(1);
            durable(&mut cluster[0], 3, None, &[1, 3]);
            let before = leader(3, EntryId::new(3, 2));
            cluster[0].observation = Some(before);
            check.check(&Fact::Wrote { kept: Some(LogIndex(1)) }, 0, &cluster);
            check.check(&Fact::Observed { before: &before, now }, 0, &cluster)
        };
        assert_eq!(
            replaced(&leader(3, EntryId::new(3, 2))),
            Finding::Violated("n1 leads t3 and replaced its own log from 2 on".to_owned())
        );
        assert_eq!(replaced(&observation(Role::Follower, 4)), Finding::Unconcerned, "it follows t4 by now");
    }
}

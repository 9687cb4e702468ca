//! What is committed is on the disks of a majority (§3.6): that is what the word promises, and a breach of it shows
//! long before anything is lost.

use wavetank_process::raft_core::{LogIndex, NodeId};

use super::{Check, Fact, Finding, Watched, is_majority};
use crate::audit::AuditEntry;

/// The latest committed entry is on the disks of a majority, and so is everything before it: in the log, or in a snapshot
/// that is whole. Machines that are down count by their disks.
#[derive(Debug, Default)]
pub struct CommitDurability {
    /// The highest committed index, its entry, and who knew it first.
    latest: Option<(LogIndex, AuditEntry, NodeId)>,
}

impl CommitDurability {
    /// Counts the disks that hold the latest committed entry.
    fn count(&self, cluster: &[Watched]) -> Finding {
        let Some((index, entry, by)) = self.latest else { return Finding::Unconcerned };
        let mut holders = Vec::new();
        for machine in cluster {
            let Some(durable) = machine.durable() else { return Finding::Unconcerned };
            if durable.holds(index, entry) {
                holders.push(machine.id);
            }
        }
        if is_majority(holders.len(), cluster) {
            return Finding::Holds;
        }
        Finding::Violated(format!(
            "the entry {}@{index}, which {by} took for committed, is durable on {holders:?} only: no majority of {}",
            entry.term.0,
            cluster.len()
        ))
    }
}

impl Check for CommitDurability {
    fn name(&self) -> &'static str {
        "CommitDurability"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        match fact {
            Fact::Observed { now, .. } | Fact::Recovered { now, .. } => {
                let known = self.latest.map_or(LogIndex(0), |(index, _, _)| index);
                let entry = machine.written().and_then(|log| log.entry(now.commit));
                let (true, Some(entry)) = (known < now.commit, entry) else { return Finding::Unconcerned };
                self.latest = Some((now.commit, entry, machine.id));
                self.count(cluster)
            }
            // Only these can take an entry off a disk.
            Fact::Crashed => self.count(cluster),
            Fact::Persisted => {
                let holds = self.latest.is_none_or(|(index, entry, _)| {
                    machine.durable().is_some_and(|durable| durable.holds(index, entry))
                });
                if holds { Finding::Unconcerned } else { self.count(cluster) }
            }
            Fact::Received { .. } | Fact::Sent { .. } | Fact::Wrote { .. } => Finding::Unconcerned,
        }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::{Observation, Role, raft_core::EntryId};

    use super::*;
    use crate::checks::testing::{cluster, compacted, durable, observation};

    fn committed(index: u64) -> Observation {
        Observation { commit: LogIndex(index), ..observation(Role::Leader, 2) }
    }

    #[test]
    fn a_commit_that_a_majority_does_not_hold_is_a_violation() {
        for (voters, holders, holds) in
            [(3, 2, true), (3, 1, false), (4, 2, false), (4, 3, true), (1, 1, true)]
        {
            let mut cluster = cluster(voters);
            for machine in &mut cluster[..holders] {
                durable(machine, 2, None, &[1, 2]);
            }
            let finding = CommitDurability::default().check(
                &Fact::Recovered { now: &committed(2), log: None },
                0,
                &cluster,
            );
            assert_eq!(finding == Finding::Holds, holds, "{holders} of {voters}: {finding:?}");
        }
    }

    #[test]
    fn a_crash_that_takes_a_committed_entry_from_the_majority_is_a_violation() {
        let mut check = CommitDurability::default();
        let mut cluster = cluster(3);
        durable(&mut cluster[0], 2, None, &[1, 2]);
        durable(&mut cluster[2], 2, None, &[1, 2]);
        assert_eq!(
            check.check(&Fact::Recovered { now: &committed(2), log: None }, 0, &cluster),
            Finding::Holds
        );
        durable(&mut cluster[2], 2, None, &[1]);
        assert_eq!(
            check.check(&Fact::Crashed, 2, &cluster),
            Finding::Violated(
                "the entry 2@2, which n1 took for committed, is durable on [n1] only: no majority of 3"
                    .to_owned()
            )
        );
    }

    #[test]
    fn entries_of_another_term_at_the_same_index_do_not_count() {
        let mut cluster = cluster(3);
        durable(&mut cluster[0], 2, None, &[1, 2]);
        durable(&mut cluster[1], 2, None, &[1, 1]);
        let finding = CommitDurability::default().check(
            &Fact::Recovered { now: &committed(2), log: None },
            0,
            &cluster,
        );
        assert!(matches!(finding, Finding::Violated(_)));
    }

    #[test]
    fn a_snapshot_holds_what_it_covers_if_it_is_whole() {
        let finding = |base: EntryId, is_whole: bool| {
            let mut cluster = cluster(3);
            durable(&mut cluster[0], 2, None, &[1, 2]);
            compacted(&mut cluster[1], base, is_whole, &[]);
            let mut check = CommitDurability::default();
            check.check(&Fact::Recovered { now: &committed(2), log: None }, 0, &cluster)
        };
        assert_eq!(finding(EntryId::new(2, 2), true), Finding::Holds);
        assert_eq!(finding(EntryId::new(3, 5), true), Finding::Holds);
        let violated = [(EntryId::new(2, 2), false), (EntryId::new(3, 2), true), (EntryId::new(1, 1), true)];
        for (base, is_whole) in violated {
            assert!(matches!(finding(base, is_whole), Finding::Violated(_)), "{base} {is_whole}");
        }
    }
}

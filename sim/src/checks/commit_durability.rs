//! What is committed is on the disks of a majority (§3.6): that is what the word promises, and a breach of it shows
//! long before anything is lost.

use std::sync::Arc;

use wavetank_process::{
    Observation, Role,
    raft_core::{LogIndex, NodeId},
};

use super::{Check, Fact, Finding, Watched};
use crate::{audit::AuditEntry, members::Members};

/// The latest committed entry is on the disks of a majority by the configuration that counted it, and so is everything
/// before it: in the log, or in a snapshot that is whole. Machines that are down count by their disks.
#[derive(Debug, Default)]
pub struct CommitDurability {
    /// The highest committed index.
    latest: Option<Committed>,
}

/// An entry that somebody knows to be committed.
#[derive(Debug)]
struct Committed {
    index: LogIndex,
    entry: AuditEntry,
    /// Who knew it first.
    by: NodeId,
    /// By which configurations it may have been counted.
    counted_by: Vec<Arc<Members>>,
}

impl CommitDurability {
    /// Counts the disks that hold the latest committed entry.
    fn count(&self, cluster: &[Watched]) -> Finding {
        let Some(Committed { index, entry, by, counted_by }) = &self.latest else {
            return Finding::Unconcerned;
        };
        let mut holders = Vec::new();
        for machine in cluster {
            let Some(durable) = machine.durable() else { return Finding::Unconcerned };
            if durable.holds(*index, *entry) {
                holders.push(machine.id);
            }
        }
        if counted_by.iter().any(|members| members.is_quorum(|id| holders.contains(&id))) {
            return Finding::Holds;
        }
        let members = counted_by.iter().map(|members| members.to_string()).collect::<Vec<_>>();
        Finding::Violated(format!(
            "the entry {}@{index}, which {by} took for committed, is durable on {holders:?} only: no majority of {}",
            entry.term.0,
            members.join(", nor of ")
        ))
    }

    fn note_and_count(
        &mut self,
        machine: &Watched,
        before: Option<&Observation>,
        now: &Observation,
        cluster: &[Watched],
    ) -> Finding {
        if self.note(machine, before, now) { self.count(cluster) } else { Finding::Unconcerned }
    }

    /// Takes note of what a machine knows to be committed. Whether it is news.
    fn note(&mut self, machine: &Watched, before: Option<&Observation>, now: &Observation) -> bool {
        let known = self.latest.as_ref().map_or(LogIndex(0), |latest| latest.index);
        if now.commit <= known {
            return false;
        }
        let Some(entry) = machine.written().and_then(|log| log.entry(now.commit)) else { return false };
        self.latest = Some(Committed {
            index: now.commit,
            entry,
            by: machine.id,
            counted_by: counted_by(machine, before, now),
        });
        true
    }
}

/// By which configurations a machine may have counted what it has come to know to be committed. A leader counts by its own,
/// which may change within the event. Whoever was told may be a configuration ahead of who counted.
fn counted_by(machine: &Watched, before: Option<&Observation>, now: &Observation) -> Vec<Arc<Members>> {
    match before {
        Some(before) if now.role == Role::Leader => {
            machine.members_between(before.applied, now.applied).cloned().collect()
        }
        Some(_) | None => machine.latest_configurations().take(2).cloned().collect(),
    }
}

impl Check for CommitDurability {
    fn name(&self) -> &'static str {
        "CommitDurability"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        match fact {
            Fact::Observed { before, now, .. } => self.note_and_count(machine, Some(before), now, cluster),
            Fact::Recovered { now, .. } => self.note_and_count(machine, None, now, cluster),
            // Only these can take an entry off a disk.
            Fact::Crashed => self.count(cluster),
            Fact::Persisted => {
                let holds = self.latest.as_ref().is_none_or(|latest| {
                    machine.durable().is_some_and(|durable| durable.holds(latest.index, latest.entry))
                });
                if holds { Finding::Unconcerned } else { self.count(cluster) }
            }
            Fact::Received { .. } | Fact::Sent { .. } | Fact::Wrote { .. } => Finding::Unconcerned,
        }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::raft_core::{EntryId, MemberChange};

    use super::*;
    use crate::checks::testing::{change, cluster, compacted, durable, node, observation, reconfigured};

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
                "the entry 2@2, which n1 took for committed, is durable on [n1] only: no majority of n1 n2 n3"
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

    #[test]
    fn a_leader_counts_by_the_members_that_it_has_applied() {
        let finding = |holders: &[usize], from: u64, applied: u64| {
            let mut cluster = cluster(3);
            for &holder in holders {
                durable(&mut cluster[holder], 2, None, &[1, 2, 2]);
            }
            reconfigured(&mut cluster[0], &[(2, change(&[MemberChange::Remove(node(3))]))], applied);
            let shown =
                |commit: u64, applied: u64| Observation { applied: LogIndex(applied), ..committed(commit) };
            let (before, now) = (shown(1, from), shown(3, applied));
            CommitDurability::default().check(&Fact::Observed { before: &before, now: &now }, 0, &cluster)
        };
        assert_eq!(finding(&[0, 1], 2, 3), Finding::Holds, "all of n1 n2");
        assert!(matches!(finding(&[0, 2], 2, 3), Finding::Violated(_)), "n3 is no member any more");
        assert_eq!(finding(&[0, 2], 1, 3), Finding::Holds, "it was when this event began");
    }
}

//! Recovery: a restarted process starts from exactly what its disk holds.

use wavetank_process::raft_core::{EntryId, LogIndex, LogSlice};

use super::{Check, Fact, Finding, Watched};
use crate::audit::{AuditEntry, DurableState};

/// Term, vote and every entry of the log of a recovered process equal an independent reading of its disk, and its state
/// machine starts from the snapshot there. Of a process that cannot show its log, the last entry is compared.
#[derive(Debug)]
pub struct Recovery;

impl Check for Recovery {
    fn name(&self) -> &'static str {
        "Recovery"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        let (Fact::Recovered { now, log }, Some(disk)) = (fact, machine.written()) else {
            return Finding::Unconcerned;
        };
        let on_disk = (disk.term, disk.vote, disk.last());
        let recovered = (now.term, now.vote, now.last);
        if recovered != on_disk {
            return Finding::Violated(format!(
                "{} recovered (term, vote, last entry) {recovered:?}, but its disk holds {on_disk:?}",
                machine.id
            ));
        }
        if let Some(log) = log.filter(|log| log.prev() != disk.base) {
            let (id, prev, base) = (machine.id, log.prev(), disk.base);
            return Finding::Violated(format!(
                "{id} recovered a log that begins behind {prev}, and on its disk it begins behind {base}"
            ));
        }
        let covered = disk.snapshot.as_ref().map_or(LogIndex(0), |snapshot| snapshot.last.index);
        if now.applied < covered {
            let (id, applied) = (machine.id, now.applied);
            return Finding::Violated(format!(
                "{id} started with what was applied up to {applied}, although the snapshot on its disk ends at {covered}"
            ));
        }
        if let Some(id) = log.and_then(|log| first_difference(log, disk)) {
            return Finding::Violated(format!(
                "{} recovered the entry {id}, and its disk holds {:?} there",
                machine.id,
                disk.entry(id.index)
            ));
        }
        if disk.last() == EntryId::ORIGIN { Finding::Trivial } else { Finding::Holds }
    }
}

/// The first entry that is not as it is on the disk.
fn first_difference(log: &LogSlice, disk: &DurableState) -> Option<EntryId> {
    let mut entries = log.iter();
    entries.find(|(id, entry)| disk.entry(id.index) != Some(AuditEntry::from(*entry))).map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use wavetank_process::{
        Observation, Role,
        raft_core::{Entry, Payload, Term},
    };

    use super::*;
    use crate::checks::testing::{cluster, compacted, durable, durable_entries, node, observation};

    #[test]
    fn recovering_anything_else_than_the_disk_holds_is_a_violation() {
        let mut cluster = cluster(1);
        durable(&mut cluster[0], 3, Some(2), &[1, 3]);
        let right =
            Observation { vote: Some(node(2)), last: EntryId::new(3, 2), ..observation(Role::Follower, 3) };
        assert_eq!(Recovery.check(&Fact::Recovered { now: &right, log: None }, 0, &cluster), Finding::Holds);
        let wrong = [
            Observation { term: right.term, vote: None, ..right },
            Observation { last: EntryId::new(1, 1), ..right },
            Observation { last: EntryId::new(2, 2), ..right },
        ];
        for now in &wrong {
            let finding = Recovery.check(&Fact::Recovered { now, log: None }, 0, &cluster);
            assert!(matches!(finding, Finding::Violated(_)), "{now:?}");
        }
    }

    #[test]
    fn recovering_another_entry_than_the_disk_holds_is_a_violation() {
        let recovered = |commands: [&'static str; 2]| {
            let mut cluster = cluster(1);
            let digest = |command: &'static str| {
                AuditEntry::from(&Entry { term: Term(1), payload: Payload::Command(command.into()) }).digest
            };
            durable_entries(&mut cluster[0], 1, None, &[(1, digest("a")), (1, digest("b"))]);
            let entries =
                commands.map(|command| Entry { term: Term(1), payload: Payload::Command(command.into()) });
            let log = LogSlice::new(EntryId::ORIGIN, entries.to_vec()).expect("a log");
            let now = Observation { last: log.last(), ..observation(Role::Follower, 1) };
            Recovery.check(&Fact::Recovered { now: &now, log: Some(&log) }, 0, &cluster)
        };
        assert_eq!(recovered(["a", "b"]), Finding::Holds);
        assert!(matches!(recovered(["x", "b"]), Finding::Violated(_)));
    }

    #[test]
    fn recovering_from_another_snapshot_or_another_beginning_than_the_disks_is_a_violation() {
        let recovered = |applied: u64, prev: EntryId| {
            let mut cluster = cluster(1);
            durable(&mut cluster[0], 2, None, &[]);
            compacted(&mut cluster[0], EntryId::new(2, 4), true, &[]);
            let (last, applied) = (EntryId::new(2, 4), LogIndex(applied));
            let now = Observation { last, applied, ..observation(Role::Follower, 2) };
            let log = LogSlice::empty(prev);
            Recovery.check(&Fact::Recovered { now: &now, log: Some(&log) }, 0, &cluster)
        };
        assert_eq!(recovered(4, EntryId::new(2, 4)), Finding::Holds);
        assert!(matches!(recovered(0, EntryId::new(2, 4)), Finding::Violated(_)));
        assert!(matches!(recovered(4, EntryId::new(2, 3)), Finding::Violated(_)));
    }
}

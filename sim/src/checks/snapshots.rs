//! A snapshot stands for what it replaces (§5.1): whatever a log on a disk names is there.

use super::{Check, Fact, Finding, Watched};

/// Whenever the log on a disk names a snapshot, the disk holds that snapshot, whole. Otherwise a restart would find
/// neither the entries nor what they have led to.
#[derive(Debug)]
pub struct SnapshotDurability;

impl Check for SnapshotDurability {
    fn name(&self) -> &'static str {
        "SnapshotDurability"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        let (Fact::Persisted | Fact::Crashed, Some(durable)) = (fact, machine.durable()) else {
            return Finding::Unconcerned;
        };
        match &durable.snapshot {
            None => Finding::Trivial,
            Some(snapshot) if snapshot.is_whole => Finding::Holds,
            Some(snapshot) => Finding::Violated(format!(
                "the log on the disk of {} names a snapshot of everything up to {}, which is not there",
                machine.id, snapshot.last
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::raft_core::EntryId;

    use super::*;
    use crate::checks::testing::{cluster, compacted, durable};

    #[test]
    fn naming_a_snapshot_that_is_not_there_is_a_violation() {
        for fact in [Fact::Persisted, Fact::Crashed] {
            let mut cluster = cluster(1);
            durable(&mut cluster[0], 2, None, &[1, 2]);
            assert_eq!(SnapshotDurability.check(&fact, 0, &cluster), Finding::Trivial);
            compacted(&mut cluster[0], EntryId::new(2, 2), true, &[]);
            assert_eq!(SnapshotDurability.check(&fact, 0, &cluster), Finding::Holds);
            compacted(&mut cluster[0], EntryId::new(2, 2), false, &[]);
            assert!(matches!(SnapshotDurability.check(&fact, 0, &cluster), Finding::Violated(_)));
        }
    }
}

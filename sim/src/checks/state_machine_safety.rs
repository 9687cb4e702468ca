//! State Machine Safety (Figure 3): what one server commits or applies at an index, every other one does.

use std::collections::BTreeMap;

use wavetank_process::{
    Observation,
    raft_core::{LogIndex, NodeId},
};

use super::{Check, Fact, Finding, Watched};
use crate::audit::AuditEntry;

/// Committed entries are the same everywhere and for ever, and equal applied indexes mean equal state machines.
#[derive(Debug, Default)]
pub struct StateMachineSafety {
    /// Every entry known to be committed, and who said so first; index i stands at i - 1.
    committed: Vec<(AuditEntry, NodeId)>,
    /// Up to where each machine's committed entries have been compared, in this incarnation.
    compared: BTreeMap<NodeId, LogIndex>,
    /// The digest of the state machine after an index, and who got there first.
    machines: BTreeMap<LogIndex, (u128, NodeId)>,
}

impl StateMachineSafety {
    /// Compares what a machine has newly committed.
    fn compare_committed(&mut self, machine: &Watched, now: &Observation) -> Finding {
        let Some(log) = machine.written() else { return Finding::Unconcerned };
        let compared = self.compared.entry(machine.id).or_default();
        let mut finding = Finding::Unconcerned;
        if *compared < log.base.index {
            // What the log no longer holds was compared when it was committed, by whoever made the snapshot.
            *compared = log.base.index;
            let known = self.committed.get(usize::try_from(log.base.index.0 - 1).unwrap_or(usize::MAX));
            match known {
                Some((entry, _)) if entry.term == log.base.term => finding = Finding::Holds,
                Some(_) | None => {
                    return Finding::Violated(format!(
                        "the log of {} begins behind {}, which was never committed",
                        machine.id, log.base
                    ));
                }
            }
        }
        while *compared < now.commit {
            let index = compared.next();
            // What is committed may not have been handed to the disk yet: then it is compared later.
            let Some(entry) = log.entry(index) else { break };
            *compared = index;
            let position = usize::try_from(index.0 - 1).unwrap_or(usize::MAX);
            match self.committed.get(position) {
                None => {
                    assert_eq!(position, self.committed.len(), "committed entries are compared in order");
                    self.committed.push((entry, machine.id));
                    finding = Finding::Trivial;
                }
                Some((first, _)) if *first == entry => finding = Finding::Holds,
                Some((first, by)) => {
                    return Finding::Violated(format!(
                        "{by} committed an entry of {} at index {index}, and {} another one of {}",
                        first.term, machine.id, entry.term
                    ));
                }
            }
        }
        finding
    }

    fn compare_machines(&mut self, id: NodeId, now: &Observation) -> Finding {
        if now.applied == LogIndex(0) {
            return Finding::Unconcerned;
        }
        let &mut (digest, first) = self.machines.entry(now.applied).or_insert((now.machine_digest, id));
        if digest != now.machine_digest {
            return Finding::Violated(format!(
                "{first} and {id} have applied everything up to index {}, and their state machines differ",
                now.applied
            ));
        }
        if first == id { Finding::Trivial } else { Finding::Holds }
    }
}

impl Check for StateMachineSafety {
    fn name(&self) -> &'static str {
        "StateMachineSafety"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        let now = match fact {
            Fact::Recovered { now, .. } => {
                self.compared.insert(machine.id, LogIndex(0));
                now
            }
            Fact::Observed { before, now } if before.commit < now.commit || before.applied < now.applied => {
                now
            }
            _ => return Finding::Unconcerned,
        };
        let committed = self.compare_committed(machine, now);
        let machines = self.compare_machines(machine.id, now);
        match (committed, machines) {
            (violated @ Finding::Violated(_), _) | (_, violated @ Finding::Violated(_)) => violated,
            (Finding::Holds, _) | (_, Finding::Holds) => Finding::Holds,
            (Finding::Trivial, _) | (_, Finding::Trivial) => Finding::Trivial,
            (Finding::Unconcerned, Finding::Unconcerned) => Finding::Unconcerned,
        }
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::{Role, raft_core::EntryId};

    use super::*;
    use crate::checks::testing::{cluster, compacted, durable, observation};

    fn committed(index: u64) -> Observation {
        Observation { commit: LogIndex(index), ..observation(Role::Follower, 9) }
    }

    #[test]
    fn two_entries_committed_at_one_index_are_a_violation() {
        let mut check = StateMachineSafety::default();
        let mut cluster = cluster(2);
        durable(&mut cluster[0], 9, None, &[1, 2]);
        durable(&mut cluster[1], 9, None, &[1, 3]);
        assert_eq!(
            check.check(&Fact::Recovered { now: &committed(2), log: None }, 0, &cluster),
            Finding::Trivial
        );
        assert_eq!(
            check.check(&Fact::Recovered { now: &committed(1), log: None }, 1, &cluster),
            Finding::Holds
        );
        assert_eq!(
            check.check(&Fact::Observed { before: &committed(1), now: &committed(2) }, 1, &cluster),
            Finding::Violated("n1 committed an entry of t2 at index 2, and n2 another one of t3".to_owned())
        );
    }

    #[test]
    fn different_state_machines_at_one_index_are_a_violation() {
        let mut check = StateMachineSafety::default();
        let cluster = cluster(2);
        let applied = |digest| Observation { applied: LogIndex(4), machine_digest: digest, ..committed(4) };
        assert_eq!(
            check.check(&Fact::Recovered { now: &applied(1), log: None }, 0, &cluster),
            Finding::Trivial
        );
        assert_eq!(
            check.check(&Fact::Recovered { now: &applied(1), log: None }, 1, &cluster),
            Finding::Holds
        );
        assert!(matches!(
            check.check(&Fact::Recovered { now: &applied(2), log: None }, 1, &cluster),
            Finding::Violated(_)
        ));
    }

    #[test]
    fn a_snapshot_of_what_was_never_committed_is_a_violation() {
        let finding = |base: EntryId| {
            let mut check = StateMachineSafety::default();
            let mut cluster = cluster(2);
            durable(&mut cluster[0], 9, None, &[1, 2, 2, 3]);
            check.check(&Fact::Recovered { now: &committed(3), log: None }, 0, &cluster);
            compacted(&mut cluster[1], base, true, &[]);
            let now = committed(base.index.0);
            check.check(&Fact::Recovered { now: &now, log: None }, 1, &cluster)
        };
        assert_eq!(finding(EntryId::new(2, 3)), Finding::Holds);
        for base in [EntryId::new(3, 4), EntryId::new(1, 3)] {
            assert!(matches!(finding(base), Finding::Violated(_)), "{base}");
        }
    }
}

//! Leader Completeness (Figure 3): a committed entry is in the log of every leader of a later term.

use std::collections::BTreeMap;

use wavetank_process::{
    Role,
    raft_core::{LogIndex, NodeId, Term},
};

use super::{Check, Fact, Finding, Watched};
use crate::audit::AuditEntry;

/// Whoever becomes leader holds everything that was committed in earlier terms, in its log or by a snapshot.
#[derive(Debug, Default)]
pub struct LeaderCompleteness {
    /// The entries known to be committed, each with the first term in which somebody knew it.
    committed: Vec<(AuditEntry, Term)>,
    /// The last term in which each machine was seen to lead.
    led: BTreeMap<NodeId, Term>,
}

impl LeaderCompleteness {
    fn note_committed(&mut self, machine: &Watched, commit: LogIndex, term: Term) {
        let Some(log) = machine.written() else { return };
        while (self.committed.len() as u64) < commit.0 {
            let index = LogIndex(self.committed.len() as u64 + 1);
            let Some(entry) = log.entry(index) else { break };
            self.committed.push((entry, term));
        }
    }
}

impl Check for LeaderCompleteness {
    fn name(&self) -> &'static str {
        "LeaderCompleteness"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let (Fact::Observed { now, .. } | Fact::Recovered { now, .. }) = fact else {
            return Finding::Unconcerned;
        };
        let machine = &cluster[subject];
        let Some(log) = machine.written() else { return Finding::Unconcerned };
        let mut finding = Finding::Unconcerned;
        if now.role == Role::Leader && self.led.insert(machine.id, now.term) != Some(now.term) {
            let mut earlier =
                (1..).map(LogIndex).zip(&self.committed).filter(|(_, (_, term))| *term < now.term);
            finding = match earlier.find(|(index, (entry, _))| !log.holds(*index, *entry)) {
                Some((index, (entry, term))) => Finding::Violated(format!(
                    "{} leads {} without the entry {}@{index}, which was committed in {term}",
                    machine.id, now.term, entry.term.0
                )),
                None if self.committed.is_empty() => Finding::Trivial,
                None => Finding::Holds,
            };
        }
        self.note_committed(machine, now.commit, now.term);
        finding
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::{Observation, raft_core::EntryId};

    use super::*;
    use crate::checks::testing::{cluster, compacted, durable, observation};

    #[test]
    fn a_leader_that_lacks_a_committed_entry_is_a_violation() {
        let mut check = LeaderCompleteness::default();
        let mut cluster = cluster(3);
        durable(&mut cluster[0], 2, None, &[1, 2]);
        durable(&mut cluster[1], 2, None, &[1, 2]);
        durable(&mut cluster[2], 3, None, &[1, 3]);
        let first = Observation { commit: LogIndex(2), ..observation(Role::Leader, 2) };
        assert_eq!(check.check(&Fact::Recovered { now: &first, log: None }, 0, &cluster), Finding::Trivial);
        let good = observation(Role::Leader, 3);
        assert_eq!(check.check(&Fact::Recovered { now: &good, log: None }, 1, &cluster), Finding::Holds);
        let bad = observation(Role::Leader, 4);
        assert_eq!(
            check.check(&Fact::Recovered { now: &bad, log: None }, 2, &cluster),
            Finding::Violated("n3 leads t4 without the entry 2@2, which was committed in t2".to_owned())
        );
    }

    #[test]
    fn a_leader_of_the_past_need_not_hold_what_was_committed_after_it() {
        let mut check = LeaderCompleteness::default();
        let mut cluster = cluster(2);
        durable(&mut cluster[0], 5, None, &[1, 5]);
        durable(&mut cluster[1], 5, None, &[1]);
        let later = Observation { commit: LogIndex(2), ..observation(Role::Leader, 5) };
        check.check(&Fact::Recovered { now: &later, log: None }, 0, &cluster);
        let past = observation(Role::Leader, 4);
        assert!(!matches!(
            check.check(&Fact::Recovered { now: &past, log: None }, 1, &cluster),
            Finding::Violated(_)
        ));
    }

    #[test]
    fn a_leader_may_hold_what_was_committed_by_a_snapshot() {
        let finding = |base: EntryId, terms: &[u64]| {
            let mut check = LeaderCompleteness::default();
            let mut cluster = cluster(2);
            durable(&mut cluster[0], 2, None, &[1, 2, 2]);
            let first = Observation { commit: LogIndex(3), ..observation(Role::Leader, 2) };
            check.check(&Fact::Recovered { now: &first, log: None }, 0, &cluster);
            compacted(&mut cluster[1], base, true, terms);
            let later = observation(Role::Leader, 3);
            check.check(&Fact::Recovered { now: &later, log: None }, 1, &cluster)
        };
        assert_eq!(finding(EntryId::new(2, 3), &[]), Finding::Holds);
        assert_eq!(finding(EntryId::new(2, 2), &[2]), Finding::Holds);
        assert!(matches!(finding(EntryId::new(2, 2), &[]), Finding::Violated(_)), "3 is missing");
        assert!(matches!(finding(EntryId::new(2, 2), &[3]), Finding::Violated(_)), "another one is at 3");
        assert!(
            matches!(finding(EntryId::new(1, 2), &[2]), Finding::Violated(_)),
            "a snapshot of another past"
        );
    }
}

//! Log Matching (Figure 3): if two logs contain an entry with the same index and term, then the logs are identical in all
//! entries up through that index.

use std::collections::BTreeMap;

use wavetank_process::raft_core::{EntryId, LogIndex, NodeId, Term};

use super::{Check, Fact, Finding, Watched};

/// Wherever an entry id appears, the same entry stands there, behind an entry of the same term. By induction along
/// the log that is Log Matching; and it is asked of every entry ever written, even if it is gone since.
#[derive(Debug, Default)]
pub struct LogMatching {
    /// For every entry id ever written: the digest of its payload, the term before it, and who wrote it first.
    entries: BTreeMap<EntryId, (u64, Term, NodeId)>,
    /// Up to where each machine's log has been looked at.
    looked_at: BTreeMap<NodeId, LogIndex>,
}

impl Check for LogMatching {
    fn name(&self) -> &'static str {
        "LogMatching"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        let kept = match fact {
            Fact::Wrote { kept } => *kept,
            // Its unwritten end may be gone.
            Fact::Crashed => machine.written().map(|log| log.last().index),
            Fact::Observed { .. } | Fact::Recovered { .. } | Fact::Sent { .. } | Fact::Persisted => {
                return Finding::Unconcerned;
            }
        };
        let Some(written) = machine.written() else { return Finding::Unconcerned };
        let looked_at = self.looked_at.entry(machine.id).or_default();
        if let Some(kept) = kept {
            *looked_at = (*looked_at).min(kept);
        }
        let mut finding = Finding::Trivial;
        while let Some(entry) = written.entry(looked_at.next()) {
            let before = written.entry(*looked_at).map_or(Term(0), |before| before.term);
            *looked_at = looked_at.next();
            let id = EntryId { term: entry.term, index: *looked_at };
            let &mut (digest, term_before, first) =
                self.entries.entry(id).or_insert((entry.digest, before, machine.id));
            if digest != entry.digest {
                return Finding::Violated(format!("{first} and {} hold different entries {id}", machine.id));
            }
            if term_before != before {
                return Finding::Violated(format!(
                    "the entry {id} follows an entry of {term_before} in the log of {first} and one of {before} \
                     in the log of {}",
                    machine.id
                ));
            }
            if first != machine.id {
                finding = Finding::Holds;
            }
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::{cluster, durable, durable_entries};

    const WROTE: Fact<'_> = Fact::Wrote { kept: None };

    #[test]
    fn equal_ids_with_different_payloads_are_a_violation() {
        let mut check = LogMatching::default();
        let mut cluster = cluster(2);
        durable_entries(&mut cluster[0], 1, None, &[(1, 7), (1, 8)]);
        durable_entries(&mut cluster[1], 1, None, &[(1, 7), (1, 9)]);
        assert_eq!(check.check(&WROTE, 0, &cluster), Finding::Trivial);
        assert_eq!(
            check.check(&WROTE, 1, &cluster),
            Finding::Violated("n1 and n2 hold different entries 1@2".to_owned())
        );
    }

    #[test]
    fn equal_ids_behind_different_logs_are_a_violation() {
        let mut check = LogMatching::default();
        let mut cluster = cluster(2);
        durable(&mut cluster[0], 3, None, &[1, 3]);
        durable(&mut cluster[1], 3, None, &[2, 3]);
        assert_eq!(check.check(&WROTE, 0, &cluster), Finding::Trivial);
        assert!(matches!(check.check(&WROTE, 1, &cluster), Finding::Violated(_)));
    }

    #[test]
    fn logs_may_differ_where_their_terms_do_and_replaced_entries_are_looked_at_again() {
        let mut check = LogMatching::default();
        let mut cluster = cluster(2);
        durable(&mut cluster[0], 3, None, &[1, 1, 2]);
        durable(&mut cluster[1], 3, None, &[1, 1, 3, 3]);
        assert_eq!(check.check(&WROTE, 0, &cluster), Finding::Trivial);
        assert_eq!(check.check(&WROTE, 1, &cluster), Finding::Holds);
        durable_entries(&mut cluster[0], 3, None, &[(1, 0), (1, 0), (3, 5)]);
        let replaced = Fact::Wrote { kept: Some(LogIndex(2)) };
        assert!(matches!(check.check(&replaced, 0, &cluster), Finding::Violated(_)), "3@3 differs from n2's");
    }
}

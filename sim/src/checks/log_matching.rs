//! Log Matching (Figure 3): logs that share an entry, by index and term, are the same up to there.

use std::collections::BTreeMap;

use wavetank_process::raft_core::{EntryId, LogIndex, NodeId, Term};

use super::{Check, Fact, Finding, Watched};

/// Wherever an entry id appears, the same entry stands there, behind an entry of the same term. By induction along
/// the log that is Log Matching; and it is asked of every entry ever written, even if it was replaced since.
///
/// Only an entry that a single machine ever wrote, and that a crash took from it, was never there: a server that is a
/// cluster of its own may lead a term, lose it in a crash before anything of it is durable, and lead it again.
#[derive(Debug, Default)]
pub struct LogMatching {
    /// Every entry ever written, by its id.
    entries: BTreeMap<EntryId, Seen>,
    /// Up to where each machine's log has been looked at.
    looked_at: BTreeMap<NodeId, LogIndex>,
}

/// An entry that was written.
#[derive(Debug)]
struct Seen {
    /// The digest of its payload.
    digest: u64,
    /// The term of the entry before it.
    before: Term,
    /// Who wrote it first.
    first: NodeId,
    /// Whether another machine wrote it as well.
    shared: bool,
}

impl LogMatching {
    /// Forgets what nobody but this machine ever wrote, and what it has lost.
    fn forget_lost(&mut self, machine: &Watched) {
        let Some(left) = machine.written() else { return };
        let last = left.last().index;
        self.entries.retain(|id, seen| seen.shared || seen.first != machine.id || id.index <= last);
    }
}

impl Check for LogMatching {
    fn name(&self) -> &'static str {
        "LogMatching"
    }

    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
        let machine = &cluster[subject];
        let kept = match fact {
            Fact::Wrote { kept } => *kept,
            Fact::Crashed => {
                self.forget_lost(machine);
                machine.written().map(|log| log.last().index)
            }
            Fact::Observed { .. }
            | Fact::Recovered { .. }
            | Fact::Received { .. }
            | Fact::Sent { .. }
            | Fact::Persisted => return Finding::Unconcerned,
        };
        let Some(written) = machine.written() else { return Finding::Unconcerned };
        let looked_at = self.looked_at.entry(machine.id).or_default();
        if let Some(kept) = kept {
            *looked_at = (*looked_at).min(kept);
        }
        let mut finding = Finding::Trivial;
        if *looked_at < written.base.index {
            // What a snapshot covers is not there to be looked at, but for the entry that it ends with.
            *looked_at = written.base.index;
            match self.entries.get_mut(&written.base) {
                Some(seen) => {
                    seen.shared |= seen.first != machine.id;
                    finding = Finding::Holds;
                }
                None => {
                    let (id, base) = (machine.id, written.base);
                    return Finding::Violated(format!(
                        "the log of {id} begins behind {base}, which nobody ever wrote"
                    ));
                }
            }
        }
        while let Some(entry) = written.entry(looked_at.next()) {
            let before = written.term_at(*looked_at).unwrap_or_default();
            *looked_at = looked_at.next();
            let id = EntryId { term: entry.term, index: *looked_at };
            let seen = self.entries.entry(id).or_insert(Seen {
                digest: entry.digest,
                before,
                first: machine.id,
                shared: false,
            });
            let first = seen.first;
            if seen.digest != entry.digest {
                return Finding::Violated(format!("{first} and {} hold different entries {id}", machine.id));
            }
            if seen.before != before {
                return Finding::Violated(format!(
                    "the entry {id} follows an entry of {} in the log of {first} and one of {before} in the log of {}",
                    seen.before, machine.id
                ));
            }
            if first != machine.id {
                seen.shared = true;
                finding = Finding::Holds;
            }
        }
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::{cluster, compacted, durable, durable_entries};

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

    #[test]
    fn an_entry_that_a_crash_took_before_anybody_else_had_it_was_never_there() {
        let again = |also_written_by_n2: bool| {
            let mut check = LogMatching::default();
            let mut cluster = cluster(2);
            durable_entries(&mut cluster[0], 2, None, &[(1, 7), (2, 8)]);
            check.check(&WROTE, 0, &cluster);
            if also_written_by_n2 {
                durable_entries(&mut cluster[1], 2, None, &[(1, 7), (2, 8)]);
                check.check(&WROTE, 1, &cluster);
            }
            durable_entries(&mut cluster[0], 1, None, &[(1, 7)]);
            check.check(&Fact::Crashed, 0, &cluster);
            durable_entries(&mut cluster[0], 2, None, &[(1, 7), (2, 9)]);
            check.check(&WROTE, 0, &cluster)
        };
        assert_eq!(again(false), Finding::Trivial);
        assert!(matches!(again(true), Finding::Violated(_)), "n2 still knows the first one");
    }

    #[test]
    fn a_log_begins_behind_an_entry_that_somebody_wrote() {
        let finding = |base: EntryId, terms: &[u64]| {
            let mut check = LogMatching::default();
            let mut cluster = cluster(2);
            durable(&mut cluster[0], 3, None, &[1, 2, 2, 3]);
            check.check(&WROTE, 0, &cluster);
            compacted(&mut cluster[1], base, true, terms);
            check.check(&WROTE, 1, &cluster)
        };
        assert_eq!(finding(EntryId::new(2, 3), &[]), Finding::Holds);
        assert_eq!(finding(EntryId::new(2, 3), &[3]), Finding::Holds);
        assert!(matches!(finding(EntryId::new(1, 3), &[3]), Finding::Violated(_)), "n1 has 2@3 there");
        assert!(matches!(finding(EntryId::new(2, 5), &[]), Finding::Violated(_)), "nobody has 5");
        assert!(matches!(finding(EntryId::new(1, 1), &[1, 2]), Finding::Violated(_)), "2@3 follows 2@2");
    }
}

//! The configurations of a machine, read from its log by an [auditor](crate::audit).

use std::sync::Arc;

use wavetank_process::raft_core::{Configuration, LogIndex};

use crate::{audit::DurableState, members::Members};

/// The configurations that have been in force on one machine since it booted, each with the index from which on it was.
#[derive(Clone, Debug)]
pub(crate) struct Configurations {
    list: Vec<(LogIndex, Arc<Members>)>,
    /// Up to where the log has been read.
    read_to: LogIndex,
}

impl Configurations {
    /// Those of a machine that has applied nothing.
    pub(crate) fn founding(members: Arc<Members>) -> Self {
        Self { list: vec![(LogIndex(0), members)], read_to: LogIndex(0) }
    }

    /// The one that is in force when so much is applied.
    pub(crate) fn at(&self, applied: LogIndex) -> &Arc<Members> {
        let later = self.list.iter().rposition(|(from, _)| *from <= applied);
        &self.list[later.unwrap_or(0)].1
    }

    /// Those that were in force at some time while what was applied went from `from` to `to`.
    pub(crate) fn between(&self, from: LogIndex, to: LogIndex) -> impl Iterator<Item = &Arc<Members>> {
        let later = self.list.iter().filter(move |(index, _)| from < *index && *index <= to);
        std::iter::once(self.at(from)).chain(later.map(|(_, members)| members))
    }

    /// Every one, with the index from which on it was in force.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &(LogIndex, Arc<Members>)> {
        self.list.iter()
    }

    /// Reads a log on, up to what is applied; it begins no later than behind that.
    pub(crate) fn read(&mut self, log: &DurableState, applied: LogIndex) {
        if self.read_to < log.base.index
            && let Some(snapshot) = &log.snapshot
        {
            if **self.at(snapshot.last.index) != *snapshot.members {
                self.enter(snapshot.last.index, Arc::clone(&snapshot.members));
            }
            self.read_to = snapshot.last.index;
        }
        if applied <= self.read_to {
            return;
        }
        for (index, change) in log.changes.range(self.read_to.next()..=applied) {
            if let Some(next) = self.at(*index).after(change) {
                self.enter(*index, Arc::new(next));
            }
        }
        self.read_to = applied;
    }

    /// Takes an implementation's word for what is in force, where no log can be read.
    pub(crate) fn believe(&mut self, claimed: &Configuration, applied: LogIndex) {
        if !self.at(applied).are(claimed) {
            self.enter(applied, Arc::new(Members::from(claimed)));
        }
    }

    /// Has these be the members from `index` on, which is behind every one there is.
    pub(super) fn enter(&mut self, index: LogIndex, members: Arc<Members>) {
        self.list.push((index, members));
    }
}

#[cfg(test)]
mod tests {
    use wavetank_process::raft_core::{EntryId, MemberChange};

    use super::*;
    use crate::{
        audit::AuditSnapshot,
        checks::testing::{change, node},
    };

    fn founding(voters: &[u64]) -> Members {
        Members::founding(voters.iter().copied().map(node), [])
    }

    #[test]
    fn a_log_is_read_as_far_as_it_is_applied_and_a_snapshot_stands_for_what_is_gone() {
        let mut log = DurableState::default();
        log.changes.insert(LogIndex(3), change(&[MemberChange::AddVoter(node(4))]));
        log.changes.insert(LogIndex(5), change(&[MemberChange::Remove(node(1))]));
        let mut read = Configurations::founding(Arc::new(founding(&[1, 2, 3])));
        read.read(&log, LogIndex(4));
        assert_eq!(read.at(LogIndex(2)).to_string(), "n1 n2 n3");
        assert_eq!(read.at(LogIndex(4)).to_string(), "n1 n2 n3 n4");
        read.read(&log, LogIndex(6));
        assert_eq!(read.at(LogIndex(6)).to_string(), "n2 n3 n4");
        assert_eq!(read.between(LogIndex(3), LogIndex(5)).count(), 2);
        log.base = EntryId::new(1, 9);
        log.changes.clear();
        let (last, members) = (log.base, Arc::new(founding(&[4])));
        log.snapshot = Some(AuditSnapshot { last, is_whole: true, members });
        read.read(&log, LogIndex(9));
        assert_eq!(read.at(LogIndex(9)).to_string(), "n4");
        let known = read.iter().count();
        log.base = EntryId::new(1, 12);
        let (last, members) = (log.base, Arc::new(founding(&[4])));
        log.snapshot = Some(AuditSnapshot { last, is_whole: true, members });
        read.read(&log, LogIndex(12));
        assert_eq!(read.iter().count(), known, "nothing has changed");
    }
}

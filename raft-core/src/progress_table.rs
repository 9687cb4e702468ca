//! What a leader knows of every member, and how that changes when the members do.
//!
//! Invariant: after a change of members there is a row for each of them and for nobody else.

use alloc::vec::Vec;

use crate::{
    conf_change::Reconfiguration,
    digest::Digest,
    id::{LogIndex, NodeId},
    progress::Progress,
};

/// One row a member, by ascending id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgressTable {
    /// They are few: searching them in order is fastest.
    rows: Vec<(NodeId, Progress)>,
}

impl ProgressTable {
    /// The members with what is known of them, by ascending id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (NodeId, &Progress)> {
        self.rows.iter().map(|(id, progress)| (*id, progress))
    }

    /// A table for these members, in which each begins with `progress`.
    pub(crate) fn new(members: impl IntoIterator<Item = NodeId>, progress: &Progress) -> Self {
        let mut rows: Vec<_> = members.into_iter().map(|id| (id, progress.clone())).collect();
        rows.sort_unstable_by_key(|(id, _)| *id);
        Self { rows }
    }

    /// The member in this place, counted from 0.
    pub(crate) fn id_at(&self, position: usize) -> Option<NodeId> {
        self.rows.get(position).map(|(id, _)| *id)
    }

    /// What is known of one of them, to be changed.
    pub(crate) fn row_mut(&mut self, id: NodeId) -> Option<&mut Progress> {
        self.rows.iter_mut().find(|(member, _)| *member == id).map(|(_, progress)| progress)
    }

    /// What is known of them all, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (NodeId, &mut Progress)> {
        self.rows.iter_mut().map(|(id, progress)| (*id, progress))
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self { rows } = self;
        digest.number(rows.len() as u64);
        for (id, progress) in rows {
            digest.number(id.number());
            progress.digest(digest);
        }
    }

    /// What is known of one of them.
    pub fn row(&self, id: NodeId) -> Option<&Progress> {
        self.rows.iter().find(|(member, _)| *member == id).map(|(_, progress)| progress)
    }

    /// Follows a change of members, made when the log ended at `last`. What is known of those who stay is kept. Of
    /// those who have joined nothing is known; they are probed from the end of the log, and count as heard from, lest
    /// a leader steps down before they could answer (§6.2).
    pub fn reconfigure(&mut self, next: &Reconfiguration, last: LogIndex) {
        let Reconfiguration { configuration, joined } = next;
        self.rows.retain(|(id, _)| configuration.contains(*id) && !joined.contains(id));
        for id in joined {
            let mut progress = Progress::new(last.max(LogIndex(1)));
            progress.recently_active = true;
            self.rows.push((*id, progress));
        }
        self.rows.sort_unstable_by_key(|(id, _)| *id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conf_change::{MemberChange, enter_joint, leave_joint, simple},
        configuration::{Configuration, Leave},
    };
    use alloc::vec::Vec;

    fn node(number: u64) -> NodeId {
        NodeId::new(number).expect("not zero")
    }

    fn rows(table: &ProgressTable) -> Vec<(u64, u64, u64)> {
        let row =
            |(id, progress): (NodeId, &Progress)| (id.number(), progress.matched().0, progress.next().0);
        table.iter().map(row).collect()
    }

    #[test]
    fn whoever_joins_is_probed_from_the_end_of_the_log_and_whoever_stays_keeps_its_row() {
        let mut table = ProgressTable::default();
        let one =
            simple(&Configuration::default(), &[MemberChange::AddVoter(node(1))]).expect("it is allowed");
        table.reconfigure(&one, LogIndex(0));
        assert_eq!(rows(&table), [(1, 0, 1)]);
        assert!(table.row(node(1)).is_some_and(|progress| progress.recently_active));
        table.rows[0].1.acknowledged(LogIndex(4));
        let changes = [3, 2].map(|number| MemberChange::AddVoter(node(number)));
        let both = [changes[0], changes[1], MemberChange::Remove(node(1))];
        let joint = enter_joint(&one.configuration, Leave::Explicit, &both).expect("it is allowed");
        table.reconfigure(&joint, LogIndex(7));
        assert_eq!(rows(&table), [(1, 4, 5), (2, 0, 7), (3, 0, 7)]);
        let left = leave_joint(&joint.configuration).expect("it is joint");
        table.reconfigure(&left, LogIndex(9));
        assert_eq!(rows(&table), [(2, 0, 7), (3, 0, 7)]);
        let back = simple(&left.configuration, &[MemberChange::Remove(node(2)), changes[1]]);
        table.reconfigure(&back.expect("it is allowed"), LogIndex(11));
        assert_eq!(rows(&table), [(2, 0, 11), (3, 0, 7)], "of one that came back nothing is known");
    }
}

//! Snapshots and compaction (§5): what is cut off the log, and followers that need what was cut off.

use alloc::boxed::Box;

use super::Raft;
use crate::{
    error::{CompactError, ReportError, SnapshotError},
    event::Event,
    id::{EntryId, LogIndex, NodeId},
    message::{AppendOutcome, Message},
    progress::{ProgressState, SnapshotOutcome},
    role::Role,
    snapshot::SnapshotMeta,
};

impl Raft {
    /// The latest snapshot that followers may be sent.
    pub fn snapshot(&self) -> Option<&SnapshotMeta> {
        self.snapshot.as_ref()
    }

    /// The driver holds a snapshot of the state machine, durable, that followers may be sent from now on. The log is
    /// not touched: [`compact`](Self::compact) does that.
    ///
    /// # Errors
    /// When the snapshot is not later than the one known, goes beyond what was handed out to be applied or beyond what is
    /// durable here, or does not end with an entry of this log. (A driver may take it before it reports that it has applied
    /// everything that is in it.)
    pub fn snapshot_available(&mut self, snapshot: SnapshotMeta) -> Result<(), SnapshotError> {
        let (last, handed_out) = (snapshot.last, self.log.handed_out());
        if let Some(known) = &self.snapshot
            && last.index <= known.last.index
        {
            return Err(SnapshotError::Outdated { given: last, known: known.last });
        }
        if handed_out < last.index {
            return Err(SnapshotError::NotHandedOut { given: last, handed_out });
        }
        let durable = self.log.durable();
        if durable < last.index {
            return Err(SnapshotError::NotDurable { given: last, durable });
        }
        if !self.log.holds(last) {
            return Err(SnapshotError::NotInLog { given: last });
        }
        self.snapshot = Some(snapshot);
        Ok(())
    }

    /// Removes the entries up to `to` from the log in memory. A follower that needs one of them is sent the
    /// snapshot. How much to keep behind the snapshot's last entry, for followers that lag a little, is the driver's to
    /// decide.
    ///
    /// # Errors
    /// When entries would be lost that the snapshot does not cover, or that were removed already.
    pub fn compact(&mut self, to: LogIndex) -> Result<(), CompactError> {
        let covered = self.snapshot.as_ref().map_or(LogIndex(0), |snapshot| snapshot.last.index);
        let covered = covered.min(self.log.applied());
        if covered < to {
            return Err(CompactError::NotCovered { given: to, covered });
        }
        let base = self.log.base();
        if to <= base.index || self.log.is_restoring() {
            return Err(CompactError::Compacted { given: to, base });
        }
        self.log.compact(to);
        self.record(Event::LogCompacted { base: self.log.base() });
        Ok(())
    }

    /// The driver has learned how the transmission of a snapshot to `peer` ended. Without this report a follower is
    /// sent nothing more until it answers, which one that never got the snapshot does not.
    ///
    /// # Errors
    /// When `peer` is not a follower that is being sent a snapshot by this leader. The report may be late; it is
    /// of no use then.
    pub fn report_snapshot(&mut self, peer: NodeId, outcome: SnapshotOutcome) -> Result<(), ReportError> {
        let leader = self.leader();
        let Role::Leader(role) = &mut self.role else { return Err(ReportError::NotLeader { leader }) };
        let Some(progress) = role.member_mut(peer) else { return Err(ReportError::NoMember { peer }) };
        let ProgressState::Snapshot { .. } = progress.state() else {
            return Err(ReportError::NoSnapshot { peer });
        };
        progress.snapshot_ended(outcome);
        Ok(())
    }

    /// Whether a follower waits for a snapshot that there is not yet: it lacks entries that are compacted, and in the latest
    /// snapshot it is no member, so that it would not take it. The driver should take a new one then, of what is applied.
    pub fn wants_snapshot(&self) -> bool {
        self.peers().any(|(id, progress)| {
            let previous = progress.next().previous();
            let lacks = previous.is_none_or(|index| self.log.term(index).is_none());
            *progress.state() == ProgressState::Probe && lacks && self.snapshot_for(id).is_none()
        })
    }

    /// The snapshot that a follower may be sent: one behind which the log goes on, and in which it is a member.
    fn snapshot_for(&self, follower: NodeId) -> Option<&SnapshotMeta> {
        let base = self.log.base().index;
        self.snapshot
            .as_ref()
            .filter(|snapshot| base <= snapshot.last.index && snapshot.configuration.contains(follower))
    }

    /// Sends the latest snapshot to a follower that lacks entries which are compacted. One that was not heard from
    /// lately would not get it. Whether it was sent.
    pub(super) fn send_snapshot(&mut self, to: NodeId) -> bool {
        let Some(snapshot) = self.snapshot_for(to).cloned() else { return false };
        let Role::Leader(leader) = &mut self.role else { return false };
        let Some(progress) = leader.member_mut(to) else { return false };
        if !progress.is_recently_active() {
            return false;
        }
        progress.become_snapshot(snapshot.last.index);
        self.record(Event::SnapshotSent { follower: to, last: snapshot.last });
        self.send(to, Message::InstallSnapshot { snapshot: Box::new(snapshot) });
        true
    }

    /// Takes a snapshot from the leader of the current term.
    pub(super) fn on_install_snapshot(&mut self, from: NodeId, snapshot: &SnapshotMeta) {
        let last = snapshot.last;
        let index = if self.restores(snapshot) {
            self.restore(snapshot);
            last.index
        } else {
            self.log.commit()
        };
        self.send(from, Message::AppendEntriesReply(AppendOutcome::Matched { index }));
    }

    /// Whether a snapshot is to take the place of the log. A log that holds its last entry has nothing to gain but
    /// the knowledge that everything up to there is committed.
    fn restores(&mut self, snapshot: &SnapshotMeta) -> bool {
        let EntryId { index, .. } = snapshot.last;
        if index <= self.log.commit() || !snapshot.configuration.contains(self.config.id) {
            return false;
        }
        if self.log.holds(snapshot.last) {
            self.commit_to(index);
            return false;
        }
        true
    }

    fn restore(&mut self, snapshot: &SnapshotMeta) {
        self.writes.restore(snapshot.clone(), self.log.commit());
        self.log.restore(snapshot.last);
        self.configuration = snapshot.configuration.clone();
        self.configured = snapshot.last.index;
        self.record(Event::SnapshotRestored { last: snapshot.last });
        self.snapshot = Some(snapshot.clone());
    }
}

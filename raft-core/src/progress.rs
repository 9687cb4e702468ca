//! What a leader knows of one follower (Figure 2, "nextIndex[]" and "matchIndex[]"), and how much it may send.
//!
//! Invariant: `matched < next`. Everything up to `matched` is on the follower's disk; everything before `next` has
//! been sent, in the hope that it arrives.

use alloc::collections::VecDeque;

use crate::{
    digest::Digest,
    id::{ByteCount, LogIndex, Ticks},
    message::ReadPosition,
};

/// A follower, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    matched: LogIndex,
    next: LogIndex,
    state: ProgressState,
    /// No more `AppendEntries` until the follower is heard from.
    paused: bool,
    /// Heard from since the last time the leader counted its quorum (§6.2).
    pub(crate) recently_active: bool,
    /// The latest commit index the follower has been told.
    commit_sent: LogIndex,
    /// The latest read position the follower has confirmed.
    pub(crate) read_confirmed: ReadPosition,
    /// When the latest heartbeat left that the follower has answered, by the leader's count of ticks.
    answered_heartbeat: Option<Ticks>,
}

/// How the transmission of a snapshot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// The follower's driver has it and handed it to its replica.
    Sent,
    /// It did not arrive.
    Failed,
}

/// How a follower is sent entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgressState {
    /// Where its log agrees with the leader's is not known: one message at a time, until one matches.
    Probe,
    /// Its log is known to match: entries are sent ahead of the acknowledgements.
    Replicate(Inflights),
    /// It lacks entries that are compacted, and was sent a snapshot. It is sent nothing more until it has
    /// acknowledged something that the log continues, or the driver has told how the transmission ended.
    Snapshot {
        /// The last index in the snapshot.
        pending: LogIndex,
    },
}

impl Progress {
    /// Nothing is known of the follower but that the leader's log ends before `next`.
    pub(crate) fn new(next: LogIndex) -> Self {
        Self {
            matched: LogIndex(0),
            next,
            state: ProgressState::Probe,
            paused: false,
            recently_active: false,
            commit_sent: LogIndex(0),
            read_confirmed: ReadPosition(0),
            answered_heartbeat: None,
        }
    }

    /// This is the leader's own: it holds its log as far as it is durable.
    pub(crate) fn become_own(&mut self, durable: LogIndex) {
        self.acknowledged(durable);
        self.become_replicate();
        self.recently_active = true;
    }

    /// Up to here the follower's log is known to equal the leader's.
    pub fn matched(&self) -> LogIndex {
        self.matched
    }

    /// The next entry to send.
    pub fn next(&self) -> LogIndex {
        self.next
    }

    /// How it is sent entries.
    pub fn state(&self) -> &ProgressState {
        &self.state
    }

    /// Whether it is sent no `AppendEntries` for now.
    pub fn is_paused(&self) -> bool {
        match self.state {
            ProgressState::Probe | ProgressState::Replicate(_) => self.paused,
            ProgressState::Snapshot { .. } => true,
        }
    }

    /// Whether it was heard from since the leader last counted its quorum (§6.2).
    pub fn is_recently_active(&self) -> bool {
        self.recently_active
    }

    /// Whether so many entries are sent ahead that no more may be.
    pub(crate) fn is_window_full(&self, limits: InflightLimits) -> bool {
        matches!(&self.state, ProgressState::Replicate(inflights) if inflights.is_full(limits))
    }

    pub(crate) fn is_probing(&self) -> bool {
        matches!(self.state, ProgressState::Probe)
    }

    /// Whether entries may be put into the next message; an empty one may go out even when the window is full.
    pub(crate) fn has_room(&self, limits: InflightLimits) -> bool {
        match &self.state {
            ProgressState::Probe => true,
            ProgressState::Replicate(inflights) => !inflights.is_full(limits),
            ProgressState::Snapshot { .. } => false,
        }
    }

    /// Back to one message at a time, from what is known to match; or behind a snapshot that was sent, in the hope
    /// that it has arrived.
    pub(crate) fn become_probe(&mut self) {
        let assumed = match self.state {
            ProgressState::Probe | ProgressState::Replicate(_) => self.matched,
            ProgressState::Snapshot { pending } => self.matched.max(pending),
        };
        self.state = ProgressState::Probe;
        self.paused = false;
        self.rewind_to(assumed.next());
    }

    /// A snapshot up to `pending` was sent.
    pub(crate) fn become_snapshot(&mut self, pending: LogIndex) {
        self.state = ProgressState::Snapshot { pending };
        self.paused = false;
        self.next = pending.max(self.matched).next();
        self.commit_sent = pending;
    }

    /// The transmission of a snapshot has ended, well or not: probe, once it is heard from.
    pub(crate) fn snapshot_ended(&mut self, outcome: SnapshotOutcome) {
        if outcome == SnapshotOutcome::Failed {
            self.state = ProgressState::Probe;
        }
        self.become_probe();
        self.paused = true;
    }

    /// Entries may be sent ahead from now on.
    pub(crate) fn become_replicate(&mut self) {
        self.state = ProgressState::Replicate(Inflights::default());
        self.paused = false;
        self.next = self.matched.next();
    }

    /// Sets `next` back; what the follower was told of the commit index beyond it may not have arrived either.
    fn rewind_to(&mut self, next: LogIndex) {
        self.next = next.max(self.matched.next());
        self.commit_sent = self.commit_sent.min(LogIndex(self.next.0 - 1));
    }

    /// An `AppendEntries` with entries up to `last` (none, if it lies before `next`) and `commit` was sent.
    pub(crate) fn sent(
        &mut self,
        last: LogIndex,
        bytes: ByteCount,
        commit: LogIndex,
        limits: InflightLimits,
    ) {
        let has_entries = self.next <= last;
        match &mut self.state {
            ProgressState::Probe => self.paused |= has_entries,
            ProgressState::Replicate(inflights) => {
                if has_entries {
                    self.next = last.next();
                    inflights.add(last, bytes);
                }
                self.paused = inflights.is_full(limits);
            }
            ProgressState::Snapshot { pending } => {
                panic!("entries up to {last} sent while a snapshot up to {pending} is under way")
            }
        }
        self.commit_sent = commit;
    }

    /// A heartbeat told the follower this commit index.
    pub(crate) fn commit_told(&mut self, commit: LogIndex) {
        self.commit_sent = commit;
    }

    /// Whether telling the follower of `commit` could move its commit index: it has not been told, and it has
    /// been sent entries that it could commit.
    pub(crate) fn can_learn_commit(&self, commit: LogIndex) -> bool {
        self.commit_sent < commit && self.commit_sent.next() < self.next
    }

    /// The follower answered a heartbeat, so it may be sent something again.
    pub(crate) fn resume(&mut self) {
        self.paused = false;
    }

    /// The latest heartbeat that the follower has answered left then.
    pub(crate) fn answered_heartbeat(&self) -> Option<Ticks> {
        self.answered_heartbeat
    }

    /// The follower has answered a heartbeat that left then.
    pub(crate) fn heartbeat_answered(&mut self, sent_at: Option<Ticks>) {
        self.answered_heartbeat = self.answered_heartbeat.max(sent_at);
    }

    /// The follower holds everything up to `index`. Whether that is news.
    pub(crate) fn acknowledged(&mut self, index: LogIndex) -> bool {
        if let ProgressState::Replicate(inflights) = &mut self.state {
            inflights.free_to(index);
        }
        if index <= self.matched {
            return false;
        }
        self.matched = index;
        self.next = self.next.max(index.next());
        self.paused = false;
        true
    }

    /// The follower refused entries after `probed`, and may match up to `hint`. Whether the refusal was news:
    /// one that answers an older message says nothing about the present.
    pub(crate) fn rejected(&mut self, probed: LogIndex, hint: LogIndex) -> bool {
        let news = match self.state {
            ProgressState::Replicate(_) => self.matched < probed,
            ProgressState::Probe | ProgressState::Snapshot { .. } => self.next.previous() == Some(probed),
        };
        if !news {
            return false;
        }
        match self.state {
            ProgressState::Replicate(_) => self.become_probe(),
            ProgressState::Probe | ProgressState::Snapshot { .. } => {
                // Only of a hint before the probe is there a next index to speak of.
                self.rewind_to(if hint < probed { hint.next() } else { probed });
                self.paused = false;
            }
        }
        true
    }

    pub(crate) fn assert_invariants(&self) {
        assert!(self.matched < self.next, "matched {} but next {}", self.matched, self.next);
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self {
            matched,
            next,
            state,
            paused,
            recently_active,
            commit_sent,
            read_confirmed,
            answered_heartbeat,
        } = self;
        for number in [matched.0, next.0, commit_sent.0, read_confirmed.0] {
            digest.number(number);
        }
        digest.flag(*paused);
        digest.flag(*recently_active);
        digest.option(answered_heartbeat.map(|ticks| ticks.0));
        match state {
            ProgressState::Probe => digest.number(u64::MAX),
            ProgressState::Snapshot { pending } => {
                digest.number(u64::MAX - 1);
                digest.number(pending.0);
            }
            ProgressState::Replicate(Inflights { messages, bytes }) => {
                digest.number(messages.len() as u64);
                digest.number(bytes.0);
                for (last, size) in messages {
                    digest.number(last.0);
                    digest.number(size.0);
                }
            }
        }
    }
}

/// How much may be under way to one follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InflightLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: ByteCount,
}

/// The messages with entries that a follower has not acknowledged: a sliding window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inflights {
    /// For each message its last index and its size, oldest first.
    messages: VecDeque<(LogIndex, ByteCount)>,
    bytes: ByteCount,
}

impl Inflights {
    /// How many messages are under way.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn is_full(&self, limits: InflightLimits) -> bool {
        limits.messages <= self.messages.len() || limits.bytes <= self.bytes
    }

    fn add(&mut self, last: LogIndex, bytes: ByteCount) {
        self.messages.push_back((last, bytes));
        self.bytes.0 += bytes.0;
    }

    /// Everything up to `index` has arrived.
    fn free_to(&mut self, index: LogIndex) {
        while let Some(&(last, bytes)) = self.messages.front() {
            if index < last {
                break;
            }
            self.messages.pop_front();
            self.bytes.0 -= bytes.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: InflightLimits = InflightLimits { messages: 3, bytes: ByteCount(10) };

    /// A follower that has acknowledged everything up to here and is sent entries ahead.
    fn replicating(matched: u64) -> Progress {
        let mut progress = Progress::new(LogIndex(1));
        progress.acknowledged(LogIndex(matched));
        progress.become_replicate();
        progress
    }

    /// Sends entries up to `last`, of one byte together.
    fn send(progress: &mut Progress, last: u64) {
        progress.sent(LogIndex(last), ByteCount(1), LogIndex(0), LIMITS);
    }

    fn inflights(progress: &Progress) -> &Inflights {
        let ProgressState::Replicate(inflights) = &progress.state else { panic!("{progress:?}") };
        inflights
    }

    #[test]
    fn a_window_is_full_at_the_number_of_messages() {
        let mut window = Inflights::default();
        for last in 1..=3 {
            assert!(!window.is_full(LIMITS), "before {last}");
            window.add(LogIndex(last), ByteCount(1));
        }
        assert!(window.is_full(LIMITS));
    }

    #[test]
    fn a_window_is_full_at_the_number_of_bytes() {
        let mut window = Inflights::default();
        window.add(LogIndex(1), ByteCount(9));
        assert!(!window.is_full(LIMITS));
        window.add(LogIndex(2), ByteCount(1));
        assert!(window.is_full(LIMITS));
    }

    #[test]
    fn an_acknowledgement_frees_what_it_covers_bytes_included() {
        for (index, left, bytes) in
            [(0, 3, 6), (1, 3, 6), (2, 2, 5), (3, 2, 5), (4, 1, 3), (6, 0, 0), (9, 0, 0)]
        {
            let mut window = Inflights::default();
            for (last, size) in [(2, 1), (4, 2), (6, 3)] {
                window.add(LogIndex(last), ByteCount(size));
            }
            window.free_to(LogIndex(index));
            assert_eq!((window.len(), window.bytes), (left, ByteCount(bytes)), "up to {index}");
            assert_eq!(window.is_empty(), left == 0);
        }
    }

    #[test]
    fn a_probe_waits_for_its_answer_unless_it_was_empty() {
        let mut progress = Progress::new(LogIndex(5));
        send(&mut progress, 4);
        assert!(!progress.is_paused(), "nothing was sent");
        send(&mut progress, 7);
        assert!(progress.is_paused());
        assert_eq!(progress.next(), LogIndex(5), "it may not arrive");
        send(&mut progress, 4);
        assert!(progress.is_paused(), "an empty message changes nothing");
        progress.resume();
        assert!(!progress.is_paused());
    }

    #[test]
    fn a_stream_goes_on_until_its_window_is_full() {
        let mut progress = replicating(4);
        for last in [5, 6, 7] {
            assert!(!progress.is_paused() && progress.has_room(LIMITS));
            send(&mut progress, last);
            assert_eq!(progress.next(), LogIndex(last + 1));
        }
        assert!(progress.is_paused() && !progress.has_room(LIMITS));
        progress.resume();
        assert!(!progress.is_paused() && !progress.has_room(LIMITS), "it may be asked, but not filled");
        send(&mut progress, 7);
        assert!(progress.is_paused());
        assert!(progress.acknowledged(LogIndex(5)));
        assert!(!progress.is_paused() && progress.has_room(LIMITS));
    }

    #[test]
    fn what_is_acknowledged_only_grows() {
        let mut progress = replicating(4);
        send(&mut progress, 6);
        assert!(progress.acknowledged(LogIndex(5)));
        assert!(!progress.acknowledged(LogIndex(5)) && !progress.acknowledged(LogIndex(2)));
        assert_eq!((progress.matched(), progress.next()), (LogIndex(5), LogIndex(7)));
        assert!(progress.acknowledged(LogIndex(9)));
        assert_eq!((progress.matched(), progress.next()), (LogIndex(9), LogIndex(10)));
        assert!(inflights(&progress).is_empty());
    }

    #[test]
    fn a_refusal_rewinds_the_stream_to_what_is_acknowledged() {
        for (probed, is_news) in [(0, false), (4, false), (5, true), (u64::MAX, true)] {
            let mut progress = replicating(4);
            send(&mut progress, 6);
            assert_eq!(progress.rejected(LogIndex(probed), LogIndex(0)), is_news, "{probed}");
            assert_eq!(progress.is_probing(), is_news);
            assert_eq!(progress.next(), LogIndex(if is_news { 5 } else { 7 }));
        }
    }

    #[test]
    fn a_refusal_moves_the_probe_back_to_the_hint_but_not_behind_what_is_acknowledged() {
        for (matched, probed, hint, next) in [
            (0, 8, 5, 6),
            (0, 8, 7, 8),
            (0, 8, 8, 8),
            (0, 8, 99, 8),
            (0, 8, 0, 1),
            (3, 8, 0, 4),
            (0, 7, 0, 9),
        ] {
            let mut progress = Progress::new(LogIndex(9));
            progress.acknowledged(LogIndex(matched));
            send(&mut progress, 10);
            let is_news = probed == 8;
            assert_eq!(progress.rejected(LogIndex(probed), LogIndex(hint)), is_news);
            assert_eq!(progress.next(), LogIndex(next), "matched {matched}, probed {probed}, hint {hint}");
            assert_eq!(progress.is_paused(), !is_news, "another probe may go");
        }
    }

    #[test]
    fn a_commit_index_is_told_once_and_again_if_it_may_be_lost() {
        let mut progress = replicating(4);
        assert!(progress.can_learn_commit(LogIndex(3)));
        progress.sent(LogIndex(6), ByteCount(1), LogIndex(6), LIMITS);
        assert!(!progress.can_learn_commit(LogIndex(6)), "told");
        assert!(!progress.can_learn_commit(LogIndex(7)), "it has been sent nothing more to commit");
        progress.rejected(LogIndex(6), LogIndex(0));
        assert!(!progress.can_learn_commit(LogIndex(6)), "it holds 4 and was told at least that");
        progress.acknowledged(LogIndex(6));
        assert!(progress.can_learn_commit(LogIndex(6)), "the message was lost, perhaps");
        progress.commit_told(LogIndex(6));
        assert!(!progress.can_learn_commit(LogIndex(6)));
    }

    /// A new stream begins with an empty window: what was under way belongs to the old one.
    #[test]
    fn a_new_stream_has_an_empty_window() {
        let mut progress = replicating(4);
        send(&mut progress, 6);
        progress.rejected(LogIndex(6), LogIndex(0));
        progress.become_replicate();
        assert!(inflights(&progress).is_empty());
        assert_eq!(inflights(&progress).bytes, ByteCount(0));
        assert_eq!(progress.next(), LogIndex(5));
    }

    /// Wherever a probe was made, a stream begins behind what is acknowledged.
    #[test]
    fn a_new_stream_begins_behind_what_is_acknowledged() {
        let mut progress = Progress::new(LogIndex(9));
        progress.acknowledged(LogIndex(3));
        progress.become_replicate();
        assert_eq!(progress.next(), LogIndex(4));
    }
}

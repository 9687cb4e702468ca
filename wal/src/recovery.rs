//! Reading a file back: what a restart finds, or why it must not start.

use raft_core::{Entry, EntryId, HardState, LogIndex, LogSlice};

use crate::{
    frame::{Frame, Record, SECTOR},
    outline::{Detached, Outline},
};

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Term and vote.
    pub hard_state: HardState,
    /// The last commit index written.
    pub commit: LogIndex,
    /// The whole log, from [`EntryId::ORIGIN`] on.
    pub log: LogSlice,
    /// Where the next frame goes, in bytes from the start: a multiple of [`SECTOR`].
    pub end: u64,
    /// The next frame's number.
    pub next_number: u64,
    /// The checksum of the last frame, which the next one carries as its chain; 0 without frames.
    pub chain: u32,
    /// How many bytes from `end` on are the remains of writes that were never synced; 0 if only zeros follow.
    pub torn_len: u64,
}

impl Default for Contents {
    /// What an empty file holds.
    fn default() -> Self {
        Self {
            hard_state: HardState::default(),
            commit: LogIndex(0),
            log: LogSlice::empty(EntryId::ORIGIN),
            end: 0,
            next_number: 1,
            chain: 0,
            torn_len: 0,
        }
    }
}

/// Reads a file of frames: everything that was durable, and possibly some more writes, in order and without a
/// gap.
///
/// The bytes may have been read from a cache. Nothing may rest on them before the file is synced.
///
/// # Errors
/// When something is gone that was durable, or was never written by an [`Encoder`](crate::Encoder).
pub fn recover(bytes: &[u8]) -> Result<Contents, Damage> {
    let mut replay = Replay::default();
    while let Some(frame) = replay.next_frame(bytes) {
        replay.apply(&frame)?;
    }
    replay.refuse_lost_frames(bytes)?;
    replay.finish(bytes)
}

/// The state as of the frames read so far.
#[derive(Debug, Default)]
struct Replay {
    /// All but the log and the torn tail are as of the last frame applied.
    contents: Contents,
    outline: Outline,
    /// The entries of the log; `outline` has their ids.
    entries: Vec<Entry>,
}

impl Replay {
    /// The frame that continues the log, unless the log ends here.
    fn next_frame<'a>(&self, bytes: &'a [u8]) -> Option<Frame<'a>> {
        let frame = Frame::parse(tail(bytes, self.contents.end))?;
        let continues = frame.chain == self.contents.chain && frame.number == self.contents.next_number;
        continues.then_some(frame)
    }

    fn apply(&mut self, frame: &Frame<'_>) -> Result<(), Damage> {
        let offset = self.contents.end;
        let Record { hard_state, commit, entries } =
            frame.record().map_err(|reason| Damage::Malformed { offset, reason })?;
        if let Some(entries) = entries {
            self.outline.replace(&entries).map_err(|detached| Damage::Detached { offset, detached })?;
            // The entries attach, so at most all of ours stand before them.
            self.entries.truncate(entries.prev().index.0 as usize);
            self.entries.extend_from_slice(entries.entries());
        }
        self.contents.hard_state = hard_state;
        self.contents.commit = commit;
        self.contents.end += frame.padded_len();
        self.contents.next_number += 1;
        self.contents.chain = frame.checksum;
        Ok(())
    }

    /// Tells a lost frame from a torn tail: a frame behind the end was written when everything before some
    /// offset was durable, so that offset must not lie behind the end.
    fn refuse_lost_frames(&self, bytes: &[u8]) -> Result<(), Damage> {
        let offset = self.contents.end;
        let mut candidate = offset + SECTOR;
        while candidate < bytes.len() as u64 {
            if let Some(frame) = Frame::parse(tail(bytes, candidate)).filter(|f| offset < f.durable_before) {
                let durable_before = frame.durable_before;
                return Err(Damage::LostFrame { offset, witness: candidate, durable_before });
            }
            candidate += SECTOR;
        }
        Ok(())
    }

    fn finish(self, bytes: &[u8]) -> Result<Contents, Damage> {
        let Self { contents, outline, entries } = self;
        let last = outline.last();
        if last.index < contents.commit {
            return Err(Damage::CommitBeyondLog { commit: contents.commit, last });
        }
        let log = LogSlice::new(EntryId::ORIGIN, entries).expect("slices that attach make one slice");
        let torn = tail(bytes, contents.end);
        let torn_len = torn.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1);
        Ok(Contents { log, torn_len, ..contents })
    }
}

/// The bytes from `offset` on, if there are any.
fn tail(bytes: &[u8], offset: u64) -> &[u8] {
    usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default()
}

/// A file must not be used: going on would break promises that rest on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A frame that was durable cannot be read.
    #[error(
        "the frame at offset {offset} is damaged or lost: the one at {witness} was written when everything \
         before {durable_before} was durable"
    )]
    LostFrame {
        /// Where the first unreadable frame begins, in bytes.
        offset: u64,
        /// Where a later frame stands that proves the loss.
        witness: u64,
        /// What that frame says had been durable before it.
        durable_before: u64,
    },
    /// A frame is whole, and what it holds is no record.
    #[error("the body of the frame at offset {offset} is malformed")]
    Malformed {
        /// Where the frame begins, in bytes.
        offset: u64,
        /// What is wrong with the body.
        #[source]
        reason: postcard::Error,
    },
    /// A frame's entries cannot be placed.
    #[error("the frame at offset {offset} does not fit its log")]
    Detached {
        /// Where the frame begins, in bytes.
        offset: u64,
        /// Why they cannot.
        #[source]
        detached: Detached,
    },
    /// The commit index lies behind the end of the log.
    #[error("index {commit} is committed, and the log ends with {last}")]
    CommitBeyondLog {
        /// The commit index.
        commit: LogIndex,
        /// The last entry of the log.
        last: EntryId,
    },
}

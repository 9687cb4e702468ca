//! Reading a log back: what a restart finds, or why it must not start.

use raft_core::{EntryId, HardState, LogIndex, LogSlice};

use crate::{
    frame::{Frame, Record, SECTOR},
    log_state::{LogState, Misfit},
    snapshot_file::NamedSnapshot,
};

/// One of the two files of a log. It is in one of them, and when it is compacted it moves to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogFile {
    /// The file in which a log begins.
    #[default]
    First,
    /// The other one.
    Second,
}

impl LogFile {
    /// Both.
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    /// The file's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "log.0",
            Self::Second => "log.1",
        }
    }

    /// The one that is not this.
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// What the files of a log hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    pub(crate) state: LogState,
    /// In which file the log is.
    pub file: LogFile,
    /// Where the next frame goes, in bytes from the start: a multiple of [`SECTOR`].
    pub end: u64,
    /// The next frame's number.
    pub next_number: u64,
    /// The least number for the first frame of the other file: larger than that of any frame in either.
    pub next_first_number: u64,
    /// The checksum of the last frame, which the next one carries as its chain; 0 without frames.
    pub chain: u32,
    /// How many bytes from `end` on are the remains of other writes: such that were never synced, or of a log that was
    /// in this file before. 0 if only zeros follow.
    pub torn_len: u64,
    /// What the other file begins with.
    pub other: Beginning,
}

/// What the file begins with that the log is not in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// A log of earlier, or nothing at all.
    Sound,
    /// What is no frame: a move that was torn.
    Torn,
    /// Zeros. They may stand before a torn move, and in a cache only.
    Cleared,
}

impl Default for Contents {
    /// What two empty files hold.
    fn default() -> Self {
        Self {
            state: LogState::default(),
            file: LogFile::First,
            end: 0,
            next_number: 1,
            next_first_number: 1,
            chain: 0,
            torn_len: 0,
            other: Beginning::Sound,
        }
    }
}

impl Contents {
    /// Term and vote.
    pub fn hard_state(&self) -> HardState {
        self.state.hard_state
    }

    /// The last commit index written. It may lie before the log's beginning.
    pub fn commit(&self) -> LogIndex {
        self.state.commit
    }

    /// The latest snapshot. It covers everything before the log's beginning.
    pub fn snapshot(&self) -> Option<&NamedSnapshot> {
        self.state.snapshot.as_ref()
    }

    /// The whole log, from its last compaction on.
    pub fn log(&self) -> LogSlice {
        self.state.log()
    }
}

/// Reads the two files of a log, the [first](LogFile::First) and the second: everything that was durable, and possibly
/// some more writes, in order and without a gap.
///
/// The bytes may have been read from a cache. Nothing may rest on them before the file is synced.
///
/// # Errors
/// When something is gone that was durable, or was never written by an [`Encoder`](crate::Encoder).
pub fn recover(images: [&[u8]; 2]) -> Result<Contents, Damage> {
    let frames = images.map(all_frames);
    let first_number = |image| first_frame(image).map(|frame| frame.number);
    // The later one: it was begun when the other one was complete.
    let begun =
        LogFile::ALL.into_iter().zip(images).filter_map(|(file, image)| Some((first_number(image)?, file)));
    let (first, file) = begun.max().unwrap_or((0, LogFile::First));
    let (image, other) = (images[file as usize], &frames[file.other() as usize]);
    let contents = read_file(file, image)?;
    refuse_lost_frames(first, contents.end, &frames[file as usize])?;
    // Nor was the log continued in the other file: its beginning there would be durable by now.
    refuse_lost_frames(first, 0, other)?;
    let last = contents.state.last();
    if last.index < contents.state.commit {
        return Err(Damage::CommitBeyondLog { commit: contents.state.commit, last });
    }
    let largest = frames.iter().flatten().map(|frame| frame.number).max().unwrap_or(0);
    let torn = tail(image, contents.end);
    let torn_len = torn.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1);
    let other = Beginning::of(images[file.other() as usize]);
    Ok(Contents { next_first_number: largest.saturating_add(1), torn_len, other, ..contents })
}

impl Beginning {
    fn of(image: &[u8]) -> Self {
        if image.is_empty() || first_frame(image).is_some() {
            Self::Sound
        } else if image.iter().take(SECTOR as usize).all(|&byte| byte == 0) {
            Self::Cleared
        } else {
            Self::Torn
        }
    }
}

/// The frame with which a log begins in a file.
fn first_frame(image: &[u8]) -> Option<Frame<'_>> {
    Frame::parse(image).filter(|frame| frame.chain == 0)
}

/// Where a frame stands, and what tells its age.
struct Standing {
    offset: u64,
    number: u64,
    durable_before: u64,
}

/// Every frame anywhere in a file, whether it is part of the log or not.
fn all_frames(image: &[u8]) -> Vec<Standing> {
    let offsets = (0..image.len() as u64).step_by(SECTOR as usize);
    let frame = |offset| {
        let Frame { number, durable_before, .. } = Frame::parse(tail(image, offset))?;
        Some(Standing { offset, number, durable_before })
    };
    offsets.filter_map(frame).collect()
}

/// Reads a file from frame to frame, as far as they continue each other.
fn read_file(file: LogFile, image: &[u8]) -> Result<Contents, Damage> {
    let mut contents = Contents { file, ..Contents::default() };
    while let Some(frame) = next_frame(&contents, image) {
        let offset = contents.end;
        let record: Record = frame.record().map_err(|reason| Damage::Malformed { offset, reason })?;
        let fitted = if offset == 0 {
            LogState::begin(&record).map(|state| contents.state = state)
        } else {
            contents.state.apply(&record)
        };
        fitted.map_err(|misfit| Damage::Misfit { offset, misfit })?;
        contents.end += frame.padded_len();
        contents.next_number = frame.number.saturating_add(1);
        contents.chain = frame.checksum;
    }
    Ok(contents)
}

/// The frame that continues the log, unless the log ends here.
fn next_frame<'a>(contents: &Contents, image: &'a [u8]) -> Option<Frame<'a>> {
    let frame = Frame::parse(tail(image, contents.end))?;
    // A file's first frame follows nothing there, and has whatever number its turn was.
    let continues =
        frame.chain == contents.chain && (contents.end == 0 || frame.number == contents.next_number);
    continues.then_some(frame)
}

/// Tells a lost frame from a torn tail: a frame behind the end was written when everything before some offset was
/// durable, so that offset must not lie behind the end. Frames with a number below `first` are of a log that was in
/// the file before.
fn refuse_lost_frames(first: u64, end: u64, frames: &[Standing]) -> Result<(), Damage> {
    let mut later = frames.iter().filter(|frame| end <= frame.offset && first <= frame.number);
    match later.find(|frame| end < frame.durable_before) {
        None => Ok(()),
        Some(&Standing { offset: witness, number: _, durable_before }) => {
            Err(Damage::LostFrame { offset: end, witness, durable_before })
        }
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
    /// A frame's entries or its snapshot cannot be placed.
    #[error("the frame at offset {offset} does not fit its log")]
    Misfit {
        /// Where the frame begins, in bytes.
        offset: u64,
        /// Why they cannot.
        #[source]
        misfit: Misfit,
    },
    /// The commit index lies behind the end of the log.
    #[error("index {commit} is committed, and the log ends with {last}")]
    CommitBeyondLog {
        /// The commit index.
        commit: LogIndex,
        /// The last entry of the log.
        last: EntryId,
    },
    /// The snapshot that the log names, which was durable before it was named, is not where it should be.
    #[error("the snapshot of everything up to {last} is damaged or lost: {file} does not hold it")]
    LostSnapshot {
        /// The last entry that the snapshot covers.
        last: EntryId,
        /// The name of the file that should hold it.
        file: String,
    },
}

//! Making frames: the counterpart of [`recover`](crate::recover).

use bytes::Bytes;
use raft_core::{EntryId, HardState, LogIndex};

use crate::{
    frame::{self, Record},
    log_state::{LogState, Misfit, Uncovered},
    recovery::Contents,
    snapshot_file::NamedSnapshot,
};

/// Continues a log, frame by frame, and file by file.
///
/// Invariant: whichever of its frames a file ends with, [`recover`](crate::recover) accepts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoder {
    /// Where the next frame goes; a multiple of the sector.
    end: u64,
    next_number: u64,
    /// The least number for the first frame of another file: it must be larger than any number that still stands
    /// anywhere.
    next_first_number: u64,
    /// The checksum of the last frame.
    chain: u32,
    state: LogState,
}

impl Default for Encoder {
    /// Begins an empty log.
    fn default() -> Self {
        Self::continuing(&Contents::default())
    }
}

/// A frame and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Its number in the log, from 1.
    pub number: u64,
    /// Where it belongs, in bytes from the start of its file: a multiple of [`SECTOR`](crate::SECTOR).
    pub offset: u64,
    /// The frame, padded to a multiple of [`SECTOR`](crate::SECTOR).
    pub bytes: Bytes,
}

impl EncodedFrame {
    /// Where the next frame goes.
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

impl Encoder {
    /// Continues a log that holds `contents`.
    pub fn continuing(contents: &Contents) -> Self {
        let Contents { state, file: _, end, next_number, next_first_number, chain, torn_len: _, other: _ } =
            contents;
        Self {
            end: *end,
            next_number: *next_number,
            next_first_number: *next_first_number,
            chain: *chain,
            state: state.clone(),
        }
    }

    /// Term and vote as of the last frame.
    pub(crate) fn hard_state(&self) -> HardState {
        self.state.hard_state
    }

    /// The commit index as of the last frame.
    pub(crate) fn commit(&self) -> LogIndex {
        self.state.commit
    }

    /// The snapshot as of the last frame.
    pub(crate) fn snapshot(&self) -> Option<&NamedSnapshot> {
        self.state.snapshot.as_ref()
    }

    /// The next frame. `durable_before` is the offset below which everything in the file is known to be durable.
    ///
    /// # Errors
    /// When recovery would refuse the record; nothing has changed then.
    ///
    /// # Panics
    /// When `durable_before` lies behind the end of the file.
    pub fn encode(&mut self, record: &Record, durable_before: u64) -> Result<EncodedFrame, EncodeError> {
        assert!(durable_before <= self.end, "durable to {durable_before} of {}", self.end);
        let last = self.state.last_after(record)?;
        if last.index < record.commit {
            return Err(EncodeError::CommitBeyondLog { commit: record.commit, last });
        }
        let encoded = frame::encode(record, self.chain, self.next_number, durable_before)
            .map_err(|len| EncodeError::TooLarge { len })?;
        self.state.apply(record)?;
        let frame = EncodedFrame { number: self.next_number, offset: self.end, bytes: encoded.bytes };
        self.advance(&frame, encoded.checksum);
        Ok(frame)
    }

    /// Continues the log in another file, without the entries up to `to`. The frame returned is the first one there
    /// and says all that is left; those that follow go to that file too.
    ///
    /// # Errors
    /// When no snapshot covers the entries; nothing has changed then.
    pub fn compact(&mut self, to: LogIndex) -> Result<EncodedFrame, CompactError> {
        let record = self.state.compacted(to)?;
        let number = self.next_number.max(self.next_first_number);
        let encoded = frame::encode(&record, 0, number, 0).map_err(|len| CompactError::TooLarge { len })?;
        self.state = LogState::begin(&record).expect("what is left of a log is a log");
        let frame = EncodedFrame { number, offset: 0, bytes: encoded.bytes };
        self.advance(&frame, encoded.checksum);
        Ok(frame)
    }

    fn advance(&mut self, frame: &EncodedFrame, checksum: u32) {
        self.end = frame.end();
        self.next_number = frame.number.saturating_add(1);
        self.chain = checksum;
    }
}

/// Why a record cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Its entries or its snapshot cannot be placed.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// Its commit index lies behind the end of the log.
    #[error("index {commit} cannot be committed in a log that ends with {last}")]
    CommitBeyondLog {
        /// The commit index.
        commit: LogIndex,
        /// The last entry of the log, with the record's entries in place.
        last: EntryId,
    },
    /// A frame cannot hold so much. Fewer entries at a time can be written.
    #[error("a record of {len} bytes does not fit a frame")]
    TooLarge {
        /// The length of the encoded record, in bytes.
        len: u64,
    },
}

/// Why a log cannot be compacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// Entries would be lost, or none would be left out.
    #[error(transparent)]
    Uncovered(#[from] Uncovered),
    /// A frame cannot hold what would be left. More can be left out.
    #[error("what is left of the log takes {len} bytes, which do not fit a frame")]
    TooLarge {
        /// The length of the encoded record, in bytes.
        len: u64,
    },
}

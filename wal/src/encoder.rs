//! Making frames: the counterpart of [`recover`](crate::recover).

use bytes::Bytes;
use raft_core::{EntryId, LogIndex};

use crate::{
    frame::{self, Record},
    outline::{Detached, Outline},
    recovery::Contents,
};

/// Continues a file, frame by frame.
///
/// Invariant: whichever of its frames the file ends with, [`recover`](crate::recover) accepts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoder {
    /// Where the next frame goes; a multiple of the sector.
    end: u64,
    next_number: u64,
    /// The checksum of the last frame.
    chain: u32,
    outline: Outline,
}

impl Default for Encoder {
    /// Begins an empty file.
    fn default() -> Self {
        Self::continuing(&Contents::default())
    }
}

/// A frame and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Where it belongs, in bytes from the start: a multiple of [`SECTOR`](crate::SECTOR).
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
    /// Continues a file that holds `contents`.
    pub fn continuing(contents: &Contents) -> Self {
        let Contents { hard_state: _, commit: _, log, end, next_number, chain, torn_len: _ } = contents;
        Self { end: *end, next_number: *next_number, chain: *chain, outline: Outline::of(log) }
    }

    /// The next frame. `durable_before` is the offset below which everything is known to be durable.
    ///
    /// # Errors
    /// When recovery would refuse the record; nothing has changed then.
    ///
    /// # Panics
    /// When `durable_before` lies behind the end of the file.
    pub fn encode(&mut self, record: &Record, durable_before: u64) -> Result<EncodedFrame, EncodeError> {
        assert!(durable_before <= self.end, "durable to {durable_before} of {}", self.end);
        let Record { hard_state: _, commit, entries } = record;
        let last = match entries {
            Some(entries) => self.outline.last_after(entries)?,
            None => self.outline.last(),
        };
        if last.index < *commit {
            return Err(EncodeError::CommitBeyondLog { commit: *commit, last });
        }
        let encoded = frame::encode(record, self.chain, self.next_number, durable_before)
            .map_err(|len| EncodeError::TooLarge { len })?;
        if let Some(entries) = entries {
            self.outline.replace(entries)?;
        }
        let frame = EncodedFrame { number: self.next_number, offset: self.end, bytes: encoded.bytes };
        self.end = frame.end();
        self.next_number += 1;
        self.chain = encoded.checksum;
        Ok(frame)
    }
}

/// Why a record cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Its entries cannot be placed.
    #[error(transparent)]
    Detached(#[from] Detached),
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

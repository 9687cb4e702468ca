//! A disk as a program sees it: named files that are written, synced and read, each request answered later.
//!
//! Invariant of every backend: what a [`Request::Sync`] answered with success covers every write to that file
//! that had completed when the sync was submitted, and nothing else is promised to survive a loss of power.

use std::{fmt, sync::Arc};

use bytes::Bytes;

/// The name of a file. Flat: no directories.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Arc<str>);

impl From<&str> for FileName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a request until it is answered. Chosen by who submits; unique among a disk's open requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a program asks of its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the whole file; a file that does not exist reads as empty.
    Read {
        /// The file.
        file: FileName,
    },
    /// Write `bytes` at `offset`, growing the file with zeros where needed. Durable only once synced.
    Write {
        /// The file; created when absent.
        file: FileName,
        /// In bytes from the start.
        offset: u64,
        /// What to write.
        bytes: Bytes,
    },
    /// Make every completed write to the file durable, its existence included.
    Sync {
        /// The file.
        file: FileName,
    },
}

/// How a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The file's bytes.
    Read(Bytes),
    /// Written, though not yet durable.
    Written,
    /// Durable.
    Synced,
}

/// The disk could not do it. A program must not go on as though nothing had happened: after a failed sync
/// nobody knows what is durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} of {file} failed: {reason}")]
pub struct DiskError {
    /// `read`, `write` or `sync`.
    pub operation: &'static str,
    /// The file concerned.
    pub file: FileName,
    /// The system's words.
    pub reason: String,
}

/// An answer, or why there is none.
pub type DiskResult = Result<Response, DiskError>;

/// Something that carries out requests. Answers may come late and, for different files, out of order.
pub trait Disk {
    /// Hands a request over.
    fn submit(&mut self, id: RequestId, request: Request);

    /// The next answer, if one is ready.
    fn poll(&mut self) -> Option<(RequestId, DiskResult)>;
}

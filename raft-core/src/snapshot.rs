//! Snapshots, as far as consensus is concerned (§5): what a snapshot covers, never what is in it.
//!
//! The state machine's bytes are the driver's. It creates a snapshot, gives it a [handle](SnapshotHandle) by which it
//! finds the bytes again, and tells the replica ([`Raft::snapshot_available`](crate::Raft::snapshot_available)).
//! When a follower needs entries that are gone, the leader's message carries this description, and the driver
//! sends the bytes along in whatever way it likes. The follower's driver hands the message over when it holds all of
//! them, and keeps them for good when the replica says so in a [`Write`](crate::Write).

use crate::{configuration::Configuration, id::EntryId};

/// By which the driver finds a snapshot's bytes. The core carries it and never looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SnapshotHandle(pub u64);

/// What a snapshot of the state machine stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SnapshotMeta {
    /// The last entry whose effect is in it.
    pub last: EntryId,
    /// The configuration that was in force when that entry had been applied (§5.1).
    pub configuration: Configuration,
    /// Where the bytes are.
    pub handle: SnapshotHandle,
}

//! Where a [`Replica`](crate::Replica) keeps what must survive a crash.

use raft_core::{EntryId, LogIndex, SnapshotMeta};
use raft_wal::disk::{DiskResult, Request, RequestId};

use crate::adapter::{Persist, Recovered};

/// The disk as a log store sees it: it numbers requests and queues them for the replica to hand on.
#[derive(Debug, Default)]
pub struct DiskQueue {
    last_id: u64,
    requests: Vec<(RequestId, Request)>,
}

impl DiskQueue {
    /// Queues a request and says by which id it will be answered.
    pub fn submit(&mut self, request: Request) -> RequestId {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.requests.push((id, request));
        id
    }

    /// Takes what was queued, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = (RequestId, Request)> + '_ {
        self.requests.drain(..)
    }
}

/// What a disk's answer came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// Nothing yet.
    Pending,
    /// The log is open and everything in it is durable. (Boxed, as it comes once and every other event is small.)
    Recovered(Box<Recovered>),
    /// The write of this number, and so all before it, is durable.
    Durable(u64),
    /// The bytes of the snapshot of everything up to this entry are durable. The log does not name it yet.
    SnapshotSaved(EntryId),
}

/// The store cannot go on: the disk failed, or what it holds is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// A store for hard state, entries and snapshots. Like everything here it does no IO: it asks and is answered.
///
/// A snapshot is durable before the log names it. So its bytes are saved first, which ends with
/// [`StoreEvent::SnapshotSaved`]; then it is named, by a write that installs it or beside the log, or given up.
pub trait LogStore: Default + 'static {
    /// Begins to read what an earlier incarnation left. Ends with [`StoreEvent::Recovered`].
    fn open(&mut self, disk: &mut DiskQueue);

    /// Writes one step. Called only once recovered, with rising numbers, and possibly before earlier
    /// writes are durable.
    fn append(&mut self, write: &Persist, disk: &mut DiskQueue);

    /// Begins to save the bytes of a snapshot of everything up to `last`.
    fn save_snapshot(&mut self, last: EntryId, bytes: &[u8], disk: &mut DiskQueue);

    /// Names a snapshot that is saved, beside the log, which holds its last entry. The one named before may be
    /// forgotten when this is durable.
    fn name_snapshot(&mut self, snapshot: &SnapshotMeta, disk: &mut DiskQueue);

    /// Gives up a snapshot that is saved and not named.
    fn discard_snapshot(&mut self, last: EntryId);

    /// Removes the entries up to `to`, which the last snapshot named covers, from the log. It may be put off until it is
    /// asked again, for more entries. Whether it was begun.
    fn compact(&mut self, to: LogIndex, disk: &mut DiskQueue) -> bool;

    /// Takes an answer of the disk.
    ///
    /// # Errors
    /// When the store cannot go on.
    fn complete(
        &mut self,
        id: RequestId,
        result: DiskResult,
        disk: &mut DiskQueue,
    ) -> Result<StoreEvent, StoreError>;
}

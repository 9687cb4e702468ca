//! Where a [`Replica`](crate::Replica) keeps what must survive a crash.

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
    /// The log is open and everything in it is durable.
    Recovered(Recovered),
    /// The write of this number, and so all before it, is durable.
    Durable(u64),
}

/// The store cannot go on: the disk failed, or what it holds is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// A store for hard state and entries. Like everything here it does no IO: it asks and is answered.
pub trait LogStore: Default + 'static {
    /// Begins to read what an earlier incarnation left. Ends with [`StoreEvent::Recovered`].
    fn open(&mut self, disk: &mut DiskQueue);

    /// Writes one step. Called only once recovered, with rising numbers, and possibly before earlier
    /// writes are durable.
    fn append(&mut self, write: &Persist, disk: &mut DiskQueue);

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

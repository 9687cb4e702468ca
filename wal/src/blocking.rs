//! The log for a server that would rather wait.

use std::thread;

use crate::{
    disk::{Disk, DiskResult, Request, RequestId},
    frame::Record,
    opening::{Opening, Progress},
    recovery::Contents,
    wal::{AppendError, Completed, Wal, WalError},
};

/// A [`Wal`] with its disk. Every call waits until the disk is done.
///
/// ```
/// use raft_core::{Entry, EntryId, HardState, LogIndex, LogSlice, NodeId, Payload, Term};
/// use raft_wal::{BlockingWal, FileDisk, Record};
///
/// let directory = tempfile::tempdir()?;
/// let (mut wal, contents) = BlockingWal::open(FileDisk::open(directory.path())?)?;
/// assert!(contents.log().is_empty());
///
/// let entry = Entry { term: Term(1), payload: Payload::Command("x=1".into()) };
/// let entries = LogSlice::new(EntryId::ORIGIN, vec![entry])?;
/// wal.append(&Record {
///     hard_state: HardState::recovered(Term(1), NodeId::new(3)),
///     commit: LogIndex(0),
///     snapshot: None,
///     entries: Some(entries.clone()),
/// })?;
/// // The power may fail from here on.
/// drop(wal);
///
/// let (_, contents) = BlockingWal::open(FileDisk::open(directory.path())?)?;
/// assert_eq!(contents.hard_state().vote(), NodeId::new(3));
/// assert_eq!(contents.log(), entries);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BlockingWal<D> {
    disk: NumberedDisk<D>,
    wal: Wal,
}

impl<D: Disk> BlockingWal<D> {
    /// Opens the log on `disk`, which must have no open requests, and says what it holds.
    ///
    /// # Errors
    /// When the disk fails or the file is damaged.
    pub fn open(disk: D) -> Result<(Self, Contents), WalError> {
        let mut disk = NumberedDisk { disk, last_id: 0 };
        let mut opening = Opening::start(|request| disk.submit(request));
        loop {
            let (id, result) = disk.wait();
            opening = match opening.complete(id, result, |request| disk.submit(request))? {
                Progress::Pending(opening) => opening,
                Progress::Open { wal, contents, snapshot: _ } => return Ok((Self { disk, wal }, contents)),
            }
        }
    }

    /// Writes a record and waits until it is durable.
    ///
    /// # Errors
    /// When the record does not fit the log, which is as good as before; or when the disk fails, now or
    /// earlier, and then nobody knows what is durable: the server has to stop.
    pub fn append(&mut self, record: &Record) -> Result<(), AppendError> {
        let Self { disk, wal } = self;
        let number = wal.append(record, |request| disk.submit(request))?;
        loop {
            let (id, result) = disk.wait();
            let completed = wal.complete(id, result, |request| disk.submit(request));
            if let Completed::Records(durable) = completed.map_err(AppendError::Failed)?
                && number <= durable
            {
                return Ok(());
            }
        }
    }
}

/// A disk whose requests are numbered from 1.
#[derive(Debug)]
struct NumberedDisk<D> {
    disk: D,
    last_id: u64,
}

impl<D: Disk> NumberedDisk<D> {
    fn submit(&mut self, request: Request) -> RequestId {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.disk.submit(id, request);
        id
    }

    /// The next answer. Called only while a request is open, so there will be one.
    fn wait(&mut self) -> (RequestId, DiskResult) {
        loop {
            if let Some(answer) = self.disk.poll() {
                return answer;
            }
            thread::yield_now();
        }
    }
}

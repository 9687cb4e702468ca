//! The open log: records go in, disk requests come out, and answers come in until the records are durable.
//!
//! Invariants: a sync is submitted only when the writes that it is to cover have completed, since it promises
//! nothing about others; at most one is open, and whatever completes meanwhile shares the next (group
//! commit); records become durable in order; the file that a log has left is not written before its beginning in the
//! other one is durable, nor while an earlier write to it is under way; after any failure nothing becomes durable
//! any more.

use std::collections::{BTreeSet, VecDeque};

use raft_core::{EntryId, HardState, LogIndex, SnapshotMeta};

use crate::{
    disk::{DiskError, DiskResult, FileName, Request, RequestId, Response},
    encoder::{CompactError, EncodeError, EncodedFrame, Encoder},
    frame::Record,
    recovery::{Contents, Damage, LogFile},
    snapshot_file::NamedSnapshot,
    snapshot_files::SnapshotFiles,
};

/// An open log. It does no IO: whoever drives it carries its requests to a [`Disk`](crate::disk::Disk) and
/// the answers back. Made by [`Opening`](crate::Opening).
///
/// Where a function takes `submit`, it calls it for each request it has, and wants to know by which id the
/// request will be answered. Ids are the driver's; an id must not be used again before it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wal {
    file: LogFile,
    encoder: Encoder,
    /// The offset in the file below which everything is known to be durable.
    durable_before: u64,
    /// The writes that no sync covers yet, in order.
    writes: VecDeque<PendingWrite>,
    sync: Option<PendingSync>,
    /// The first record in this file, until it is durable.
    moving: Option<u64>,
    /// Open requests about the file that was left. What they were to achieve, the first record here does.
    overtaken: BTreeSet<RequestId>,
    snapshots: SnapshotFiles,
    failure: Option<WalError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PendingWrite {
    id: RequestId,
    number: u64,
    /// Where its frame ends, in bytes.
    end: u64,
    /// Whether the disk has answered.
    written: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PendingSync {
    id: RequestId,
    /// The last record that it covers.
    number: u64,
    /// Where that record's frame ends, in bytes.
    end: u64,
}

/// What an answer of the disk came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// Nothing yet.
    Nothing,
    /// The records up to this number are durable now.
    Records(u64),
    /// The snapshot of everything up to this entry is durable now. No record names it yet.
    Snapshot(EntryId),
}

impl Wal {
    /// Continues a log that holds `contents`, all of it durable.
    pub(crate) fn continuing(contents: &Contents) -> Self {
        Self {
            file: contents.file,
            encoder: Encoder::continuing(contents),
            durable_before: contents.end,
            writes: VecDeque::new(),
            sync: None,
            moving: None,
            overtaken: BTreeSet::new(),
            snapshots: SnapshotFiles::continuing(contents.snapshot().map(|named| named.place.slot)),
            failure: None,
        }
    }

    /// Term and vote as of the last record.
    pub fn hard_state(&self) -> HardState {
        self.encoder.hard_state()
    }

    /// The snapshot that the last record names.
    pub fn snapshot(&self) -> Option<&SnapshotMeta> {
        self.encoder.snapshot().map(|named| &named.meta)
    }

    /// The name by which a record may mention the snapshot of `meta.last`, if it is durable and no record does yet.
    pub fn saved_snapshot(&self, meta: &SnapshotMeta) -> Option<NamedSnapshot> {
        let place = self.snapshots.saved(meta.last)?;
        Some(NamedSnapshot { meta: meta.clone(), place })
    }

    /// Writes a record, and returns its number. It may be called again at once: writes are pipelined.
    ///
    /// # Errors
    /// When the record does not fit the log, or the log has failed before. Nothing was written then.
    ///
    /// # Panics
    /// When it names a snapshot that was not [saved](Self::saved_snapshot).
    pub fn append(
        &mut self,
        record: &Record,
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Result<u64, AppendError> {
        if let Some(failure) = &self.failure {
            return Err(AppendError::Failed(failure.clone()));
        }
        if let Some(NamedSnapshot { meta, place }) = &record.snapshot {
            let saved = self.snapshots.saved(meta.last);
            assert_eq!(saved, Some(*place), "the snapshot of {} is named before it is durable", meta.last);
        }
        let frame = self.encoder.encode(record, self.durable_before)?;
        if let Some(named) = &record.snapshot {
            self.snapshots.name(named.place.slot, frame.number);
        }
        Ok(self.write(frame, submit))
    }

    fn write(&mut self, frame: EncodedFrame, submit: impl FnOnce(Request) -> RequestId) -> u64 {
        let (number, end) = (frame.number, frame.end());
        let EncodedFrame { number: _, offset, bytes } = frame;
        let id = submit(Request::Write { file: self.file_name(), offset, bytes });
        self.writes.push_back(PendingWrite { id, number, end, written: false });
        number
    }

    fn file_name(&self) -> FileName {
        FileName::from(self.file.name())
    }

    /// Begins to write the bytes of a snapshot of everything up to `last`. The log says when they are
    /// [durable](Completed::Snapshot); then a record can name them, or they are [discarded](Self::discard_snapshot).
    ///
    /// # Errors
    /// When the log has failed before.
    pub fn save_snapshot(
        &mut self,
        last: EntryId,
        snapshot: &[u8],
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Result<(), WalError> {
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => {
                self.snapshots.save(last, snapshot, submit);
                Ok(())
            }
        }
    }

    /// Gives up a snapshot that is durable and that no record names.
    pub fn discard_snapshot(&mut self, last: EntryId) {
        self.snapshots.discard(last);
    }

    /// Names a snapshot that is durable beside the log, and changes nothing else. Returns the record's number.
    ///
    /// # Errors
    /// When the snapshot's last entry is not in the log, or the log has failed before.
    ///
    /// # Panics
    /// As [`append`](Self::append).
    pub fn name_snapshot(
        &mut self,
        snapshot: NamedSnapshot,
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Result<u64, AppendError> {
        let (hard_state, commit) = (self.encoder.hard_state(), self.encoder.commit());
        let record = Record { hard_state, commit, snapshot: Some(snapshot), entries: None };
        self.append(&record, submit)
    }

    /// Leaves out the entries up to `to`: the log moves to its other file, where its first record holds all that is
    /// left. Returns the number of that record, or `None` while an earlier move is not durable yet, or a write is still under
    /// way to the file that it left, which could come to lie over the new log: then nothing happens, and it may be asked
    /// again. (Nor does anything happen once the log has failed.)
    ///
    /// # Errors
    /// When no snapshot covers the entries. The log is as good as before then.
    pub fn compact(
        &mut self,
        to: LogIndex,
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Result<Option<u64>, CompactError> {
        if self.moving.is_some() || !self.overtaken.is_empty() || self.failure.is_some() {
            return Ok(None);
        }
        let frame = self.encoder.compact(to)?;
        // Everything that the other file was to make durable is in this frame.
        self.overtaken.extend(self.writes.drain(..).filter(|write| !write.written).map(|write| write.id));
        self.overtaken.extend(self.sync.take().map(|sync| sync.id));
        self.file = self.file.other();
        self.durable_before = 0;
        self.moving = Some(frame.number);
        Ok(Some(self.write(frame, submit)))
    }

    /// Takes an answer of the disk.
    ///
    /// # Errors
    /// When the disk failed, or answered what was not asked. The log has failed then and stays so: after a
    /// failed sync nobody knows what is durable, and asking again would be answered with a success that means
    /// nothing.
    pub fn complete(
        &mut self,
        id: RequestId,
        result: DiskResult,
        mut submit: impl FnMut(Request) -> RequestId,
    ) -> Result<Completed, WalError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let completed = self
            .take_answer(id, result, &mut submit)
            .inspect_err(|error| self.failure = Some(error.clone()))?;
        self.sync_what_is_written(submit);
        Ok(completed)
    }

    fn take_answer(
        &mut self,
        id: RequestId,
        result: DiskResult,
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Result<Completed, WalError> {
        let response = result?;
        if self.overtaken.remove(&id) {
            return Ok(Completed::Nothing);
        }
        if let Some(saved) = self.snapshots.complete(id, &response, submit) {
            return Ok(saved.map_or(Completed::Nothing, Completed::Snapshot));
        }
        let unexpected = WalError::UnexpectedAnswer { id };
        match response {
            Response::Written => {
                let mut open = self.writes.iter_mut().filter(|write| !write.written);
                open.find(|write| write.id == id).ok_or(unexpected)?.written = true;
                Ok(Completed::Nothing)
            }
            Response::Synced => {
                let PendingSync { id: _, number, end } =
                    self.sync.take_if(|sync| sync.id == id).ok_or(unexpected)?;
                self.durable_before = end;
                self.moving.take_if(|moving| *moving <= number);
                self.snapshots.durable(number);
                Ok(Completed::Records(number))
            }
            Response::Read(_) => Err(unexpected),
        }
    }

    /// Syncs the writes that have completed, up to the first that has not: writes may complete out of order,
    /// but records must not become durable so.
    fn sync_what_is_written(&mut self, submit: impl FnOnce(Request) -> RequestId) {
        if self.sync.is_some() {
            return;
        }
        let written = self.writes.iter().take_while(|write| write.written).count();
        let last = self.writes.drain(..written).next_back();
        if let Some(PendingWrite { id: _, number, end, written: _ }) = last {
            let id = submit(Request::Sync { file: self.file_name() });
            self.sync = Some(PendingSync { id, number, end });
        }
    }
}

/// The log cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file must not be used.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// An answer to a request that is not open, or one of another kind: a bug of the disk or of the driver.
    #[error("request {} was answered out of place", id.0)]
    UnexpectedAnswer {
        /// The id that came with the answer.
        id: RequestId,
    },
}

/// Why a record was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The record does not fit the log, which is as good as before.
    #[error(transparent)]
    Record(#[from] EncodeError),
    /// The log has failed.
    #[error("the log has failed")]
    Failed(#[source] WalError),
}

#[cfg(test)]
mod tests {
    use raft_core::{LogSlice, Term};

    use super::*;

    /// A log with the requests that it has made; the first is number 0.
    struct Driver {
        wal: Wal,
        requests: Vec<Request>,
    }

    impl Driver {
        fn new() -> Self {
            Self { wal: Wal::continuing(&Contents::default()), requests: Vec::new() }
        }

        fn append(&mut self) -> Result<u64, AppendError> {
            let record = Record {
                hard_state: HardState::recovered(Term(1), None),
                commit: LogIndex(0),
                snapshot: None,
                entries: None,
            };
            self.append_record(&record)
        }

        fn append_record(&mut self, record: &Record) -> Result<u64, AppendError> {
            let Self { wal, requests } = self;
            wal.append(record, |request| submit(requests, request))
        }

        fn complete(&mut self, id: u64, result: DiskResult) -> Result<Completed, WalError> {
            let Self { wal, requests } = self;
            wal.complete(RequestId(id), result, |request| submit(requests, request))
        }

        /// What was asked for since the last call: the offset of each write, and `None` for a sync.
        fn asked(&mut self, from: usize) -> Vec<Option<u64>> {
            let asked = self.requests[from..].iter().map(|request| match request {
                Request::Write { file: _, offset, bytes: _ } => Some(*offset),
                Request::Sync { file: _ } => None,
                Request::Read { file: _ } => panic!("an open log reads nothing"),
            });
            asked.collect()
        }
    }

    fn submit(requests: &mut Vec<Request>, request: Request) -> RequestId {
        requests.push(request);
        RequestId(requests.len() as u64 - 1)
    }

    fn failed(operation: &'static str) -> DiskError {
        DiskError { operation, file: FileName::from("log.0"), reason: "worn out".into() }
    }

    #[test]
    fn writes_that_complete_during_a_sync_share_the_next() {
        let mut driver = Driver::new();
        for number in 1..=3 {
            assert_eq!(driver.append(), Ok(number));
        }
        assert_eq!(driver.asked(0), [Some(0), Some(512), Some(1024)]);
        assert_eq!(driver.complete(0, Ok(Response::Written)), Ok(Completed::Nothing));
        assert_eq!(driver.asked(3), [None]);
        assert_eq!(driver.complete(1, Ok(Response::Written)), Ok(Completed::Nothing));
        assert_eq!(driver.complete(2, Ok(Response::Written)), Ok(Completed::Nothing));
        assert_eq!(driver.asked(4), []);
        assert_eq!(driver.complete(3, Ok(Response::Synced)), Ok(Completed::Records(1)));
        assert_eq!(driver.asked(4), [None]);
        assert_eq!(driver.complete(4, Ok(Response::Synced)), Ok(Completed::Records(3)));
        assert_eq!(driver.asked(5), []);
    }

    #[test]
    fn a_write_that_is_not_completed_holds_up_the_syncs_of_those_behind_it() {
        let mut driver = Driver::new();
        for _ in 0..3 {
            driver.append().unwrap();
        }
        assert_eq!(driver.complete(1, Ok(Response::Written)), Ok(Completed::Nothing));
        assert_eq!(driver.asked(3), []);
        assert_eq!(driver.complete(0, Ok(Response::Written)), Ok(Completed::Nothing));
        assert_eq!(driver.asked(3), [None]);
        assert_eq!(
            driver.complete(3, Ok(Response::Synced)),
            Ok(Completed::Records(2)),
            "the third is not written yet"
        );
        assert_eq!(driver.asked(4), []);
    }

    /// `durable before` is what tells damage from a torn tail, so it must be neither too small nor too large.
    #[test]
    fn a_frame_tells_what_was_durable_before_it() {
        let mut driver = Driver::new();
        driver.append().unwrap();
        driver.append().unwrap();
        driver.complete(0, Ok(Response::Written)).unwrap();
        driver.append().unwrap();
        driver.complete(2, Ok(Response::Synced)).unwrap();
        driver.append().unwrap();
        let durable_before = driver.requests.iter().filter_map(|request| match request {
            Request::Write { file: _, offset: _, bytes } => {
                bytes[24..32].try_into().ok().map(u64::from_le_bytes)
            }
            Request::Sync { .. } | Request::Read { .. } => None,
        });
        assert_eq!(durable_before.collect::<Vec<_>>(), [0, 0, 0, 512]);
    }

    #[test]
    fn a_failed_request_is_the_end() {
        for operation in ["write", "sync"] {
            let mut driver = Driver::new();
            driver.append().unwrap();
            driver.append().unwrap();
            driver.complete(0, Ok(Response::Written)).unwrap();
            let id = if operation == "write" { 1 } else { 2 };
            let failure = WalError::Disk(failed(operation));
            assert_eq!(driver.complete(id, Err(failed(operation))), Err(failure.clone()));
            assert_eq!(driver.complete(3 - id, Ok(Response::Synced)), Err(failure.clone()));
            assert_eq!(driver.append(), Err(AppendError::Failed(failure)));
            assert_eq!(driver.asked(3), [], "nothing is tried again");
        }
    }

    #[test]
    fn an_answer_to_nothing_is_refused() {
        for (id, response) in [
            (0, Response::Synced),
            (0, Response::Read("".into())),
            (1, Response::Synced),
            (1, Response::Written),
            (7, Response::Written),
        ] {
            let mut driver = Driver::new();
            driver.append().unwrap();
            let unexpected = WalError::UnexpectedAnswer { id: RequestId(id) };
            assert_eq!(driver.complete(id, Ok(response)), Err(unexpected));
        }
        let mut driver = Driver::new();
        driver.append().unwrap();
        driver.complete(0, Ok(Response::Written)).unwrap();
        let unexpected = WalError::UnexpectedAnswer { id: RequestId(0) };
        assert_eq!(driver.complete(0, Ok(Response::Synced)), Err(unexpected), "the sync has another id");
        let mut driver = Driver::new();
        driver.append().unwrap();
        driver.append().unwrap();
        driver.complete(1, Ok(Response::Written)).unwrap();
        let unexpected = WalError::UnexpectedAnswer { id: RequestId(1) };
        assert_eq!(driver.complete(1, Ok(Response::Written)), Err(unexpected));
    }

    #[test]
    fn a_record_that_does_not_fit_leaves_the_log_as_it_was() {
        let mut driver = Driver::new();
        let detached = Record {
            hard_state: HardState::default(),
            commit: LogIndex(0),
            snapshot: None,
            entries: Some(LogSlice::empty(EntryId::new(1, 1))),
        };
        let before = driver.wal.clone();
        assert!(matches!(driver.append_record(&detached), Err(AppendError::Record(EncodeError::Misfit(_)))));
        assert_eq!(driver.wal, before);
        assert_eq!(driver.append(), Ok(1));
    }
}

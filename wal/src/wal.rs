//! The open log: records go in, disk requests come out, and answers come in until the records are durable.
//!
//! Invariants: a sync is submitted only when the writes that it is to cover have completed, since it promises
//! nothing about others; at most one is open, and whatever completes meanwhile shares the next (group
//! commit); records become durable in order; after any failure nothing becomes durable any more.

use std::collections::VecDeque;

use crate::{
    disk::{DiskError, DiskResult, FileName, Request, RequestId, Response},
    encoder::{EncodeError, EncodedFrame, Encoder},
    frame::Record,
    recovery::{Contents, Damage},
};

/// The file that holds the log.
pub const LOG_FILE: &str = "log";

/// An open log. It does no IO: whoever drives it carries its requests to a [`Disk`](crate::disk::Disk) and
/// the answers back. Made by [`Opening`](crate::Opening).
///
/// Where a function takes `submit`, it calls it for each request it has, and wants to know by which id the
/// request will be answered. Ids are the driver's; an id must not be used again before it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wal {
    file: FileName,
    encoder: Encoder,
    /// The offset below which everything is known to be durable.
    durable_before: u64,
    /// The writes that no sync covers yet, in order.
    writes: VecDeque<PendingWrite>,
    sync: Option<PendingSync>,
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

impl Wal {
    /// Continues a file that holds `contents`, all of it durable.
    pub(crate) fn continuing(file: FileName, contents: &Contents) -> Self {
        Self {
            file,
            encoder: Encoder::continuing(contents),
            durable_before: contents.end,
            writes: VecDeque::new(),
            sync: None,
            failure: None,
        }
    }

    /// Writes a record, and returns its number. It may be called again at once: writes are pipelined.
    ///
    /// # Errors
    /// When the record does not fit the log, or the log has failed before. Nothing was written then.
    pub fn append(
        &mut self,
        record: &Record,
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Result<u64, AppendError> {
        if let Some(failure) = &self.failure {
            return Err(AppendError::Failed(failure.clone()));
        }
        let frame = self.encoder.encode(record, self.durable_before)?;
        let (number, end) = (frame.number, frame.end());
        let EncodedFrame { number: _, offset, bytes } = frame;
        let id = submit(Request::Write { file: self.file.clone(), offset, bytes });
        self.writes.push_back(PendingWrite { id, number, end, written: false });
        Ok(number)
    }

    /// Takes an answer of the disk. `Some(number)`: the records up to this number are durable now.
    ///
    /// # Errors
    /// When the disk failed, or answered what was not asked. The log has failed then and stays so: after a
    /// failed sync nobody knows what is durable, and asking again would be answered with a success that means
    /// nothing.
    pub fn complete(
        &mut self,
        id: RequestId,
        result: DiskResult,
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Result<Option<u64>, WalError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let durable = self.take_answer(id, result).inspect_err(|error| self.failure = Some(error.clone()))?;
        self.sync_what_is_written(submit);
        Ok(durable)
    }

    fn take_answer(&mut self, id: RequestId, result: DiskResult) -> Result<Option<u64>, WalError> {
        let unexpected = WalError::UnexpectedAnswer { id };
        match result? {
            Response::Written => {
                let mut open = self.writes.iter_mut().filter(|write| !write.written);
                open.find(|write| write.id == id).ok_or(unexpected)?.written = true;
                Ok(None)
            }
            Response::Synced => {
                let PendingSync { id: _, number, end } =
                    self.sync.take_if(|sync| sync.id == id).ok_or(unexpected)?;
                self.durable_before = end;
                Ok(Some(number))
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
        if let Some(PendingWrite { id: _, number, end, written: _ }) =
            self.writes.drain(..written).next_back()
        {
            let id = submit(Request::Sync { file: self.file.clone() });
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
    use raft_core::{EntryId, HardState, LogIndex, LogSlice, Term};

    use super::*;

    /// A log with the requests that it has made; the first is number 0.
    struct Driver {
        wal: Wal,
        requests: Vec<Request>,
    }

    impl Driver {
        fn new() -> Self {
            Self {
                wal: Wal::continuing(FileName::from(LOG_FILE), &Contents::default()),
                requests: Vec::new(),
            }
        }

        fn append(&mut self) -> Result<u64, AppendError> {
            let record = Record {
                hard_state: HardState::recovered(Term(1), None),
                commit: LogIndex(0),
                entries: None,
            };
            self.append_record(&record)
        }

        fn append_record(&mut self, record: &Record) -> Result<u64, AppendError> {
            let Self { wal, requests } = self;
            wal.append(record, |request| submit(requests, request))
        }

        fn complete(&mut self, id: u64, result: DiskResult) -> Result<Option<u64>, WalError> {
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
        DiskError { operation, file: FileName::from(LOG_FILE), reason: "worn out".into() }
    }

    #[test]
    fn writes_that_complete_during_a_sync_share_the_next() {
        let mut driver = Driver::new();
        for number in 1..=3 {
            assert_eq!(driver.append(), Ok(number));
        }
        assert_eq!(driver.asked(0), [Some(0), Some(512), Some(1024)]);
        assert_eq!(driver.complete(0, Ok(Response::Written)), Ok(None));
        assert_eq!(driver.asked(3), [None]);
        assert_eq!(driver.complete(1, Ok(Response::Written)), Ok(None));
        assert_eq!(driver.complete(2, Ok(Response::Written)), Ok(None));
        assert_eq!(driver.asked(4), []);
        assert_eq!(driver.complete(3, Ok(Response::Synced)), Ok(Some(1)));
        assert_eq!(driver.asked(4), [None]);
        assert_eq!(driver.complete(4, Ok(Response::Synced)), Ok(Some(3)));
        assert_eq!(driver.asked(5), []);
    }

    #[test]
    fn a_write_that_is_not_completed_holds_up_the_syncs_of_those_behind_it() {
        let mut driver = Driver::new();
        for _ in 0..3 {
            driver.append().unwrap();
        }
        assert_eq!(driver.complete(1, Ok(Response::Written)), Ok(None));
        assert_eq!(driver.asked(3), []);
        assert_eq!(driver.complete(0, Ok(Response::Written)), Ok(None));
        assert_eq!(driver.asked(3), [None]);
        assert_eq!(driver.complete(3, Ok(Response::Synced)), Ok(Some(2)), "the third is not written yet");
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
            entries: Some(LogSlice::empty(EntryId::new(1, 1))),
        };
        let before = driver.wal.clone();
        assert!(matches!(
            driver.append_record(&detached),
            Err(AppendError::Record(EncodeError::Detached(_)))
        ));
        assert_eq!(driver.wal, before);
        assert_eq!(driver.append(), Ok(1));
    }
}

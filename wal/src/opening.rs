//! Opening the log: read the file, cut a torn tail, sync.
//!
//! What was read may sit in a cache only, left there by a process that died before its sync; whoever acted on
//! it could lose it to the next power failure. So nothing is handed out before a sync has succeeded.

use bytes::Bytes;

use crate::{
    disk::{DiskResult, FileName, Request, RequestId, Response},
    recovery::{Contents, recover},
    wal::{LOG_FILE, Wal, WalError},
};

/// A log that is being opened. Like [`Wal`] it does no IO and numbers its requests by `submit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    file: FileName,
    /// The open request.
    id: RequestId,
    step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The file is being read.
    Reading,
    /// The torn tail is being overwritten with zeros. The next frame would only overwrite its beginning, and
    /// could turn out the same as a frame that was lost there; what had been written behind that one would
    /// then continue the log again.
    Clearing(Contents),
    /// What was read is being made durable.
    Syncing(Contents),
}

/// How far opening has come.
#[derive(Debug)]
pub enum Progress {
    /// The disk has more to answer.
    Pending(Opening),
    /// The log is open, and all of its contents are durable.
    Open(Wal, Contents),
}

impl Opening {
    /// Asks for the file.
    pub fn start(submit: impl FnOnce(Request) -> RequestId) -> Self {
        let file = FileName::from(LOG_FILE);
        let id = submit(Request::Read { file: file.clone() });
        Self { file, id, step: Step::Reading }
    }

    /// Takes an answer of the disk.
    ///
    /// # Errors
    /// When the disk failed, answered what was not asked, or holds a damaged file.
    pub fn complete(
        self,
        id: RequestId,
        result: DiskResult,
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Result<Progress, WalError> {
        let response = result?;
        if id != self.id {
            return Err(WalError::UnexpectedAnswer { id });
        }
        let file = self.file;
        match (self.step, response) {
            (Step::Reading, Response::Read(bytes)) => {
                let contents = recover(&bytes)?;
                Ok(Self::clear_or_sync(file, contents, submit))
            }
            (Step::Clearing(contents), Response::Written) => Ok(Self::sync(file, contents, submit)),
            (Step::Syncing(contents), Response::Synced) => {
                Ok(Progress::Open(Wal::continuing(file, &contents), contents))
            }
            (
                Step::Reading | Step::Clearing(_) | Step::Syncing(_),
                Response::Read(_) | Response::Written | Response::Synced,
            ) => Err(WalError::UnexpectedAnswer { id }),
        }
    }

    fn clear_or_sync(
        file: FileName,
        contents: Contents,
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Progress {
        if contents.torn_len == 0 {
            return Self::sync(file, contents, submit);
        }
        // It was read into memory a moment ago, so it fits.
        let zeros = Bytes::from(vec![0; contents.torn_len as usize]);
        let id = submit(Request::Write { file: file.clone(), offset: contents.end, bytes: zeros });
        Progress::Pending(Self { file, id, step: Step::Clearing(contents) })
    }

    fn sync(file: FileName, contents: Contents, submit: impl FnOnce(Request) -> RequestId) -> Progress {
        let id = submit(Request::Sync { file: file.clone() });
        Progress::Pending(Self { file, id, step: Step::Syncing(contents) })
    }
}

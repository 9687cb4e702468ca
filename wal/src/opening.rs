//! Opening the log: read its files, look at its snapshot, cut a torn tail, sync; and undo a torn move.
//!
//! What was read may sit in a cache only, left there by a process that died before its sync; whoever acted on
//! it could lose it to the next power failure. So nothing is handed out before a sync has succeeded. Only the
//! snapshot needs none: it was synced before the log named it.

use bytes::Bytes;

use crate::{
    disk::{DiskResult, FileName, Request, RequestId, Response},
    frame::SECTOR,
    recovery::{Beginning, Contents, Damage, LogFile, recover},
    snapshot_file::{self, snapshot_file},
    wal::{Wal, WalError},
};

/// A log that is being opened. Like [`Wal`] it does no IO and numbers its requests by `submit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The open request.
    id: RequestId,
    step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The first file is being read.
    ReadingFirst,
    /// The second file is being read.
    ReadingSecond { first: Bytes },
    /// The snapshot is being read.
    ReadingSnapshot(Contents),
    /// The torn tail is being overwritten with zeros. The next frame would only overwrite its beginning, and
    /// could turn out the same as a frame that was lost there; what had been written behind that one would
    /// then continue the log again.
    Clearing(Found),
    /// What was read is being made durable.
    Syncing(Found),
    /// The other file begins with a move that was torn. Its first sector is being overwritten with zeros. The next move
    /// may carry the same entries, and so write again the very sectors that are missing; if it is torn itself, before its
    /// own first sector is written, the move of long ago would be whole.
    ClearingMove(Found),
    /// That is being made durable, before anything else is written there. It may have been written by a process that died
    /// before it could sync.
    SyncingMove(Found),
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    contents: Contents,
    snapshot: Option<Bytes>,
}

/// How far opening has come.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is matched at once, a few times for each log that is opened"
)]
pub enum Progress {
    /// The disk has more to answer.
    Pending(Opening),
    /// The log is open, and all of its contents are durable.
    Open {
        /// To go on with.
        wal: Wal,
        /// What it holds.
        contents: Contents,
        /// The bytes of the snapshot that it names.
        snapshot: Option<Bytes>,
    },
}

fn read(file: &str) -> Request {
    Request::Read { file: FileName::from(file) }
}

impl Opening {
    /// Asks for the first file.
    pub fn start(submit: impl FnOnce(Request) -> RequestId) -> Self {
        Self { id: submit(read(LogFile::First.name())), step: Step::ReadingFirst }
    }

    /// Takes an answer of the disk.
    ///
    /// # Errors
    /// When the disk failed, answered what was not asked, or holds damaged files.
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
        let pending = |request, step| Ok(Progress::Pending(Self { id: submit(request), step }));
        let (request, step) = match (self.step, response) {
            (Step::ReadingFirst, Response::Read(first)) => {
                (read(LogFile::Second.name()), Step::ReadingSecond { first })
            }
            (Step::ReadingSecond { first }, Response::Read(second)) => {
                let contents = recover([&first, &second])?;
                match contents.snapshot() {
                    None => Found { contents, snapshot: None }.clear_or_sync(),
                    Some(named) => {
                        let file = snapshot_file(named.place.slot);
                        (Request::Read { file }, Step::ReadingSnapshot(contents))
                    }
                }
            }
            (Step::ReadingSnapshot(contents), Response::Read(file)) => {
                Found::with_snapshot(contents, &file)?.clear_or_sync()
            }
            (Step::Clearing(found), Response::Written) => found.sync(),
            (Step::Syncing(found), Response::Synced) => match found.contents.other {
                Beginning::Sound => return Ok(found.open()),
                Beginning::Torn => found.clear_move(),
                Beginning::Cleared => found.sync_move(),
            },
            (Step::ClearingMove(found), Response::Written) => found.sync_move(),
            (Step::SyncingMove(found), Response::Synced) => return Ok(found.open()),
            (
                Step::ReadingFirst
                | Step::ReadingSecond { .. }
                | Step::ReadingSnapshot(_)
                | Step::Clearing(_)
                | Step::Syncing(_)
                | Step::ClearingMove(_)
                | Step::SyncingMove(_),
                Response::Read(_) | Response::Written | Response::Synced,
            ) => return Err(WalError::UnexpectedAnswer { id }),
        };
        pending(request, step)
    }
}

impl Found {
    fn with_snapshot(contents: Contents, file: &Bytes) -> Result<Self, Damage> {
        let Some(named) = contents.snapshot() else { return Ok(Self { contents, snapshot: None }) };
        let Some(snapshot) = snapshot_file::decode(file, named) else {
            let file = snapshot_file(named.place.slot).as_str().to_owned();
            return Err(Damage::LostSnapshot { last: named.meta.last, file });
        };
        Ok(Self { contents, snapshot: Some(snapshot) })
    }

    fn clear_or_sync(self) -> (Request, Step) {
        let Contents { file, end, torn_len, .. } = self.contents;
        if torn_len == 0 {
            return self.sync();
        }
        // It was read into memory a moment ago, so it fits.
        let zeros = Bytes::from(vec![0; torn_len as usize]);
        (
            Request::Write { file: FileName::from(file.name()), offset: end, bytes: zeros },
            Step::Clearing(self),
        )
    }

    fn sync(self) -> (Request, Step) {
        (Request::Sync { file: FileName::from(self.contents.file.name()) }, Step::Syncing(self))
    }

    fn open(self) -> Progress {
        let Self { contents, snapshot } = self;
        Progress::Open { wal: Wal::continuing(&contents), contents, snapshot }
    }

    fn clear_move(self) -> (Request, Step) {
        let file = FileName::from(self.contents.file.other().name());
        let zeros = Bytes::from_static(&[0; SECTOR as usize]);
        (Request::Write { file, offset: 0, bytes: zeros }, Step::ClearingMove(self))
    }

    fn sync_move(self) -> (Request, Step) {
        let file = FileName::from(self.contents.file.other().name());
        (Request::Sync { file }, Step::SyncingMove(self))
    }
}

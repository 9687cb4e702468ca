//! Log stores that break their word.

use std::marker::PhantomData;

use wavetank_process::{
    DiskQueue, LogStore, Persist, StoreError, StoreEvent, WalStore,
    disk::{DiskResult, Request, RequestId, Response},
    raft_core::{Entry, EntryId, HardState, LogIndex, LogSlice, Payload, SnapshotMeta},
};

/// Which files a store never syncs, though it says that it does.
pub(crate) trait Unsynced: std::fmt::Debug + Default + 'static {
    /// Whether this is one.
    fn skips(file: &str) -> bool;
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Everything;

impl Unsynced for Everything {
    fn skips(_file: &str) -> bool {
        true
    }
}

/// Those of snapshots: the log names them before they are durable.
#[derive(Debug, Default)]
pub(crate) struct SnapshotsOnly;

impl Unsynced for SnapshotsOnly {
    fn skips(file: &str) -> bool {
        file.starts_with("snapshot")
    }
}

/// Says that everything is durable and never asks the disk to make it so, for some files.
#[derive(Debug, Default)]
pub(crate) struct NeverSyncs<U> {
    store: WalStore,
    /// What the store asks of the disk, before the syncs are taken out.
    asked: DiskQueue,
    /// The store's names for its requests, by ours for them: ours are numbered without the syncs.
    names: Vec<(RequestId, RequestId)>,
    /// Syncs that were left out, to be answered with the next answer of the disk.
    skipped: Vec<RequestId>,
    which: PhantomData<U>,
}

impl<U: Unsynced> NeverSyncs<U> {
    /// Hands on what the store asks, but for the syncs that it leaves out.
    fn hand_on(&mut self, disk: &mut DiskQueue) {
        for (id, request) in self.asked.drain() {
            match request {
                Request::Sync { file } if U::skips(file.as_str()) => self.skipped.push(id),
                request => self.names.push((disk.submit(request), id)),
            }
        }
    }

    /// Answers the syncs that were left out, until something comes of one.
    fn pretend(&mut self, disk: &mut DiskQueue) -> Result<StoreEvent, StoreError> {
        let mut event = StoreEvent::Pending;
        while let (StoreEvent::Pending, Some(id)) = (&event, self.skipped.pop()) {
            event = self.store.complete(id, Ok(Response::Synced), &mut self.asked)?;
            self.hand_on(disk);
        }
        Ok(event)
    }
}

impl<U: Unsynced> LogStore for NeverSyncs<U> {
    fn open(&mut self, disk: &mut DiskQueue) {
        self.store.open(&mut self.asked);
        self.hand_on(disk);
    }

    fn append(&mut self, write: &Persist, disk: &mut DiskQueue) {
        self.store.append(write, &mut self.asked);
        self.hand_on(disk);
    }

    fn save_snapshot(&mut self, last: EntryId, bytes: &[u8], disk: &mut DiskQueue) {
        self.store.save_snapshot(last, bytes, &mut self.asked);
        self.hand_on(disk);
    }

    fn name_snapshot(&mut self, snapshot: &SnapshotMeta, disk: &mut DiskQueue) {
        self.store.name_snapshot(snapshot, &mut self.asked);
        self.hand_on(disk);
    }

    fn discard_snapshot(&mut self, last: EntryId) {
        self.store.discard_snapshot(last);
    }

    fn compact(&mut self, to: LogIndex, disk: &mut DiskQueue) -> bool {
        let begun = self.store.compact(to, &mut self.asked);
        self.hand_on(disk);
        begun
    }

    fn complete(
        &mut self,
        id: RequestId,
        result: DiskResult,
        disk: &mut DiskQueue,
    ) -> Result<StoreEvent, StoreError> {
        let place = self.names.iter().position(|(ours, _)| *ours == id).expect("it was asked");
        let (_, id) = self.names.remove(place);
        let event = self.store.complete(id, result, &mut self.asked)?;
        self.hand_on(disk);
        if event == StoreEvent::Pending { self.pretend(disk) } else { Ok(event) }
    }
}

/// What a store does differently; whatever a variant does not mention is done right.
pub(crate) trait Twist: std::fmt::Debug + Default + 'static {
    /// What is written for what was to be written.
    fn write(&mut self, asked: &Persist) -> Persist {
        asked.clone()
    }

    /// The disk has answered.
    fn answered(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The store with a twist.
#[derive(Debug, Default)]
pub(crate) struct Twisted<T> {
    store: WalStore,
    twist: T,
}

impl<T: Twist> LogStore for Twisted<T> {
    fn open(&mut self, disk: &mut DiskQueue) {
        self.store.open(disk);
    }

    fn append(&mut self, write: &Persist, disk: &mut DiskQueue) {
        self.store.append(&self.twist.write(write), disk);
    }

    fn save_snapshot(&mut self, last: EntryId, bytes: &[u8], disk: &mut DiskQueue) {
        self.store.save_snapshot(last, bytes, disk);
    }

    fn name_snapshot(&mut self, snapshot: &SnapshotMeta, disk: &mut DiskQueue) {
        self.store.name_snapshot(snapshot, disk);
    }

    fn discard_snapshot(&mut self, last: EntryId) {
        self.store.discard_snapshot(last);
    }

    fn compact(&mut self, to: LogIndex, disk: &mut DiskQueue) -> bool {
        self.store.compact(to, disk)
    }

    fn complete(
        &mut self,
        id: RequestId,
        result: DiskResult,
        disk: &mut DiskQueue,
    ) -> Result<StoreEvent, StoreError> {
        self.twist.answered()?;
        self.store.complete(id, result, disk)
    }
}

/// Writes down terms and entries, but no votes.
#[derive(Debug, Default)]
pub(crate) struct ForgetsVotes;

impl Twist for ForgetsVotes {
    fn write(&mut self, asked: &Persist) -> Persist {
        let hard_state = asked.hard_state.map(|state| HardState::recovered(state.term(), None));
        Persist { hard_state, ..asked.clone() }
    }
}

/// Writes the last entry once more when it is committed, without its command.
#[derive(Debug, Default)]
pub(crate) struct RewritesTheCommitted {
    /// The last entry that was written.
    last: Option<LogSlice>,
}

impl Twist for RewritesTheCommitted {
    fn write(&mut self, asked: &Persist) -> Persist {
        let mut write = asked.clone();
        if let Some(entries) = &write.entries {
            self.last = Some(end_of(entries));
        } else if let Some(last) = self.last.take_if(|last| last.last().index <= write.commit) {
            let blank = Entry { term: last.last().term, payload: Payload::Noop };
            write.entries = Some(LogSlice::new(last.prev(), vec![blank]).expect("the same term"));
        }
        write
    }
}

/// The last entry of what is written, alone.
fn end_of(entries: &LogSlice) -> LogSlice {
    let (last, before) = entries.entries().split_last().expect("a write of entries has some");
    let prev = LogSlice::new(entries.prev(), before.to_vec()).expect("the front of a log").last();
    LogSlice::new(prev, vec![last.clone()]).expect("its end")
}

/// Writes the entry before those it is given once more, without its command.
#[derive(Debug, Default)]
pub(crate) struct RewritesTheLast {
    /// The last entry that was written.
    last: Option<LogSlice>,
}

impl Twist for RewritesTheLast {
    fn write(&mut self, asked: &Persist) -> Persist {
        let mut write = asked.clone();
        let Some(entries) = &write.entries else { return write };
        let last = self.last.replace(end_of(entries)).filter(|last| last.last() == entries.prev());
        if let Some(last) = last {
            let blank = Entry { term: last.last().term, payload: Payload::Noop };
            let all = [&[blank], entries.entries()].concat();
            write.entries = Some(LogSlice::new(last.prev(), all).expect("the same terms"));
        }
        write
    }
}

/// Has enough after a while.
#[derive(Debug, Default)]
pub(crate) struct GivesUp {
    answers: u64,
}

/// How many answers of the disk it bears.
const PATIENCE: u64 = 60;

impl Twist for GivesUp {
    fn answered(&mut self) -> Result<(), StoreError> {
        self.answers += 1;
        if PATIENCE < self.answers {
            return Err(StoreError(format!("{PATIENCE} answers are enough")));
        }
        Ok(())
    }
}

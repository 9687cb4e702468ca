//! The write-ahead log as a log store.

use std::{collections::VecDeque, mem};

use raft_core::{EntryId, LogIndex, LogSlice, SnapshotMeta};
use raft_wal::{
    AppendError, Completed, Opening, Progress, Record, Wal, WalError,
    disk::{DiskResult, RequestId},
};

use crate::{
    adapter::{Persist, Recovered, StoredSnapshot},
    log_store::{DiskQueue, LogStore, StoreError, StoreEvent},
};

/// The log store over `raft-wal`: each [`Persist`] is one record, and so one frame of a file.
#[derive(Debug, Default)]
pub struct WalStore {
    state: State,
}

#[derive(Debug, Default)]
#[expect(clippy::large_enum_variant, reason = "there is one in a store, and it is open most of the time")]
enum State {
    /// Not opened yet, or opening has failed.
    #[default]
    Closed,
    Opening(Opening),
    Open(OpenLog),
}

#[derive(Debug)]
struct OpenLog {
    wal: Wal,
    /// The writes that are not durable yet, in order. The log counts records since it began, and an implementation
    /// counts writes since its machine booted.
    pending: VecDeque<PendingWrite>,
}

#[derive(Debug)]
struct PendingWrite {
    record_number: u64,
    write_number: u64,
}

impl LogStore for WalStore {
    fn open(&mut self, disk: &mut DiskQueue) {
        self.state = State::Opening(Opening::start(|request| disk.submit(request)));
    }

    /// # Panics
    /// When the log is not open, or the write does not fit it: its entries do not attach, say.
    fn append(&mut self, write: &Persist, disk: &mut DiskQueue) {
        let State::Open(log) = &mut self.state else {
            panic!("write {} came before the log was open", write.number);
        };
        log.append(write, disk);
    }

    /// # Panics
    /// When the log is not open.
    fn save_snapshot(&mut self, last: EntryId, bytes: &[u8], disk: &mut DiskQueue) {
        // Whoever completes the requests has heard of a failure, and the snapshot is never saved.
        let _failed = self.open_wal().save_snapshot(last, bytes, |request| disk.submit(request));
    }

    /// # Panics
    /// When the log is not open or does not hold the snapshot's last entry, or the snapshot is not saved.
    fn name_snapshot(&mut self, snapshot: &SnapshotMeta, disk: &mut DiskQueue) {
        let wal = self.open_wal();
        let saved = wal.saved_snapshot(snapshot);
        let named = saved.unwrap_or_else(|| panic!("the snapshot of {} is not saved", snapshot.last));
        match wal.name_snapshot(named, |request| disk.submit(request)) {
            Ok(_) | Err(AppendError::Failed(_)) => (),
            Err(AppendError::Record(error)) => panic!("a snapshot cannot be named: {error}"),
        }
    }

    /// # Panics
    /// When the log is not open.
    fn discard_snapshot(&mut self, last: EntryId) {
        self.open_wal().discard_snapshot(last);
    }

    /// # Panics
    /// When the log is not open, or the entries are not covered by a snapshot.
    fn compact(&mut self, to: LogIndex, disk: &mut DiskQueue) -> bool {
        match self.open_wal().compact(to, |request| disk.submit(request)) {
            Ok(moved) => moved.is_some(),
            Err(error) => panic!("the log cannot be compacted: {error}"),
        }
    }

    fn complete(
        &mut self,
        id: RequestId,
        result: DiskResult,
        disk: &mut DiskQueue,
    ) -> Result<StoreEvent, StoreError> {
        let event = match mem::take(&mut self.state) {
            State::Closed => Err(WalError::UnexpectedAnswer { id }),
            State::Opening(opening) => self.continue_opening(opening, id, result, disk),
            State::Open(mut log) => {
                let event = log.complete(id, result, disk);
                self.state = State::Open(log);
                event
            }
        };
        event.map_err(|error| StoreError(error.to_string()))
    }
}

impl WalStore {
    fn open_wal(&mut self) -> &mut Wal {
        match &mut self.state {
            State::Open(log) => &mut log.wal,
            State::Closed | State::Opening(_) => panic!("the log is not open"),
        }
    }

    fn continue_opening(
        &mut self,
        opening: Opening,
        id: RequestId,
        result: DiskResult,
        disk: &mut DiskQueue,
    ) -> Result<StoreEvent, WalError> {
        match opening.complete(id, result, |request| disk.submit(request))? {
            Progress::Pending(opening) => {
                self.state = State::Opening(opening);
                Ok(StoreEvent::Pending)
            }
            Progress::Open { wal, contents, snapshot } => {
                self.state = State::Open(OpenLog { wal, pending: VecDeque::new() });
                let stored = |bytes| Some(StoredSnapshot { meta: contents.snapshot()?.meta.clone(), bytes });
                Ok(StoreEvent::Recovered(Box::new(Recovered {
                    hard_state: contents.hard_state(),
                    commit: contents.commit(),
                    snapshot: snapshot.and_then(stored),
                    log: contents.log(),
                })))
            }
        }
    }
}

impl OpenLog {
    fn append(&mut self, write: &Persist, disk: &mut DiskQueue) {
        let Persist { number: write_number, hard_state, commit, snapshot, entries } = write;
        let named = snapshot.as_ref().map(|meta| {
            let saved = self.wal.saved_snapshot(meta);
            saved.unwrap_or_else(|| panic!("write {write_number} installs {}, which is not saved", meta.last))
        });
        // A snapshot that is installed takes the log's place, with nothing behind it if the write has nothing.
        let behind = snapshot.as_ref().map(|meta| LogSlice::empty(meta.last));
        let record = Record {
            // Records carry it whole, writes only when it changes.
            hard_state: hard_state.unwrap_or(self.wal.hard_state()),
            commit: *commit,
            snapshot: named,
            entries: entries.clone().or(behind),
        };
        match self.wal.append(&record, |request| disk.submit(request)) {
            Ok(record_number) => {
                self.pending.push_back(PendingWrite { record_number, write_number: *write_number });
            }
            // Whoever completes the requests has heard of it, and the write never becomes durable.
            Err(AppendError::Failed(_)) => (),
            Err(AppendError::Record(error)) => panic!("write {write_number} cannot be logged: {error}"),
        }
    }

    fn complete(
        &mut self,
        id: RequestId,
        result: DiskResult,
        disk: &mut DiskQueue,
    ) -> Result<StoreEvent, WalError> {
        let durable = match self.wal.complete(id, result, |request| disk.submit(request))? {
            Completed::Nothing => return Ok(StoreEvent::Pending),
            Completed::Snapshot(last) => return Ok(StoreEvent::SnapshotSaved(last)),
            Completed::Records(durable) => durable,
        };
        let covered = self.pending.iter().take_while(|write| write.record_number <= durable).count();
        let last = self.pending.drain(..covered).next_back();
        Ok(last.map_or(StoreEvent::Pending, |write| StoreEvent::Durable(write.write_number)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use raft_core::{Configuration, Entry, HardState, NodeId, Payload, SnapshotHandle, Term};
    use raft_wal::disk::{DiskError, FileName, Request, Response};

    use super::*;

    type Files = BTreeMap<FileName, Vec<u8>>;

    /// A store on a disk that answers in order and forgets nothing.
    #[derive(Default)]
    struct Machine {
        store: WalStore,
        queue: DiskQueue,
        files: Files,
        open: VecDeque<(RequestId, Request)>,
    }

    impl Machine {
        /// Boots on the files that an earlier incarnation left.
        fn boot(files: Files) -> (Self, StoreEvent) {
            let mut machine = Self { files, ..Self::default() };
            machine.store.open(&mut machine.queue);
            let event = machine.run().pop().expect("opening ends with an event");
            (machine, event)
        }

        fn append(&mut self, write: &Persist) {
            self.store.append(write, &mut self.queue);
        }

        /// Answers everything, and returns what came of it.
        fn run(&mut self) -> Vec<StoreEvent> {
            let mut events = Vec::new();
            while let Some((id, result)) = self.answer() {
                events.push(self.store.complete(id, result, &mut self.queue).expect("the disk is well"));
            }
            events.retain(|event| *event != StoreEvent::Pending);
            events
        }

        fn answer(&mut self) -> Option<(RequestId, DiskResult)> {
            self.open.extend(self.queue.drain());
            let (id, request) = self.open.pop_front()?;
            let response = match request {
                Request::Read { file } => {
                    Response::Read(self.files.get(&file).cloned().unwrap_or_default().into())
                }
                Request::Write { file, offset, bytes } => {
                    let (start, end) = (offset as usize, offset as usize + bytes.len());
                    let image = self.files.entry(file).or_default();
                    image.resize(image.len().max(end), 0);
                    image[start..end].copy_from_slice(&bytes);
                    Response::Written
                }
                Request::Sync { file: _ } => Response::Synced,
            };
            Some((id, Ok(response)))
        }
    }

    fn vote(number: u64) -> Persist {
        let hard_state = Some(HardState::recovered(Term(2), NodeId::new(3)));
        Persist { number, hard_state, commit: LogIndex(0), snapshot: None, entries: None }
    }

    fn entries(number: u64) -> Persist {
        let entry = |payload| Entry { term: Term(2), payload };
        let entries = vec![entry(Payload::Noop), entry(Payload::Command(Bytes::from_static(b"x=1")))];
        let entries = LogSlice::new(EntryId::ORIGIN, entries).expect("equal terms");
        Persist { number, hard_state: None, commit: LogIndex(1), snapshot: None, entries: Some(entries) }
    }

    #[test]
    fn an_empty_disk_recovers_nothing() {
        let (_, event) = Machine::boot(Files::new());
        let nothing = Recovered {
            hard_state: HardState::default(),
            commit: LogIndex(0),
            snapshot: None,
            log: LogSlice::empty(EntryId::ORIGIN),
        };
        assert_eq!(event, StoreEvent::Recovered(nothing.into()));
    }

    /// Each incarnation counts its writes anew, with gaps if it likes, and the file goes on.
    #[test]
    fn what_was_written_is_recovered_by_the_next_incarnations() {
        let (mut machine, _) = Machine::boot(Files::new());
        machine.append(&vote(1));
        assert_eq!(machine.run(), [StoreEvent::Durable(1)]);

        let (mut machine, event) = Machine::boot(machine.files);
        let StoreEvent::Recovered(recovered) = event else { panic!("not recovered: {event:?}") };
        assert_eq!(Some(recovered.hard_state), vote(1).hard_state);
        machine.append(&entries(1));
        assert_eq!(machine.run(), [StoreEvent::Durable(1)]);
        let hard_state = HardState::recovered(Term(4), NodeId::new(1));
        machine.append(&Persist {
            number: 4,
            hard_state: Some(hard_state),
            commit: LogIndex(1),
            snapshot: None,
            entries: None,
        });
        machine.append(&Persist { commit: LogIndex(2), entries: None, ..entries(7) });
        assert_eq!(machine.run(), [StoreEvent::Durable(4), StoreEvent::Durable(7)]);

        let (_, event) = Machine::boot(machine.files);
        let log = entries(1).entries.expect("it has entries");
        assert_eq!(
            event,
            StoreEvent::Recovered(Recovered { hard_state, commit: LogIndex(2), snapshot: None, log }.into())
        );
    }

    #[test]
    fn writes_in_flight_become_durable_in_order() {
        let (mut machine, _) = Machine::boot(Files::new());
        for number in [2, 3, 5] {
            machine.append(&vote(number));
        }
        assert_eq!(machine.run(), [StoreEvent::Durable(2), StoreEvent::Durable(5)]);
    }

    #[test]
    fn nothing_is_recovered_before_the_sync() {
        let mut machine = Machine::default();
        machine.store.open(&mut machine.queue);
        for _ in 0..2 {
            let (id, result) = machine.answer().expect("the files are read");
            assert_eq!(machine.store.complete(id, result, &mut machine.queue), Ok(StoreEvent::Pending));
        }
        let (id, result) = machine.answer().expect("the file is synced");
        assert_eq!(result, Ok(Response::Synced));
        let event = machine.store.complete(id, result, &mut machine.queue);
        assert!(matches!(event, Ok(StoreEvent::Recovered(_))), "{event:?}");
    }

    #[test]
    fn a_disk_that_fails_stops_the_store() {
        let (mut machine, _) = Machine::boot(Files::new());
        machine.append(&vote(1));
        machine.append(&vote(2));
        let (id, _) = machine.answer().expect("a write is open");
        let failure = DiskError { operation: "write", file: FileName::from("log"), reason: "full".into() };
        let stopped = StoreError("write of log failed: full".to_owned());
        assert_eq!(machine.store.complete(id, Err(failure), &mut machine.queue), Err(stopped.clone()));
        let (id, result) = machine.answer().expect("another write is open");
        assert_eq!(machine.store.complete(id, result, &mut machine.queue), Err(stopped));
        machine.append(&vote(3));
        assert_eq!(machine.answer(), None, "nothing is asked of it any more");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let (mut machine, _) = Machine::boot(Files::new());
        for write in [vote(1), entries(2)] {
            machine.append(&write);
            machine.run();
        }
        machine.files.get_mut(&FileName::from("log.0")).expect("it is there")[32] ^= 1;
        let mut next = Machine { files: machine.files, ..Machine::default() };
        next.store.open(&mut next.queue);
        let (id, result) = next.answer().expect("the first file is read");
        assert_eq!(next.store.complete(id, result, &mut next.queue), Ok(StoreEvent::Pending));
        let (id, result) = next.answer().expect("the second file is read");
        let refused = next.store.complete(id, result, &mut next.queue).expect_err("it is damaged");
        assert!(refused.0.starts_with("the frame at offset 0 is damaged or lost"), "{refused}");
    }

    #[test]
    fn an_answer_before_anything_was_asked_is_refused() {
        let mut machine = Machine::default();
        let answer = machine.store.complete(RequestId(1), Ok(Response::Synced), &mut machine.queue);
        assert_eq!(answer, Err(StoreError("request 1 was answered out of place".to_owned())));
    }

    #[test]
    #[should_panic(expected = "write 1 came before the log was open")]
    fn nothing_is_written_before_the_log_is_open() {
        Machine::default().append(&vote(1));
    }

    #[test]
    #[should_panic(expected = "write 1 cannot be logged: the entries follow 2@2")]
    fn entries_that_do_not_attach_are_a_bug_of_the_implementation() {
        let (mut machine, _) = Machine::boot(Files::new());
        let entries = Some(LogSlice::empty(EntryId::new(2, 2)));
        machine.append(&Persist { entries, ..vote(1) });
    }

    fn snapshot(last: EntryId) -> SnapshotMeta {
        let configuration = Configuration::of_voters(NodeId::new(1));
        SnapshotMeta { last, configuration, handle: SnapshotHandle(last.index.0) }
    }

    fn recovered(event: StoreEvent) -> Recovered {
        let StoreEvent::Recovered(recovered) = event else { panic!("not recovered: {event:?}") };
        *recovered
    }

    #[test]
    fn a_snapshot_is_named_beside_the_log_which_is_then_compacted() {
        let (mut machine, _) = Machine::boot(Files::new());
        machine.append(&entries(1));
        let meta = snapshot(EntryId::new(2, 1));
        machine.store.save_snapshot(meta.last, b"state", &mut machine.queue);
        assert_eq!(machine.run(), [StoreEvent::Durable(1), StoreEvent::SnapshotSaved(meta.last)]);
        machine.store.name_snapshot(&meta, &mut machine.queue);
        assert!(machine.store.compact(LogIndex(1), &mut machine.queue));
        assert!(!machine.store.compact(LogIndex(1), &mut machine.queue), "the first move is not durable yet");
        machine.append(&vote(2));
        assert_eq!(machine.run(), [StoreEvent::Durable(2)]);
        let (_, event) = Machine::boot(machine.files);
        let recovered = recovered(event);
        let bytes = Bytes::from_static(b"state");
        assert_eq!(recovered.snapshot, Some(StoredSnapshot { meta: meta.clone(), bytes }));
        assert_eq!((recovered.log.prev(), recovered.log.len()), (meta.last, 1));
        assert_eq!(Some(recovered.hard_state), vote(2).hard_state);
    }

    #[test]
    fn a_snapshot_that_is_installed_takes_the_place_of_the_log() {
        let (mut machine, _) = Machine::boot(Files::new());
        machine.append(&entries(1));
        let meta = snapshot(EntryId::new(2, 9));
        machine.store.save_snapshot(meta.last, b"later", &mut machine.queue);
        machine.run();
        machine.append(&Persist { snapshot: Some(meta.clone()), commit: LogIndex(9), ..vote(2) });
        assert_eq!(machine.run(), [StoreEvent::Durable(2)]);
        let (_, event) = Machine::boot(machine.files);
        let recovered = recovered(event);
        assert_eq!(recovered.snapshot.map(|stored| stored.bytes), Some(Bytes::from_static(b"later")));
        assert_eq!(recovered.log, LogSlice::empty(meta.last));
    }

    #[test]
    #[should_panic(expected = "write 1 installs 2@9, which is not saved")]
    fn a_snapshot_that_is_not_saved_cannot_be_installed() {
        let (mut machine, _) = Machine::boot(Files::new());
        machine.append(&Persist { snapshot: Some(snapshot(EntryId::new(2, 9))), ..vote(1) });
    }
}

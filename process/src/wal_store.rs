//! The write-ahead log as a log store.

use std::{collections::VecDeque, mem};

use raft_core::HardState;
use raft_wal::{
    AppendError, Contents, Opening, Progress, Record, Wal, WalError,
    disk::{DiskResult, RequestId},
};

use crate::{
    adapter::{Persist, Recovered},
    log_store::{DiskQueue, LogStore, StoreError, StoreEvent},
};

/// The log store over `raft-wal`: each [`Persist`] is one record, and so one frame of the file.
#[derive(Debug, Default)]
pub struct WalStore {
    state: State,
}

#[derive(Debug, Default)]
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
    /// As of the last write: records carry it whole, writes only when it changes.
    hard_state: HardState,
    /// The writes that are not durable yet, in order. The log counts records since the file began, and an
    /// implementation counts writes since its machine booted.
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
            Progress::Open(wal, contents) => {
                let Contents { hard_state, commit, log, end: _, next_number: _, chain: _, torn_len: _ } =
                    contents;
                self.state = State::Open(OpenLog { wal, hard_state, pending: VecDeque::new() });
                Ok(StoreEvent::Recovered(Recovered { hard_state, commit, log }))
            }
        }
    }
}

impl OpenLog {
    fn append(&mut self, write: &Persist, disk: &mut DiskQueue) {
        let Persist { number: write_number, hard_state, commit, entries } = write;
        let hard_state = hard_state.unwrap_or(self.hard_state);
        let record = Record { hard_state, commit: *commit, entries: entries.clone() };
        match self.wal.append(&record, |request| disk.submit(request)) {
            Ok(record_number) => {
                self.hard_state = hard_state;
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
        let durable = self.wal.complete(id, result, |request| disk.submit(request))?;
        let Some(durable) = durable else { return Ok(StoreEvent::Pending) };
        let covered = self.pending.iter().take_while(|write| write.record_number <= durable).count();
        let last = self.pending.drain(..covered).next_back();
        Ok(last.map_or(StoreEvent::Pending, |write| StoreEvent::Durable(write.write_number)))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use raft_core::{Entry, EntryId, LogIndex, LogSlice, NodeId, Payload, Term};
    use raft_wal::disk::{DiskError, FileName, Request, Response};

    use super::*;

    /// A store on a disk of one file, which answers in order and forgets nothing.
    #[derive(Default)]
    struct Machine {
        store: WalStore,
        queue: DiskQueue,
        file: Vec<u8>,
        open: VecDeque<(RequestId, Request)>,
    }

    impl Machine {
        /// Boots on the file that an earlier incarnation left.
        fn boot(file: Vec<u8>) -> (Self, StoreEvent) {
            let mut machine = Self { file, ..Self::default() };
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
                Request::Read { file: _ } => Response::Read(Bytes::from(self.file.clone())),
                Request::Write { file: _, offset, bytes } => {
                    let (start, end) = (offset as usize, offset as usize + bytes.len());
                    self.file.resize(self.file.len().max(end), 0);
                    self.file[start..end].copy_from_slice(&bytes);
                    Response::Written
                }
                Request::Sync { file: _ } => Response::Synced,
            };
            Some((id, Ok(response)))
        }
    }

    fn vote(number: u64) -> Persist {
        let hard_state = Some(HardState::recovered(Term(2), NodeId::new(3)));
        Persist { number, hard_state, commit: LogIndex(0), entries: None }
    }

    fn entries(number: u64) -> Persist {
        let entry = |payload| Entry { term: Term(2), payload };
        let entries = vec![entry(Payload::Noop), entry(Payload::Command(Bytes::from_static(b"x=1")))];
        let entries = LogSlice::new(EntryId::ORIGIN, entries).expect("equal terms");
        Persist { number, hard_state: None, commit: LogIndex(1), entries: Some(entries) }
    }

    #[test]
    fn an_empty_disk_recovers_nothing() {
        let (_, event) = Machine::boot(Vec::new());
        let nothing = Recovered {
            hard_state: HardState::default(),
            commit: LogIndex(0),
            log: LogSlice::empty(EntryId::ORIGIN),
        };
        assert_eq!(event, StoreEvent::Recovered(nothing));
    }

    /// Each incarnation counts its writes anew, with gaps if it likes, and the file goes on.
    #[test]
    fn what_was_written_is_recovered_by_the_next_incarnations() {
        let (mut machine, _) = Machine::boot(Vec::new());
        machine.append(&vote(1));
        assert_eq!(machine.run(), [StoreEvent::Durable(1)]);

        let (mut machine, event) = Machine::boot(machine.file);
        let StoreEvent::Recovered(recovered) = event else { panic!("not recovered: {event:?}") };
        assert_eq!(Some(recovered.hard_state), vote(1).hard_state);
        machine.append(&entries(1));
        assert_eq!(machine.run(), [StoreEvent::Durable(1)]);
        let hard_state = HardState::recovered(Term(4), NodeId::new(1));
        machine.append(&Persist {
            number: 4,
            hard_state: Some(hard_state),
            commit: LogIndex(1),
            entries: None,
        });
        machine.append(&Persist { commit: LogIndex(2), entries: None, ..entries(7) });
        assert_eq!(machine.run(), [StoreEvent::Durable(4), StoreEvent::Durable(7)]);

        let (_, event) = Machine::boot(machine.file);
        let log = entries(1).entries.expect("it has entries");
        assert_eq!(event, StoreEvent::Recovered(Recovered { hard_state, commit: LogIndex(2), log }));
    }

    #[test]
    fn writes_in_flight_become_durable_in_order() {
        let (mut machine, _) = Machine::boot(Vec::new());
        for number in [2, 3, 5] {
            machine.append(&vote(number));
        }
        assert_eq!(machine.run(), [StoreEvent::Durable(2), StoreEvent::Durable(5)]);
    }

    #[test]
    fn nothing_is_recovered_before_the_sync() {
        let mut machine = Machine::default();
        machine.store.open(&mut machine.queue);
        let (id, result) = machine.answer().expect("the file is read");
        assert_eq!(machine.store.complete(id, result, &mut machine.queue), Ok(StoreEvent::Pending));
        let (id, result) = machine.answer().expect("the file is synced");
        assert_eq!(result, Ok(Response::Synced));
        let event = machine.store.complete(id, result, &mut machine.queue);
        assert!(matches!(event, Ok(StoreEvent::Recovered(_))), "{event:?}");
    }

    #[test]
    fn a_disk_that_fails_stops_the_store() {
        let (mut machine, _) = Machine::boot(Vec::new());
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
        let (mut machine, _) = Machine::boot(Vec::new());
        for write in [vote(1), entries(2)] {
            machine.append(&write);
            machine.run();
        }
        machine.file[32] ^= 1;
        let mut next = Machine { file: machine.file, ..Machine::default() };
        next.store.open(&mut next.queue);
        let (id, result) = next.answer().expect("the file is read");
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
        let (mut machine, _) = Machine::boot(Vec::new());
        let entries = Some(LogSlice::empty(EntryId::new(2, 2)));
        machine.append(&Persist { entries, ..vote(1) });
    }
}

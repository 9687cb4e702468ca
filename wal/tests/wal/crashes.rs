//! A log under power failures and kills, between any two requests of its own.

use std::{cell::Cell, collections::BTreeMap, env};

use crate::support::{Fate, Pick, State, TestDisk, in_term, snapshot};
use bytes::Bytes;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use raft_core::{EntryId, LogIndex, LogSlice, Term};
use raft_wal::{
    Beginning, BlockingWal, Completed, Contents, FileDisk, LogFile, Opening, Progress, Record, Wal,
    disk::{Disk, DiskResult, FileName, Request, RequestId, Response},
};

/// What the server is doing.
#[derive(Debug)]
enum Phase {
    Opening(Opening),
    Open(Wal),
}

/// A server with its disk, and what it should hold.
#[derive(Debug)]
struct Server {
    disk: TestDisk,
    phase: Phase,
    /// What the log holds after none of its records, after the first, and so on, by their numbers. When the log moves
    /// to its other file numbers may be left out.
    states: BTreeMap<u64, State>,
    /// Up to which record it was reported durable.
    durable: u64,
    /// Moves to the other file that became durable.
    moves: u64,
    /// How often the other file began with a move that was torn, and with zeros that may hide one.
    torn: u64,
    cleared: u64,
}

impl Server {
    fn boot(mut disk: TestDisk, states: BTreeMap<u64, State>) -> Self {
        let opening = Opening::start(|request| disk.submit(request));
        Self { disk, phase: Phase::Opening(opening), states, durable: 0, moves: 0, torn: 0, cleared: 0 }
    }

    fn new() -> Self {
        Self::boot(TestDisk::default(), BTreeMap::from([(0, State::default())]))
    }

    fn state(&self) -> State {
        self.states.values().next_back().expect("the first state was there").clone()
    }

    /// Notes what a record makes of the log.
    fn written(&mut self, number: u64, state: State) {
        let last = *self.states.keys().next_back().expect("the first state was there");
        assert!(last < number, "{number} after {last}");
        self.states.insert(number, state);
    }

    fn append(&mut self, pick: Pick) {
        let state = self.state();
        self.append_record(&state.record(pick));
    }

    fn append_record(&mut self, record: &Record) {
        let Phase::Open(wal) = &mut self.phase else { return };
        let number = wal.append(record, |request| self.disk.submit(request)).expect("the record fits");
        let state = self.state().after(record);
        self.written(number, state);
    }

    /// Begins to save a snapshot of an entry in the log, or of a later one that the log does not hold.
    fn save_snapshot(&mut self, place: usize) {
        let state = self.state();
        let Phase::Open(wal) = &mut self.phase else { return };
        let (meta, bytes) = snapshot(snapshot_end(&state, place));
        wal.save_snapshot(meta.last, &bytes, |request| self.disk.submit(request)).expect("the disk is well");
    }

    /// Names the snapshot that has just been saved, if it still fits; in the place of the log if that lacks its last entry.
    fn name_snapshot(&mut self, last: EntryId) {
        let state = self.state();
        let Phase::Open(wal) = &mut self.phase else { return };
        let named = wal.saved_snapshot(&snapshot(last).0).expect("it is saved");
        let in_log = (0..=state.entries.len()).any(|place| state.id_at(place) == last);
        let is_later = state.snapshot.is_none_or(|before| before.index < last.index);
        let Record { hard_state, commit, .. } = state.record(Pick { kind: 1, place: 0, len: 0 });
        let snapshot = Some(named);
        if in_log && is_later {
            self.append_record(&Record { hard_state, commit, snapshot, entries: None });
        } else if state.id_at(state.entries.len()).index < last.index {
            let entries = Some(LogSlice::empty(last));
            self.append_record(&Record { hard_state, commit, snapshot, entries });
        } else {
            wal.discard_snapshot(last);
        }
    }

    /// Leaves out entries that the snapshot covers, if there are any.
    fn compact(&mut self, place: usize) {
        let state = self.state();
        let Phase::Open(wal) = &mut self.phase else { return };
        let covered = state.covered();
        if covered == 0 {
            return;
        }
        let to = LogIndex(state.base.index.0 + 1 + place as u64 % covered);
        let moved = wal.compact(to, |request| self.disk.submit(request)).expect("the snapshot covers it");
        if let Some(number) = moved {
            self.written(number, state.compacted(to));
        }
    }

    fn answer(&mut self, choice: usize) {
        let Some((id, result)) = self.disk.answer(choice) else { return };
        let disk = &mut self.disk;
        match &mut self.phase {
            Phase::Opening(opening) => {
                let progress = opening.clone().complete(id, result, |request| disk.submit(request));
                match progress.expect("nothing durable was lost") {
                    Progress::Pending(pending) => *opening = pending,
                    Progress::Open { wal, contents, snapshot } => {
                        self.phase = Phase::Open(wal);
                        self.take_recovered(&contents, snapshot);
                    }
                }
            }
            Phase::Open(wal) => {
                match wal.complete(id, result, |request| disk.submit(request)).expect("the disk is well") {
                    Completed::Nothing => (),
                    Completed::Records(number) => {
                        assert!(self.durable < number && self.states.contains_key(&number));
                        let bases = |number: &u64| self.states[number].base.index;
                        self.moves += u64::from(bases(&self.durable) < bases(&number));
                        self.durable = number;
                    }
                    Completed::Snapshot(last) => self.name_snapshot(last),
                }
            }
        }
    }

    fn take_recovered(&mut self, contents: &Contents, bytes: Option<Bytes>) {
        let recovered = contents.next_number - 1;
        self.torn += u64::from(contents.other == Beginning::Torn);
        self.cleared += u64::from(contents.other == Beginning::Cleared);
        assert!(self.durable <= recovered, "{} were durable, {recovered} are left", self.durable);
        assert_eq!(State::from(contents), self.states[&recovered], "after {recovered} records");
        let expected = contents.snapshot().map(|named| snapshot(named.meta.last).1);
        assert_eq!(bytes.map(|bytes| bytes.to_vec()), expected);
        self.states.retain(|number, _| *number <= recovered);
        self.durable = recovered;
    }

    fn reboot(self) -> Self {
        let Self { disk, phase: _, states, durable, moves, torn, cleared } = self;
        Self { durable, moves, torn, cleared, ..Self::boot(disk, states) }
    }

    /// Answers all that is open, and what follows from it.
    fn settle(mut self) -> Self {
        for _ in 0..200 {
            self.answer(0);
        }
        assert_eq!(Some(&self.durable), self.states.keys().next_back(), "all is durable in the end");
        self
    }
}

/// The entry at this place of the log, or one behind its end.
fn snapshot_end(state: &State, place: usize) -> EntryId {
    let len = state.entries.len();
    let beyond = (place % (len + 2)).saturating_sub(len) as u64;
    let EntryId { term, index } = state.id_at((place % (len + 2)).min(len));
    EntryId { term: term.max(Term(1)), index: LogIndex(index.0 + 3 * beyond) }
}

#[derive(Clone, Debug)]
enum Op {
    Append(Pick),
    Answer(usize),
    Snapshot(usize),
    Compact(usize),
    FailPower(Vec<Fate>),
    Kill(Vec<Fate>),
}

fn op() -> impl Strategy<Value = Op> {
    let fates = || vec(prop::sample::select(&Fate::ALL[..]), 1..12);
    // Few different records, so that often a record equals one that was lost.
    let pick = (0..6_u8, 0..4_u8, 0..8_u8).prop_map(|(kind, place, len)| Pick { kind, place, len });
    prop_oneof![
        5 => pick.prop_map(Op::Append),
        16 => (0..3_usize).prop_map(Op::Answer),
        2 => (0..9_usize).prop_map(Op::Snapshot),
        3 => (0..9_usize).prop_map(Op::Compact),
        1 => fates().prop_map(Op::FailPower),
        1 => fates().prop_map(Op::Kill),
    ]
}

fn run(ops: Vec<Op>) -> Server {
    let mut server = Server::new();
    for op in ops {
        match op {
            Op::Append(pick) => server.append(pick),
            Op::Answer(choice) => server.answer(choice),
            Op::Snapshot(place) => server.save_snapshot(place),
            Op::Compact(place) => server.compact(place),
            Op::FailPower(fates) => {
                let mut fates = fates.iter().copied().cycle();
                server.disk.fail_power(|| fates.next().unwrap_or(Fate::Lost));
                server = server.reboot();
            }
            Op::Kill(fates) => {
                let mut fates = fates.iter().copied().cycle();
                server.disk.kill(|| fates.next().unwrap_or(Fate::Lost));
                server = server.reboot();
            }
        }
    }
    server
}

/// What is durable survives, and what is lost stays lost. Where snapshots are saved and named, and the log moves from
/// file to file, power failures and kills strike between any two requests.
#[test]
fn what_is_durable_survives_and_what_is_lost_stays_lost() {
    // The same histories every time: what fails once fails again. `WAL_SEED` names others.
    let seed = env::var("WAL_SEED").map_or(1, |seed| seed.parse().expect("WAL_SEED is a number"));
    let config = ProptestConfig { cases: 2000, rng_seed: RngSeed::Fixed(seed), ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let (moves, torn, cleared) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let held = runner.run(&vec(op(), 0..120), |ops| {
        let server = run(ops).settle().reboot().settle();
        moves.set(moves.get() + server.moves);
        torn.set(torn.get() + server.torn);
        cleared.set(cleared.get() + server.cleared);
        Ok(())
    });
    if let Err(failed) = held {
        panic!("{failed}");
    }
    assert!(500 < moves.get(), "the log moved only {} times", moves.get());
    assert!(5 < torn.get() && 0 < cleared.get(), "{} torn moves, {} cleared", torn.get(), cleared.get());
}

/// Every moment of one history in which a log is given a snapshot and moves to its other file.
#[test]
fn a_move_is_safe_at_every_request_and_every_fate() {
    for choice in [0, 1, 2] {
        for crash_at in 0..40 {
            for fates in (0..256_usize).map(|fates| [0, 2, 4, 6].map(|shift| Fate::ALL[fates >> shift & 3])) {
                let mut server = Server::new().settle();
                server.append(Pick { kind: 3, place: 0, len: 3 });
                server.append(Pick { kind: 3, place: 0, len: 3 });
                server.save_snapshot(2);
                for step in 0..crash_at {
                    if 7 <= step {
                        server.compact(1);
                    }
                    if step == 9 {
                        server.append(Pick { kind: 0, place: 0, len: 0 });
                    }
                    server.answer(choice);
                }
                let mut fates = fates.iter().copied().cycle();
                server.disk.fail_power(|| fates.next().expect("it goes round"));
                server.reboot().settle().reboot().settle();
            }
        }
    }
}

/// A move is torn, and after the restart the same entries move once more, into the same sectors: what the first move has
/// left there and what the second one writes must not make a whole of the first.
#[test]
fn a_move_that_was_torn_is_not_completed_by_another() {
    let fates =
        |kept: usize| (0..4).map(move |sector| if kept >> sector & 1 == 1 { Fate::Kept } else { Fate::Lost });
    for (first, second) in (0..16).flat_map(|first| (0..16).map(move |second| (first, second))) {
        let mut server = Server::new().settle();
        // Of four sectors, most of them filled with a command.
        server.append(Pick { kind: 3, place: 0, len: 27 });
        server.save_snapshot(1);
        let mut server = server.settle();
        for kept in [first, second] {
            // In another term, so that the moves differ in their first sector.
            server.append(Pick { kind: 0, place: 0, len: 0 });
            server = server.settle();
            server.compact(0);
            let mut fates = fates(kept).cycle();
            server.disk.fail_power(|| fates.next().expect("it goes round"));
            server = server.reboot().settle();
        }
        server.reboot().settle();
    }
}

/// The same, where a process clears what the first move has left and dies before it can sync: the next one finds zeros,
/// and must not rely on them.
#[test]
fn a_torn_move_that_was_cleared_in_a_cache_does_not_come_back() {
    let fail_power = |server: &mut Server, fates: &[Fate]| {
        let mut fates = fates.iter().copied().cycle();
        server.disk.fail_power(|| fates.next().expect("it goes round"));
    };
    let (kept, lost) = (Fate::Kept, Fate::Lost);
    let mut server = Server::new().settle();
    server.append(Pick { kind: 3, place: 0, len: 27 });
    server.save_snapshot(1);
    let mut server = server.settle();
    // The two moves differ in nothing but the term, which is in their first sector.
    server.append(Pick { kind: 0, place: 0, len: 0 });
    let mut server = server.settle();
    server.compact(0);
    fail_power(&mut server, &[kept, lost, kept, kept]);
    let mut server = server.reboot();
    // Two logs and a snapshot are read, one is synced, the other is cleared.
    for _ in 0..5 {
        server.answer(0);
    }
    server.disk.kill(|| lost);
    let mut server = server.reboot().settle();
    assert_eq!(server.cleared, 1, "the cache shows zeros");
    server.append(Pick { kind: 0, place: 0, len: 0 });
    let mut server = server.settle();
    server.compact(0);
    // Of the zeros, if they are not durable yet, and of the first sector nothing reaches the disk.
    fail_power(&mut server, &[lost, lost, kept, kept, kept]);
    server.reboot().settle();
}

/// A write to the file that the log has left may still be under way when it could move back. It would come to lie over
/// the new log.
#[test]
fn the_log_does_not_move_into_a_file_that_is_still_written_to() {
    let mut server = Server::new().settle();
    server.append(Pick { kind: 3, place: 0, len: 27 });
    server.save_snapshot(2);
    let mut server = server.settle();
    server.append(Pick { kind: 0, place: 0, len: 0 });
    server.compact(0);
    // The write of the move, its sync, and not the write before it.
    server.answer(1);
    server.answer(1);
    assert_eq!(server.moves, 1, "the log has moved");
    let before = server.states.clone();
    server.compact(0);
    assert_eq!(server.states, before, "it stays where it is");
    let mut server = server.settle();
    server.compact(0);
    assert_eq!(server.settle().moves, 2);
}

/// The case that the zeros are for: a leader sends the same entries again after the restart, so the frame
/// that was lost is written once more, bit by bit, in front of one that was kept.
#[test]
fn a_tail_does_not_come_back_behind_the_same_frame() {
    let pick = |kind| Pick { kind, place: 0, len: 1 };
    let mut server = Server::new().settle();
    server.append(pick(0));
    let mut server = server.settle();
    server.append(pick(3));
    server.append(pick(0));
    let mut fates = [Fate::Lost, Fate::Kept].into_iter();
    server.disk.fail_power(|| fates.next().expect("two sectors"));
    let mut server = server.reboot().settle();
    assert_eq!(server.durable, 1);
    server.append(pick(3));
    let mut server = server.settle();
    server.disk.fail_power(|| Fate::Lost);
    assert_eq!(server.reboot().settle().durable, 2);
}

#[test]
fn a_real_file_is_recovered_and_its_torn_tail_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let open = || BlockingWal::open(FileDisk::open(directory.path()).unwrap());
    let path = directory.path().join(LogFile::First.name());
    let (mut wal, _) = open().unwrap();
    for term in 1..=3 {
        wal.append(&in_term(term)).unwrap();
    }
    let mut file = std::fs::read(&path).unwrap();
    assert_eq!(file.len(), 3 * 512);
    file[2 * 512 + 33] ^= 1;
    std::fs::write(&path, &file).unwrap();
    let (mut wal, contents) = open().unwrap();
    assert_eq!((contents.hard_state(), contents.torn_len), (in_term(2).hard_state, 34));
    assert_eq!(std::fs::read(&path).unwrap()[2 * 512..], [0; 512]);
    wal.append(&in_term(4)).unwrap();
    let (_, contents) = open().unwrap();
    assert_eq!((contents.hard_state(), contents.next_number), (in_term(4).hard_state, 4));

    let mut file = std::fs::read(&path).unwrap();
    file[33] ^= 1;
    std::fs::write(&path, &file).unwrap();
    let refused = open().map(|(_, contents)| contents).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the frame at offset 0 is damaged or lost: the one at 512 was written when everything before 512 was durable"
    );
    assert_eq!(std::fs::read(&path).unwrap(), file, "a file that is refused is left alone");
}

/// A disk that lets its user wait, and whose syncs may fail.
#[derive(Debug, Default)]
struct SlowDisk {
    open: Vec<(RequestId, Request)>,
    polls: u64,
    fails: bool,
}

impl Disk for SlowDisk {
    fn submit(&mut self, id: RequestId, request: Request) {
        self.open.push((id, request));
    }

    fn poll(&mut self) -> Option<(RequestId, DiskResult)> {
        self.polls += 1;
        if !self.polls.is_multiple_of(5) {
            return None;
        }
        let (id, request) = self.open.pop()?;
        let result = match request {
            Request::Read { .. } => Ok(Response::Read(Bytes::new())),
            Request::Write { .. } => {
                self.fails = true;
                Ok(Response::Written)
            }
            Request::Sync { .. } if self.fails => Err(raft_wal::disk::DiskError {
                operation: "sync",
                file: FileName::from("log.0"),
                reason: "worn out".into(),
            }),
            Request::Sync { .. } => Ok(Response::Synced),
        };
        Some((id, result))
    }
}

#[test]
fn a_blocking_log_waits_for_its_disk_and_fails_with_it() {
    let (mut wal, contents) = BlockingWal::open(SlowDisk::default()).unwrap();
    assert_eq!(contents, Contents::default());
    let failure = wal.append(&in_term(1)).unwrap_err();
    assert_eq!(wal.append(&in_term(1)), Err(failure), "it does not try again");
}

//! A log under power failures and kills, between any two requests of its own.

use crate::support::{Fate, Pick, State, TestDisk, in_term};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use raft_wal::{
    BlockingWal, Contents, FileDisk, LOG_FILE, Opening, Progress, Wal,
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
    /// What the log holds after none of its records, after the first, and so on.
    states: Vec<State>,
    /// How many records were reported durable.
    durable: usize,
}

impl Server {
    fn boot(mut disk: TestDisk, states: Vec<State>, durable: usize) -> Self {
        let opening = Opening::start(|request| disk.submit(request));
        Self { disk, phase: Phase::Opening(opening), states, durable }
    }

    fn new() -> Self {
        Self::boot(TestDisk::default(), vec![State::default()], 0)
    }

    fn append(&mut self, pick: Pick) {
        let Phase::Open(wal) = &mut self.phase else { return };
        let state = self.states.last().expect("the first state was there");
        let record = state.record(pick);
        let number = wal.append(&record, |request| self.disk.submit(request)).expect("the record fits");
        assert_eq!(number, self.states.len() as u64);
        self.states.push(state.after(&record));
    }

    fn answer(&mut self, choice: usize) {
        let Some((id, result)) = self.disk.answer(choice) else { return };
        let disk = &mut self.disk;
        match &mut self.phase {
            Phase::Opening(opening) => {
                let progress = opening.clone().complete(id, result, |request| disk.submit(request));
                match progress.expect("nothing durable was lost") {
                    Progress::Pending(pending) => *opening = pending,
                    Progress::Open(wal, contents) => {
                        self.phase = Phase::Open(wal);
                        self.take_recovered(&contents);
                    }
                }
            }
            Phase::Open(wal) => {
                let durable =
                    wal.complete(id, result, |request| disk.submit(request)).expect("the disk is well");
                if let Some(number) = durable {
                    let number = number as usize;
                    assert!(self.durable < number && number < self.states.len());
                    self.durable = number;
                }
            }
        }
    }

    fn take_recovered(&mut self, contents: &Contents) {
        let recovered = contents.next_number as usize - 1;
        assert!(self.durable <= recovered, "{} were durable, {recovered} are left", self.durable);
        assert_eq!(State::from(contents), self.states[recovered], "after {recovered} records");
        self.states.truncate(recovered + 1);
        self.durable = recovered;
    }

    fn reboot(self) -> Self {
        Self::boot(self.disk, self.states, self.durable)
    }

    /// Answers all that is open, and what follows from it.
    fn settle(mut self) -> Self {
        for _ in 0..100 {
            self.answer(0);
        }
        assert_eq!(self.durable + 1, self.states.len(), "all is durable in the end");
        self
    }
}

#[derive(Clone, Debug)]
enum Op {
    Append(Pick),
    Answer(usize),
    FailPower(Vec<Fate>),
    Kill(Vec<Fate>),
}

fn op() -> impl Strategy<Value = Op> {
    let fates = || vec(prop::sample::select(&Fate::ALL[..]), 1..12);
    // Few different records, so that often a record equals one that was lost.
    let pick = (0..6_u8, 0..4_u8, 0..8_u8).prop_map(|(kind, place, len)| Pick { kind, place, len });
    prop_oneof![
        4 => pick.prop_map(Op::Append),
        8 => (0..3_usize).prop_map(Op::Answer),
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_durable_survives_and_what_is_lost_stays_lost(ops in vec(op(), 0..80)) {
        run(ops).settle().reboot().settle();
    }
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
    let path = directory.path().join(LOG_FILE);
    let (mut wal, _) = open().unwrap();
    for term in 1..=3 {
        wal.append(&in_term(term)).unwrap();
    }
    let mut file = std::fs::read(&path).unwrap();
    assert_eq!(file.len(), 3 * 512);
    file[2 * 512 + 33] ^= 1;
    std::fs::write(&path, &file).unwrap();
    let (mut wal, contents) = open().unwrap();
    assert_eq!((contents.hard_state, contents.torn_len), (in_term(2).hard_state, 34));
    assert_eq!(std::fs::read(&path).unwrap()[2 * 512..], [0; 512]);
    wal.append(&in_term(4)).unwrap();
    let (_, contents) = open().unwrap();
    assert_eq!((contents.hard_state, contents.next_number), (in_term(4).hard_state, 4));

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
                file: FileName::from(LOG_FILE),
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

//! Tests of the simulated disk.

use super::*;
use crate::chance::{Decider, DecisionLog, Random, Recorded};

const MACHINE: u64 = 1;
const UNSYNCED: Site = Site::of(labels::DISK_UNSYNCED, MACHINE);
const IN_FLIGHT: Site = Site::of(labels::DISK_IN_FLIGHT, MACHINE);
const TEAR: Site = Site::of(labels::DISK_TEAR, MACHINE);

fn log() -> FileName {
    FileName::from("log")
}

fn write(offset: u64, bytes: Vec<u8>) -> Request {
    Request::Write { file: log(), offset, bytes: bytes.into() }
}

fn sync() -> Request {
    Request::Sync { file: log() }
}

/// So many sectors full of one byte.
fn sectors(count: usize, byte: u8) -> Vec<u8> {
    vec![byte; count * SECTOR_BYTES as usize]
}

fn quiet() -> Door {
    Door::new(Recorded::quiet())
}

/// A door that decides as told, and otherwise the mildest way.
fn deciding(decisions: &[(Site, u64, u64)]) -> Door {
    let mut log = DecisionLog::default();
    for (site, ordinal, choice) in decisions {
        log.set(*site, *ordinal, *choice);
    }
    Door::new(Recorded::new(log))
}

/// A disk, and the counting of its requests.
#[derive(Clone)]
struct Bench {
    disk: SectorDisk,
    last_id: u64,
}

impl Bench {
    fn new() -> Self {
        Self { disk: SectorDisk::new(DiskOptions::default()), last_id: 0 }
    }

    fn submit(&mut self, request: Request) -> RequestId {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.disk.submit(Time::ZERO, id, request, MACHINE, &mut quiet());
        id
    }

    fn run(&mut self, request: Request) -> Response {
        let id = self.submit(request);
        self.disk.complete(id).unwrap()
    }

    fn lose_power(&mut self, decisions: &[(Site, u64, u64)]) -> CrashReport {
        let report = self.disk.crash(true, MACHINE, &mut deciding(decisions));
        assert_eq!(self.disk.durable(&log()), self.disk.cached(&log()));
        assert_eq!(self.disk.unsynced_bytes(), 0);
        assert!(!self.disk.has_open_requests());
        report
    }
}

#[test]
fn a_write_is_read_once_it_completes_and_durable_once_it_is_synced() {
    let mut bench = Bench::new();
    let id = bench.submit(write(0, vec![7; 700]));
    assert!(bench.disk.has_open_requests());
    assert!(bench.disk.cached(&log()).is_empty());
    assert_eq!(bench.disk.complete(id), Ok(Response::Written));
    assert_eq!((bench.disk.cached(&log()), bench.disk.durable(&log())), (&[7; 700][..], &[][..]));
    assert_eq!(bench.disk.unsynced_bytes(), 700);
    assert_eq!(bench.run(Request::Read { file: log() }), Response::Read(vec![7; 700].into()));
    assert_eq!(bench.run(sync()), Response::Synced);
    assert_eq!(bench.disk.durable(&log()), [7; 700]);
    assert_eq!(bench.disk.unsynced_bytes(), 0);
}

#[test]
fn a_file_that_does_not_exist_reads_as_empty() {
    let mut bench = Bench::new();
    assert!(bench.disk.durable(&log()).is_empty());
    assert_eq!(bench.run(Request::Read { file: log() }), Response::Read(Bytes::new()));
}

#[test]
fn a_gap_reads_as_zeros() {
    let mut bench = Bench::new();
    bench.run(write(600, vec![7]));
    assert_eq!(bench.disk.cached(&log())[..600], [0; 600]);
    bench.run(sync());
    assert_eq!(bench.disk.durable(&log()), bench.disk.cached(&log()));
    bench.run(write(5_000, Vec::new()));
    assert_eq!(bench.disk.cached(&log()).len(), 601);
}

#[test]
fn a_sync_covers_no_write_that_completes_after_its_submission() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(1, 1)));
    let late = bench.submit(write(512, sectors(1, 2)));
    let sync = bench.submit(sync());
    bench.disk.complete(late).unwrap();
    bench.disk.complete(sync).unwrap();
    assert_eq!(bench.disk.durable(&log()), sectors(1, 1));
    assert_eq!(bench.disk.unsynced_bytes(), 512);
}

#[test]
fn a_sync_covers_what_a_later_write_replaced_in_the_cache() {
    let mut bench = Bench::new();
    bench.run(write(0, vec![1; 600]));
    let replacing = bench.submit(write(0, vec![2; 1_024]));
    let sync = bench.submit(sync());
    bench.disk.complete(replacing).unwrap();
    bench.disk.complete(sync).unwrap();
    assert_eq!(bench.disk.durable(&log()), [1; 600]);
    assert_eq!(bench.disk.cached(&log()), [2; 1_024]);
    assert_eq!(bench.disk.unsynced_bytes(), 1_024);
}

#[test]
fn requests_to_one_file_complete_in_order_and_files_are_independent() {
    let options = DiskOptions {
        latency_min: Span::from_micros(10),
        latency_mean: Span::from_micros(100),
        ..DiskOptions::default()
    };
    let mut disk = SectorDisk::new(options);
    let mut door = Door::new(Random::new(4));
    let mut submit = |id: u64, file: &str| {
        let file = FileName::from(file);
        disk.submit(Time::ZERO, RequestId(id), Request::Sync { file }, MACHINE, &mut door)
    };
    let log = (0..50).map(|id| submit(id, "log")).collect::<Vec<_>>();
    let others = (50..100).map(|id| submit(id, &id.to_string())).collect::<Vec<_>>();
    assert!(log.is_sorted_by(|earlier, later| earlier < later), "{log:?}");
    assert!(!others.is_sorted());
    assert!(Time(10_000) <= log[0] && others.iter().all(|time| Time(10_000) <= *time));
}

#[test]
#[should_panic(expected = "in the order of their submission")]
fn nothing_overtakes_in_one_file() {
    let mut bench = Bench::new();
    bench.submit(write(0, vec![1]));
    let sync = bench.submit(sync());
    let _ = bench.disk.complete(sync);
}

#[test]
fn a_write_beyond_the_largest_file_fails() {
    let mut bench = Bench::new();
    for offset in [MAX_FILE_BYTES, u64::MAX] {
        let id = bench.submit(write(offset, vec![1]));
        let error = bench.disk.complete(id).unwrap_err();
        assert_eq!((error.operation, error.file), ("write", log()));
        assert!(error.reason.contains("no space left"), "{}", error.reason);
    }
    bench.submit(write(u64::MAX, vec![1]));
    let report = bench.lose_power(&[(IN_FLIGHT, 0, 1)]);
    assert_eq!((report.requests_abandoned, report.sectors_arrived), (1, 0));
}

#[test]
fn a_crash_of_the_process_keeps_what_completed_and_nothing_else() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(2, 1)));
    bench.submit(write(0, sectors(2, 2)));
    bench.submit(sync());
    let report = bench.disk.crash(false, MACHINE, &mut Door::new(Random::new(1)));
    assert_eq!(report, CrashReport { requests_abandoned: 2, ..CrashReport::default() });
    assert_eq!((bench.disk.cached(&log()), bench.disk.durable(&log())), (&sectors(2, 1)[..], &[][..]));
    assert!(!bench.disk.has_open_requests());
    let report = bench.lose_power(&[(UNSYNCED, 0, 1), (UNSYNCED, 1, 1)]);
    assert_eq!(report.bytes_lost, 1_024, "it was still not durable");
    assert_eq!(bench.run(sync()), Response::Synced);
}

#[test]
fn the_mildest_loss_of_power_keeps_what_completed_and_nothing_under_way() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(3, 1)));
    bench.submit(write(0, sectors(4, 2)));
    let report = bench.lose_power(&[]);
    assert_eq!(report, CrashReport { requests_abandoned: 1, sectors_kept: 3, ..CrashReport::default() });
    assert_eq!(bench.disk.durable(&log()), sectors(3, 1));
}

#[test]
fn each_unsynced_sector_is_kept_lost_or_torn() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(3, 1)));
    bench.run(sync());
    bench.run(write(512, sectors(4, 2)));
    // Sector 1 is lost, 2 torn after 101 bytes, 3 kept, 4 lost.
    let report = bench.lose_power(&[(UNSYNCED, 0, 1), (UNSYNCED, 1, 2), (TEAR, 0, 100), (UNSYNCED, 3, 1)]);
    let expected = CrashReport {
        bytes_lost: 512 + 411 + 512,
        sectors_lost: 2,
        sectors_torn: 1,
        sectors_mixed: 1,
        sectors_kept: 1,
        ..CrashReport::default()
    };
    assert_eq!(report, expected);
    let image = [sectors(2, 1), vec![2; 101], vec![1; 411], sectors(1, 2)].concat();
    assert_eq!(bench.disk.durable(&log()), image);
}

#[test]
fn a_lost_sector_before_a_kept_one_is_zero_and_a_lost_end_is_absent() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(4, 3)));
    let report = bench.lose_power(&[(UNSYNCED, 0, 1), (UNSYNCED, 2, 1), (UNSYNCED, 3, 1)]);
    assert_eq!((report.sectors_lost, report.bytes_lost), (3, 3 * 512));
    assert_eq!(bench.disk.durable(&log()), [sectors(1, 0), sectors(1, 3)].concat());
}

#[test]
fn a_lost_sector_that_was_rewritten_alike_costs_nothing() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(1, 3)));
    bench.run(sync());
    bench.run(write(0, sectors(1, 3)));
    let report = bench.lose_power(&[(UNSYNCED, 0, 1)]);
    assert_eq!((report.sectors_lost, report.bytes_lost), (1, 0));
}

#[test]
fn a_tear_that_nobody_can_see_has_mixed_nothing() {
    let mut bench = Bench::new();
    bench.run(write(0, [vec![1; 256], vec![2; 256]].concat()));
    bench.run(sync());
    for (rewritten, mixed) in [
        ([vec![3; 256], vec![2; 256]].concat(), 0),
        ([vec![1; 256], vec![3; 256]].concat(), 0),
        (vec![3; 512], 1),
    ] {
        let mut bench = bench.clone();
        bench.run(write(0, rewritten));
        let report = bench.lose_power(&[(UNSYNCED, 0, 2), (TEAR, 0, 255)]);
        assert_eq!((report.sectors_torn, report.sectors_mixed), (1, mixed));
    }
}

#[test]
fn a_write_under_way_may_be_there_in_part() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(1, 1)));
    bench.run(sync());
    bench.submit(write(256, vec![2; 1_500]));
    // The half of sector 0 arrives, sector 1 does not, sector 2 is torn after 10 bytes, sector 3 stays
    // out.
    let report = bench.lose_power(&[(IN_FLIGHT, 0, 1), (IN_FLIGHT, 2, 2), (TEAR, 0, 9)]);
    assert_eq!((report.sectors_arrived, report.sectors_torn, report.bytes_lost), (1, 1, 0));
    let image = [vec![1; 256], vec![2; 256], sectors(1, 0), vec![2; 10]].concat();
    assert_eq!(bench.disk.durable(&log()), image);
}

#[test]
fn what_is_switched_off_never_happens() {
    struct Largest;
    impl Decider for Largest {
        fn decide(&mut self, _: Site, _: u64, bound: u64) -> u64 {
            bound - 1
        }
    }
    for (lose, tear) in [(false, false), (true, false), (false, true)] {
        let mut bench = Bench::new();
        bench.disk.set_options(DiskOptions { lose, tear, ..DiskOptions::default() });
        bench.run(write(0, sectors(2, 1)));
        bench.submit(write(1_024, sectors(2, 2)));
        let report = bench.disk.crash(true, MACHINE, &mut Door::new(Largest));
        assert_eq!(report.sectors_lost, if lose { 2 } else { 0 });
        assert_eq!(report.sectors_arrived, if lose { 2 } else { 0 });
        assert_eq!(report.sectors_torn, if tear { 4 } else { 0 });
        assert_eq!(report.sectors_kept, if lose || tear { 0 } else { 2 });
    }
}

/// Draws small numbers to drive a test.
struct Draws(Door);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.choose(Site::global(labels::EVENT_TIE), bound)
    }

    fn write(&mut self) -> Request {
        let (offset, len, byte) = (self.below(6_000), self.below(3_000), self.below(255) as u8 + 1);
        write(offset, vec![byte; len as usize])
    }
}

/// Against a judge that copies the whole file: what a sync makes durable is what the cache was when it
/// was submitted, and a loss of power leaves of each byte the durable or the cached value.
#[test]
fn a_disk_agrees_with_whole_copies() {
    for seed in 0..200 {
        let mut draws = Draws(Door::new(Random::new(seed)));
        let mut bench = Bench::new();
        let mut open = VecDeque::new();
        for _ in 0..60 {
            match draws.below(4) {
                0 => open.push_back((bench.submit(draws.write()), None)),
                1 => open.push_back((bench.submit(sync()), Some(bench.disk.cached(&log()).to_vec()))),
                _ => {
                    let Some((id, covered)) = open.pop_front() else { continue };
                    bench.disk.complete(id).unwrap();
                    if let Some(covered) = covered {
                        assert!(bench.disk.durable(&log()) == covered, "seed {seed}");
                    }
                }
            }
        }
        let [durable, cached] = [bench.disk.durable(&log()), bench.disk.cached(&log())].map(<[u8]>::to_vec);
        bench.disk.crash(false, MACHINE, &mut quiet());
        bench.disk.crash(true, MACHINE, &mut draws.0);
        let at = |image: &[u8], place: usize| image.get(place).copied().unwrap_or(0);
        let surviving = bench.disk.durable(&log());
        assert!(durable.len() <= surviving.len() && surviving.len() <= cached.len(), "seed {seed}");
        for (place, byte) in surviving.iter().enumerate() {
            assert!([at(&durable, place), at(&cached, place)].contains(byte), "seed {seed}, byte {place}");
        }
    }
}

#[test]
fn an_operation_that_is_to_fail_fails_once_and_has_no_effect() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(1, 1)));
    for (operation, request) in [
        (DiskOperation::Write, write(0, sectors(1, 2))),
        (DiskOperation::Sync, sync()),
        (DiskOperation::Read, Request::Read { file: log() }),
    ] {
        let fault = DiskFault::Fail(operation);
        assert!(bench.disk.order(fault) && bench.disk.waits(fault), "{operation:?}");
        assert!(!bench.disk.order(fault), "{operation:?} waits already");
        let id = bench.submit(request);
        let error = bench.disk.complete(id).unwrap_err();
        assert_eq!((error.operation, error.file), (operation.name(), log()));
        assert!(!bench.disk.waits(fault), "{operation:?}");
        assert_eq!(bench.disk.cached(&log()), sectors(1, 1));
        assert_eq!(bench.disk.durable(&log()), [0_u8; 0]);
    }
    assert_eq!(bench.run(sync()), Response::Synced);
    assert_eq!(bench.disk.durable(&log()), sectors(1, 1));
}

#[test]
fn a_full_disk_takes_nothing_that_makes_a_file_grow() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(1, 1)));
    assert!(!bench.disk.make_room(), "there is room");
    assert!(bench.disk.order(DiskFault::Full));
    assert_eq!(bench.run(write(0, sectors(1, 2))), Response::Written, "it does not grow");
    assert!(bench.disk.waits(DiskFault::Full));
    let id = bench.submit(write(511, vec![3; 2]));
    assert_eq!(bench.disk.complete(id).unwrap_err().reason, "no space left");
    assert!(!bench.disk.waits(DiskFault::Full));
    assert_eq!(bench.disk.cached(&log()), sectors(1, 2));
    assert!(bench.disk.make_room());
    assert_eq!(bench.run(write(511, vec![3; 2])), Response::Written);
}

/// The image after a loss of power that loses nothing by itself, with the last write torn behind so many bytes.
fn torn(tear: u64, prepare: impl FnOnce(&mut Bench)) -> (Vec<u8>, bool) {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(1, 1)));
    bench.run(sync());
    let fault = DiskFault::Tear { bytes: tear };
    bench.disk.order(fault);
    prepare(&mut bench);
    bench.lose_power(&[]);
    (bench.disk.durable(&log()).to_vec(), bench.disk.waits(fault))
}

#[test]
fn of_a_torn_write_so_many_bytes_are_left() {
    let completed = |bench: &mut Bench| {
        bench.run(write(512, sectors(1, 2)));
        bench.run(write(1_024, sectors(3, 3)));
    };
    let (before, third) = ([sectors(1, 1), sectors(1, 2)].concat(), |len| vec![3; len]);
    for tear in [0, 1, 511, 512, 513, 1_535] {
        let expected = [before.clone(), third(tear)].concat();
        assert_eq!(torn(tear as u64, completed), (expected, false), "{tear} bytes");
    }
    let whole = [before.clone(), third(1_536)].concat();
    assert_eq!(torn(1_536, completed), (whole, true), "nothing was cut off");
    let under_way = |bench: &mut Bench| {
        bench.run(write(512, sectors(1, 2)));
        bench.submit(write(1_024, sectors(3, 3)));
    };
    assert_eq!(torn(700, under_way), ([before, third(700)].concat(), false));
    assert_eq!(torn(0, |_| ()), (sectors(1, 1), true), "what is durable is not torn");
}

#[test]
fn a_crash_of_the_process_tears_nothing() {
    let mut bench = Bench::new();
    let fault = DiskFault::Tear { bytes: 1 };
    bench.disk.order(fault);
    bench.run(write(0, sectors(1, 1)));
    bench.disk.crash(false, MACHINE, &mut quiet());
    assert_eq!((bench.disk.cached(&log()), bench.disk.waits(fault)), (sectors(1, 1).as_slice(), true));
}

#[test]
fn rot_shows_in_what_is_read_until_the_sector_is_written_anew() {
    let mut bench = Bench::new();
    bench.run(write(0, sectors(2, 2)));
    bench.run(sync());
    let (bit, sector) = (DiskFault::Rot(Damage::Bit(3)), DiskFault::Rot(Damage::Sector(1)));
    assert!(bench.disk.order(bit) && bench.disk.order(sector) && bench.disk.waits(bit));
    let beyond = DiskFault::Rot(Damage::Bit(1_024));
    bench.disk.order(beyond);
    let mut rotten = [sectors(1, 2), sectors(1, 0)].concat();
    rotten[3] = 3;
    assert_eq!(bench.run(Request::Read { file: log() }), Response::Read(rotten.into()));
    assert_eq!([bit, sector, beyond].map(|fault| bench.disk.waits(fault)), [false, false, true]);
    assert_eq!(bench.disk.durable(&log()), sectors(2, 2), "what is there by rights is untouched");
    bench.run(write(600, vec![2; 1]));
    let mut rotten = sectors(2, 2);
    rotten[3] = 3;
    assert_eq!(bench.run(Request::Read { file: log() }), Response::Read(rotten.into()));
}

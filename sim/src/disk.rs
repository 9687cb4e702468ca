//! The disk of one machine: named files of 512-byte sectors, and what of them outlives a loss of power.
//!
//! It is told the time, decides through the [`Door`], and says when a request completes; whoever drives it
//! calls [`complete`](SectorDisk::complete) then. Every file has two images. The *cached* one is what reads
//! see: a write enters it when it completes. The *durable* one is what survives for sure: a sync copies into
//! it what the writes completed before its submission left in the cache, and nothing more.
//!
//! Invariant: outside its unsynced sectors, the two images of a file are equal.
//!
//! A crash of the process alone leaves the cache to the operating system: what completed is still there,
//! though still not durable. When the power fails as well, each unsynced sector meets a fate of its own, and
//! so does each sector of a write that was under way. Simplified: of several unsynced writes to one sector
//! the last one counts, and what stood there between two of them never comes back.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wavetank_process::{
    Label,
    disk::{DiskError, DiskResult, FileName, Request, RequestId, Response},
};

use crate::{
    chance::{Door, Site, labels},
    time::{Span, Time},
};

/// The bytes of a sector: what the disk writes as a whole, unless the power fails meanwhile.
pub const SECTOR_BYTES: u64 = 512;

/// The largest size of a file. A write beyond it fails, for want of space.
pub const MAX_FILE_BYTES: u64 = 1 << 28;

/// How a disk behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskOptions {
    /// The shortest time that a request takes.
    pub latency_min: Span,
    /// The average time that a request takes, when it is more than the shortest.
    pub latency_mean: Span,
    /// Whether a loss of power may lose unsynced sectors, and leave some sectors of a write that was under
    /// way.
    pub lose: bool,
    /// Whether a loss of power may tear a sector: new up to some byte, old from there on.
    pub tear: bool,
}

impl Default for DiskOptions {
    /// A disk that answers at once, and whose loss of power is as bad as the decider wants it.
    fn default() -> Self {
        Self { latency_min: Span::ZERO, latency_mean: Span::ZERO, lose: true, tear: true }
    }
}

/// What a crash did to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CrashReport {
    /// Requests that were never answered.
    pub requests_abandoned: u64,
    /// Bytes of completed writes that read differently now, or are gone. A crash that loses none has done
    /// nothing.
    pub bytes_lost: u64,
    /// Unsynced sectors that kept what they had before.
    pub sectors_lost: u64,
    /// Sectors that were torn, of completed writes and of those under way.
    pub sectors_torn: u64,
    /// Unsynced sectors that reached the disk nevertheless.
    pub sectors_kept: u64,
    /// Sectors of writes under way that reached the disk as a whole.
    pub sectors_arrived: u64,
}

/// The simulated disk of one machine; see the [module's page](self).
#[derive(Clone, Debug)]
pub struct SectorDisk {
    options: DiskOptions,
    files: BTreeMap<FileName, File>,
    /// Which file each open request is for.
    open: BTreeMap<RequestId, FileName>,
}

impl SectorDisk {
    /// An empty disk.
    pub fn new(options: DiskOptions) -> Self {
        Self { options, files: BTreeMap::new(), open: BTreeMap::new() }
    }

    /// How the disk behaves.
    pub fn options(&self) -> &DiskOptions {
        &self.options
    }

    /// Changes how the disk behaves from now on.
    pub fn set_options(&mut self, options: DiskOptions) {
        self.options = options;
    }

    /// Takes a request and says when it completes. Requests to one file complete in the order of their
    /// submission, each later than the one before.
    ///
    /// # Panics
    /// When a request of this id is open.
    pub fn submit(
        &mut self,
        now: Time,
        id: RequestId,
        request: Request,
        machine: u64,
        door: &mut Door,
    ) -> Time {
        let DiskOptions { latency_min, latency_mean, .. } = self.options;
        let latency = door.latency(Site::of(labels::DISK_LATENCY, machine), latency_min, latency_mean);
        let (name, operation) = match request {
            Request::Read { file } => (file, Operation::Read),
            Request::Write { file, offset, bytes } => (file, Operation::Write { offset, bytes }),
            Request::Sync { file } => (file, Operation::Sync),
        };
        let previous = self.open.insert(id, name.clone());
        assert!(previous.is_none(), "{id:?} is open already, for {previous:?}");
        self.files.entry(name).or_default().submit(id, operation, now + latency)
    }

    /// Carries out a request whose time has come, and answers it.
    ///
    /// # Panics
    /// When no request of this id is open, or an earlier one to the same file still is.
    pub fn complete(&mut self, id: RequestId) -> DiskResult {
        let Some(name) = self.open.remove(&id) else { panic!("{id:?} is not open") };
        let file = self.files.entry(name.clone()).or_default();
        file.complete(id).map_err(|failure| DiskError {
            operation: failure.operation,
            file: name,
            reason: failure.reason,
        })
    }

    /// Stops everything that was under way, and with `power_loss` decides what is left of what was not
    /// durable. Whatever is left then is durable.
    pub fn crash(&mut self, power_loss: bool, machine: u64, door: &mut Door) -> CrashReport {
        let mut report = CrashReport { requests_abandoned: self.open.len() as u64, ..CrashReport::default() };
        self.open.clear();
        for file in self.files.values_mut() {
            if power_loss {
                let mut fates =
                    Fates { options: &self.options, machine, door: &mut *door, report: &mut report };
                file.lose_power(&mut fates);
            }
            file.open.clear();
        }
        report
    }

    /// What of a file survives for sure; empty when there is no such file.
    pub fn durable(&self, file: &FileName) -> &[u8] {
        self.files.get(file).map_or(&[], |file| &file.durable)
    }

    /// What a read of a file sees; empty when there is no such file.
    pub fn cached(&self, file: &FileName) -> &[u8] {
        self.files.get(file).map_or(&[], |file| &file.cached)
    }

    /// How many bytes stand in sectors that were written and not synced since.
    pub fn unsynced_bytes(&self) -> u64 {
        self.files.values().map(File::unsynced_bytes).sum()
    }

    /// Whether any request is under way.
    pub fn has_open_requests(&self) -> bool {
        !self.open.is_empty()
    }
}

/// One file.
#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    /// Never shorter than `durable`.
    cached: Vec<u8>,
    /// The unsynced sectors, each with the number of the last write to it.
    unsynced: BTreeMap<u64, WriteNumber>,
    /// How many writes to the file have completed.
    last_write: WriteNumber,
    /// In the order in which they complete.
    open: VecDeque<OpenRequest>,
}

/// Counts the completed writes to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct WriteNumber(u64);

/// A request under way.
#[derive(Clone, Debug)]
struct OpenRequest {
    id: RequestId,
    completes: Time,
    operation: Operation,
    /// The last write that had completed when the request was submitted: what a sync must cover.
    covers: WriteNumber,
    /// For a sync: what it covers of the sectors that were written again since it was submitted.
    covered: BTreeMap<u64, Vec<u8>>,
}

/// A [`Request`] without its file.
#[derive(Clone, Debug)]
enum Operation {
    Read,
    Write { offset: u64, bytes: Bytes },
    Sync,
}

/// A [`DiskError`] without its file.
struct Failure {
    operation: &'static str,
    reason: String,
}

/// The part of an image that is one sector: short or empty at the image's end.
fn sector(image: &[u8], number: u64) -> &[u8] {
    let start = ((number * SECTOR_BYTES) as usize).min(image.len());
    let end = (start + SECTOR_BYTES as usize).min(image.len());
    &image[start..end]
}

/// Writes into an image, which grows with zeros where needed; by nothing when nothing is written.
fn overwrite(image: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let start = offset as usize;
    let end = start + bytes.len();
    if image.len() <= start {
        image.resize(start, 0);
        image.extend_from_slice(bytes);
        return;
    }
    if image.len() < end {
        image.resize(end, 0);
    }
    image[start..end].copy_from_slice(bytes);
}

/// The sectors from the one with byte `start` to the last one of a write, unless the file would grow too
/// large. A write of nothing touches none.
fn sectors_touched(start: u64, offset: u64, bytes: &[u8]) -> Result<Range<u64>, Failure> {
    let end = offset.saturating_add(bytes.len() as u64);
    if MAX_FILE_BYTES < end {
        let reason = format!("no space left: the file would grow to {end} bytes, over {MAX_FILE_BYTES}");
        return Err(Failure { operation: "write", reason });
    }
    if bytes.is_empty() {
        return Ok(0..0);
    }
    Ok(start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES))
}

impl File {
    fn submit(&mut self, id: RequestId, operation: Operation, completes: Time) -> Time {
        let after_previous = self.open.back().map_or(Time::ZERO, |last| last.completes + Span::from_nanos(1));
        let completes = completes.max(after_previous);
        let covers = self.last_write;
        self.open.push_back(OpenRequest { id, completes, operation, covers, covered: BTreeMap::new() });
        completes
    }

    fn complete(&mut self, id: RequestId) -> Result<Response, Failure> {
        let Some(OpenRequest { id: first, completes: _, operation, covers, covered }) = self.open.pop_front()
        else {
            panic!("{id:?} is not open");
        };
        assert_eq!(first, id, "requests to one file complete in the order of their submission");
        match operation {
            Operation::Read => Ok(Response::Read(Bytes::copy_from_slice(&self.cached))),
            Operation::Write { offset, bytes } => self.write(offset, &bytes),
            Operation::Sync => {
                self.sync(covers, covered);
                Ok(Response::Synced)
            }
        }
    }

    /// Writes into the cache, and zeros between the file's end and a write beyond it.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Response, Failure> {
        let start = offset.min(self.cached.len() as u64);
        let sectors = sectors_touched(start, offset, bytes)?;
        self.save_for_open_syncs(sectors.clone());
        self.last_write.0 += 1;
        for number in sectors {
            self.unsynced.insert(number, self.last_write);
        }
        overwrite(&mut self.cached, offset, bytes);
        Ok(Response::Written)
    }

    /// Keeps aside what the syncs under way are to make durable and a write is about to replace.
    fn save_for_open_syncs(&mut self, sectors: Range<u64>) {
        let syncs = self.open.iter_mut().filter(|open| matches!(open.operation, Operation::Sync));
        for sync in syncs {
            for (number, written) in self.unsynced.range(sectors.clone()) {
                if *written <= sync.covers {
                    sync.covered.insert(*number, sector(&self.cached, *number).to_vec());
                }
            }
        }
    }

    /// Makes durable what the writes up to `covers` wrote: from the cache, or from `covered` where later ones
    /// have replaced it.
    fn sync(&mut self, covers: WriteNumber, covered: BTreeMap<u64, Vec<u8>>) {
        for (number, content) in covered {
            overwrite(&mut self.durable, number * SECTOR_BYTES, &content);
        }
        let Self { durable, cached, unsynced, .. } = self;
        unsynced.retain(|number, written| {
            let stays = covers < *written;
            if !stays {
                overwrite(durable, number * SECTOR_BYTES, sector(cached, *number));
            }
            stays
        });
    }

    fn unsynced_bytes(&self) -> u64 {
        self.unsynced.keys().map(|number| sector(&self.cached, *number).len() as u64).sum()
    }

    /// Lets every unsynced sector, and then every sector under way, meet its fate. What is left is both
    /// images.
    fn lose_power(&mut self, fates: &mut Fates<'_>) {
        let mut surviving = std::mem::take(&mut self.durable);
        for number in self.unsynced.keys() {
            let new = sector(&self.cached, *number);
            let reached = fates.of_unsynced(new.len() as u64);
            overwrite(&mut surviving, number * SECTOR_BYTES, &new[..reached as usize]);
        }
        fates.report.bytes_lost += self.bytes_missing_in(&surviving);
        for request in &self.open {
            if let Operation::Write { offset, bytes } = &request.operation {
                write_partly(&mut surviving, *offset, bytes, fates);
            }
        }
        self.unsynced.clear();
        self.cached.clone_from(&surviving);
        self.durable = surviving;
    }

    /// How many bytes of the unsynced sectors read differently in `image`, or are not in it.
    fn bytes_missing_in(&self, image: &[u8]) -> u64 {
        let missing = self.unsynced.keys().map(|number| {
            let (before, after) = (sector(&self.cached, *number), sector(image, *number));
            let same = before.iter().zip(after).filter(|(before, after)| before == after).count();
            (before.len() - same) as u64
        });
        missing.sum()
    }
}

/// Writes those sectors of a write under way that reached the disk before the power failed.
fn write_partly(image: &mut Vec<u8>, offset: u64, bytes: &Bytes, fates: &mut Fates<'_>) {
    // A write that was going to fail had no effect.
    let Ok(sectors) = sectors_touched(offset, offset, bytes) else { return };
    let end = offset + bytes.len() as u64;
    for number in sectors {
        let start = offset.max(number * SECTOR_BYTES);
        let new =
            bytes.slice((start - offset) as usize..(end.min((number + 1) * SECTOR_BYTES) - offset) as usize);
        let reached = fates.of_sector_in_flight(new.len() as u64);
        overwrite(image, start, &new[..reached as usize]);
    }
}

/// What may become of a sector when the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It has its new content.
    New,
    /// It has its old content, or is not there.
    Old,
    /// It is new up to some byte and old from there on.
    Torn,
}

/// Decides the fates of one machine's sectors, and keeps the report.
struct Fates<'a> {
    options: &'a DiskOptions,
    machine: u64,
    door: &'a mut Door,
    report: &'a mut CrashReport,
}

impl Fates<'_> {
    /// How many bytes, from its start, of an unsynced sector reached the disk. The mildest choice is all of
    /// them.
    fn of_unsynced(&mut self, len: u64) -> u64 {
        match self.choose(labels::DISK_UNSYNCED, [Fate::New, Fate::Old]) {
            Fate::New => {
                self.report.sectors_kept += 1;
                len
            }
            Fate::Old => {
                self.report.sectors_lost += 1;
                0
            }
            Fate::Torn => self.tear(len),
        }
    }

    /// How many bytes, from its start, of a sector under way reached the disk. The mildest choice is none.
    fn of_sector_in_flight(&mut self, len: u64) -> u64 {
        match self.choose(labels::DISK_IN_FLIGHT, [Fate::Old, Fate::New]) {
            Fate::New => {
                self.report.sectors_arrived += 1;
                len
            }
            Fate::Old => 0,
            Fate::Torn => self.tear(len),
        }
    }

    /// The mild fate, the other whole one if sectors may be lost, or a tear if they may be torn.
    fn choose(&mut self, label: Label, [mild, other]: [Fate; 2]) -> Fate {
        let fates: &[Fate] = match (self.options.lose, self.options.tear) {
            (false, false) => &[mild],
            (true, false) => &[mild, other],
            (false, true) => &[mild, Fate::Torn],
            (true, true) => &[mild, other, Fate::Torn],
        };
        *self.door.pick(Site::of(label, self.machine), fates)
    }

    /// Where a sector is torn: behind its first byte at the mildest, and before its last one if it has two.
    fn tear(&mut self, len: u64) -> u64 {
        self.report.sectors_torn += 1;
        self.door.range(Site::of(labels::DISK_TEAR, self.machine), 1, len.saturating_sub(1).max(1))
    }
}

#[cfg(test)]
mod tests {
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
        let report =
            bench.lose_power(&[(UNSYNCED, 0, 1), (UNSYNCED, 1, 2), (TEAR, 0, 100), (UNSYNCED, 3, 1)]);
        let expected = CrashReport {
            bytes_lost: 512 + 411 + 512,
            sectors_lost: 2,
            sectors_torn: 1,
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
            let [durable, cached] =
                [bench.disk.durable(&log()), bench.disk.cached(&log())].map(<[u8]>::to_vec);
            bench.disk.crash(false, MACHINE, &mut quiet());
            bench.disk.crash(true, MACHINE, &mut draws.0);
            let at = |image: &[u8], place: usize| image.get(place).copied().unwrap_or(0);
            let surviving = bench.disk.durable(&log());
            assert!(durable.len() <= surviving.len() && surviving.len() <= cached.len(), "seed {seed}");
            for (place, byte) in surviving.iter().enumerate() {
                assert!(
                    [at(&durable, place), at(&cached, place)].contains(byte),
                    "seed {seed}, byte {place}"
                );
            }
        }
    }
}

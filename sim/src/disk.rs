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

mod faults;

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
use faults::Faults;
pub use faults::{Damage, DiskFault, DiskOperation};

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
    /// Torn sectors that read neither as before nor as they were to be.
    pub sectors_mixed: u64,
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
    faults: Faults,
}

impl SectorDisk {
    /// An empty disk.
    pub fn new(options: DiskOptions) -> Self {
        Self { options, files: BTreeMap::new(), open: BTreeMap::new(), faults: Faults::default() }
    }

    /// Puts a file on the disk, durable, in the place of one of that name.
    pub fn install(&mut self, name: FileName, image: Vec<u8>) {
        self.files.insert(name, File { cached: image.clone(), durable: image, ..File::default() });
    }

    /// What survives for sure of every file.
    pub fn files(&self) -> BTreeMap<FileName, Vec<u8>> {
        self.files.iter().map(|(name, file)| (name.clone(), file.durable.clone())).collect()
    }

    /// Orders a fault. `false` if it waits already.
    pub fn order(&mut self, fault: DiskFault) -> bool {
        self.faults.order(fault, self.files.keys().cloned())
    }

    /// Whether a fault was ordered and has made no difference yet.
    pub fn waits(&self, fault: DiskFault) -> bool {
        self.faults.waits(fault)
    }

    /// Ends that the disk is full. `false` if it was not.
    pub fn make_room(&mut self) -> bool {
        self.faults.make_room()
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
        let request = file.take_next(id);
        let failure = |operation, reason| DiskError { operation, file: name.clone(), reason };
        let kind = request.operation.kind();
        if let Some(reason) = self.faults.strike(kind, file.is_outgrown_by(&request.operation)) {
            return Err(failure(kind.name(), reason.to_owned()));
        }
        if let Operation::Write { offset, bytes } = &request.operation {
            let end = offset.saturating_add(bytes.len() as u64);
            self.faults.heal(&name, offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
        }
        match file.complete(request) {
            Ok(Response::Read(image)) => {
                let mut image = Vec::from(image);
                self.faults.mar(&name, &mut image);
                Ok(Response::Read(image.into()))
            }
            Ok(response) => Ok(response),
            Err(Failure { operation, reason }) => Err(failure(operation, reason)),
        }
    }

    /// Stops everything that was under way, and with `power_loss` decides what is left of what was not
    /// durable. Whatever is left then is durable.
    pub fn crash(&mut self, power_loss: bool, machine: u64, door: &mut Door) -> CrashReport {
        let mut report = CrashReport { requests_abandoned: self.open.len() as u64, ..CrashReport::default() };
        self.open.clear();
        let mut torn = false;
        for file in self.files.values_mut() {
            if power_loss {
                let mut fates =
                    Fates { options: &self.options, machine, door: &mut *door, report: &mut report };
                torn |= file.lose_power(&mut fates, self.faults.tear());
            }
            file.open.clear();
        }
        if torn {
            self.faults.torn();
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

    /// What reads of the files see.
    pub fn cached_images(&self) -> BTreeMap<FileName, Vec<u8>> {
        self.files.iter().map(|(name, file)| (name.clone(), file.cached.clone())).collect()
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

impl Operation {
    fn kind(&self) -> DiskOperation {
        match self {
            Self::Read => DiskOperation::Read,
            Self::Write { .. } => DiskOperation::Write,
            Self::Sync => DiskOperation::Sync,
        }
    }
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

    /// Takes the request that completes next.
    fn take_next(&mut self, id: RequestId) -> OpenRequest {
        let Some(request) = self.open.pop_front() else { panic!("{id:?} is not open") };
        assert_eq!(request.id, id, "requests to one file complete in the order of their submission");
        request
    }

    /// Whether the file would grow by an operation.
    fn is_outgrown_by(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Write { offset, bytes } => {
                (self.cached.len() as u64) < offset.saturating_add(bytes.len() as u64)
            }
            Operation::Read | Operation::Sync => false,
        }
    }

    fn complete(&mut self, request: OpenRequest) -> Result<Response, Failure> {
        let OpenRequest { id: _, completes: _, operation, covers, covered } = request;
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
    /// images. With a `tear`, so many bytes of the last write reach the disk; whether that cut anything off.
    fn lose_power(&mut self, fates: &mut Fates<'_>, tear: Option<u64>) -> bool {
        let last_open = self.open.iter().rposition(|open| matches!(open.operation, Operation::Write { .. }));
        let mut tear_completed = Tear::new(tear.filter(|_| last_open.is_none()));
        let mut tear_open = Tear::new(tear);
        let mut surviving = std::mem::take(&mut self.durable);
        for (number, written) in &self.unsynced {
            let new = sector(&self.cached, *number);
            let torn = tear_completed.next(*written == self.last_write, new.len() as u64);
            let reached = torn.unwrap_or_else(|| fates.of_unsynced(new.len() as u64));
            let mixed = overwrite_partly(&mut surviving, number * SECTOR_BYTES, new, reached);
            fates.report.sectors_mixed += u64::from(mixed);
        }
        fates.report.bytes_lost += self.bytes_missing_in(&surviving);
        for (place, request) in self.open.iter().enumerate() {
            if let Operation::Write { offset, bytes } = &request.operation {
                let mixed = write_partly(&mut surviving, *offset, bytes, |len| {
                    let torn = tear_open.next(Some(place) == last_open, len);
                    torn.unwrap_or_else(|| fates.of_sector_in_flight(len))
                });
                fates.report.sectors_mixed += mixed;
            }
        }
        fates.report.sectors_torn += tear_completed.cut + tear_open.cut;
        self.unsynced.clear();
        self.cached.clone_from(&surviving);
        self.durable = surviving;
        0 < tear_completed.cut + tear_open.cut
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

/// Writes the first `reached` bytes of what was to be written within a sector. Whether the sector now reads neither as
/// before nor as it was to be.
fn overwrite_partly(image: &mut Vec<u8>, start: u64, new: &[u8], reached: u64) -> bool {
    let (arrived, missing) = new.split_at(reached as usize);
    // Some of it changes the disk, and some of it would have.
    let differs = |from: u64, bytes: &[u8]| {
        let stood = image.get(from as usize..).unwrap_or_default();
        !bytes.is_empty() && !stood.starts_with(bytes)
    };
    let mixed = differs(start, arrived) && differs(start + reached, missing);
    overwrite(image, start, arrived);
    mixed
}

/// Writes what of a write under way reached the disk before the power failed: of each sector as many bytes as `fate` says.
/// Returns how many sectors now read neither as before nor as they were to be.
fn write_partly(image: &mut Vec<u8>, offset: u64, bytes: &Bytes, mut fate: impl FnMut(u64) -> u64) -> u64 {
    let mut mixed = 0;
    // A write that was going to fail had no effect.
    let Ok(sectors) = sectors_touched(offset, offset, bytes) else { return mixed };
    let end = offset + bytes.len() as u64;
    for number in sectors {
        let start = offset.max(number * SECTOR_BYTES);
        let new =
            bytes.slice((start - offset) as usize..(end.min((number + 1) * SECTOR_BYTES) - offset) as usize);
        let reached = fate(new.len() as u64);
        mixed += u64::from(overwrite_partly(image, start, &new, reached));
    }
    mixed
}

/// A write of which only so many bytes reach the disk.
struct Tear {
    /// How many are still to come; `None` if no write is torn.
    left: Option<u64>,
    /// How many sectors were cut, or cut off.
    cut: u64,
}

impl Tear {
    fn new(bytes: Option<u64>) -> Self {
        Self { left: bytes, cut: 0 }
    }

    /// How many bytes of a sector of so many reach the disk, if it `belongs` to the torn write.
    fn next(&mut self, belongs: bool, len: u64) -> Option<u64> {
        let left = self.left.as_mut().filter(|_| belongs)?;
        let reached = len.min(*left);
        *left -= reached;
        self.cut += u64::from(reached < len);
        Some(reached)
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
mod tests;

//! What a disk image really holds: an independent reading of the write-ahead log.
//!
//! The checks believe what an [`Auditor`] reads from the durable image, never what the implementation claims
//! to have written. So this file knows the format from its description alone and shares no code with the log
//! that writes it:
//!
//! - A log is in one of two files and moves to the other when it is compacted. A file is a sequence of *frames*. Each
//!   begins at a multiple of 512 bytes and is padded with zeros to the next.
//! - A frame has a header of 32 bytes, little endian: 0..4 the magic `WTL2`; 4..8 the CRC-32 (IEEE) of bytes
//!   8 to the body's end; 8..12 the body's length; 12..16 the checksum of the frame before, 0 in the first of a file;
//!   16..24 the frame's number, from 1 and going on from file to file; 24..32 the offset up to which the file was
//!   durable when it was written, which a reading of the log does without.
//! - The body is, in the postcard encoding, the hard state (term, vote), the commit index, optionally the name of a
//!   snapshot (what it stands for, its file's number, its checksum), and optionally entries with the id of the entry
//!   they follow. They replace the log from there on; with a snapshot, the whole log.
//! - The first frame of a file may continue the log of the other file: it carries all that is left of it. The file
//!   whose first frame has the higher number counts.
//! - A snapshot is in a file of its own: 0..4 the magic `WTS1`; 4..8 the CRC-32 of the bytes from 8 to its end; 8..16 its
//!   length; 16..32 term and index of the last entry in it; then its bytes.
//!
//! The log ends at the first frame that is not valid. What stands behind it is a torn write, or a remnant of
//! what was there before.

use std::{collections::BTreeMap, fmt, num::NonZeroU64, sync::Arc};

use raft_core::{ConfChange, Entry, EntryId, LogIndex, NodeId, Payload, Term};
use serde::Deserialize;
use wavetank_process::disk::FileName;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::members::Members;

/// Files by name, as they are at some moment.
pub trait Images {
    /// What a file holds; nothing if there is no such file.
    fn image(&self, file: &FileName) -> &[u8];
}

impl Images for BTreeMap<FileName, Vec<u8>> {
    fn image(&self, file: &FileName) -> &[u8] {
        self.get(file).map_or(&[], Vec::as_slice)
    }
}

/// Reads a log store's files. Who brings a log store of another format brings its auditor along.
pub trait Auditor: Send {
    /// Whether what is written to this file may matter.
    fn reads(&self, file: &FileName) -> bool;

    /// Reads on. What was read before still stands there, unchanged, as long as the state depends on it: the caller
    /// shows durable images only, and a store does not overwrite what counts.
    fn advance(&mut self, images: &dyn Images) -> Advance;

    /// What has been read so far.
    fn state(&self) -> &DurableState;

    /// An auditor of the same kind that has read nothing.
    fn fresh(&self) -> Box<dyn Auditor>;
}

/// What is new since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// How many writes of the store were read.
    pub frames: u64,
    /// The lowest index at which an entry that had been read is gone: replaced by a different one, or cut
    /// off.
    pub truncated_to: Option<LogIndex>,
}

/// What a server would find if it restarted now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DurableState {
    /// The latest term.
    pub term: Term,
    /// The vote in that term.
    pub vote: Option<NodeId>,
    /// The last commit index written.
    pub commit: LogIndex,
    /// The latest snapshot that the log names.
    pub snapshot: Option<AuditSnapshot>,
    /// The entry before the first one of the log: everything up to here is left to the snapshot.
    pub base: EntryId,
    /// The log behind the base, in order.
    pub log: Vec<AuditEntry>,
    /// The changes of members among its entries, by their indexes.
    pub changes: BTreeMap<LogIndex, ConfChange>,
}

/// A snapshot as an auditor finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSnapshot {
    /// The last entry that it covers.
    pub last: EntryId,
    /// Whether its file holds it, whole.
    pub is_whole: bool,
    /// Who belongs to the cluster when that entry is applied.
    pub members: Arc<Members>,
}

impl DurableState {
    /// The last entry, or the [base](Self::base).
    pub fn last(&self) -> EntryId {
        let index = LogIndex(self.base.index.0 + self.log.len() as u64);
        self.log.last().map_or(self.base, |entry| EntryId { term: entry.term, index })
    }

    /// The entry with this index, if it is in the log.
    pub fn entry(&self, index: LogIndex) -> Option<AuditEntry> {
        let place = usize::try_from(index.0.checked_sub(self.base.index.0 + 1)?).ok()?;
        self.log.get(place).copied()
    }

    /// The term of the entry with this index, where the log or its base tells.
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.index {
            Some(self.base.term)
        } else {
            self.entry(index).map(|entry| entry.term)
        }
    }

    /// Whether `id` is in the log, or its base.
    pub fn contains(&self, id: EntryId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// Whether a whole snapshot stands for everything up to this index, which the log no longer holds.
    pub fn covers(&self, index: LogIndex) -> bool {
        let covered = |snapshot: &AuditSnapshot| snapshot.is_whole && index <= snapshot.last.index;
        index <= self.base.index && self.snapshot.as_ref().is_some_and(covered)
    }

    /// Whether this entry is held: in the log, or by a snapshot. What is in a snapshot cannot be seen, but for the term of
    /// the entry that the log begins behind.
    pub fn holds(&self, index: LogIndex, entry: AuditEntry) -> bool {
        let at_base = index != self.base.index || entry.term == self.base.term;
        self.entry(index) == Some(entry) || (self.covers(index) && at_base)
    }
}

/// An entry as an auditor keeps it: enough to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The term of the leader that created it.
    pub term: Term,
    /// A digest of what it carries, see [`payload_digest`].
    pub digest: u64,
}

impl From<&Entry> for AuditEntry {
    fn from(entry: &Entry) -> Self {
        let Entry { term, payload } = entry;
        Self { term: *term, digest: payload_digest(payload) }
    }
}

/// The digest of what an entry carries: xxh3 with the number of its variant as the seed, 0 for nothing, 1 for a
/// command and 2 for a change of members.
pub fn payload_digest(payload: &Payload) -> u64 {
    match payload {
        Payload::Noop => digest(&PayloadBody::Noop),
        Payload::Command(bytes) => digest(&PayloadBody::Command(bytes)),
        Payload::ConfChange(change) => digest(&PayloadBody::ConfChange((**change).clone())),
    }
}

fn digest(payload: &PayloadBody<'_>) -> u64 {
    match payload {
        PayloadBody::Noop => xxh3_64_with_seed(&[], 0),
        PayloadBody::Command(bytes) => xxh3_64_with_seed(bytes, 1),
        PayloadBody::ConfChange(change) => {
            let bytes = postcard::to_allocvec(change).expect("a change can be written down");
            xxh3_64_with_seed(&bytes, 2)
        }
    }
}

/// The auditor of the write-ahead log; see the [module's page](self).
#[derive(Clone)]
pub struct LogAudit {
    /// The two files of the log.
    files: [FileName; 2],
    /// In which of them it is.
    place: usize,
    /// Where the next frame begins.
    offset: u64,
    /// The checksum of the last frame.
    chain: u32,
    /// The number of the last frame.
    number: u64,
    /// By what the snapshot is known that the log names.
    snapshot: Option<SnapshotPlace>,
    state: DurableState,
}

/// Where the log says that a snapshot is.
#[derive(Clone, Debug)]
struct SnapshotPlace {
    file: FileName,
    checksum: u32,
}

impl LogAudit {
    /// An auditor that has read nothing, of a log whose files have this name with `.0` and `.1` behind it.
    pub fn new(name: FileName) -> Self {
        Self {
            files: [0, 1].map(|number| FileName::from(format!("{name}.{number}").as_str())),
            place: 0,
            offset: 0,
            chain: 0,
            number: 0,
            snapshot: None,
            state: DurableState::default(),
        }
    }

    /// Reads a log that was never compacted, from the image of its file.
    pub fn of(image: &[u8]) -> Self {
        let mut audit = Self::new(FileName::from("log"));
        audit.advance(&BTreeMap::from([(audit.files[0].clone(), image.to_vec())]));
        audit
    }

    /// The latest term.
    pub fn term(&self) -> Term {
        self.state.term
    }

    /// The vote in that term.
    pub fn vote(&self) -> Option<NodeId> {
        self.state.vote
    }

    /// The last commit index written.
    pub fn commit(&self) -> LogIndex {
        self.state.commit
    }

    /// The last entry, or the base.
    pub fn last(&self) -> EntryId {
        self.state.last()
    }

    /// The entry with this index.
    pub fn entry(&self, index: LogIndex) -> Option<AuditEntry> {
        self.state.entry(index)
    }

    /// The log behind its base.
    pub fn log(&self) -> &[AuditEntry] {
        &self.state.log
    }

    /// Where the next frame begins: behind the last valid one, padding included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes over to the file in which the log goes on, if it does in another one, and reads its first frame.
    fn change_file(&mut self, images: &dyn Images, advance: &mut Advance) {
        let first = |place: usize| {
            let image = images.image(&self.files[place]);
            // Its number is looked at first: the checksum takes longer.
            let is_later = self.number < number_at_start(image)?;
            let frame = is_later.then(|| Frame::at(image, 0)).flatten().filter(|frame| frame.chain == 0)?;
            Some((frame.number, place, frame))
        };
        let Some((_, place, frame)) = [0, 1].into_iter().filter_map(first).max_by_key(|(number, ..)| *number)
        else {
            return;
        };
        let Some(record) = Record::decode(frame.body).filter(Record::can_begin) else { return };
        self.place = place;
        self.offset = 0;
        self.read(&frame, record, advance);
    }

    /// Reads one frame if it is there and valid.
    fn read_frame(&mut self, images: &dyn Images, advance: &mut Advance) -> bool {
        let image = images.image(&self.files[self.place]);
        let Some(frame) = Frame::at(image, self.offset) else { return false };
        if (frame.chain, Some(frame.number)) != (self.chain, self.number.checked_add(1)) {
            return false;
        }
        let Some(record) = Record::decode(frame.body) else { return false };
        if !record.fits(&self.state) {
            return false;
        }
        self.read(&frame, record, advance);
        true
    }

    /// Takes in what a frame says, and merges what it did to the log into `advance`.
    fn read(&mut self, frame: &Frame<'_>, record: Record<'_>, advance: &mut Advance) {
        if let Some(named) = &record.snapshot {
            let file = FileName::from(format!("snapshot.{}", named.slot).as_str());
            self.snapshot = Some(SnapshotPlace { file, checksum: named.checksum });
        }
        let truncated_to = record.apply(&mut self.state);
        advance.truncated_to = [advance.truncated_to, truncated_to].into_iter().flatten().min();
        advance.frames += 1;
        self.chain = frame.checksum;
        self.number = frame.number;
        self.offset += frame.padded_len();
    }

    /// Looks whether the snapshot that the log names is there.
    fn look_at_snapshot(&mut self, images: &dyn Images) {
        if let (Some(place), Some(snapshot)) = (&self.snapshot, &mut self.state.snapshot) {
            snapshot.is_whole = snapshot_is_whole(images.image(&place.file), place.checksum, snapshot.last);
        }
    }
}

/// Whether a file holds the snapshot of this checksum, of everything up to `last`.
fn snapshot_is_whole(image: &[u8], checksum: u32, last: EntryId) -> bool {
    let Some((header, rest)) = image.split_first_chunk::<HEADER_LEN>() else { return false };
    let number = |at: usize| u64::from_le_bytes(word(header, at));
    let body = usize::try_from(number(8)).ok().and_then(|len| rest.get(..len));
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[8..]);
    hasher.update(body.unwrap_or_default());
    body.is_some()
        && word(header, 0) == *b"WTS1"
        && [u32::from_le_bytes(word(header, 4)), hasher.finalize()] == [checksum; 2]
        && EntryId::new(number(16), number(24)) == last
}

impl Auditor for LogAudit {
    fn reads(&self, file: &FileName) -> bool {
        self.files.contains(file) || file.as_str().starts_with("snapshot.")
    }

    fn advance(&mut self, images: &dyn Images) -> Advance {
        let mut advance = Advance::default();
        self.change_file(images, &mut advance);
        while self.read_frame(images, &mut advance) {}
        self.look_at_snapshot(images);
        advance
    }

    fn state(&self) -> &DurableState {
        &self.state
    }

    fn fresh(&self) -> Box<dyn Auditor> {
        let files = self.files.clone();
        Box::new(Self { files, ..Self::new(FileName::from("")) })
    }
}

impl fmt::Debug for LogAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, place, offset, chain: _, number, snapshot: _, state } = self;
        f.debug_struct("LogAudit")
            .field("file", &files[*place].as_str())
            .field("frames", number)
            .field("offset", offset)
            .field("term", &state.term)
            .field("vote", &state.vote)
            .field("commit", &state.commit)
            .field("snapshot", &state.snapshot)
            .field("base", &state.base)
            .field("last", &state.last())
            .finish_non_exhaustive()
    }
}

const MAGIC: [u8; 4] = *b"WTL2";
const ALIGNMENT: u64 = 512;
const HEADER_LEN: usize = 32;

/// The number of the frame with which an image begins, if it begins with one; it may not be whole.
fn number_at_start(image: &[u8]) -> Option<u64> {
    let header = image.first_chunk()?;
    (word(header, 0) == MAGIC).then(|| u64::from_le_bytes(word(header, 16)))
}

/// A frame whose magic and checksum are right.
struct Frame<'a> {
    checksum: u32,
    chain: u32,
    number: u64,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame that begins at `offset`, if a whole one does. Its padding is not looked at: a sector torn
    /// behind the body has lost nothing.
    fn at(image: &'a [u8], offset: u64) -> Option<Self> {
        let rest = image.get(usize::try_from(offset).ok()?..)?;
        let (header, rest) = rest.split_first_chunk::<HEADER_LEN>()?;
        if word(header, 0) != MAGIC {
            return None;
        }
        let checksum = u32::from_le_bytes(word(header, 4));
        let body = rest.get(..u32::from_le_bytes(word(header, 8)) as usize)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&header[8..]);
        hasher.update(body);
        if hasher.finalize() != checksum {
            return None;
        }
        let chain = u32::from_le_bytes(word(header, 12));
        let number = u64::from_le_bytes(word(header, 16));
        Some(Self { checksum, chain, number, body })
    }

    fn padded_len(&self) -> u64 {
        ((HEADER_LEN + self.body.len()) as u64).next_multiple_of(ALIGNMENT)
    }
}

/// So many bytes of a header, from a place on that leaves room for them.
fn word<const LEN: usize>(header: &[u8; HEADER_LEN], at: usize) -> [u8; LEN] {
    std::array::from_fn(|place| header[at + place])
}

/// The body of a frame.
#[derive(Deserialize)]
struct Record<'a> {
    term: u64,
    vote: Option<NonZeroU64>,
    commit: u64,
    snapshot: Option<NamedSnapshot>,
    #[serde(borrow)]
    entries: Option<Entries<'a>>,
}

/// Some servers, by id.
type Ids = Vec<NonZeroU64>;

/// The voters, those of the outgoing half, the learners, those who will be, and how a joint configuration is left.
type Configuration = (Ids, Option<Ids>, Ids, Ids, Option<Leave>);

#[derive(Deserialize)]
struct NamedSnapshot {
    last_term: u64,
    last_index: u64,
    configuration: Configuration,
    _handle: u64,
    slot: u64,
    checksum: u32,
}

#[derive(Deserialize)]
enum Leave {
    Automatic,
    Explicit,
}

fn members((voters, outgoing, learners, learners_next, leave): &Configuration) -> Members {
    let set = |ids: &Ids| ids.iter().filter_map(|id| NodeId::new(id.get())).collect();
    Members {
        incoming: set(voters),
        outgoing: outgoing.as_ref().map(set).unwrap_or_default(),
        learners: set(learners),
        learners_next: set(learners_next),
        leaves_by_itself: matches!(leave, Some(Leave::Automatic)),
    }
}

impl NamedSnapshot {
    fn last(&self) -> EntryId {
        EntryId::new(self.last_term, self.last_index)
    }
}

#[derive(Deserialize)]
struct Entries<'a> {
    prev_term: u64,
    prev_index: u64,
    #[serde(borrow)]
    entries: Vec<EntryBody<'a>>,
}

#[derive(Deserialize)]
struct EntryBody<'a> {
    term: u64,
    #[serde(borrow)]
    payload: PayloadBody<'a>,
}

#[derive(Clone, Deserialize)]
enum PayloadBody<'a> {
    Noop,
    Command(&'a [u8]),
    ConfChange(ConfChange),
}

impl<'a> Record<'a> {
    /// Reads a body; `None` when it is malformed or goes on behind its end.
    fn decode(body: &'a [u8]) -> Option<Self> {
        match postcard::take_from_bytes(body) {
            Ok((record, [])) => Some(record),
            Ok(_) | Err(_) => None,
        }
    }

    /// Whether its entries and its snapshot can stand where they say.
    fn fits(&self, state: &DurableState) -> bool {
        match (&self.snapshot, &self.entries) {
            (None, None) => true,
            (None, Some(entries)) => state.contains(entries.prev()) && entries.are_in_order(),
            (Some(snapshot), None) => state.contains(snapshot.last()),
            (Some(snapshot), Some(entries)) => snapshot.last() == entries.prev() && entries.are_in_order(),
        }
    }

    /// Whether a file can begin with it: it stands by itself, or says all that is left of a log, with a snapshot that ends
    /// within.
    fn can_begin(&self) -> bool {
        let (Some(snapshot), Some(entries)) = (&self.snapshot, &self.entries) else {
            return self.fits(&DurableState::default());
        };
        let EntryId { term, index } = snapshot.last();
        let held = match index.0.checked_sub(entries.prev_index) {
            None => None,
            Some(0) => Some(entries.prev_term),
            Some(count) => entries.entries.get(count as usize - 1).map(|entry| entry.term),
        };
        held == Some(term.0) && entries.are_in_order()
    }

    /// Brings the state up to date. Returns the lowest index at which the log lost an entry that a snapshot does not
    /// cover.
    fn apply(self, state: &mut DurableState) -> Option<LogIndex> {
        let Self { term, vote, commit, snapshot, entries } = self;
        state.term = Term(term);
        state.vote = vote.and_then(|vote| NodeId::new(vote.get()));
        state.commit = LogIndex(commit);
        let takes_the_logs_place = snapshot.is_some();
        if let Some(snapshot) = snapshot {
            let (last, members) = (snapshot.last(), Arc::new(members(&snapshot.configuration)));
            state.snapshot = Some(AuditSnapshot { last, is_whole: false, members });
        }
        entries.and_then(|entries| {
            if takes_the_logs_place {
                state.begin_behind(entries.prev());
            }
            entries.replace(state)
        })
    }
}

impl DurableState {
    /// Leaves the entries up to `base` to the snapshot, whatever they were.
    fn begin_behind(&mut self, base: EntryId) {
        let covered = base.index.0.saturating_sub(self.base.index.0);
        let covered = usize::try_from(covered).unwrap_or(usize::MAX).min(self.log.len());
        self.log.drain(..covered);
        self.changes = self.changes.split_off(&base.index.next());
        self.base = base;
    }
}

impl Entries<'_> {
    fn prev(&self) -> EntryId {
        EntryId::new(self.prev_term, self.prev_index)
    }

    /// Whether the terms begin at 1 and never decrease.
    fn are_in_order(&self) -> bool {
        let terms = self.entries.iter().map(|entry| entry.term);
        self.entries.iter().all(|entry| entry.term != 0)
            && std::iter::once(self.prev_term).chain(terms).is_sorted()
    }

    /// Replaces the log behind the previous entry, which it has. Returns the lowest index at which an entry
    /// is gone.
    fn replace(&self, state: &mut DurableState) -> Option<LogIndex> {
        let kept = (self.prev_index - state.base.index.0) as usize;
        let prev = LogIndex(self.prev_index);
        state.changes.split_off(&prev.next());
        let indexes = (self.prev_index + 1..).map(LogIndex);
        state.changes.extend(indexes.zip(&self.entries).filter_map(|(index, entry)| match &entry.payload {
            PayloadBody::ConfChange(change) => Some((index, change.clone())),
            PayloadBody::Noop | PayloadBody::Command(_) => None,
        }));
        let log = &mut state.log;
        let replaced = log.split_off(kept);
        log.extend(
            self.entries
                .iter()
                .map(|entry| AuditEntry { term: Term(entry.term), digest: digest(&entry.payload) }),
        );
        let same = replaced.iter().zip(&log[kept..]).take_while(|(old, new)| old == new).count();
        (same < replaced.len()).then(|| LogIndex(self.prev_index + same as u64 + 1))
    }
}

#[cfg(test)]
mod tests;

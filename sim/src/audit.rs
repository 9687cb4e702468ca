//! What a disk image really holds: an independent reading of the write-ahead log.
//!
//! The checks believe what an [`Auditor`] reads from the durable image, never what the implementation claims
//! to have written. So this file knows the format from its description alone and shares no code with the log
//! that writes it:
//!
//! - A file is a sequence of *frames*. Each begins at a multiple of 512 bytes and is padded with zeros to the
//!   next.
//! - A frame has a header of 32 bytes, little endian: 0..4 the magic `WTL1`; 4..8 the CRC-32 (IEEE) of bytes
//!   8 to the body's end; 8..12 the body's length; 12..16 the checksum of the frame before, 0 in the first;
//!   16..24 the frame's number, from 1; 24..32 the number of the last frame durable when it was written.
//! - The body is, in the postcard encoding, the hard state (term, vote), the commit index, and optionally
//!   entries with the id of the entry they follow. They replace the log from there on.
//!
//! The log ends at the first frame that is not valid. What stands behind it is a torn write, or a remnant of
//! what was there before.

use std::{fmt, num::NonZeroU64};

use raft_core::{ConfChange, Entry, EntryId, LogIndex, NodeId, Payload, Term};
use serde::Deserialize;
use wavetank_process::disk::FileName;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Reads a log store's file. Who brings a log store of another format brings its auditor along.
pub trait Auditor: Send {
    /// The file to read.
    fn file(&self) -> FileName;

    /// Reads on in an image of the file. What was read before still stands there, unchanged: the caller shows
    /// durable images only, and a store does not overwrite what is durable.
    fn advance(&mut self, image: &[u8]) -> Advance;

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
    /// The log: the entry with index `i` stands at `i - 1`.
    pub log: Vec<AuditEntry>,
}

impl DurableState {
    /// The last entry, or [`EntryId::ORIGIN`].
    pub fn last(&self) -> EntryId {
        let index = LogIndex(self.log.len() as u64);
        self.log.last().map_or(EntryId::ORIGIN, |entry| EntryId { term: entry.term, index })
    }

    /// The entry with this index.
    pub fn entry(&self, index: LogIndex) -> Option<AuditEntry> {
        let place = usize::try_from(index.previous()?.0).ok()?;
        self.log.get(place).copied()
    }

    /// Whether `id` is in the log; [`EntryId::ORIGIN`] always is.
    pub fn contains(&self, id: EntryId) -> bool {
        id == EntryId::ORIGIN || self.entry(id.index).is_some_and(|entry| entry.term == id.term)
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
    file: FileName,
    /// Where the next frame begins.
    offset: u64,
    /// The checksum of the last frame.
    chain: u32,
    /// The number of the last frame.
    number: u64,
    state: DurableState,
}

impl LogAudit {
    /// An auditor of this file that has read nothing.
    pub fn new(file: FileName) -> Self {
        Self { file, offset: 0, chain: 0, number: 0, state: DurableState::default() }
    }

    /// Reads a whole image, of a file without a name.
    pub fn of(image: &[u8]) -> Self {
        let mut audit = Self::new(FileName::from(""));
        audit.advance(image);
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

    /// The last entry, or [`EntryId::ORIGIN`].
    pub fn last(&self) -> EntryId {
        self.state.last()
    }

    /// The entry with this index.
    pub fn entry(&self, index: LogIndex) -> Option<AuditEntry> {
        self.state.entry(index)
    }

    /// The log: the entry with index `i` stands at `i - 1`.
    pub fn log(&self) -> &[AuditEntry] {
        &self.state.log
    }

    /// Where the next frame begins: behind the last valid one, padding included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads one frame if it is there and valid, and merges what it did to the log into `advance`.
    fn read_frame(&mut self, image: &[u8], advance: &mut Advance) -> bool {
        let Some(frame) = Frame::at(image, self.offset) else { return false };
        if (frame.chain, Some(frame.number)) != (self.chain, self.number.checked_add(1)) {
            return false;
        }
        let Some(record) = Record::decode(frame.body) else { return false };
        if !record.fits(&self.state) {
            return false;
        }
        let truncated_to = record.apply(&mut self.state);
        advance.truncated_to = [advance.truncated_to, truncated_to].into_iter().flatten().min();
        advance.frames += 1;
        self.chain = frame.checksum;
        self.number = frame.number;
        self.offset += frame.padded_len();
        true
    }
}

impl Auditor for LogAudit {
    fn file(&self) -> FileName {
        self.file.clone()
    }

    fn advance(&mut self, image: &[u8]) -> Advance {
        let mut advance = Advance::default();
        while self.read_frame(image, &mut advance) {}
        advance
    }

    fn state(&self) -> &DurableState {
        &self.state
    }

    fn fresh(&self) -> Box<dyn Auditor> {
        Box::new(Self::new(self.file.clone()))
    }
}

impl fmt::Debug for LogAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, chain: _, number, state } = self;
        f.debug_struct("LogAudit")
            .field("file", &file.as_str())
            .field("frames", number)
            .field("offset", offset)
            .field("term", &state.term)
            .field("vote", &state.vote)
            .field("commit", &state.commit)
            .field("last", &state.last())
            .finish_non_exhaustive()
    }
}

const MAGIC: [u8; 4] = *b"WTL1";
const ALIGNMENT: u64 = 512;
const HEADER_LEN: usize = 32;

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
    #[serde(borrow)]
    entries: Option<Entries<'a>>,
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

    /// Whether its entries can stand where they say: behind an entry that is there, with terms that begin at
    /// 1 and never decrease.
    fn fits(&self, state: &DurableState) -> bool {
        let Some(entries) = &self.entries else { return true };
        let terms = entries.entries.iter().map(|entry| entry.term);
        state.contains(entries.prev())
            && entries.entries.iter().all(|entry| entry.term != 0)
            && std::iter::once(entries.prev_term).chain(terms).is_sorted()
    }

    /// Brings the state up to date. Returns the lowest index at which the log lost an entry.
    fn apply(self, state: &mut DurableState) -> Option<LogIndex> {
        let Self { term, vote, commit, entries } = self;
        state.term = Term(term);
        state.vote = vote.and_then(|vote| NodeId::new(vote.get()));
        state.commit = LogIndex(commit);
        entries.and_then(|entries| entries.replace(&mut state.log))
    }
}

impl Entries<'_> {
    fn prev(&self) -> EntryId {
        EntryId::new(self.prev_term, self.prev_index)
    }

    /// Replaces the log behind the previous entry, which it has. Returns the lowest index at which an entry
    /// is gone.
    fn replace(&self, log: &mut Vec<AuditEntry>) -> Option<LogIndex> {
        let kept = self.prev_index as usize;
        let replaced = log.split_off(kept);
        log.extend(
            self.entries
                .iter()
                .map(|entry| AuditEntry { term: Term(entry.term), digest: digest(&entry.payload) }),
        );
        let same = replaced.iter().zip(&log[kept..]).take_while(|(old, new)| old == new).count();
        (same < replaced.len()).then(|| LogIndex((kept + same) as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// An entry for the tests' own encoder: a term, and a command or nothing.
    type TestEntry = (u64, Option<&'static [u8]>);

    /// Postcard's integers: seven bits a byte, the lowest first.
    fn varint(bytes: &mut Vec<u8>, mut number: u64) {
        while 0x80 <= number {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }

    fn body(term: u64, vote: Option<u64>, commit: u64, entries: Option<(u64, u64, &[TestEntry])>) -> Vec<u8> {
        let mut body = Vec::new();
        varint(&mut body, term);
        match vote {
            None => body.push(0),
            Some(vote) => {
                body.push(1);
                varint(&mut body, vote);
            }
        }
        varint(&mut body, commit);
        let Some((prev_term, prev_index, entries)) = entries else {
            body.push(0);
            return body;
        };
        body.push(1);
        for number in [prev_term, prev_index, entries.len() as u64] {
            varint(&mut body, number);
        }
        for (term, payload) in entries {
            varint(&mut body, *term);
            match payload {
                None => body.push(0),
                Some(command) => {
                    body.push(1);
                    varint(&mut body, command.len() as u64);
                    body.extend_from_slice(command);
                }
            }
        }
        body
    }

    /// Writes frames as the format asks.
    #[derive(Clone, Default)]
    struct Writer {
        image: Vec<u8>,
        chain: u32,
        number: u64,
    }

    impl Writer {
        fn frame(&mut self, body: &[u8]) -> &mut Self {
            self.number += 1;
            let mut covered = Vec::new();
            covered.extend_from_slice(&(body.len() as u32).to_le_bytes());
            covered.extend_from_slice(&self.chain.to_le_bytes());
            covered.extend_from_slice(&self.number.to_le_bytes());
            covered.extend_from_slice(&(self.number - 1).to_le_bytes());
            covered.extend_from_slice(body);
            self.chain = crc32fast::hash(&covered);
            self.image.extend_from_slice(b"WTL1");
            self.image.extend_from_slice(&self.chain.to_le_bytes());
            self.image.extend_from_slice(&covered);
            self.image.resize(self.image.len().next_multiple_of(512), 0);
            self
        }

        fn entries(&mut self, prev_term: u64, prev_index: u64, entries: &[TestEntry]) -> &mut Self {
            self.frame(&body(5, None, 0, Some((prev_term, prev_index, entries))))
        }
    }

    fn entry(term: u64, command: &'static [u8]) -> AuditEntry {
        (&Entry { term: Term(term), payload: Payload::Command(Bytes::from_static(command)) }).into()
    }

    fn noop(term: u64) -> AuditEntry {
        (&Entry { term: Term(term), payload: Payload::Noop }).into()
    }

    /// Three frames: a vote, two entries, and one more with a commit index.
    fn three_frames() -> Writer {
        let mut writer = Writer::default();
        writer.frame(&body(1, Some(2), 0, None));
        writer.frame(&body(1, Some(2), 0, Some((0, 0, &[(1, None), (1, Some(b"x"))]))));
        writer.frame(&body(3, None, 2, Some((1, 2, &[(3, Some(b"y"))]))));
        writer
    }

    #[test]
    fn frames_add_up_to_the_durable_state() {
        let audit = LogAudit::of(&three_frames().image);
        assert_eq!((audit.term(), audit.vote(), audit.commit()), (Term(3), None, LogIndex(2)));
        assert_eq!(audit.log(), [noop(1), entry(1, b"x"), entry(3, b"y")]);
        assert_eq!(audit.last(), EntryId::new(3, 3));
        assert_eq!(audit.entry(LogIndex(2)), Some(entry(1, b"x")));
        assert_eq!((audit.entry(LogIndex(0)), audit.entry(LogIndex(4))), (None, None));
        assert_eq!(audit.offset(), 3 * 512);
    }

    #[test]
    fn an_empty_image_is_an_empty_state() {
        let audit = LogAudit::of(&[]);
        assert_eq!(audit.state(), &DurableState::default());
        assert_eq!((audit.last(), audit.offset()), (EntryId::ORIGIN, 0));
    }

    #[test]
    fn an_image_may_be_read_as_it_grows() {
        let image = three_frames().image;
        let mut audit = LogAudit::new(FileName::from("wal"));
        let frames =
            [0, 31, 32, 512, 520, 1_023, 1_030, image.len()].map(|len| audit.advance(&image[..len]).frames);
        assert_eq!(frames, [0, 0, 0, 1, 0, 1, 0, 1]);
        assert_eq!(audit.state(), LogAudit::of(&image).state());
        assert_eq!(audit.vote(), None);
        let fresh = audit.fresh();
        assert_eq!((fresh.file(), fresh.state()), (FileName::from("wal"), &DurableState::default()));
    }

    #[test]
    fn a_frame_may_take_many_sectors() {
        static LARGE: [u8; 2_000] = [7; 2_000];
        let mut writer = Writer::default();
        writer.entries(0, 0, &[(1, Some(&LARGE))]).entries(1, 1, &[(2, None)]);
        assert_eq!(writer.image.len(), 2_048 + 512);
        assert_eq!(LogAudit::of(&writer.image).log(), [entry(1, &LARGE), noop(2)]);
    }

    #[test]
    fn digests_tell_payloads_apart() {
        assert_ne!(noop(1).digest, entry(1, b"").digest);
        assert_ne!(entry(1, b"x").digest, entry(1, b"y").digest);
    }

    #[test]
    fn entries_replace_the_log_behind_the_one_they_follow() {
        let mut writer = Writer::default();
        writer.entries(0, 0, &[(1, Some(b"a")), (1, Some(b"b")), (1, Some(b"c")), (1, Some(b"d"))]);
        let mut audit = LogAudit::of(&writer.image);
        let mut after = |prev: u64, entries: &[TestEntry]| {
            let image = &writer.entries(1, prev, entries).image;
            let truncated_to = audit.advance(image).truncated_to;
            (truncated_to, audit.log().len())
        };
        assert_eq!(
            after(1, &[(1, Some(b"b")), (1, Some(b"c")), (1, Some(b"d"))]),
            (None, 4),
            "the same again"
        );
        assert_eq!(after(4, &[(1, Some(b"e"))]), (None, 5), "appended");
        assert_eq!(after(2, &[(1, Some(b"c")), (2, Some(b"d"))]), (Some(LogIndex(4)), 4), "another term");
        assert_eq!(after(1, &[(1, Some(b"b"))]), (Some(LogIndex(3)), 2), "cut off");
        assert_eq!(after(1, &[(1, Some(b"B"))]), (Some(LogIndex(2)), 2), "another command");
        assert_eq!(after(1, &[]), (Some(LogIndex(2)), 1), "replaced by nothing");
        assert_eq!(audit.log(), [entry(1, b"a")]);
    }

    #[test]
    fn the_lowest_of_several_truncations_is_told() {
        let mut writer = Writer::default();
        writer.entries(0, 0, &[(1, None), (1, None), (1, None)]);
        let mut audit = LogAudit::of(&writer.image);
        writer.entries(1, 1, &[(2, None), (2, None)]).entries(2, 2, &[(3, None)]);
        let advance = audit.advance(&writer.image);
        assert_eq!(advance, Advance { frames: 2, truncated_to: Some(LogIndex(2)) });
    }

    #[test]
    fn the_log_ends_at_a_torn_tail() {
        let image = three_frames().image;
        let two_frames = LogAudit::of(&image[..1_024]);
        let body_end = 1_024 + 32 + body(3, None, 2, Some((1, 2, &[(3, Some(b"y"))]))).len();
        for len in 1_024..body_end {
            assert_eq!(LogAudit::of(&image[..len]).state(), two_frames.state(), "{len} bytes");
            let mut zeroed = image.clone();
            zeroed[len..].fill(0);
            if zeroed != image {
                assert_eq!(LogAudit::of(&zeroed).state(), two_frames.state(), "zeros from {len}");
            }
        }
        assert_eq!(LogAudit::of(&image[..body_end]).last(), EntryId::new(3, 3), "padding carries nothing");
    }

    #[test]
    fn every_flipped_bit_ends_the_log() {
        let image = three_frames().image;
        let one_frame = LogAudit::of(&image[..512]);
        let len = 32 + body(1, Some(2), 0, Some((0, 0, &[(1, None), (1, Some(b"x"))]))).len();
        for bit in 0..8 * len {
            let mut flipped = image.clone();
            flipped[512 + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(LogAudit::of(&flipped).state(), one_frame.state(), "bit {bit}");
        }
    }

    #[test]
    fn a_stale_frame_behind_the_end_is_not_read() {
        let mut writer = Writer::default();
        writer.entries(0, 0, &[(1, None)]);
        let mut stale = writer.clone();
        stale.entries(1, 1, &[(1, Some(b"old"))]).entries(1, 2, &[(1, Some(b"older"))]);
        writer.entries(1, 1, &[(2, Some(b"new"))]);
        let mut image = writer.image;
        image.extend_from_slice(&stale.image[image.len()..]);
        assert_eq!(LogAudit::of(&image).log(), [noop(1), entry(2, b"new")]);
    }

    #[test]
    fn a_frame_must_continue_the_chain() {
        let follow = |change: fn(&mut Writer)| {
            let mut writer = Writer::default();
            writer.entries(0, 0, &[(1, None)]);
            change(&mut writer);
            LogAudit::of(&writer.entries(1, 1, &[(1, None)]).image).log().len()
        };
        assert_eq!(follow(|_| ()), 2);
        assert_eq!(follow(|writer| writer.chain ^= 1), 1, "another predecessor");
        assert_eq!(follow(|writer| writer.number += 1), 1, "a number left out");
        assert_eq!(follow(|writer| writer.number -= 1), 1, "a number again");
        let first = |change: fn(&mut Writer)| {
            let mut writer = Writer::default();
            change(&mut writer);
            LogAudit::of(&writer.entries(0, 0, &[(1, None)]).image).log().len()
        };
        assert_eq!(first(|writer| writer.chain = 1), 0, "the first frame follows nothing");
        assert_eq!(first(|writer| writer.number = 1), 0, "the first frame has number 1");
    }

    #[test]
    fn a_body_that_makes_no_sense_ends_the_log() {
        let good = body(2, Some(1), 0, Some((1, 1, &[(2, None)])));
        let long = [&good[..], &[0]].concat();
        let bodies = [
            ("cut short", &good[..good.len() - 1]),
            ("too long", &long),
            ("empty", &[]),
            ("a gap", &body(2, None, 0, Some((1, 2, &[(2, None)])))),
            ("far beyond", &body(2, None, 0, Some((1, u64::MAX, &[(2, None)])))),
            ("behind an entry of another term", &body(2, None, 0, Some((2, 1, &[(2, None)])))),
            ("falling terms", &body(3, None, 0, Some((1, 1, &[(3, None), (2, None)])))),
            ("a term of zero", &body(2, None, 0, Some((0, 0, &[(0, None)])))),
            ("a vote for nobody", &body(2, Some(0), 0, None)),
        ];
        for (what, body) in bodies {
            let mut writer = Writer::default();
            let before = LogAudit::of(&writer.entries(0, 0, &[(1, None)]).image);
            let after = LogAudit::of(&writer.frame(body).image);
            assert_eq!((after.state(), after.offset()), (before.state(), 512), "{what}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_never_more_than_no_log(image in vec(any::<u8>(), 0..2_000)) {
            let audit = LogAudit::of(&image);
            prop_assert_eq!(audit.state(), &DurableState::default());
        }

        /// The checksum is right, so that the body is looked at.
        #[test]
        fn arbitrary_bodies_do_no_harm(bodies in vec(vec(0_u8..8, 0..40), 1..4)) {
            let mut writer = Writer::default();
            for body in &bodies {
                writer.frame(body);
            }
            let audit = LogAudit::of(&writer.image);
            prop_assert!(audit.offset() <= writer.image.len() as u64);
        }

        #[test]
        fn one_byte_changed_keeps_the_frames_before_it(place in 0_usize..1_536, byte in any::<u8>()) {
            let image = three_frames().image;
            let mut changed = image.clone();
            changed[place] = byte;
            let [read, all, before] =
                [&changed, &image, &image[..place / 512 * 512]].map(LogAudit::of);
            prop_assert!([all.state(), before.state()].contains(&read.state()));
        }
    }
}

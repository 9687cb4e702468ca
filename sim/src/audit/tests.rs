//! Images of logs and snapshots, made by an encoder of their own, and what is found in them.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, test_runner::RngSeed};

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
    body_with(term, vote, commit, None, entries)
}

/// A body that may name a snapshot: the last entry that it covers, its slot and its checksum.
fn body_with(
    term: u64,
    vote: Option<u64>,
    commit: u64,
    snapshot: Option<(EntryId, u64, u32)>,
    entries: Option<(u64, u64, &[TestEntry])>,
) -> Vec<u8> {
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
    body.push(u8::from(snapshot.is_some()));
    if let Some((last, slot, checksum)) = snapshot {
        // The voters are 1, 2 and 3; nobody is on the way out or learns; the handle is 9.
        let configuration = [3, 1, 2, 3, 0, 0, 0, 0, 9];
        let numbers = [last.term.0, last.index.0].into_iter().chain(configuration);
        numbers.chain([slot, checksum.into()]).for_each(|number| varint(&mut body, number));
    }
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
        covered.extend_from_slice(&(self.image.len() as u64).to_le_bytes());
        covered.extend_from_slice(body);
        self.chain = crc32fast::hash(&covered);
        self.image.extend_from_slice(b"WTL2");
        self.image.extend_from_slice(&self.chain.to_le_bytes());
        self.image.extend_from_slice(&covered);
        self.image.resize(self.image.len().next_multiple_of(512), 0);
        self
    }

    fn entries(&mut self, prev_term: u64, prev_index: u64, entries: &[TestEntry]) -> &mut Self {
        self.frame(&body(5, None, 0, Some((prev_term, prev_index, entries))))
    }
}

/// Shows an auditor the first file of a log.
fn advance(audit: &mut LogAudit, image: &[u8]) -> Advance {
    audit.advance(&BTreeMap::from([(FileName::from("log.0"), image.to_vec())]))
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
    let mut audit = LogAudit::new(FileName::from("log"));
    let frames =
        [0, 31, 32, 512, 520, 1_023, 1_030, image.len()].map(|len| advance(&mut audit, &image[..len]).frames);
    assert_eq!(frames, [0, 0, 0, 1, 0, 1, 0, 1]);
    assert_eq!(audit.state(), LogAudit::of(&image).state());
    assert_eq!(audit.vote(), None);
    let fresh = audit.fresh();
    assert_eq!(fresh.state(), &DurableState::default());
    assert!(fresh.reads(&"log.0".into()) && fresh.reads(&"snapshot.2".into()) && !fresh.reads(&"log".into()));
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
        let truncated_to = advance(&mut audit, image).truncated_to;
        (truncated_to, audit.log().len())
    };
    assert_eq!(after(1, &[(1, Some(b"b")), (1, Some(b"c")), (1, Some(b"d"))]), (None, 4), "the same again");
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
    let advance = advance(&mut audit, &writer.image);
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
    assert_eq!(first(|writer| writer.number = 1), 1, "whatever number its turn was");
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
    // The same input every time.
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
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

type Files = BTreeMap<FileName, Vec<u8>>;

fn files<const COUNT: usize>(files: [(&str, &[u8]); COUNT]) -> Files {
    files.map(|(name, image)| (FileName::from(name), image.to_vec())).into()
}

fn audit(files: &Files) -> LogAudit {
    let mut audit = LogAudit::new(FileName::from("log"));
    audit.advance(files);
    audit
}

/// A snapshot file as the format asks, and its checksum.
fn snapshot(last: EntryId, bytes: &[u8]) -> (Vec<u8>, u32) {
    let numbers = [bytes.len() as u64, last.term.0, last.index.0].map(u64::to_le_bytes);
    let covered = [numbers.as_flattened(), bytes].concat();
    let checksum = crc32fast::hash(&covered);
    ([&b"WTS1"[..], &checksum.to_le_bytes(), &covered].concat(), checksum)
}

#[test]
fn a_snapshot_stands_beside_the_log_and_is_looked_at() {
    let last = EntryId::new(1, 2);
    let (image, checksum) = snapshot(last, b"state");
    let mut log = three_frames();
    log.frame(&body_with(3, None, 2, Some((last, 4, checksum)), None));
    let longer = [&image[..], b"remains"].concat();
    for (name, image, is_whole) in [
        ("snapshot.4", &image[..], true),
        ("snapshot.4", &longer, true),
        ("snapshot.4", &image[..image.len() - 1], false),
        ("snapshot.3", &image, false),
        ("snapshot.4", &snapshot(last, b"other").0, false),
    ] {
        let audit = audit(&files([("log.0", &log.image), (name, image)]));
        let found = audit.state().snapshot.as_ref().expect("the log names it");
        assert_eq!((found.last, found.is_whole), (last, is_whole), "{name}");
        assert_eq!(found.members.to_string(), "n1 n2 n3");
        assert_eq!((audit.state().base, audit.log().len()), (EntryId::ORIGIN, 3));
    }
    // It is looked at again, even if nothing new is in the log.
    let mut audit = audit(&files([("log.0", &log.image), ("snapshot.4", &image)]));
    audit.advance(&files([("log.0", &log.image)]));
    assert!(audit.state().snapshot.as_ref().is_some_and(|snapshot| !snapshot.is_whole));
}

/// A body with one entry of term 1 behind the index before: a change of members, spelt out byte by byte.
fn change_body(index: u64, transition: u8, steps: &[[u8; 2]]) -> Vec<u8> {
    let prev_term = u64::from(1 < index);
    let mut body = body(1, None, 0, Some((prev_term, index - 1, &[])));
    body.pop();
    body.extend([1, 1, 2, transition, steps.len() as u8]);
    body.extend(steps.as_flattened());
    body.push(0);
    body
}

#[test]
fn changes_of_members_are_found_where_they_stand_and_go_with_their_entries() {
    let told = |audit: &LogAudit| {
        let changes = audit.state().changes.iter();
        changes
            .map(|(index, change)| format!("{index}: {}", crate::members::Order(change)))
            .collect::<Vec<_>>()
    };
    let mut writer = Writer::default();
    writer.frame(&change_body(1, 0, &[[0, 4]]));
    writer.frame(&change_body(2, 2, &[[1, 5], [2, 1]]));
    let both = ["1: add n4", "2: have n5 learn and remove n1, jointly until told"];
    assert_eq!(told(&LogAudit::of(&writer.image)), both);
    let mut replaced = writer.clone();
    replaced.frame(&change_body(2, 0, &[]));
    assert_eq!(told(&LogAudit::of(&replaced.image)), [both[0], "2: leave the joint configuration"]);
    replaced.entries(0, 0, &[(5, None)]);
    assert_eq!(told(&LogAudit::of(&replaced.image)), [""; 0]);
    writer.frame(&body_with(1, None, 2, Some((EntryId::new(1, 1), 0, 0)), Some((1, 1, &[]))));
    assert_eq!(told(&LogAudit::of(&writer.image)), [""; 0], "the snapshot takes the place of the log");
}

#[test]
fn a_snapshot_of_what_the_log_does_not_hold_ends_the_log_unless_it_takes_its_place() {
    for last in [EntryId::new(2, 2), EntryId::new(3, 4)] {
        let mut log = three_frames();
        log.frame(&body_with(9, None, 2, Some((last, 0, 0)), None));
        assert_eq!(LogAudit::of(&log.image).term(), Term(3), "{last}");
        let mut log = three_frames();
        log.frame(&body_with(9, None, 2, Some((last, 0, 0)), Some((2, 7, &[]))));
        assert_eq!(LogAudit::of(&log.image).term(), Term(3), "entries behind another entry");
    }
    let installed = |last: EntryId| {
        let mut log = three_frames();
        let mut audit = LogAudit::of(&log.image);
        let entries: (u64, u64, &[TestEntry]) = (last.term.0, last.index.0, &[(9, None)]);
        log.frame(&body_with(9, None, 2, Some((last, 0, 0)), Some(entries)));
        let advance = advance(&mut audit, &log.image);
        assert_eq!((audit.state().base, audit.log()), (last, &[noop(9)][..]));
        advance.truncated_to
    };
    assert_eq!(installed(EntryId::new(8, 7)), None, "it covers all that is gone");
    assert_eq!(installed(EntryId::new(8, 3)), None);
    assert_eq!(installed(EntryId::new(8, 2)), Some(LogIndex(3)), "3@3 is gone, and not covered");
}

/// The log of three entries, compacted to one that begins behind the first, in the other file.
fn moved() -> (Writer, Writer) {
    let first = three_frames();
    let mut second = Writer { number: 5, ..Writer::default() };
    let entries: (u64, u64, &[TestEntry]) = (1, 1, &[(1, Some(b"x")), (3, Some(b"y"))]);
    second.frame(&body_with(3, None, 2, Some((EntryId::new(1, 2), 0, 0)), Some(entries)));
    (first, second)
}

#[test]
fn a_log_that_moved_goes_on_in_its_other_file() {
    let (first, mut second) = moved();
    let mut read = audit(&files([("log.0", &first.image)]));
    let both = files([("log.0", &first.image), ("log.1", &second.image)]);
    assert_eq!(read.advance(&both), Advance { frames: 1, truncated_to: None });
    assert_eq!((read.state().base, read.log()), (EntryId::new(1, 1), &[entry(1, b"x"), entry(3, b"y")][..]));
    assert_eq!(read.entry(LogIndex(3)), Some(entry(3, b"y")));
    assert_eq!((read.entry(LogIndex(1)), read.state().term_at(LogIndex(1))), (None, Some(Term(1))));
    second.entries(3, 3, &[(4, None)]);
    let both = files([("log.0", &first.image), ("log.1", &second.image)]);
    assert_eq!(read.advance(&both).frames, 1);
    assert_eq!(read.state(), audit(&both).state(), "read at once or bit by bit");
    assert_eq!(read.last(), EntryId::new(4, 4));
}

#[test]
fn a_torn_beginning_or_an_older_one_does_not_count() {
    let (first, second) = moved();
    let before = audit(&files([("log.0", &first.image)]));
    for len in 0..60 {
        let torn = files([("log.0", &first.image), ("log.1", &second.image[..len])]);
        assert_eq!(audit(&torn).state(), before.state(), "{len} bytes");
    }
    let swapped = files([("log.0", &second.image), ("log.1", &first.image)]);
    assert_eq!(audit(&swapped).state().base, EntryId::new(1, 1), "it counts, wherever it is");
}

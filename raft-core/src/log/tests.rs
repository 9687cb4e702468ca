//! What a log does with entries, indexes and their limits.

use super::*;
use crate::entry::Payload;

fn at(term: u64, index: u64) -> EntryId {
    EntryId::new(term, index)
}

/// Entries of these terms, each with its index for a payload.
fn slice(prev: EntryId, terms: &[u64]) -> LogSlice {
    let entries = (prev.index.0 + 1..).zip(terms).map(|(index, &term)| Entry {
        term: Term(term),
        payload: Payload::Command(index.to_le_bytes().to_vec().into()),
    });
    LogSlice::new(prev, entries.collect()).expect("terms in order")
}

fn log(terms: &[u64]) -> Log {
    Log::new(&slice(EntryId::ORIGIN, terms), LogIndex(0), LogIndex(0))
}

fn terms(log: &Log) -> Vec<u64> {
    log.records.iter().map(|record| record.entry.term.0).collect()
}

fn digest_of(log: &Log) -> u128 {
    let mut digest = Digest::default();
    log.digest(&mut digest);
    digest.finish()
}

#[test]
fn the_term_of_an_entry_is_known_from_the_one_before_the_log_to_its_end() {
    let log = Log::new(&slice(at(2, 5), &[2, 3]), LogIndex(5), LogIndex(5));
    let known = [4, 5, 6, 7, 8, u64::MAX].map(|index| log.term(LogIndex(index)).map(|term| term.0));
    assert_eq!(known, [None, Some(2), Some(2), Some(3), None, None]);
    assert!(log.holds(at(3, 7)) && !log.holds(at(2, 7)) && !log.holds(at(3, 8)));
    assert_eq!(log.last(), at(3, 7));
    assert_eq!(Log::new(&slice(at(2, 5), &[]), LogIndex(5), LogIndex(5)).last(), at(2, 5));
}

#[test]
fn a_possible_match_is_the_last_entry_of_no_later_term() {
    let log = Log::new(&slice(at(2, 5), &[2, 4, 4, 7]), LogIndex(5), LogIndex(5));
    for (probe, expected) in [
        (at(7, 9), at(7, 9)),
        (at(9, u64::MAX), at(7, 9)),
        (at(6, 9), at(4, 8)),
        (at(3, 9), at(2, 6)),
        (at(4, 7), at(4, 7)),
        (at(2, 8), at(2, 6)),
        (at(2, 5), at(2, 5)),
        (at(1, 9), at(0, 4)),
        (at(9, 4), at(0, 4)),
    ] {
        assert_eq!(log.last_possible_match(probe), expected, "{probe}");
    }
}

/// Every short log against every short message, by the rules of Figure 2, receiver implementation 3 and 4.
#[test]
fn appending_removes_what_conflicts_and_adds_what_is_missing() {
    let runs: Vec<Vec<u64>> = (0..4u64.pow(4))
        .map(|code| (0..4).map(|digit| code / 4u64.pow(digit) % 4).take_while(|&term| term != 0).collect())
        .filter(|run: &Vec<u64>| run.is_sorted())
        .collect();
    for (old, new) in runs.iter().flat_map(|old| runs.iter().map(move |new| (old, new))) {
        for prev in 0..=old.len().min(new.len()) {
            if old[..prev] != new[..prev] {
                continue;
            }
            let prev_id = at(prev.checked_sub(1).map_or(0, |last| new[last]), prev as u64);
            let mut log = log(old);
            let appended = log.append(&slice(prev_id, &new[prev..]));
            log.assert_invariants();
            let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
            let (expected, outcome) = if same == new.len() {
                (old, Appended::Nothing)
            } else if same == old.len() {
                (new, Appended::Extended)
            } else {
                (new, Appended::Replaced { kept: LogIndex(same as u64) })
            };
            assert_eq!((&terms(&log), appended), (expected, outcome), "{old:?} with {new:?} behind {prev}");
            let durable = if appended == Appended::Nothing { old.len() } else { same };
            assert_eq!(log.durable(), LogIndex(durable as u64));
            assert_eq!(log.has_unwritten(), appended != Appended::Nothing);
        }
    }
}

#[test]
#[should_panic(expected = "committed entries are never removed")]
fn committed_entries_are_not_replaced() {
    let mut log = log(&[1, 1]);
    log.commit_to(LogIndex(1));
    log.append(&slice(EntryId::ORIGIN, &[2]));
}

#[test]
fn entries_are_shared_by_all_who_want_the_same_ones_and_never_after_they_were_replaced() {
    let shares = |left: &LogSlice, right: &LogSlice| core::ptr::eq(left.entries(), right.entries());
    let mut log = log(&[]);
    for _ in 0..2 {
        log.push(Entry { term: Term(1), payload: Payload::Noop });
    }
    let sent = log.slice_after(LogIndex(0), ByteCount::UNLIMITED).expect("it is kept");
    assert!(shares(&sent, &log.slice_after(LogIndex(0), ByteCount::UNLIMITED).expect("it is kept")));
    assert!(shares(&sent, &log.take_unwritten().expect("all of it")));
    let received = slice(at(1, 1), &[2, 2]);
    assert_eq!(log.append(&received), Appended::Replaced { kept: LogIndex(1) });
    assert!(shares(&received, &log.take_unwritten().expect("what was received")));
    assert_eq!(log.slice_after(LogIndex(1), ByteCount::UNLIMITED), Some(received));
    assert_eq!(terms(&log), [1, 2, 2]);
}

#[test]
fn a_slice_holds_what_fits_and_one_entry_in_any_case() {
    let mut log = log(&[1, 1, 1]); // of 8 bytes each
    let mut lengths = |after: u64| {
        [0, 8, 15, 16, u64::MAX]
            .map(|limit| log.slice_after(LogIndex(after), ByteCount(limit)).expect("it is kept").len())
    };
    assert_eq!(lengths(0), [1, 1, 1, 2, 3]);
    assert_eq!(lengths(2), [1, 1, 1, 1, 1]);
    assert_eq!(lengths(3), [0, 0, 0, 0, 0]);
    assert_eq!(log.slice_after(LogIndex(4), ByteCount::UNLIMITED), None);
    let part = log.slice_after(LogIndex(1), ByteCount::UNLIMITED).expect("it is kept");
    assert_eq!(part, slice(at(1, 1), &[1, 1]));
}

#[test]
fn each_entry_is_written_once_and_again_only_if_it_was_replaced() {
    let mut log = log(&[1]);
    assert_eq!(log.take_unwritten(), None, "recovered entries are durable");
    log.append(&slice(at(1, 1), &[1, 1]));
    assert_eq!(log.take_unwritten(), Some(slice(at(1, 1), &[1, 1])));
    assert_eq!(log.take_unwritten(), None);
    log.persisted(LogIndex(2));
    log.persisted(LogIndex(1));
    assert_eq!(log.durable(), LogIndex(2), "it only grows");
    log.append(&slice(at(1, 1), &[2]));
    assert_eq!(log.durable(), LogIndex(1));
    assert_eq!(log.take_unwritten(), Some(slice(at(1, 1), &[2])));
}

#[test]
fn committed_entries_are_handed_out_once_they_are_durable_or_before() {
    let mut log = log(&[1, 1]);
    log.append(&slice(at(1, 2), &[1]));
    assert!(!log.has_applicable(true));
    assert!(log.commit_to(LogIndex(3)) && !log.commit_to(LogIndex(3)) && !log.commit_to(LogIndex(1)));
    assert_eq!(log.commit(), LogIndex(3));
    assert_eq!(log.take_applicable(false, ByteCount::UNLIMITED), Some(slice(EntryId::ORIGIN, &[1, 1])));
    assert!(!log.has_applicable(false) && log.has_applicable(true));
    assert_eq!(log.take_applicable(true, ByteCount::UNLIMITED), Some(slice(at(1, 2), &[1])));
    log.applied_to(LogIndex(3), ByteCount::UNLIMITED);
    assert_eq!((log.applied(), log.handed_out()), (LogIndex(3), LogIndex(3)));
}

/// Pages of at most the quota, one entry at least, and nothing more while the quota is used up or did not suffice.
#[test]
fn committed_entries_are_handed_out_in_pages() {
    let size = Entry { term: Term(1), payload: Payload::Command([0; 8].to_vec().into()) };
    let size = size.encoded_size(LogIndex(1)).0;
    for (quota, page) in [(1, 1), (size, 1), (2 * size - 1, 1), (2 * size, 2), (3 * size, 3), (u64::MAX, 5)] {
        let mut log = log(&[1; 5]);
        log.commit_to(LogIndex(5));
        let mut applied = 0;
        while applied < 5 {
            let slice = log.take_applicable(false, ByteCount(quota)).expect("there is more");
            let expected = page.min(5 - applied);
            assert_eq!(slice.len() as u64, expected, "quota {quota}");
            assert!(!log.has_applicable(false), "quota {quota}");
            assert_eq!(log.take_applicable(false, ByteCount(quota)), None);
            applied += expected;
            log.applied_to(LogIndex(applied), ByteCount(quota));
        }
        assert_eq!(log.applying, Applying::default());
    }
}

/// What is not applied yet uses the quota up.
#[test]
fn a_page_is_smaller_while_an_earlier_one_is_being_applied() {
    let mut log = log(&[1; 6]);
    let quota = ByteCount(40); // three of them and a bit
    log.commit_to(LogIndex(2));
    assert_eq!(log.take_applicable(false, quota).map(|slice| slice.len()), Some(2));
    log.commit_to(LogIndex(6));
    assert_eq!(log.take_applicable(false, quota).map(|slice| slice.len()), Some(1));
    assert!(!log.has_applicable(false), "there was no room for the fourth");
    log.applied_to(LogIndex(1), quota);
    assert_eq!(log.take_applicable(false, quota).map(|slice| slice.len()), Some(1));
}

#[test]
fn a_recovered_log_is_applied_from_its_beginning() {
    let mut log = Log::new(&slice(at(2, 5), &[2, 3]), LogIndex(6), LogIndex(5));
    assert_eq!(log.applied(), LogIndex(5));
    assert_eq!(log.take_applicable(false, ByteCount::UNLIMITED), Some(slice(at(2, 5), &[2])));
}

/// However a log came to be, equal logs have equal digests, and an entry makes a difference wherever it stands.
#[test]
fn the_digest_of_a_log_is_that_of_its_entries() {
    let mut grown = log(&[1, 1]);
    grown.append(&slice(at(1, 1), &[2, 2]));
    grown.take_unwritten();
    grown.persisted(LogIndex(3));
    assert_eq!(grown, log(&[1, 2, 2]));
    let digests =
        [&[1, 2, 2][..], &[1, 1, 2], &[2, 2, 2], &[1, 2, 3], &[1, 2], &[]].map(|t| digest_of(&log(t)));
    for (position, digest) in digests.iter().enumerate() {
        assert!(!digests[..position].contains(digest), "log {position}");
    }
    let with_payload = |payload| {
        let mut log = log(&[]);
        log.push(Entry { term: Term(1), payload });
        log.push(Entry { term: Term(1), payload: Payload::Noop });
        digest_of(&log)
    };
    let payloads = [Payload::Noop, Payload::Command("".into()), Payload::Command("x".into())];
    let [noop, empty, command] = payloads.map(with_payload);
    assert!(noop != empty && empty != command && noop != command);
}

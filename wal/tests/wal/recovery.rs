//! What is read back from files that were cut, torn, damaged or never a log.

use crate::support::{Fate, Pick, State, in_term, recover_first, snapshot, synced_file, tear};
use proptest::{collection::vec, prelude::*};
use raft_core::{EntryId, LogIndex};
use raft_wal::{Damage, Encoder, LogFile, Misfit, NamedSnapshot, Record, SECTOR, SnapshotPlace, recover};

fn picks(len: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Pick>> {
    vec(any::<(u8, u8, u8)>().prop_map(|(kind, place, len)| Pick { kind, place, len }), len)
}

/// Where a frame's body ends, by its header.
fn body_end(file: &[u8], offset: u64) -> usize {
    let offset = offset as usize;
    let len = u32::from_le_bytes(file[offset + 8..offset + 12].try_into().unwrap());
    offset + 32 + len as usize
}

fn raw_frame(body: &[u8], chain: u32, number: u64, durable_before: u64) -> Vec<u8> {
    let covered = [
        &(body.len() as u32).to_le_bytes()[..],
        &chain.to_le_bytes(),
        &number.to_le_bytes(),
        &durable_before.to_le_bytes(),
        body,
    ]
    .concat();
    let mut frame = [&b"WTL2"[..], &crc32fast::hash(&covered).to_le_bytes(), &covered].concat();
    frame.resize(frame.len().next_multiple_of(SECTOR as usize), 0);
    frame
}

proptest! {
    #[test]
    fn what_was_written_is_read(picks in picks(0..12)) {
        let (file, states, _) = synced_file(&picks);
        let contents = recover_first(&file).unwrap();
        prop_assert_eq!(State::from(&contents), states.last().unwrap().clone());
        prop_assert_eq!(contents.end, file.len() as u64);
        prop_assert_eq!(contents.next_number, picks.len() as u64 + 1);
        prop_assert_eq!(contents.torn_len, 0);
    }

    /// Cut anywhere in its last two frames, the file holds a frame until its body is hurt.
    #[test]
    fn a_file_that_was_cut_holds_its_whole_frames(picks in picks(2..6)) {
        let (file, states, offsets) = synced_file(&picks);
        for len in offsets[picks.len() - 2] as usize..file.len() {
            let whole = offsets.iter().filter(|&&offset| body_end(&file, offset) <= len).count();
            let contents = recover_first(&file[..len]).unwrap();
            prop_assert_eq!(contents.next_number, whole as u64 + 1, "cut to {} bytes", len);
            prop_assert_eq!(&State::from(&contents), &states[whole], "cut to {} bytes", len);
        }
    }

    #[test]
    fn a_flipped_bit_is_found_while_a_later_frame_is_left(
        picks in picks(2..6),
        which in any::<prop::sample::Index>(),
        position in any::<prop::sample::Index>(),
    ) {
        let (mut file, states, offsets) = synced_file(&picks);
        let offset = offsets[which.index(picks.len())];
        let next = offsets.iter().copied().find(|&next| offset < next);
        let end = next.unwrap_or(file.len() as u64);
        let bit = 8 * offset as usize + position.index(8 * (end - offset) as usize);
        let is_padding = body_end(&file, offset) <= bit / 8;
        file[bit / 8] ^= 1 << (bit % 8);
        match (recover_first(&file), next) {
            (Ok(contents), _) if is_padding => prop_assert_eq!(&State::from(&contents), &states[picks.len()]),
            (Err(damage), Some(witness)) => {
                prop_assert_eq!(damage, Damage::LostFrame { offset, witness, durable_before: witness });
            }
            // Nothing was written since, so it might be a write that was torn.
            (Ok(contents), None) => prop_assert_eq!(&State::from(&contents), &states[picks.len() - 1]),
            (result, _) => prop_assert!(false, "bit {} of {:?}: {:?}", bit, offsets, result),
        }
    }

    #[test]
    fn a_file_that_was_edited_is_refused_or_holds_a_prefix(
        picks in picks(0..6),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (mut file, states, _) = synced_file(&picks);
        for (position, byte) in edits {
            let position = position.index(file.len().max(1));
            file.splice(position..(position + 1).min(file.len()), [byte]);
        }
        if let Ok(contents) = recover_first(&file) {
            prop_assert_eq!(&State::from(&contents), &states[contents.next_number as usize - 1]);
        }
    }

    #[test]
    fn any_bytes_are_a_torn_tail(bytes in vec(any::<u8>(), 0..2000)) {
        let contents = recover_first(&bytes).expect("no frame is left that could tell of damage");
        prop_assert_eq!(State::from(&contents), State::default());
        prop_assert!(contents.torn_len <= bytes.len() as u64);
    }

    /// Behind a right checksum, so that the decoder of bodies sees them.
    #[test]
    fn any_body_can_be_read(bodies in vec(vec(prop_oneof![0..4_u8, any::<u8>()], 0..100), 1..4)) {
        let mut file = Vec::new();
        let mut chain = 0;
        for (number, body) in (1..).zip(&bodies) {
            let frame = raw_frame(body, chain, number, file.len() as u64);
            chain = u32::from_le_bytes(frame[4..8].try_into().unwrap());
            file.extend_from_slice(&frame);
        }
        let _ = recover_first(&file);
    }
}

#[test]
fn every_flipped_bit_of_a_durable_frame_is_found() {
    let picks =
        [(0, 0, 0), (3, 0, 3), (1, 0, 1), (0, 0, 0)].map(|(kind, place, len)| Pick { kind, place, len });
    let (file, _, offsets) = synced_file(&picks);
    for &offset in &offsets[..3] {
        for bit in 8 * offset as usize..8 * body_end(&file, offset) {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let found = match recover_first(&damaged) {
                Err(Damage::LostFrame { offset, witness: _, durable_before: _ }) => Some(offset),
                Ok(_) | Err(_) => None,
            };
            assert_eq!(found, Some(offset), "bit {bit}");
        }
    }
}

/// Every way in which the power can fail over a few unsynced frames of one and two sectors.
#[test]
fn every_torn_tail_is_cut() {
    let short = Pick { kind: 0, place: 0, len: 0 };
    let long = Pick { kind: 3, place: 0, len: 2 };
    for picks in [[short, short, short], [short, long, short], [long, short, long], [short, long, long]] {
        for synced in 0..3 {
            check_every_tear(&picks, synced);
        }
    }
}

fn check_every_tear(picks: &[Pick], synced: usize) {
    let mut encoder = Encoder::default();
    let (mut states, mut frames) = (vec![State::default()], Vec::new());
    for (number, &pick) in picks.iter().enumerate() {
        let durable_before =
            frames.iter().take(synced.min(number)).map(|frame: &bytes::Bytes| frame.len()).sum::<usize>();
        let record = states[number].record(pick);
        frames.push(encoder.encode(&record, durable_before as u64).unwrap().bytes);
        states.push(states[number].after(&record));
    }
    let durable = frames[..synced].concat();
    let unsynced = frames[synced..].concat();
    let sectors = unsynced.len() / SECTOR as usize;
    for fates in 0..1_usize << (2 * sectors) {
        let mut image = durable.clone();
        let mut fates_left = fates;
        tear(&mut image, durable.len() as u64, &unsynced, || {
            let fate = Fate::ALL[fates_left % 4];
            fates_left /= 4;
            fate
        });
        let contents = recover_first(&image).expect("nothing durable was lost");
        let read = contents.next_number as usize - 1;
        assert!(synced <= read, "fates {fates}: {read} of {synced} synced frames were read");
        assert_eq!(State::from(&contents), states[read], "fates {fates}");
        let all_zero = image.get(contents.end as usize..).unwrap_or_default().iter().all(|&byte| byte == 0);
        assert_eq!(contents.torn_len == 0, all_zero, "fates {fates}");
    }
}

/// Frames that were written without a sync between them are no proof that the first of them was durable.
#[test]
fn damage_in_what_was_synced_last_is_taken_for_a_torn_tail() {
    let mut encoder = Encoder::default();
    let first = encoder.encode(&in_term(1), 0).unwrap().bytes;
    let second = encoder.encode(&in_term(2), 0).unwrap().bytes;
    let mut file = [first, second].concat();
    file[32] ^= 1;
    let contents = recover_first(&file).unwrap();
    assert_eq!((State::from(&contents), contents.end), (State::default(), 0));
    assert!(512 < contents.torn_len);
}

/// Without the chain a frame of an earlier tail could follow a new frame of the same length.
#[test]
fn a_stale_frame_does_not_follow_a_new_one() {
    let mut earlier = Encoder::default();
    let durable = earlier.encode(&in_term(1), 0).unwrap().bytes;
    let mut later = earlier.clone();
    let _lost = earlier.encode(&in_term(2), 512).unwrap();
    let stale = earlier.encode(&in_term(3), 512).unwrap().bytes;
    let new = later.encode(&in_term(9), 512).unwrap().bytes;
    let contents = recover_first(&[durable, new, stale].concat()).unwrap();
    assert_eq!((contents.hard_state(), contents.next_number), (in_term(9).hard_state, 3));
}

#[test]
fn a_frame_of_another_number_does_not_follow() {
    let file = raw_frame(&[0, 0, 0, 0, 0], 0, 1, 0);
    let chain = u32::from_le_bytes(file[4..8].try_into().unwrap());
    let recovered = |number| {
        let next = raw_frame(&[1, 0, 0, 0, 0], chain, number, 0);
        recover_first(&[&file[..], &next].concat()).unwrap().next_number
    };
    assert_eq!([1, 2, 3].map(recovered), [2, 3, 2]);
}

#[test]
fn what_no_encoder_writes_is_refused() {
    let empty = [0, 0, 0, 0, 0];
    let first = raw_frame(&empty, 0, 1, 0);
    let chain = u32::from_le_bytes(first[4..8].try_into().unwrap());
    let second = |body: &[u8]| recover_first(&[&first[..], &raw_frame(body, chain, 2, 512)].concat());
    assert!(second(&empty).is_ok());
    assert!(matches!(second(&[0, 0]), Err(Damage::Malformed { offset: 512, .. })));
    assert!(
        matches!(second(&[0, 0, 0, 0, 0, 0]), Err(Damage::Malformed { offset: 512, .. })),
        "a byte too many"
    );
    assert_eq!(
        second(&[0, 0, 2, 0, 0]),
        Err(Damage::CommitBeyondLog { commit: LogIndex(2), last: EntryId::ORIGIN })
    );
    let entries_behind_1 = second(&[1, 0, 0, 0, 1, 1, 1, 1, 1, 0]);
    let misfit = Misfit::Detached { prev: EntryId::new(1, 1), last: EntryId::ORIGIN };
    assert_eq!(entries_behind_1, Err(Damage::Misfit { offset: 512, misfit }));
}

#[test]
fn what_recovery_refuses_is_not_written() {
    let mut encoder = Encoder::default();
    let unchanged = encoder.clone();
    let beyond = Record { commit: LogIndex(1), ..in_term(1) };
    encoder.encode(&beyond, 0).unwrap_err();
    let entries = raft_core::LogSlice::empty(EntryId::new(1, 1));
    encoder.encode(&Record { entries: Some(entries), ..in_term(1) }, 0).unwrap_err();
    assert_eq!(encoder, unchanged);
}

#[test]
#[should_panic(expected = "durable to 512 of 0")]
fn what_is_not_written_yet_is_not_durable() {
    let _ = Encoder::default().encode(&in_term(1), 512);
}

/// A log of three entries with a snapshot of two of them, and the frame with which it moves to its other file.
fn compacted() -> (Encoder, Vec<u8>, Vec<u8>) {
    let (mut encoder, mut file) = (Encoder::default(), Vec::new());
    let entries = State::default().record(Pick { kind: 3, place: 0, len: 3 });
    let state = State::default().after(&entries);
    let (meta, _) = snapshot(state.id_at(2));
    let named = NamedSnapshot { meta, place: SnapshotPlace { slot: 0, checksum: 7 } };
    for record in [entries, Record { commit: LogIndex(3), snapshot: Some(named), ..in_term(1) }] {
        let frame = encoder.encode(&record, file.len() as u64).unwrap();
        file.extend_from_slice(&frame.bytes);
    }
    let moved = encoder.compact(LogIndex(1)).unwrap();
    assert_eq!((moved.offset, moved.number), (0, 3));
    (encoder, file, moved.bytes.to_vec())
}

#[test]
fn a_log_is_read_from_the_file_it_was_moved_to_last() {
    let (mut encoder, first, mut second) = compacted();
    let contents = recover([&first, &second]).unwrap();
    assert_eq!(
        (contents.file, contents.end, contents.next_number),
        (LogFile::Second, second.len() as u64, 4)
    );
    assert_eq!((contents.log().prev(), contents.log().last()), (EntryId::new(1, 1), EntryId::new(1, 3)));
    assert_eq!(contents.snapshot().map(|named| named.meta.last), Some(EntryId::new(1, 2)));
    let frame = encoder.encode(&in_term(2), second.len() as u64).unwrap();
    second.extend_from_slice(&frame.bytes);
    assert_eq!(recover([&first, &second]).unwrap().hard_state(), in_term(2).hard_state);
    let moved_back = encoder.compact(LogIndex(2)).unwrap().bytes;
    let mut recycled = first;
    tear(&mut recycled, 0, &moved_back, || Fate::Kept);
    let contents = recover([&recycled, &second]).unwrap();
    assert_eq!((contents.file, contents.log().prev()), (LogFile::First, EntryId::new(1, 2)));
    assert!(512 <= contents.torn_len, "what stood in the file before is to be cleared");
}

/// The file that the log is about to leave counts until its beginning in the other one is whole.
#[test]
fn a_torn_beginning_of_the_other_file_is_no_beginning() {
    let (_, first, second) = compacted();
    for len in 0..40 {
        let contents = recover([&first, &second[..len]]).unwrap();
        assert_eq!((contents.file, contents.next_number), (LogFile::First, 3), "{len} bytes");
    }
}

#[test]
fn a_log_that_lost_the_beginning_of_its_file_is_refused_and_not_taken_from_the_file_before() {
    let (mut encoder, first, mut second) = compacted();
    let durable_before = second.len() as u64;
    let frame = encoder.encode(&in_term(2), durable_before).unwrap();
    second.extend_from_slice(&frame.bytes);
    second[40] ^= 1;
    let lost = Damage::LostFrame { offset: 0, witness: durable_before, durable_before };
    assert_eq!(recover([&first, &second]), Err(lost.clone()));
    assert_eq!(recover([&[], &second]), Err(lost));
}

/// A move that a crash undid leaves frames behind its torn beginning. The same beginning may be written again.
#[test]
fn frames_of_a_move_that_was_undone_do_not_come_back() {
    let (mut encoder, first, second) = compacted();
    let lost_beginning = second.len();
    let after = encoder.encode(&in_term(2), 0).unwrap();
    let mut undone = vec![0; lost_beginning];
    undone.extend_from_slice(&after.bytes);
    let contents = recover([&first, &undone]).unwrap();
    assert_eq!((contents.file, contents.next_number), (LogFile::First, 3));
    let moved = Encoder::continuing(&contents).compact(LogIndex(1)).unwrap();
    assert_eq!(moved.number, 5, "4 is still there");
    tear(&mut undone, 0, &moved.bytes, || Fate::Kept);
    let contents = recover([&first, &undone]).unwrap();
    assert_eq!((contents.file, contents.hard_state()), (LogFile::Second, in_term(1).hard_state));
}

//! Every envelope survives the round trip, and nothing but an encoded envelope is accepted.

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use raft_core::{
    AppendOutcome, ConfChange, Configuration, Entry, EntryId, Envelope, Incarnation, LogIndex, LogSlice,
    MemberChange, Message, NodeId, Payload, ReadContext, ReadId, ReadPosition, SnapshotHandle, SnapshotMeta,
    Term, Ticks, Transition,
};
use raft_wire::{DecodeError, decode, encode};

fn node_id() -> impl Strategy<Value = NodeId> {
    any::<u64>().prop_filter_map("a node id is not zero", NodeId::new)
}

/// Numbers of all magnitudes, since their encodings differ in length.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
}

fn log_index() -> impl Strategy<Value = LogIndex> {
    number().prop_map(LogIndex)
}

fn entry_id() -> impl Strategy<Value = EntryId> {
    (number(), number()).prop_map(|(term, index)| EntryId::new(term, index))
}

fn committed() -> impl Strategy<Value = Option<EntryId>> {
    option::of(entry_id())
}

fn read_position() -> impl Strategy<Value = Option<ReadPosition>> {
    option::of(number().prop_map(ReadPosition))
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::Noop),
        vec(any::<u8>(), 0..200).prop_map(|bytes| Payload::Command(Bytes::from(bytes))),
        conf_change().prop_map(|change| Payload::ConfChange(change.into())),
    ]
}

fn conf_change() -> impl Strategy<Value = ConfChange> {
    let transition = prop_oneof![
        Just(Transition::Automatic),
        Just(Transition::JointImplicit),
        Just(Transition::JointExplicit)
    ];
    let change = prop_oneof![
        node_id().prop_map(MemberChange::AddVoter),
        node_id().prop_map(MemberChange::AddLearner),
        node_id().prop_map(MemberChange::Remove),
        node_id().prop_map(MemberChange::Update),
    ];
    (transition, vec(change, 0..5), vec(any::<u8>(), 0..20)).prop_map(|(transition, changes, context)| {
        ConfChange { transition, changes, context: context.into() }
    })
}

fn ticks() -> impl Strategy<Value = Option<Ticks>> {
    option::of(number().prop_map(Ticks))
}

fn read_context() -> impl Strategy<Value = ReadContext> {
    (number(), number()).prop_map(|(life, id)| ReadContext { incarnation: Incarnation(life), id: ReadId(id) })
}

fn log_slice() -> impl Strategy<Value = LogSlice> {
    let prev = (0..u64::MAX >> 2, 0..u64::MAX >> 2);
    (prev, vec((0..3_u64, payload()), 0..12)).prop_map(|((term, index), entries)| {
        let mut last_term = term;
        let entries = entries.into_iter().map(|(growth, payload)| {
            last_term = (last_term + growth).max(1);
            Entry { term: Term(last_term), payload }
        });
        LogSlice::new(EntryId::new(term, index), entries.collect()).expect("terms rise from 1 on")
    })
}

fn append_outcome() -> impl Strategy<Value = AppendOutcome> {
    prop_oneof![
        log_index().prop_map(|index| AppendOutcome::Matched { index }),
        (log_index(), entry_id()).prop_map(|(probed, hint)| AppendOutcome::Mismatched { probed, hint }),
        Just(AppendOutcome::StaleTerm),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (entry_id(), committed()).prop_map(|(last, committed)| Message::RequestPreVote { last, committed }),
        (any::<bool>(), committed())
            .prop_map(|(granted, committed)| Message::RequestPreVoteReply { granted, committed }),
        (entry_id(), any::<bool>(), committed())
            .prop_map(|(last, transfer, committed)| Message::RequestVote { last, transfer, committed }),
        (any::<bool>(), committed())
            .prop_map(|(granted, committed)| Message::RequestVoteReply { granted, committed }),
        (log_slice(), log_index()).prop_map(|(entries, commit)| Message::AppendEntries { entries, commit }),
        append_outcome().prop_map(Message::AppendEntriesReply),
        (log_index(), read_position(), ticks()).prop_map(|(commit, read, sent_at)| Message::Heartbeat {
            commit,
            read,
            sent_at
        }),
        (read_position(), ticks()).prop_map(|(read, sent_at)| Message::HeartbeatReply { read, sent_at }),
        payload().prop_map(|payload| Message::Propose { payload }),
        read_context().prop_map(|read| Message::ReadIndex { read }),
        (read_context(), log_index()).prop_map(|(read, index)| Message::ReadIndexReply { read, index }),
        node_id().prop_map(|to| Message::TransferLeader { to }),
        Just(Message::TimeoutNow),
        (entry_id(), any::<u64>()).prop_map(|(last, handle)| Message::InstallSnapshot {
            snapshot: Box::new(SnapshotMeta {
                last,
                configuration: Configuration::of_voters(NodeId::new(handle)),
                handle: SnapshotHandle(handle),
            }),
        }),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope> {
    (node_id(), node_id(), number(), message()).prop_map(|(from, to, term, message)| Envelope {
        from,
        to,
        term: Term(term),
        message,
    })
}

/// A frame around any body, with the checksum it needs to be looked into.
fn frame(body: &[u8]) -> Vec<u8> {
    [&[raft_wire::VERSION][..], &crc32fast::hash(body).to_le_bytes(), body].concat()
}

fn vote_request() -> Envelope {
    Envelope {
        from: NodeId::new(1).unwrap(),
        to: NodeId::new(2).unwrap(),
        term: Term(300),
        message: Message::RequestVote {
            last: EntryId::new(4, 17),
            transfer: true,
            committed: Some(EntryId::new(3, 16)),
        },
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(envelope in envelope()) {
        prop_assert_eq!(decode(&encode(&envelope)), Ok(envelope));
    }

    #[test]
    fn a_flipped_bit_is_refused(envelope in envelope(), position in any::<prop::sample::Index>()) {
        let mut bytes = encode(&envelope).to_vec();
        let bit = position.index(8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_truncated_message_is_refused(envelope in envelope(), position in any::<prop::sample::Index>()) {
        let bytes = encode(&envelope);
        prop_assert!(decode(&bytes[..position.index(bytes.len())]).is_err());
    }

    #[test]
    fn any_bytes_can_be_decoded(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err(), "one in 2^40 would be a message");
    }

    /// Behind a right checksum, so that the body's decoder sees them.
    #[test]
    fn any_body_can_be_decoded(body in vec(prop_oneof![0..10_u8, any::<u8>()], 0..300)) {
        let _ = decode(&frame(&body));
    }

    /// Most of these get far into the body before anything is wrong.
    #[test]
    fn a_body_that_was_edited_can_be_decoded(
        envelope in envelope(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut body = encode(&envelope)[5..].to_vec();
        for (position, byte) in edits {
            let position = position.index(body.len());
            body[position] = byte;
        }
        if let Ok(decoded) = decode(&frame(&body)) {
            prop_assert_eq!(decode(&encode(&decoded)), Ok(decoded));
        }
    }
}

#[test]
fn the_layout_is_pinned() {
    let body = [1, 2, 0xac, 0x02, 2, 4, 17, 1, 1, 3, 16];
    assert_eq!(encode(&vote_request()), frame(&body));
}

#[test]
fn every_flipped_bit_of_a_message_is_refused() {
    let bytes = encode(&vote_request()).to_vec();
    for bit in 0..8 * bytes.len() {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&damaged).is_err(), "bit {bit}");
    }
}

#[test]
fn each_refusal_has_its_reason() {
    let bytes = encode(&vote_request());
    let body = &bytes[5..];
    assert_eq!(decode(&[]), Err(DecodeError::TooShort { len: 0 }));
    assert_eq!(decode(&bytes[..4]), Err(DecodeError::TooShort { len: 4 }));
    assert_eq!(decode(&[1, 0, 0, 0, 0]), Err(DecodeError::UnknownVersion { version: 1 }));
    assert_eq!(
        decode(&[2, 1, 2, 0, 0]),
        Err(DecodeError::ChecksumMismatch { stated: 0x0201, computed: crc32fast::hash(&[]) })
    );
    assert!(matches!(decode(&frame(&body[..4])), Err(DecodeError::Malformed(_))));
    assert_eq!(decode(&frame(&[body, &[0, 0]].concat())), Err(DecodeError::TrailingBytes { len: 2 }));
}

#[test]
fn nobody_is_no_sender() {
    let mut body = encode(&vote_request())[5..].to_vec();
    body[0] = 0;
    assert!(matches!(decode(&frame(&body)), Err(DecodeError::Malformed(_))));
}

#[test]
fn entries_whose_terms_decrease_are_malformed() {
    let append = |terms: [u8; 2]| {
        let head = [1, 2, 5, 4, 0, 0, 2];
        frame(&[&head[..], &[terms[0], 0, terms[1], 0], &[0]].concat())
    };
    assert!(decode(&append([4, 5])).is_ok());
    assert!(matches!(decode(&append([5, 4])), Err(DecodeError::Malformed(_))));
}

/// Were the number believed, the allocation would fail and take the process with it.
#[test]
fn a_huge_number_of_entries_is_not_believed() {
    let many = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let body = [&[1, 2, 5, 4, 0, 0][..], &many, &[1, 0]].concat();
    assert!(matches!(decode(&frame(&body)), Err(DecodeError::Malformed(_))));
    let huge_command = [&[1, 2, 5, 4, 0, 0, 1, 1, 1][..], &many].concat();
    assert!(matches!(decode(&frame(&huge_command)), Err(DecodeError::Malformed(_))));
}

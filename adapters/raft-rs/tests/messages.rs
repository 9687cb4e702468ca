//! What the adapter makes of bytes.

use protobuf::Message as _;
use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType, Snapshot, SnapshotMetadata};
use wavetank_process::{
    Adapter, Boot, Description, Outputs, Promise, RaftOptions, Recovered, Refusal, Role,
    raft_core::{EntryId, HardState, LogIndex, LogSlice, NodeId, Term},
};
use wavetank_raft_rs::RaftRs;

fn id(number: u64) -> NodeId {
    NodeId::new(number).unwrap()
}

fn replica() -> RaftRs {
    let boot = Boot {
        id: id(1),
        voters: [1, 2, 3].map(id).to_vec(),
        learners: Vec::new(),
        incarnation: 0,
        options: RaftOptions::default(),
    };
    let log = LogSlice::empty(EntryId::ORIGIN);
    RaftRs::start(
        &boot,
        Recovered { hard_state: HardState::default(), commit: LogIndex(0), snapshot: None, log },
    )
    .unwrap()
}

/// A message from n2 to n1 in term 2.
fn message(msg_type: MessageType) -> Message {
    Message { msg_type, from: 2, to: 1, term: 2, ..Message::default() }
}

fn bytes(message: &Message) -> Vec<u8> {
    message.write_to_bytes().unwrap()
}

fn entry(term: u64, index: u64, data: &'static [u8]) -> Entry {
    Entry { term, index, data: data.into(), ..Entry::default() }
}

fn append(entries: Vec<Entry>) -> Message {
    Message { log_term: 1, index: 4, commit: 4, entries: entries.into(), ..message(MessageType::MsgAppend) }
}

fn render(bytes: &[u8]) -> String {
    RaftRs::render(bytes, &|command| format!("<{}>", command.escape_ascii()))
}

/// Every message that travels, with its rendering and promise.
fn samples() -> Vec<(Message, &'static str, Promise)> {
    let rejected = |msg_type| Message { reject: true, ..message(msg_type) };
    let acknowledged = Message { index: 5, ..message(MessageType::MsgAppendResponse) };
    let mismatch =
        Message { index: 5, reject_hint: 3, log_term: 1, ..rejected(MessageType::MsgAppendResponse) };
    let vote = |msg_type| Message { log_term: 1, index: 7, ..message(msg_type) };
    let transfer = Message { context: raft::CAMPAIGN_TRANSFER.into(), ..vote(MessageType::MsgRequestVote) };
    let heartbeat = Message { commit: 3, ..message(MessageType::MsgHeartbeat) };
    let commands = vec![entry(2, 5, b"x=1"), entry(2, 6, b""), entry(2, 7, b"y=2")];
    let context = || 9_u64.to_be_bytes().to_vec().into();
    let asking = Message { context: context(), ..heartbeat.clone() };
    let answering = Message { context: context(), ..message(MessageType::MsgHeartbeatResponse) };
    let granted = Promise::Vote { candidate: id(1) };
    let own = Promise::Vote { candidate: id(2) };
    let none = Promise::None;
    vec![
        (vote(MessageType::MsgRequestPreVote), "RequestPreVote t2 last 1@7", none),
        (message(MessageType::MsgRequestPreVoteResponse), "RequestPreVoteReply t2 granted", none),
        (rejected(MessageType::MsgRequestPreVoteResponse), "RequestPreVoteReply t2 refused", none),
        (vote(MessageType::MsgRequestVote), "RequestVote t2 last 1@7", own),
        (transfer, "RequestVote t2 last 1@7, for a transfer", own),
        (message(MessageType::MsgRequestVoteResponse), "RequestVoteReply t2 granted", granted),
        (rejected(MessageType::MsgRequestVoteResponse), "RequestVoteReply t2 refused", none),
        (append(vec![]), "AppendEntries t2 prev 1@4 [] commit 4", none),
        (append(vec![entry(2, 5, b"x=1")]), "AppendEntries t2 prev 1@4 [2@5 <x=1>] commit 4", none),
        (append(commands), "AppendEntries t2 prev 1@4 [2@5 <x=1>, 2@6 no-op, 2@7 <y=2>] commit 4", none),
        (acknowledged, "AppendEntriesReply t2 matched 5", Promise::Holds { index: LogIndex(5) }),
        (mismatch, "AppendEntriesReply t2 mismatch at 5, hint 1@3", none),
        (heartbeat, "Heartbeat t2 commit 3", none),
        (asking, "Heartbeat t2 commit 3, read 9", none),
        (answering, "HeartbeatReply t2 read 9", none),
        (message(MessageType::MsgHeartbeatResponse), "HeartbeatReply t2", none),
        (message(MessageType::MsgTimeoutNow), "TimeoutNow t2", none),
    ]
}

#[test]
fn every_message_has_a_description_and_a_line() {
    for (message, line, promise) in samples() {
        let bytes = bytes(&message);
        assert_eq!(render(&bytes), line);
        let Description { kind, term, promise: promised } = RaftRs::describe(&bytes).unwrap();
        assert_eq!((line.split(' ').next(), Term(2), promise), (Some(kind), term, promised), "{line}");
    }
}

/// Bytes that are refused, and why.
fn refused() -> Vec<(Vec<u8>, &'static str)> {
    let heartbeat = message(MessageType::MsgHeartbeat);
    let conf_change = Entry { entry_type: EntryType::EntryConfChange, ..entry(2, 5, b"x") };
    let garbled = Entry { entry_type: EntryType::EntryConfChangeV2, ..entry(2, 5, b"x") };
    let mut refused = vec![
        (vec![], "nothing"),
        (vec![0xff; 9], "no protobuf"),
        (bytes(&append(vec![entry(2, 5, b"x")])).split_last().unwrap().1.to_vec(), "cut short"),
        (bytes(&Message { term: 0, ..heartbeat.clone() }), "no term"),
        (bytes(&Message { term: u64::MAX, ..heartbeat.clone() }), "a term beyond all"),
        (bytes(&append(vec![entry(2, 6, b"x")])), "a gap before the entries"),
        (bytes(&append(vec![entry(2, 5, b"x"), entry(1, 6, b"x")])), "terms that fall"),
        (bytes(&append(vec![entry(0, 5, b"x")])), "an entry without a term"),
        (bytes(&Message { index: u64::MAX, ..append(vec![]) }), "an index beyond all"),
        (bytes(&append(vec![conf_change])), "a change of members in the older form"),
        (bytes(&append(vec![garbled])), "a change of members that cannot be read"),
        (bytes(&Message { request_snapshot: 1, ..message(MessageType::MsgAppendResponse) }), "a snapshot"),
    ];
    for local in [
        MessageType::MsgHup,
        MessageType::MsgBeat,
        MessageType::MsgPropose,
        MessageType::MsgSnapshot,
        MessageType::MsgUnreachable,
        MessageType::MsgSnapStatus,
        MessageType::MsgCheckQuorum,
        MessageType::MsgTransferLeader,
        MessageType::MsgReadIndex,
        MessageType::MsgReadIndexResp,
    ] {
        refused.push((bytes(&message(local)), "what no peer sends"));
    }
    refused
}

#[test]
fn what_is_no_message_is_refused_and_changes_nothing() {
    let mut replica = replica();
    let before = replica.observe();
    for (bytes, why) in refused() {
        assert!(replica.step(id(2), &bytes).is_err(), "{why}");
        assert_eq!(RaftRs::describe(&bytes), None, "{why}");
        assert!(render(&bytes).starts_with('('), "{why}");
    }
    let heartbeat = message(MessageType::MsgHeartbeat);
    for (from, forged, why) in [
        (3, heartbeat.clone(), "another sender than it says"),
        (2, Message { to: 3, ..heartbeat.clone() }, "another receiver"),
        (1, Message { from: 1, ..heartbeat.clone() }, "from itself"),
        (9, Message { from: 9, ..message(MessageType::MsgHeartbeatResponse) }, "a stranger's reply"),
    ] {
        assert!(replica.step(id(from), &bytes(&forged)).is_err(), "{why}");
    }
    let mut outputs = Outputs::default();
    replica.drain(&mut outputs);
    assert!(outputs.is_empty(), "{outputs:?}");
    assert_eq!(replica.observe(), before);
    assert!(replica.step(id(2), &bytes(&heartbeat)).is_ok());
    assert_ne!(replica.observe().digest, before.digest);
}

#[test]
fn every_byte_may_be_wrong() {
    for (message, _, _) in samples() {
        let bytes = bytes(&message);
        for position in 0..bytes.len() {
            for flip in 1..=u8::MAX {
                let mut wrong = bytes.clone();
                wrong[position] ^= flip;
                RaftRs::describe(&wrong);
                render(&wrong);
            }
        }
    }
}

/// Findings about the crate, which the adapter does not hide.
#[test]
fn the_crate_believes_nonsense() {
    let mut replica = replica();
    let beyond = Message { log_term: 0, index: 100, commit: 0, ..append(vec![]) };
    replica.step(id(2), &bytes(&beyond)).unwrap();
    let mut outputs = Outputs::default();
    replica.drain(&mut outputs);
    replica.persisted(outputs.writes.last().unwrap().number);
    replica.drain(&mut outputs);
    let (_, reply) = outputs.sends.last().unwrap();
    assert_eq!(render(reply), "AppendEntriesReply t2 matched 100", "its log is empty");

    let heartbeat = bytes(&Message { commit: 1, ..message(MessageType::MsgHeartbeat) });
    let step = std::panic::AssertUnwindSafe(|| replica.step(id(2), &heartbeat));
    assert!(std::panic::catch_unwind(step).is_err(), "nothing to commit");
}

/// The crate panics if it campaigns between the write of a snapshot and its being applied.
#[test]
fn nobody_campaigns_while_a_snapshot_is_being_installed() {
    let mut replica = replica();
    let metadata = SnapshotMetadata {
        index: 5,
        term: 2,
        conf_state: Some(ConfState::from((vec![1, 2, 3], vec![]))).into(),
        ..SnapshotMetadata::default()
    };
    let snapshot = Snapshot { metadata: Some(metadata).into(), ..Snapshot::default() };
    let install = Message { snapshot: Some(snapshot).into(), ..message(MessageType::MsgSnapshot) };
    replica.install_snapshot(id(2), EntryId::new(2, 5), &bytes(&install)).unwrap();
    let mut outputs = Outputs::default();
    replica.drain(&mut outputs);
    let [write] = &*outputs.writes else { panic!("{outputs:?}") };
    assert!(write.snapshot.is_some());

    replica.advance(100);
    assert_eq!(replica.observe().role, Role::Follower);
    let timeout_now = replica.step(id(2), &bytes(&message(MessageType::MsgTimeoutNow)));
    assert_eq!(timeout_now, Err("a snapshot is being installed".to_owned()));
    let refusal = replica.campaign();
    assert_eq!(refusal, Err(Refusal::Other("a snapshot is being installed".to_owned())));

    replica.persisted(write.number);
    replica.campaign().unwrap();
    assert_eq!(replica.observe().role, Role::PreCandidate);
}

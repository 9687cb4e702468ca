//! The adapter passes on what the core says, keeps its promises until they are durable, and believes no forged sender.

use raft_core::{
    Configuration, EntryId, Envelope, HardState, LogIndex, LogSlice, Message, NodeId, SnapshotHandle,
    SnapshotMeta, Term,
};
use wavetank_process::{Adapter, Boot, Outputs, Promise, RaftOptions, Recovered, Refusal, Role};
use wavetank_raft_core::RaftCore;

fn node(number: u64) -> NodeId {
    NodeId::new(number).expect("not zero")
}

fn start(pre_vote: bool) -> RaftCore {
    let options = RaftOptions { pre_vote, ..RaftOptions::default() };
    let boot = Boot {
        id: node(1),
        voters: [1, 2, 3].map(node).to_vec(),
        learners: Vec::new(),
        incarnation: 0,
        options,
    };
    let recovered = Recovered {
        hard_state: HardState::default(),
        commit: LogIndex(0),
        snapshot: None,
        log: LogSlice::empty(EntryId::ORIGIN),
    };
    RaftCore::start(&boot, recovered).expect("an empty disk")
}

fn drain(raft: &mut RaftCore) -> Outputs {
    let mut outputs = Outputs::default();
    raft.drain(&mut outputs);
    outputs
}

fn bytes(from: u64, message: Message) -> bytes::Bytes {
    raft_wire::encode(&Envelope { from: node(from), to: node(1), term: Term(1), message })
}

#[test]
fn a_vote_leaves_when_the_write_it_rests_on_is_durable() {
    let mut raft = start(true);
    let request = bytes(2, Message::RequestVote { last: EntryId::ORIGIN, transfer: false, committed: None });
    raft.step(node(2), &request).expect("a sound request");
    let outputs = drain(&mut raft);
    assert_eq!(outputs.sends, []);
    assert_eq!(outputs.writes.len(), 1);
    assert_eq!(outputs.writes[0].hard_state, Some(HardState::recovered(Term(1), Some(node(2)))));
    raft.persisted(outputs.writes[0].number);
    let sends = drain(&mut raft).sends;
    let promise =
        sends.first().and_then(|(_, bytes)| RaftCore::describe(bytes)).map(|message| message.promise);
    assert_eq!(promise, Some(Promise::Vote { candidate: node(2) }));
}

/// Nothing that concerns the driver is taken for a change that does not fit.
#[test]
fn a_change_out_of_turn_is_a_failure() {
    let failure = "index 7 is not being applied: 0 is applied and 0 handed out".to_owned();
    assert_eq!(start(true).apply_change(EntryId::new(1, 7)), Err(failure));
}

#[test]
fn a_message_in_somebody_elses_name_is_refused() {
    let mut raft = start(true);
    let before = raft.observe();
    let request = bytes(2, Message::RequestVote { last: EntryId::ORIGIN, transfer: false, committed: None });
    let refusal = raft.step(node(3), &request).expect_err("n3 is not n2");
    assert!(refusal.contains("in the name of n2"), "{refusal}");
    assert!(raft.step(node(2), b"noise").is_err());
    assert_eq!(raft.observe(), before);
}

#[test]
fn one_acknowledgement_covers_all_writes_before_it() {
    let mut raft = start(false);
    raft.campaign().expect("a voter");
    let first = drain(&mut raft);
    assert_eq!(first.sends, [], "nobody is asked before the candidate's own vote is durable");
    raft.campaign().expect("again");
    let second = drain(&mut raft);
    raft.persisted(second.writes[0].number);
    assert_eq!(drain(&mut raft).sends.len(), 4, "both rounds of requests");
    assert_eq!(raft.observe().role, Role::Candidate);
}

#[test]
fn refusals_say_who_leads() {
    let mut raft = start(true);
    let entries = LogSlice::empty(EntryId::ORIGIN);
    raft.step(node(3), &bytes(3, Message::AppendEntries { entries, commit: LogIndex(0) })).expect("a leader");
    let refused = Err(Refusal::NotLeader { leader: Some(node(3)) });
    assert_eq!(raft.propose("x".into()), refused);
    assert_eq!(raft.transfer(node(2)), refused);
}

#[test]
fn every_kind_of_message_is_described_and_rendered() {
    let append = Message::AppendEntries { entries: LogSlice::empty(EntryId::new(1, 4)), commit: LogIndex(3) };
    for (message, rendered) in [
        (
            Message::RequestVote {
                last: EntryId::new(2, 7),
                transfer: true,
                committed: Some(EntryId::new(1, 6)),
            },
            "RequestVote t1 last 2@7, commit 1@6, for a transfer",
        ),
        (Message::RequestVoteReply { granted: false, committed: None }, "RequestVoteReply t1 refused"),
        (
            Message::RequestPreVoteReply { granted: true, committed: Some(EntryId::new(1, 6)) },
            "RequestPreVoteReply t1 granted, commit 1@6",
        ),
        (append, "AppendEntries t1 prev 1@4 [] commit 3"),
        (Message::Heartbeat { commit: LogIndex(3), read: None, sent_at: None }, "Heartbeat t1 commit 3"),
        (Message::TimeoutNow, "TimeoutNow t1"),
    ] {
        let encoded = bytes(2, message.clone());
        assert_eq!(RaftCore::render(&encoded, &|_| String::new()), rendered);
        assert_eq!(RaftCore::describe(&encoded).map(|message| message.kind), Some(message.kind()));
    }
    assert_eq!(RaftCore::describe(b"noise"), None);
}

#[test]
fn a_snapshot_is_installed_only_with_its_bytes_and_by_the_name_they_have() {
    let mut raft = start(true);
    let last = EntryId::new(1, 7);
    let configuration = Configuration::of_voters([1, 2, 3].map(node));
    let snapshot = SnapshotMeta { last, configuration, handle: SnapshotHandle(7) };
    let message = bytes(2, Message::InstallSnapshot { snapshot: Box::new(snapshot.clone()) });
    let before = raft.observe();
    assert_eq!(raft.step(node(2), &message), Err("a snapshot without its bytes".to_owned()));
    assert!(
        raft.install_snapshot(node(2), EntryId::new(1, 8), &message).is_err(),
        "another snapshot's bytes"
    );
    assert_eq!(raft.observe(), before);
    raft.install_snapshot(node(2), last, &message).expect("a leader");
    let outputs = drain(&mut raft);
    assert_eq!(outputs.writes.len(), 1);
    assert_eq!(outputs.writes[0].snapshot, Some(snapshot));
    assert_eq!(outputs.sends, [], "the leader hears of it when it is durable");
    raft.persisted(outputs.writes[0].number);
    assert_eq!(drain(&mut raft).sends.len(), 1);
    assert_eq!((raft.observe().applied, raft.log().prev()), (last.index, last));
}

//! The words for what travels: entries, snapshots, messages between servers and to and from storage.
//!
//! etcd has one kind of message with many fields, of which each use prints the same ones. [`Shape`] is that.

use raft_core::{
    AppendOutcome, EntryId, Envelope, HardState, LogIndex, LogSlice, Message, NodeId, Payload, SnapshotMeta,
    StepError, Term,
};

use crate::{quote::quoted, wording};

/// Who sends or receives: a server, or one of the two threads that do its storage work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Server(NodeId),
    AppendThread,
    ApplyThread,
}

impl Party {
    fn describe(self) -> String {
        match self {
            Self::Server(id) => format!("{:x}", id.number()),
            Self::AppendThread => "AppendThread".to_owned(),
            Self::ApplyThread => "ApplyThread".to_owned(),
        }
    }
}

/// Term, vote and commit index as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredState {
    pub(crate) hard_state: HardState,
    pub(crate) commit: LogIndex,
}

/// What is printed of a message.
#[derive(Debug)]
pub(crate) struct Shape<'a> {
    pub(crate) from: Party,
    pub(crate) to: Party,
    pub(crate) kind: &'static str,
    pub(crate) term: Term,
    pub(crate) log: EntryId,
    /// For a refusal the index that its sender suggests.
    pub(crate) refusal_hint: Option<LogIndex>,
    pub(crate) commit: LogIndex,
    pub(crate) vote: Option<NodeId>,
    pub(crate) entries: Vec<(EntryId, &'a Payload)>,
    pub(crate) snapshot: Option<&'a SnapshotMeta>,
    pub(crate) responses: Vec<Shape<'a>>,
}

impl<'a> Shape<'a> {
    /// A message that says nothing but what kind it is.
    pub(crate) fn bare(from: Party, to: Party, kind: &'static str, term: Term) -> Self {
        Self {
            from,
            to,
            kind,
            term,
            log: EntryId::ORIGIN,
            refusal_hint: None,
            commit: LogIndex(0),
            vote: None,
            entries: Vec::new(),
            snapshot: None,
            responses: Vec::new(),
        }
    }

    /// A message of a server.
    pub(crate) fn of_envelope(envelope: &'a Envelope) -> Self {
        let Envelope { from, to, term, message } = envelope;
        Self::of_message(*from, *to, *term, message)
    }

    /// A message of a server, taken apart.
    pub(crate) fn of_message(from: NodeId, to: NodeId, term: Term, message: &'a Message) -> Self {
        let (from, to) = (Party::Server(from), Party::Server(to));
        let bare = Self::bare(from, to, kind(message), term);
        let answer = |granted: bool| (!granted).then_some(LogIndex(0));
        // (etcd tells none in elections.)
        let told = |committed: Option<EntryId>| committed.map_or(LogIndex(0), |entry| entry.index);
        match message {
            Message::RequestPreVote { last, committed }
            | Message::RequestVote { last, transfer: _, committed } => {
                Self { log: *last, commit: told(*committed), ..bare }
            }
            Message::RequestPreVoteReply { granted, committed }
            | Message::RequestVoteReply { granted, committed } => {
                Self { refusal_hint: answer(*granted), commit: told(*committed), ..bare }
            }
            Message::AppendEntries { entries, commit } => {
                Self { log: entries.prev(), commit: *commit, entries: payloads(entries), ..bare }
            }
            Message::AppendEntriesReply(outcome) => Self::of_outcome(*outcome, bare),
            Message::Heartbeat { commit, .. } => Self { commit: *commit, ..bare },
            Message::InstallSnapshot { snapshot } => Self { snapshot: Some(snapshot), ..bare },
            // It stands in no log yet, and belongs to no term.
            Message::Propose { payload } => {
                Self { term: Term(0), entries: vec![(EntryId::ORIGIN, payload)], ..bare }
            }
            Message::TransferLeader { to } => Self { from: Party::Server(*to), ..bare },
            Message::ReadIndex { .. } => Self { term: Term(0), ..bare },
            Message::ReadIndexReply { read: _, index } => {
                Self { log: EntryId { term: Term(0), index: *index }, ..bare }
            }
            Message::HeartbeatReply { .. } | Message::TimeoutNow => bare,
        }
    }

    fn of_outcome(outcome: AppendOutcome, bare: Self) -> Self {
        match outcome {
            AppendOutcome::Matched { index } => Self { log: EntryId { term: Term(0), index }, ..bare },
            AppendOutcome::Mismatched { probed, hint } => Self {
                log: EntryId { term: hint.term, index: probed },
                refusal_hint: Some(hint.index),
                ..bare
            },
            AppendOutcome::StaleTerm => bare,
        }
    }

    /// The order to write something.
    pub(crate) fn storage_append(
        node: NodeId,
        state: Option<StoredState>,
        entries: Option<&'a LogSlice>,
        snapshot: Option<&'a SnapshotMeta>,
    ) -> Self {
        let bare = Self::bare(Party::Server(node), Party::AppendThread, "MsgStorageAppend", Term(0));
        let entries = entries.map(payloads).unwrap_or_default();
        let bare = Self { entries, snapshot, ..bare };
        match state {
            None => bare,
            Some(StoredState { hard_state, commit }) => {
                Self { term: hard_state.term(), vote: hard_state.vote(), commit, ..bare }
            }
        }
    }

    /// The order to apply entries, or with other parties the answer that they are applied.
    pub(crate) fn storage_apply(from: Party, to: Party, kind: &'static str, entries: &'a LogSlice) -> Self {
        Self { entries: payloads(entries), ..Self::bare(from, to, kind, Term(0)) }
    }

    /// One line or more, without the last line feed. Lines after the first are indented by `indent`.
    pub(crate) fn describe(&self, indent: &str) -> String {
        let Self { from, to, kind, term, log, refusal_hint, commit, vote, entries, snapshot, responses } =
            self;
        let (from, to) = (from.describe(), to.describe());
        let mut text =
            format!("{indent}{from}->{to} {kind} Term:{} Log:{}/{}", term.0, log.term.0, log.index);
        if let Some(hint) = refusal_hint {
            text.push_str(&format!(" Rejected (Hint: {hint})"));
        }
        if *commit != LogIndex(0) {
            text.push_str(&format!(" Commit:{commit}"));
        }
        if let Some(vote) = vote {
            text.push_str(&format!(" Vote:{}", vote.number()));
        }
        match entries.as_slice() {
            [] => (),
            [(id, payload)] => text.push_str(&format!(" Entries:[{}]", describe_entry(*id, payload))),
            several => {
                let lines =
                    several.iter().map(|(id, one)| format!("\n{indent}  {}", describe_entry(*id, one)));
                text.push_str(&format!(" Entries:[{}\n{indent}]", lines.collect::<String>()));
            }
        }
        // A snapshot up to the index 0 is none.
        if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.last.index != LogIndex(0)) {
            text.push_str(&format!("\n{indent}  Snapshot: {}", describe_snapshot(snapshot)));
        }
        if !responses.is_empty() {
            let deeper = format!("{indent}  ");
            let lines = responses.iter().map(|response| format!("\n{}", response.describe(&deeper)));
            text.push_str(&format!(" Responses:[{}\n{indent}]", lines.collect::<String>()));
        }
        text
    }
}

/// Who counts as the sender: of a wish for a transfer, in etcd, whoever is to lead.
pub(crate) fn sender(envelope: &Envelope) -> NodeId {
    match envelope.message {
        Message::TransferLeader { to } => to,
        _ => envelope.from,
    }
}

/// etcd's name of a message.
pub(crate) fn kind(message: &Message) -> &'static str {
    match message {
        Message::RequestPreVote { .. } => "MsgPreVote",
        Message::RequestPreVoteReply { .. } => "MsgPreVoteResp",
        Message::RequestVote { .. } => "MsgVote",
        Message::RequestVoteReply { .. } => "MsgVoteResp",
        Message::AppendEntries { .. } => "MsgApp",
        Message::AppendEntriesReply(_) => "MsgAppResp",
        Message::Heartbeat { .. } => "MsgHeartbeat",
        Message::HeartbeatReply { .. } => "MsgHeartbeatResp",
        Message::InstallSnapshot { .. } => "MsgSnap",
        Message::TimeoutNow => "MsgTimeoutNow",
        Message::Propose { .. } => "MsgProp",
        Message::TransferLeader { .. } => "MsgTransferLeader",
        Message::ReadIndex { .. } => "MsgReadIndex",
        Message::ReadIndexReply { .. } => "MsgReadIndexResp",
    }
}

/// Every name that a script may filter messages by.
pub(crate) const KINDS: [&str; 24] = [
    "MsgHup",
    "MsgBeat",
    "MsgProp",
    "MsgApp",
    "MsgAppResp",
    "MsgVote",
    "MsgVoteResp",
    "MsgSnap",
    "MsgHeartbeat",
    "MsgHeartbeatResp",
    "MsgUnreachable",
    "MsgSnapStatus",
    "MsgCheckQuorum",
    "MsgTransferLeader",
    "MsgTimeoutNow",
    "MsgReadIndex",
    "MsgReadIndexResp",
    "MsgPreVote",
    "MsgPreVoteResp",
    "MsgStorageAppend",
    "MsgStorageAppendResp",
    "MsgStorageApply",
    "MsgStorageApplyResp",
    "MsgForgetLeader",
];

fn payloads(entries: &LogSlice) -> Vec<(EntryId, &Payload)> {
    entries.iter().map(|(id, entry)| (id, &entry.payload)).collect()
}

/// `1/4 EntryNormal "foo"`.
pub(crate) fn describe_entry(id: EntryId, payload: &Payload) -> String {
    format!("{}/{} {}", id.term.0, id.index, describe_payload(payload))
}

fn describe_payload(payload: &Payload) -> String {
    match payload {
        Payload::Noop => "EntryNormal \"\"".to_owned(),
        Payload::Command(bytes) => format!("EntryNormal {}", quoted(bytes)),
        Payload::ConfChange(change) => {
            let steps = wording::joined(change.changes.iter().map(|step| wording::member_change(*step)));
            let space = if steps.is_empty() { "" } else { " " };
            let is_first_version = change.context == FIRST_VERSION;
            let kind = if is_first_version { "EntryConfChange" } else { "EntryConfChangeV2" };
            format!("{kind}{space}{steps}")
        }
    }
}

/// Index, term and members.
pub(crate) fn describe_snapshot(snapshot: &SnapshotMeta) -> String {
    let SnapshotMeta { last, configuration, handle: _ } = snapshot;
    let members = wording::members(configuration);
    format!("Index:{} Term:{} ConfState:{members}", last.index, last.term.0)
}

/// `Term:1 Vote:1 Commit:2`.
pub(crate) fn describe_stored_state(state: StoredState) -> String {
    let StoredState { hard_state, commit } = state;
    let vote = hard_state.vote().map_or_else(String::new, |vote| format!(" Vote:{}", vote.number()));
    format!("Term:{}{vote} Commit:{commit}", hard_state.term().0)
}

/// What a request is answered with that has had no effect.
pub(crate) const PROPOSAL_DROPPED: &str = "raft proposal dropped";

/// What a reply is answered with that no member has sent.
pub(crate) const PEER_NOT_FOUND: &str = "raft: cannot step as peer not found";

/// What in an application's part of a change marks it as one of etcd's older kind, which the core need not tell from
/// the newer one.
pub(crate) const FIRST_VERSION: &[u8] = b"v1";

/// Why a message was refused. Only two of the reasons are known to etcd.
pub(crate) fn step_error(error: StepError) -> String {
    match error {
        StepError::UnknownPeer { .. } => PEER_NOT_FOUND.to_owned(),
        StepError::ProposalRefused { .. } => PROPOSAL_DROPPED.to_owned(),
        other => format!("refused: {other}"),
    }
}

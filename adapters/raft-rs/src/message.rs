//! Messages: the crate's, in the words of the paper.

use bytes::Bytes;
use protobuf::Message as _;
use raft::{
    CAMPAIGN_TRANSFER, Raft, StateRole,
    eraftpb::{self, Message, MessageType},
};
use raft_core::{EntryId, LogIndex, NodeId, Term};
use wavetank_process::{Description, Promise, SnapshotSend};

use crate::{log::log_slice, snapshot, storage::MemoryStorage};

/// Reads a message back. What the crate would mistake for one of its own, or the tank has no words for, is an error.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Message, Description), String> {
    let message = Message::parse_from_bytes(bytes).map_err(|error| error.to_string())?;
    let term = Term(message.term);
    let (kind, promise) = meaning(&message).ok_or_else(|| format!("no peer sends {:?}", message.msg_type))?;
    if term == Term(0) || Term::MAX < term {
        return Err(format!("{kind} of {term}"));
    }
    log_slice(EntryId::new(message.log_term, message.index), &message.entries)?;
    if message.msg_type == MessageType::MsgSnapshot {
        let last = snapshot::description(message.get_snapshot())?.last;
        if last.index == LogIndex(0) || last.term == Term(0) || term < last.term {
            return Err(format!("{kind} of {term} with a snapshot of {last}"));
        }
    }
    Ok((message, Description { kind, term, promise }))
}

/// Reads a message of a peer to this server.
pub(crate) fn decode_for(raft: &Raft<MemoryStorage>, from: NodeId, bytes: &[u8]) -> Result<Message, String> {
    let (message, description) = decode(bytes)?;
    if (message.from, message.to) != (from.number(), raft.id) {
        return Err(format!("{} from n{} to n{}", description.kind, message.from, message.to));
    }
    let answers = message.msg_type == MessageType::MsgRequestPreVoteResponse && !message.reject;
    if raft.state == StateRole::PreCandidate && answers && message.term <= raft.term {
        return Err(format!("{from} answers an earlier survey"));
    }
    if message.from == raft.id {
        return Err(format!("{from} is no peer"));
    }
    Ok(message)
}

/// The kind and the promise of a message; `None` for the crate's messages to itself, forwarded requests (the
/// adapter forwards none), and for requests of snapshots (the adapter makes none).
fn meaning(message: &Message) -> Option<(&'static str, Promise)> {
    let agreed = !message.reject;
    Some(match message.msg_type {
        _ if message.request_snapshot != 0 => return None,
        MessageType::MsgRequestPreVote => ("RequestPreVote", Promise::None),
        MessageType::MsgRequestPreVoteResponse => ("RequestPreVoteReply", Promise::None),
        // Who asks for votes has given its own.
        MessageType::MsgRequestVote => {
            ("RequestVote", Promise::Vote { candidate: NodeId::new(message.from)? })
        }
        MessageType::MsgRequestVoteResponse if agreed => {
            ("RequestVoteReply", Promise::Vote { candidate: NodeId::new(message.to)? })
        }
        MessageType::MsgRequestVoteResponse => ("RequestVoteReply", Promise::None),
        MessageType::MsgAppend => ("AppendEntries", Promise::None),
        MessageType::MsgAppendResponse if agreed => {
            ("AppendEntriesReply", Promise::Holds { index: LogIndex(message.index) })
        }
        MessageType::MsgAppendResponse => ("AppendEntriesReply", Promise::None),
        MessageType::MsgHeartbeat => ("Heartbeat", Promise::None),
        MessageType::MsgHeartbeatResponse => ("HeartbeatReply", Promise::None),
        MessageType::MsgTimeoutNow => ("TimeoutNow", Promise::None),
        MessageType::MsgSnapshot => ("InstallSnapshot", Promise::None),
        _ => return None,
    })
}

/// Takes out the messages that are to go with the bytes of a snapshot.
pub(crate) fn take_snapshots(messages: &mut Vec<Message>, sends: &mut Vec<SnapshotSend>) {
    let found = messages.extract_if(.., |message| message.msg_type == MessageType::MsgSnapshot);
    sends.extend(found.map(|message| snapshot::send(&message)));
    sends.sort_by_key(|send| send.to);
}

/// Encodes messages by ascending receiver: the crate broadcasts in the order of a hash map.
pub(crate) fn encode(mut messages: Vec<Message>) -> impl Iterator<Item = (NodeId, Bytes)> {
    messages.sort_by_key(|message| message.to);
    messages.into_iter().map(|message| {
        let to = NodeId::new(message.to).expect("the crate addresses its messages");
        (to, message.write_to_bytes().expect("every required field is set").into())
    })
}

/// A message in one line, in the words that `raft-core`'s adapter uses too.
pub(crate) fn render(bytes: &[u8], command: &dyn Fn(&[u8]) -> String) -> String {
    let (message, Description { kind, term, .. }) = match decode(bytes) {
        Ok(decoded) => decoded,
        Err(error) => return format!("({error})"),
    };
    let Message { msg_type, log_term, index, commit, reject, reject_hint, .. } = message;
    let read = <[u8; 8]>::try_from(&*message.context).map(u64::from_be_bytes);
    let entry = |entry: &eraftpb::Entry| match &*entry.data {
        [] => format!("{}@{} no-op", entry.term, entry.index),
        data => format!("{}@{} {}", entry.term, entry.index, command(data)),
    };
    let details = match msg_type {
        MessageType::MsgRequestVote if message.context == CAMPAIGN_TRANSFER => {
            format!(" last {log_term}@{index}, for a transfer")
        }
        MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => format!(" last {log_term}@{index}"),
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => {
            if reject { " refused" } else { " granted" }.to_owned()
        }
        MessageType::MsgAppend => {
            let entries: Vec<_> = message.entries.iter().map(entry).collect();
            format!(" prev {log_term}@{index} [{}] commit {commit}", entries.join(", "))
        }
        MessageType::MsgAppendResponse if reject => {
            format!(" mismatch at {index}, hint {log_term}@{reject_hint}")
        }
        MessageType::MsgAppendResponse => format!(" matched {index}"),
        MessageType::MsgHeartbeat => {
            format!(" commit {commit}{}", read.map_or(String::new(), |read| format!(", read {read}")))
        }
        MessageType::MsgSnapshot => {
            format!(" up to {}", snapshot::last(message.snapshot.get_ref()))
        }
        MessageType::MsgHeartbeatResponse => read.map_or(String::new(), |read| format!(" read {read}")),
        _ => String::new(),
    };
    format!("{kind} {term}{details}")
}

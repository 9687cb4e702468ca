//! Messages of the core: how they leave, and what they are.

use raft_core::{AppendOutcome, Envelope, Message, NodeId};
use wavetank_process::{Description, Outputs, Promise, SnapshotSend};

/// Adds a message to the outputs: by itself, or to go with the bytes of a snapshot.
pub(crate) fn send(envelope: &Envelope, outputs: &mut Outputs) {
    let (to, bytes) = (envelope.to, raft_wire::encode(envelope));
    match &envelope.message {
        Message::InstallSnapshot { snapshot } => {
            outputs.snapshots.push(SnapshotSend { to, last: snapshot.last, message: bytes });
        }
        _ => outputs.sends.push((to, bytes)),
    }
}

/// Reads a message of a peer.
///
/// # Errors
/// When it is none, or is in the name of somebody else; in words.
pub(crate) fn decode(from: NodeId, bytes: &[u8]) -> Result<Envelope, String> {
    let envelope = raft_wire::decode(bytes).map_err(|error| error.to_string())?;
    if envelope.from == from {
        Ok(envelope)
    } else {
        Err(format!("{from} sent a message in the name of {}", envelope.from))
    }
}

/// What a message is, or `None` if these bytes are none.
pub(crate) fn describe(bytes: &[u8]) -> Option<Description> {
    let envelope = raft_wire::decode(bytes).ok()?;
    let promise = match &envelope.message {
        // Who asks for votes has given its own.
        Message::RequestVote { .. } => Promise::Vote { candidate: envelope.from },
        Message::RequestVoteReply { granted: true, .. } => Promise::Vote { candidate: envelope.to },
        Message::AppendEntriesReply(AppendOutcome::Matched { index }) => Promise::Holds { index: *index },
        _ => Promise::None,
    };
    Some(Description { kind: envelope.message.kind(), term: envelope.term, promise })
}

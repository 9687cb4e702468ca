//! Snapshots: the crate's, which carry no bytes here, and the tank's descriptions of them.

use bytes::Bytes;
use protobuf::Message as _;
use raft::{
    SnapshotStatus,
    eraftpb::{Message, Snapshot, SnapshotMetadata},
};
use raft_core::{EntryId, NodeId, SnapshotHandle, SnapshotMeta, SnapshotOutcome};
use wavetank_process::SnapshotSend;

use crate::members;

/// The crate's snapshot with this description.
pub(crate) fn described(meta: &SnapshotMeta) -> Snapshot {
    let metadata = SnapshotMetadata {
        index: meta.last.index.0,
        term: meta.last.term.0,
        conf_state: Some(members::conf_state(&meta.configuration)).into(),
        ..SnapshotMetadata::default()
    };
    Snapshot { metadata: Some(metadata).into(), ..Snapshot::default() }
}

/// The description of a snapshot of the crate.
///
/// # Errors
/// When its members contradict each other.
pub(crate) fn description(snapshot: &Snapshot) -> Result<SnapshotMeta, String> {
    let metadata = snapshot.get_metadata();
    Ok(SnapshotMeta {
        last: last(snapshot),
        configuration: members::configuration(metadata.get_conf_state())?,
        handle: SnapshotHandle(metadata.index),
    })
}

/// The last entry that a snapshot of the crate covers.
pub(crate) fn last(snapshot: &Snapshot) -> EntryId {
    let metadata = snapshot.get_metadata();
    EntryId::new(metadata.term, metadata.index)
}

/// A message that is to go with the bytes of a snapshot.
pub(crate) fn send(message: &Message) -> SnapshotSend {
    SnapshotSend {
        to: NodeId::new(message.to).expect("the crate addresses its messages"),
        last: last(message.get_snapshot()),
        message: Bytes::from(message.write_to_bytes().expect("every required field is set")),
    }
}

/// How sending ended, in the crate's words.
pub(crate) fn status(outcome: SnapshotOutcome) -> SnapshotStatus {
    match outcome {
        SnapshotOutcome::Sent => SnapshotStatus::Finish,
        SnapshotOutcome::Failed => SnapshotStatus::Failure,
    }
}

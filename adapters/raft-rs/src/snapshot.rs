//! Snapshots: the crate's, which carry no bytes here, and the tank's descriptions of them.

use bytes::Bytes;
use protobuf::Message as _;
use raft::{
    SnapshotStatus,
    eraftpb::{ConfState, Message, Snapshot, SnapshotMetadata},
};
use raft_core::{Configuration, EntryId, NodeId, SnapshotHandle, SnapshotMeta, SnapshotOutcome};
use wavetank_process::SnapshotSend;

/// The crate's snapshot with this description.
pub(crate) fn described(meta: &SnapshotMeta) -> Snapshot {
    let metadata = SnapshotMetadata {
        index: meta.last.index.0,
        term: meta.last.term.0,
        conf_state: Some(conf_state(&meta.configuration)).into(),
        ..SnapshotMetadata::default()
    };
    Snapshot { metadata: Some(metadata).into(), ..Snapshot::default() }
}

/// The description of a snapshot of the crate.
pub(crate) fn description(snapshot: &Snapshot) -> SnapshotMeta {
    let metadata = snapshot.get_metadata();
    SnapshotMeta {
        last: EntryId::new(metadata.term, metadata.index),
        configuration: configuration(metadata.get_conf_state()),
        handle: SnapshotHandle(metadata.index),
    }
}

/// Members that only vote: the tank changes none.
pub(crate) fn conf_state(configuration: &Configuration) -> ConfState {
    let voters = configuration.voters().iter().map(NodeId::number).collect::<Vec<_>>();
    ConfState::from((voters, []))
}

/// The same, the other way round.
pub(crate) fn configuration(state: &ConfState) -> Configuration {
    Configuration::of_voters(state.voters.iter().filter_map(|&voter| NodeId::new(voter)))
}

/// A message that is to go with the bytes of a snapshot.
pub(crate) fn send(message: &Message) -> SnapshotSend {
    SnapshotSend {
        to: NodeId::new(message.to).expect("the crate addresses its messages"),
        last: description(message.get_snapshot()).last,
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

//! What a replica has to say: the outputs of one step.

use alloc::vec::Vec;

use crate::{entry::LogSlice, id::NodeId, message::Envelope, read::ReadState, role::RoleKind, write::Write};

/// The state that need not survive a crash and that drivers like to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftState {
    /// The role.
    pub role: RoleKind,
    /// The leader, if one is known.
    pub leader: Option<NodeId>,
}

/// What a driver has to do. Each part may be done as soon as it likes; nothing waits but what is inside the write.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a replica whose outputs are dropped falls silent"]
pub struct Ready {
    /// Messages that promise nothing that is not durable. They may leave at once.
    pub messages: Vec<Envelope>,
    /// State to make durable, with the messages that wait for it.
    pub write: Option<Write>,
    /// Committed entries for the state machine. When they are applied, call [`Raft::on_applied`](crate::Raft::on_applied).
    pub committed: Option<LogSlice>,
    /// Reads that were answered.
    pub reads: Vec<ReadState>,
    /// The role and the leader, if either changed.
    pub soft_state: Option<SoftState>,
}

//! What a [`Replica`](crate::Replica) replicates.

use bytes::Bytes;

use crate::process::RequestId;

/// A deterministic state machine. Its state must depend on nothing but the commands applied, in order.
pub trait StateMachine: Default + 'static {
    /// Whether this request changes nothing, so that it can be served by [`query`](Self::query) without an
    /// entry in the log.
    fn is_query(request: &[u8]) -> bool;

    /// Applies a command and returns the reply. A retry (a request applied before, known by its id) must not take
    /// effect again and gets the first reply (§6.3).
    fn apply(&mut self, id: RequestId, command: &[u8]) -> Bytes;

    /// Answers a request that changes nothing.
    fn query(&self, request: &[u8]) -> Bytes;

    /// A command in a few words, for traces.
    fn render(command: &[u8]) -> String {
        format!("({} bytes)", command.len())
    }

    /// A digest of the whole state, sessions included.
    fn digest(&self) -> u128;

    /// The whole state, sessions included, as bytes.
    fn snapshot(&self) -> Bytes;

    /// Replaces the whole state by what [`snapshot`](Self::snapshot) made of another one's. Afterwards the two have the
    /// same digest.
    ///
    /// # Errors
    /// When the bytes are no snapshot; nothing has changed then.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError>;
}

/// Bytes that a state machine cannot be restored from, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a snapshot of this state machine: {0}")]
pub struct RestoreError(pub String);

//! The write-ahead log as a log store.
/// The log store over `raft-wal`.
#[derive(Debug, Default)]
pub struct WalStore;

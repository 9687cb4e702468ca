//! What the tank drives: a machine's whole program, and the parts of a ready-made one.
//!
//! There are two seams. A [`Process`] is everything that runs on one machine: message bytes, disk answers,
//! client requests and the passing of time go in; message bytes, disk requests, replies and the next deadline
//! come out. [`Replica`] is a ready-made process, put together from three parts that can be swapped one by one:
//! an [`Adapter`] (a Raft implementation), a [`LogStore`] (where its promises go) and a [`StateMachine`] (what it
//! replicates).
//!
//! A Raft implementation goes into the tank as an adapter; a server with storage and a protocol of its own, as a process.
//!
//! Left out on purpose: threads, futures and clocks. A process is called, does its work and returns; so the
//! same inputs give the same outputs, on every machine.

mod observation;
mod process;
mod adapter;
mod log_store;
mod state_machine;
mod frame;
mod transfer;
mod replica;
mod wal_store;

pub use adapter::{
    Adapter, Boot, Committed, Outputs, Persist, RaftOptions, ReadOutcome, Recovered, Refusal,
    SnapshotOptions, SnapshotSend, StoredSnapshot,
};
pub use log_store::{DiskQueue, LogStore, StoreError, StoreEvent};
pub use observation::{Description, Observation, Promise, Role};
pub use process::{
    Chance, ClientId, Context, Control, Input, Label, LocalTime, Outcome, Output, Process, RequestId,
};
pub use raft_core;
pub use raft_wal::disk;
pub use replica::{Replica, branches, unframe_command};
pub use state_machine::{RestoreError, StateMachine};
pub use wal_store::WalStore;

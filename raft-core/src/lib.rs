//! A sans-IO Raft consensus core: replication of a log by a quorum of servers, without a disk, a network, a
//! clock or a thread in sight.
//!
//! One [`Raft`] is one replica. Time, messages, requests and acknowledgements go in as method calls; everything
//! it wants done comes out of [`Raft::ready`]. It reads no storage, so nothing but its caller can fail.
//!
//! # The protocol, in the order of these pages
//!
//! Time is divided into terms, and a term has at most one leader ([`id`]), which a [majority](quorum) elects. Who belongs
//! to the cluster is its [configuration], which [changes](conf_change) one voter at a time, or any number by way of two
//! majorities. What replicas agree on is a [log of entries](entry). Every server remembers its [term and its
//! vote](hard_state) over a crash. Of a log that has grown long a [snapshot] takes the place. Servers [talk](message) in a
//! few requests and replies, and do so as their [settings](config) ask. A leader tracks how far [each follower](progress)
//! has come, [all of them](progress_table) together, commits what a majority holds, and serves [reads](read) once a
//! majority has confirmed that it still leads. A replica plays one [role] at a time.
//!
//! What makes it safe is that a server keeps its promises, so a promise must reach the disk before it reaches a
//! peer. Here that rule is a type: promises travel inside the [write](mod@write) they rest on. [`Raft`] is all of this
//! together, and [`storage`] is what a simple driver needs.
//!
//! # Driving it
//!
//! A cluster of three in one process. A real driver has a disk in place of [`MemoryStorage`], sockets in place of
//! the queue, a timer that calls [`Raft::tick`], and a random number for the election timeout.
//!
//! ```
//! use std::collections::VecDeque;
//! use raft_core::{Apply, Config, Incarnation, MemoryStorage, NodeId, Payload, Raft, Recovered, Ticks, handle_ready};
//!
//! let ids = [1, 2, 3].map(|number| NodeId::new(number).unwrap());
//! let mut cluster = ids.map(|id| {
//!     let storage = MemoryStorage::new(Recovered::founding(ids));
//!     let raft = Raft::new(Config::new(id), Recovered::founding(ids), Incarnation(1)).unwrap();
//!     (raft, storage)
//! });
//! let mut network = VecDeque::new();
//! let mut applied = Vec::new();
//!
//! let mut proposed = false;
//! for _ in 0..40 {
//!     for (raft, storage) in &mut cluster {
//!         // In place of a random number: n1 is the first whose patience ends.
//!         if raft.wants_election_timeout() {
//!             raft.set_election_timeout(Ticks(10 + raft.id().number())).unwrap();
//!         }
//!         raft.tick();
//!         // Only the leader takes commands; the others say who that is.
//!         if !proposed && raft.propose("x = 1".into()).is_ok() {
//!             proposed = true;
//!         }
//!         handle_ready(raft, storage, |message| network.push_back(message), |_| ()).unwrap();
//!     }
//!     while let Some(message) = network.pop_front() {
//!         let (raft, storage) = &mut cluster[message.to.number() as usize - 1];
//!         raft.step(message).unwrap();
//!         handle_ready(
//!             raft,
//!             storage,
//!             |message| network.push_back(message),
//!             |apply| match apply {
//!                 Apply::Entries(slice) => {
//!                     applied.extend(slice.iter().map(|(id, entry)| (id, entry.payload.clone())));
//!                 }
//!                 Apply::Snapshot(_) => unreachable!("no replica has compacted its log"),
//!             },
//!         )
//!         .unwrap();
//!     }
//! }
//! let commands = applied.iter().filter(|(_, payload)| *payload == Payload::Command("x = 1".into()));
//! assert_eq!(commands.count(), 3, "every replica has applied it");
//! ```
//!
//! # What is left out
//!
//! Storage engines, transports and codecs: they are the driver's. Randomness: an election timeout is an input.
//! Logging: what happened is [data](event). The bytes of snapshots: the core knows what one stands for, and a handle.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod id;
pub mod quorum;
pub mod configuration;
pub mod conf_change;
pub mod entry;
pub mod hard_state;
pub mod snapshot;
pub mod message;
pub mod config;
mod digest;
mod log;
pub mod progress;
pub mod progress_table;
pub mod read;
pub mod role;
pub mod event;
pub mod write;
pub mod error;
pub mod ready;
pub mod raft;
pub mod storage;

pub use conf_change::{ChangeStep, ConfChange, MemberChange, Reconfiguration, Rejection, Transition};
pub use config::{ConfChangeValidation, Config, ConfigError, ReadMode, WriteRules};
pub use configuration::{Configuration, ConfigurationError, Leave};
pub use entry::{Entry, LogSlice, LogSliceError, Payload};
pub use error::{
    AppliedError, ApplyConfChangeError, CampaignError, CompactError, ConfChangeError, ForgetLeaderError,
    ProposeError, ReadError, ReportError, SnapshotError, StartError, StepError, TimeoutError, TransferError,
};
pub use event::Event;
pub use hard_state::HardState;
pub use id::{ByteCount, EntryId, Incarnation, LogIndex, NodeId, ReadId, Term, Ticks};
pub use message::{AppendOutcome, Envelope, Message, ReadContext, ReadPosition};
pub use progress::{Progress, ProgressState, SnapshotOutcome};
pub use progress_table::ProgressTable;
pub use quorum::{Majority, VoteResult, Voters};
pub use raft::{Proposed, Raft, Recovered};
pub use read::{ReadLoss, ReadState};
pub use ready::{Ready, SoftState};
pub use role::RoleKind;
pub use snapshot::{SnapshotHandle, SnapshotMeta};
pub use storage::{Apply, MemoryStorage, Storage, handle_ready};
pub use write::{Durable, Gated, Receipt, ReceiptError, Write, WriteNumber};

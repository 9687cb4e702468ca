//! A wave tank for Raft: whole clusters on one thread, in virtual time, under storms that can be repeated.
//!
//! What a wave tank is to ships, this is to Raft implementations. Time, network, disks and crashes are the tank's, so a
//! whole history follows from one seed: it can be run again, looked at event by event, and kept as a test.
//!
//! # From a test
//!
//! ```
//! use wavetank::{explore, program};
//!
//! // Every run has a cluster, weather and faults of its own, all drawn from its seed.
//! let summary = explore::explore("raft-core", 0..4, |_| ()).unwrap();
//! assert!(summary.failed.is_empty(), "replay this seed: {:?}", summary.failed[0]);
//! // A run that tested nothing is no success.
//! assert!(summary.median().unwrap().events > 4_000);
//! # assert_eq!(program::built_in()[0].name(), "raft-core");
//! ```
//!
//! # Your own Raft
//!
//! Implement [`Adapter`](wavetank_process::Adapter) for it, and explore it. To test your whole server, with your own
//! storage, implement [`Process`](wavetank_process::Process) and [`program::Program`] instead.
//!
//! ```
//! # use wavetank_raft_core::RaftCore as MyRaft;
//! use std::ops::ControlFlow;
//!
//! let program = wavetank::program::replica::<MyRaft>();
//! let summary = wavetank::explore::explore_program(&program, 0..20, |_| ControlFlow::Continue(()));
//! if let Err(problem) = summary.verify() {
//!     panic!("{problem}");
//! }
//! ```
//!
//! A seed that fails is looked at with [`run::run_seed_of`] and [`Keep::trace`](run::Keep::trace).
//!
//! # In which order to read
//!
//! What a cluster lives in: [`time`], [`chance`] (everything undetermined is decided at one door), [`network`], [`disk`],
//! [`clock`]. What it is judged by: [`audit`] (reading disks without trusting whoever wrote them), [`kv`], [`client`]
//! (what clients see is recorded and judged by [`linearizability`]). Then [`program`] (what runs on a machine), [`checks`], [`trace`], and the [`tank`] itself.
//! On top of it, random runs: [`storm`] (faults), [`swarm`] (what is drawn from a seed), [`run`], [`explore`]; and
//! scripted ones: [`scenario`].

pub use linearizability;
pub use wavetank_process as process;

pub mod time;
pub mod chance;
pub mod network;
pub mod disk;
pub mod clock;
pub mod audit;
pub mod kv;
pub mod client;
pub mod program;
pub mod checks;
pub mod trace;
mod panics;
mod queue;
pub mod tank;
pub mod storm;
pub mod swarm;
pub mod run;
pub mod explore;
pub mod scenario;

//! A wave tank for Raft: whole clusters on one thread, in virtual time, under storms that can be repeated.
//!
//! What a wave tank is to ships, this is to Raft implementations. Time, network, disks and crashes are the tank's, so a
//! whole history follows from one seed: it can be run again, looked at event by event, and kept as a test.
//!
//! # From a test
//!
//! Implement [`Adapter`](wavetank_process::Adapter) for your Raft and hand it to a [`harness`]; its page has the rest. To test
//! your whole server, with your own storage, implement [`Process`](wavetank_process::Process) and [`program::Program`].
//!
//! ```
//! # use wavetank_raft_core::RaftCore as MyRaft;
//! use wavetank::harness::Harness;
//!
//! // Every run has a cluster, weather and faults of its own, all drawn from its seed.
//! let summary = Harness::adapter::<MyRaft>().seeds(0..40).run();
//! assert!(4_000 < summary.median().unwrap().events);
//! ```
//!
//! # In which order to read
//!
//! What a cluster lives in: [`time`], [`chance`] (everything undetermined is decided at one door), [`network`], [`disk`],
//! [`clock`]. What it is judged by: [`audit`] (reading disks without trusting whoever wrote them), [`kv`], [`client`]
//! (what clients see is recorded and judged by [`linearizability`]). Then [`program`] (what runs on a machine), [`trace`],
//! [`checks`], and the [`tank`] itself. On top of it, random runs: [`storm`] (faults), [`swarm`] (what is drawn from a
//! seed), [`run`], [`explore`], and the [`harness`] for tests (with the feature `proptest` also `strategies`); and scripted
//! ones: [`scenario`]. Runs are kept in files by [`saved`].

pub use linearizability;
pub use wavetank_process as process;

pub mod time;
pub mod chance;
pub mod network;
pub mod disk;
pub mod clock;
pub mod members;
pub mod audit;
pub mod kv;
pub mod client;
pub mod program;
pub mod trace;
pub mod checks;
mod panics;
mod queue;
pub mod tank;
pub mod storm;
pub mod swarm;
pub mod run;
pub mod explore;
pub mod harness;
#[cfg(feature = "proptest")]
pub mod strategies;
pub mod mistake;
pub mod scenario;
pub mod saved;

/// What the README shows in Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

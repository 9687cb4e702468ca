//! A wave tank for Raft.

pub mod time;
pub mod chance;
pub mod network;
pub mod disk;
pub mod clock;
pub mod audit;
pub mod kv;
pub mod history;
pub mod linearizability;
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

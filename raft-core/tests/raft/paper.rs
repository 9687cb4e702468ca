//! What the literature claims, claim by claim. The modules are the sections of Ongaro's dissertation, and
//! within them the tests follow its argument.

mod terms;
mod elections;
mod replication;
mod safety;
mod repetition;
mod transfer;
mod disruption;
mod compaction;
mod configurations;
mod membership;
mod check_quorum;
mod reads;
mod leases;
mod pre_votes;
mod parallel_writes;

use raft_core::{Configuration, LogIndex, Raft, RoleKind, SnapshotHandle, SnapshotMeta, Term};

use crate::cluster::{
    Cluster, append, at, envelope, heartbeat, heartbeat_reply, knowing, matched, mismatched, node, plain,
    pre_vote, request_pre_vote, request_vote, stale_term, ticks, vote,
};

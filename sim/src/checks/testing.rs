//! Synthetic states, from which each check is shown to fire.

use wavetank_process::{
    Description, Observation, Promise, Role,
    raft_core::{EntryId, LogIndex, NodeId, Term},
};

use super::Watched;
use crate::audit::{Advance, AuditEntry, AuditSnapshot, Auditor, DurableState, Images};

/// An auditor that says what a test makes it say.
#[derive(Clone, Default)]
struct Scripted(DurableState);

impl Auditor for Scripted {
    fn reads(&self, _file: &wavetank_process::disk::FileName) -> bool {
        false
    }

    fn advance(&mut self, _images: &dyn Images) -> Advance {
        Advance::default()
    }

    fn state(&self) -> &DurableState {
        &self.0
    }

    fn fresh(&self) -> Box<dyn Auditor> {
        Box::new(Self::default())
    }
}

pub(crate) fn node(number: u64) -> NodeId {
    NodeId::new(number).expect("tests number nodes from 1")
}

/// Machines n1, n2, … with empty disks.
pub(crate) fn cluster(size: u64) -> Vec<Watched> {
    let machine = |number| Watched {
        id: node(number),
        observation: None,
        written: Some(Box::<Scripted>::default()),
        durable: Some(Box::<Scripted>::default()),
    };
    (1..=size).map(machine).collect()
}

/// Puts a term, a vote and a log with entries of these terms on a machine's disk.
pub(crate) fn durable(machine: &mut Watched, term: u64, vote: Option<u64>, terms: &[u64]) {
    let entries = terms.iter().map(|&term| (term, 0)).collect::<Vec<_>>();
    durable_entries(machine, term, vote, &entries);
}

/// The same with (term, payload digest) for each entry.
pub(crate) fn durable_entries(machine: &mut Watched, term: u64, vote: Option<u64>, entries: &[(u64, u64)]) {
    let log = entries.iter().map(|&(term, digest)| AuditEntry { term: Term(term), digest }).collect();
    let state = DurableState { term: Term(term), vote: vote.map(node), log, ..DurableState::default() };
    put(machine, state);
}

/// Replaces the log on a machine's disk by entries of these terms behind `base`, which a snapshot covers, whole or not.
pub(crate) fn compacted(machine: &mut Watched, base: EntryId, is_whole: bool, terms: &[u64]) {
    let log = terms.iter().map(|&term| AuditEntry { term: Term(term), digest: 0 }).collect();
    let before = machine.durable().cloned().unwrap_or_default();
    let snapshot = Some(AuditSnapshot { last: base, is_whole });
    put(machine, DurableState { base, snapshot, log, ..before });
}

fn put(machine: &mut Watched, state: DurableState) {
    machine.written = Some(Box::new(Scripted(state.clone())));
    machine.durable = Some(Box::new(Scripted(state)));
}

pub(crate) fn observation(role: Role, term: u64) -> Observation {
    Observation {
        role,
        term: Term(term),
        vote: None,
        leader: None,
        last: EntryId::ORIGIN,
        commit: LogIndex(0),
        applied: LogIndex(0),
        digest: 0,
        machine_digest: 0,
    }
}

pub(crate) fn vote(term: u64, candidate: u64) -> Description {
    Description {
        kind: "RequestVoteReply",
        term: Term(term),
        promise: Promise::Vote { candidate: node(candidate) },
    }
}

pub(crate) fn acknowledgement(term: u64, index: u64) -> Description {
    Description {
        kind: "AppendEntriesReply",
        term: Term(term),
        promise: Promise::Holds { index: LogIndex(index) },
    }
}

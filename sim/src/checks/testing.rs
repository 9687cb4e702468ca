//! Synthetic states, from which each check is shown to fire.

use std::sync::Arc;

use wavetank_process::{
    Description, Observation, Promise, Role,
    raft_core::{ConfChange, EntryId, LogIndex, MemberChange, NodeId, Term},
};

use super::{Configurations, Watched};
use crate::{
    audit::{Advance, AuditEntry, AuditSnapshot, Auditor, DurableState, Images},
    members::Members,
};

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

/// Machines n1, n2, … with empty disks, which are all voters.
pub(crate) fn cluster(size: u64) -> Vec<Watched> {
    let founding = Arc::new(Members::founding((1..=size).map(node), []));
    let machine = |number| Watched {
        id: node(number),
        observation: None,
        claimed: None,
        is_mute: false,
        configurations: Configurations::founding(Arc::clone(&founding)),
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
    let snapshot = Some(AuditSnapshot { last: base, is_whole, members: Arc::new(machine.members().clone()) });
    put(machine, DurableState { base, snapshot, log, ..before });
}

fn put(machine: &mut Watched, state: DurableState) {
    machine.written = Some(Box::new(Scripted(state.clone())));
    machine.durable = Some(Box::new(Scripted(state)));
}

/// A change of members: at once if it is one step, and otherwise by way of a joint configuration.
pub(crate) fn change(steps: &[MemberChange]) -> ConfChange {
    ConfChange { changes: steps.to_vec(), ..ConfChange::default() }
}

/// From n1 n2 n3 n4 n5 to n1 n4 n5 n6, with n2 a learner: the configuration on the way there is joint.
pub(crate) fn joint_change() -> ConfChange {
    change(&[
        MemberChange::AddLearner(node(2)),
        MemberChange::Remove(node(3)),
        MemberChange::AddVoter(node(6)),
    ])
}

/// Adds changes of members to the log on a machine's disk, each at its index, and reads them up to what is applied.
pub(crate) fn reconfigured(machine: &mut Watched, changes: &[(u64, ConfChange)], applied: u64) {
    let mut state = machine.durable().cloned().unwrap_or_default();
    state.changes.extend(changes.iter().map(|(index, change)| (LogIndex(*index), change.clone())));
    machine.configurations.read(&state, LogIndex(applied));
    put(machine, state);
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

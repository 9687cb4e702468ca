//! Adapters that do the wrong thing with what their implementation, which is right, tells them.

use std::collections::BTreeMap;

use wavetank_process::{
    Adapter, Boot, ClientId, Committed, Observation, Outputs, ReadOutcome, Recovered, Refusal, RequestId,
    Role,
    raft_core::{
        AppendOutcome, Entry, EntryId, Envelope, HardState, Leave, LogIndex, LogSlice, Message, NodeId,
        Payload, Term,
    },
};
use wavetank_raft_core::RaftCore;

use crate::twist::Twist;

/// Takes for durable what it has only handed to the log store, so that promises leave too early.
#[derive(Debug, Default)]
pub(crate) struct AcknowledgesEarly;

impl Twist for AcknowledgesEarly {
    fn drained(&mut self, core: &mut RaftCore, outputs: &mut Outputs) {
        if let Some(last) = outputs.writes.last() {
            core.persisted(last.number);
            core.drain(outputs);
        }
    }
}

/// Asks for votes before its own is durable: after a crash it could give it to somebody else, with the others' votes
/// already counted.
#[derive(Debug, Default)]
pub(crate) struct AsksBeforeVoting {
    voters: Vec<NodeId>,
}

impl Twist for AsksBeforeVoting {
    fn started(&mut self, boot: &Boot) {
        self.voters.clone_from(&boot.voters);
    }

    fn drained(&mut self, core: &mut RaftCore, outputs: &mut Outputs) {
        let Observation { role, last, .. } = core.observe();
        let votes = outputs.writes.iter().filter_map(|write| write.hard_state).filter_map(|state| {
            let from = state.vote().filter(|_| role == Role::Candidate)?;
            Some((from, state.term()))
        });
        for (from, term) in votes {
            let message = Message::RequestVote { last, transfer: false, committed: None };
            let others = self.voters.iter().copied().filter(|to| *to != from);
            outputs.sends.extend(
                others.map(|to| {
                    (to, raft_wire::encode(&Envelope { from, to, term, message: message.clone() }))
                }),
            );
        }
    }
}

/// Recovers everything but the vote.
#[derive(Debug, Default)]
pub(crate) struct ForgetsVoteAtRestart;

impl Twist for ForgetsVoteAtRestart {
    fn recovered(recovered: Recovered) -> Recovered {
        let hard_state = HardState::recovered(recovered.hard_state.term(), None);
        Recovered { hard_state, ..recovered }
    }
}

/// Recovers everything but the end of the log.
#[derive(Debug, Default)]
pub(crate) struct DropsLastEntryAtRestart;

impl Twist for DropsLastEntryAtRestart {
    fn recovered(recovered: Recovered) -> Recovered {
        let Some((_, kept)) = recovered.log.entries().split_last() else { return recovered };
        let log = LogSlice::new(recovered.log.prev(), kept.to_vec()).expect("the front of a log is a log");
        let commit = recovered.commit.min(log.last().index);
        Recovered { log, commit, ..recovered }
    }
}

/// Recovers every command as something else.
#[derive(Debug, Default)]
pub(crate) struct RecoversOtherCommands;

impl Twist for RecoversOtherCommands {
    fn recovered(recovered: Recovered) -> Recovered {
        let entries = recovered.log.entries().iter().map(|Entry { term, .. }| Entry {
            term: *term,
            payload: Payload::Command("something else".into()),
        });
        let log = LogSlice::new(recovered.log.prev(), entries.collect()).expect("the terms are the same");
        Recovered { log, ..recovered }
    }
}

/// Serves reads on the spot, on whatever replica, without asking whether anybody leads by now.
#[derive(Debug, Default)]
pub(crate) struct ReadsLocally {
    waiting: Vec<RequestId>,
}

impl Twist for ReadsLocally {
    fn read(&mut self, _core: &mut RaftCore, id: RequestId) -> Result<(), Refusal> {
        self.waiting.push(id);
        Ok(())
    }

    fn drained(&mut self, core: &mut RaftCore, outputs: &mut Outputs) {
        let commit = core.observe().commit;
        outputs.reads.extend(self.waiting.drain(..).map(|id| (id, ReadOutcome::At(commit))));
    }
}

/// Applies entries as soon as they are in its log.
#[derive(Debug, Default)]
pub(crate) struct AppliesOnAppend;

impl Twist for AppliesOnAppend {
    fn drained(&mut self, _core: &mut RaftCore, outputs: &mut Outputs) {
        outputs.committed.clear();
        let appended = outputs.writes.iter().filter_map(|write| write.entries.as_ref());
        outputs.committed.extend(appended.flat_map(LogSlice::iter).map(|(id, entry)| {
            let command = match &entry.payload {
                Payload::Noop | Payload::ConfChange(_) => None,
                Payload::Command(command) => Some(command.clone()),
            };
            Committed { id, command }
        }));
    }

    fn apply_change(&mut self, core: &mut RaftCore, id: EntryId) -> Result<bool, String> {
        // As far as the core knows it is not its turn.
        Ok(core.apply_change(id).unwrap_or(false))
    }

    fn applied(&mut self, _core: &mut RaftCore, _index: LogIndex) {
        // The implementation would notice.
    }
}

/// Takes for committed whatever a majority has acknowledged, whichever term it is of.
#[derive(Debug, Default)]
pub(crate) struct CommitsAnyTerm {
    voters: usize,
    /// In which term somebody acknowledged up to where.
    matched: BTreeMap<NodeId, (Term, LogIndex)>,
}

impl Twist for CommitsAnyTerm {
    fn started(&mut self, boot: &Boot) {
        self.voters = boot.voters.len();
    }

    fn incoming(&mut self, _core: &RaftCore, envelope: &mut Envelope) {
        if let Message::AppendEntriesReply(AppendOutcome::Matched { index }) = envelope.message {
            let matched = self.matched.entry(envelope.from).or_default();
            *matched = (*matched).max((envelope.term, index));
        }
    }

    fn observed(&self, _core: &RaftCore, shown: Observation) -> Observation {
        let mut indexes = vec![shown.last.index];
        indexes
            .extend(self.matched.values().filter(|(term, _)| *term == shown.term).map(|(_, index)| *index));
        indexes.sort_unstable_by(|a, b| b.cmp(a));
        match indexes.get(self.voters / 2) {
            Some(agreed) if shown.role == Role::Leader => {
                Observation { commit: shown.commit.max(*agreed), ..shown }
            }
            _ => shown,
        }
    }
}

/// Keeps the members with whom the cluster began, on the server with the lowest number.
#[derive(Debug, Default)]
pub(crate) struct PassesOverChanges {
    is_first: bool,
}

impl Twist for PassesOverChanges {
    fn started(&mut self, boot: &Boot) {
        self.is_first = boot.id.number() == 1;
    }

    fn apply_change(&mut self, core: &mut RaftCore, id: EntryId) -> Result<bool, String> {
        if self.is_first { Ok(false) } else { core.apply_change(id) }
    }
}

/// As a leader, does not tell its implementation that a joint configuration is applied, which is what it waits for to end it.
#[derive(Debug, Default)]
pub(crate) struct StaysJoint;

impl Twist for StaysJoint {
    fn applied(&mut self, core: &mut RaftCore, index: LogIndex) {
        let is_joint = core.configuration().is_some_and(|members| members.leave() == Some(Leave::Automatic));
        if core.observe().role != Role::Leader || !is_joint {
            core.applied(index);
        }
    }
}

/// Wants to lead itself, again and again, however well its leader works.
#[derive(Debug, Default)]
pub(crate) struct NeverContent {
    ticks: u64,
}

/// For how many ticks it bears to follow.
const CONTENT_TICKS: u64 = 25;

impl Twist for NeverContent {
    fn advance(&mut self, core: &mut RaftCore, ticks: u64) {
        core.advance(ticks);
        self.ticks += ticks;
        if CONTENT_TICKS <= self.ticks {
            self.ticks = 0;
            // Refused if it leads already.
            let _ = core.campaign();
        }
    }
}

/// Does not hear the clock.
#[derive(Debug, Default)]
pub(crate) struct NeverCampaigns;

impl Twist for NeverCampaigns {
    fn advance(&mut self, _core: &mut RaftCore, _ticks: u64) {}

    fn ticks_until_timeout(&self, _core: &RaftCore) -> Option<u64> {
        None
    }
}

/// Has always something more to say.
#[derive(Debug, Default)]
pub(crate) struct NeverFinishes;

impl Twist for NeverFinishes {
    fn drained(&mut self, _core: &mut RaftCore, outputs: &mut Outputs) {
        let nobody = RequestId { client: ClientId(u64::MAX), sequence: 1 };
        outputs.reads.push((nobody, ReadOutcome::Lost));
    }
}

/// Wants to be woken at once, always.
#[derive(Debug, Default)]
pub(crate) struct NeverRests;

impl Twist for NeverRests {
    fn ticks_until_timeout(&self, _core: &RaftCore) -> Option<u64> {
        Some(0)
    }
}

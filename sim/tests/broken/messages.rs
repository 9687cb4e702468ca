//! Implementations that misread what they are told, or say what is not so.

use bytes::Bytes;
use wavetank_process::{
    Adapter,
    raft_core::{AppendOutcome, Entry, EntryId, Envelope, LogIndex, LogSlice, Message, Payload, Term},
};
use wavetank_raft_core::RaftCore;

use crate::twist::Twist;

/// Grants its vote to whoever asks, even if it has given it to another server.
#[derive(Debug, Default)]
pub(crate) struct VotesForEverybody;

impl Twist for VotesForEverybody {
    fn outgoing(&mut self, core: &RaftCore, envelope: &mut Envelope) {
        if let Message::RequestVoteReply { granted, .. } = &mut envelope.message
            && core.observe().vote.is_some_and(|vote| vote != envelope.from)
        {
            *granted = true;
        }
    }
}

/// Counts every answer to its candidacy as a vote.
#[derive(Debug, Default)]
pub(crate) struct CountsRefusals;

impl Twist for CountsRefusals {
    fn incoming(&mut self, _core: &RaftCore, envelope: &mut Envelope) {
        if let Message::RequestVoteReply { granted, .. } = &mut envelope.message {
            *granted = true;
        }
    }
}

/// Takes every answer to its survey for the one it hopes for.
#[derive(Debug, Default)]
pub(crate) struct TakesRefusedSurveysForWon;

impl Twist for TakesRefusedSurveysForWon {
    fn incoming(&mut self, core: &RaftCore, envelope: &mut Envelope) {
        let term = core.observe().term;
        if let Message::RequestPreVoteReply { granted, .. } = &mut envelope.message
            && envelope.term <= term
        {
            *granted = true;
            envelope.term = Term(term.0 + 1);
        }
    }
}

/// Refuses in a term that it makes up.
#[derive(Debug, Default)]
pub(crate) struct RaisesTerms;

impl Twist for RaisesTerms {
    fn outgoing(&mut self, _core: &RaftCore, envelope: &mut Envelope) {
        if let Message::RequestPreVoteReply { granted: false, .. } = envelope.message {
            envelope.term.0 += 1;
        }
    }
}

/// Asks for votes in the name of a log that is as good as any.
#[derive(Debug, Default)]
pub(crate) struct OverstatesLog;

impl Twist for OverstatesLog {
    fn outgoing(&mut self, _core: &RaftCore, envelope: &mut Envelope) {
        if let Message::RequestPreVote { last, .. } | Message::RequestVote { last, .. } =
            &mut envelope.message
        {
            *last = EntryId { term: last.term.max(envelope.term), index: LogIndex(1 << 20) };
        }
    }
}

/// Replicates each command with one byte more, to the second server only.
#[derive(Debug, Default)]
pub(crate) struct ChangesCommands;

impl Twist for ChangesCommands {
    fn outgoing(&mut self, _core: &RaftCore, envelope: &mut Envelope) {
        let Message::AppendEntries { entries, commit: _ } = &mut envelope.message else { return };
        if envelope.to.number() != 2 {
            return;
        }
        let changed = entries.entries().iter().map(|Entry { term, payload }| {
            let payload = match payload {
                Payload::Noop | Payload::ConfChange(_) => payload.clone(),
                Payload::Command(command) => Payload::Command(Bytes::from([command, &[0][..]].concat())),
            };
            Entry { term: *term, payload }
        });
        *entries = LogSlice::new(entries.prev(), changed.collect()).expect("the terms are the same");
    }
}

/// Counts entries as replicated when any of them are acknowledged.
#[derive(Debug, Default)]
pub(crate) struct CountsWhatWasSent;

impl Twist for CountsWhatWasSent {
    fn incoming(&mut self, core: &RaftCore, envelope: &mut Envelope) {
        if let Message::AppendEntriesReply(AppendOutcome::Matched { index }) = &mut envelope.message {
            *index = core.observe().last.index.max(*index);
        }
    }
}

/// Takes every answer to entries for a success.
#[derive(Debug, Default)]
pub(crate) struct TakesRejectionsForMatches;

impl Twist for TakesRejectionsForMatches {
    fn incoming(&mut self, _core: &RaftCore, envelope: &mut Envelope) {
        if let Message::AppendEntriesReply(outcome) = &mut envelope.message
            && let AppendOutcome::Mismatched { probed, hint: _ } = *outcome
        {
            *outcome = AppendOutcome::Matched { index: probed };
        }
    }
}

/// Never thought that a follower could lag behind.
#[derive(Debug, Default)]
pub(crate) struct PanicsOnRejection;

impl Twist for PanicsOnRejection {
    fn incoming(&mut self, _core: &RaftCore, envelope: &mut Envelope) {
        if let Message::AppendEntriesReply(AppendOutcome::Mismatched { probed, hint: _ }) = envelope.message {
            panic!("{} has no entry at {probed}", envelope.from);
        }
    }
}

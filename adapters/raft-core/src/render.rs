//! Messages of the core, in one line each.

use raft_core::{
    AppendOutcome, ConfChange, Entry, EntryId, Envelope, MemberChange, Message, NodeId, Payload,
    SnapshotMeta, Transition,
};

/// A message in one line; `command` renders what only a state machine can read.
pub(crate) fn render(
    Envelope { from: _, to: _, term, message }: &Envelope,
    command: &dyn Fn(&[u8]) -> String,
) -> String {
    let kind = message.kind();
    let verdict = |granted: &bool| if *granted { "granted" } else { "refused" };
    let commit = |committed: &Option<EntryId>| {
        committed.map(|committed| format!(", commit {committed}")).unwrap_or_default()
    };
    match message {
        Message::RequestPreVote { last, committed }
        | Message::RequestVote { last, transfer: false, committed } => {
            format!("{kind} {term} last {last}{}", commit(committed))
        }
        Message::RequestVote { last, transfer: true, committed } => {
            format!("{kind} {term} last {last}{}, for a transfer", commit(committed))
        }
        Message::RequestPreVoteReply { granted, committed }
        | Message::RequestVoteReply { granted, committed } => {
            format!("{kind} {term} {}{}", verdict(granted), commit(committed))
        }
        Message::AppendEntries { entries, commit } => {
            let prev = entries.prev();
            let entry =
                |(id, entry): (EntryId, &Entry)| format!("{id} {}", render_payload(&entry.payload, command));
            let list = entries.iter().map(entry).collect::<Vec<_>>();
            format!("{kind} {term} prev {prev} [{}] commit {commit}", list.join(", "))
        }
        Message::AppendEntriesReply(AppendOutcome::Matched { index }) => {
            format!("{kind} {term} matched {index}")
        }
        Message::AppendEntriesReply(AppendOutcome::Mismatched { probed, hint }) => {
            format!("{kind} {term} mismatch at {probed}, hint {hint}")
        }
        Message::AppendEntriesReply(AppendOutcome::StaleTerm) => format!("{kind} {term} stale"),
        Message::Heartbeat { commit, read, sent_at } => {
            let read = read.map(|position| format!(", read {}", position.0)).unwrap_or_default();
            let sent_at = sent_at.map(|ticks| format!(", sent at tick {}", ticks.0)).unwrap_or_default();
            format!("{kind} {term} commit {commit}{read}{sent_at}")
        }
        Message::HeartbeatReply { read, sent_at } => {
            let read = read.map(|position| format!(" read {}", position.0)).unwrap_or_default();
            let sent_at = sent_at.map(|ticks| format!(" to tick {}", ticks.0)).unwrap_or_default();
            format!("{kind} {term}{read}{sent_at}")
        }
        Message::TimeoutNow => format!("{kind} {term}"),
        Message::InstallSnapshot { snapshot } => format!("{kind} {term} {}", render_snapshot(snapshot)),
        Message::Propose { payload } => format!("{kind} {}", render_payload(payload, command)),
        Message::ReadIndex { read } => format!("{kind} {}", read.id.0),
        Message::ReadIndexReply { read, index } => format!("{kind} {term} {} at {index}", read.id.0),
        Message::TransferLeader { to } => format!("{kind} {term} to {to}"),
    }
}

fn render_payload(payload: &Payload, command: &dyn Fn(&[u8]) -> String) -> String {
    match payload {
        Payload::Noop => "no-op".to_owned(),
        Payload::Command(bytes) => command(bytes),
        Payload::ConfChange(change) => render_change(change),
    }
}

fn render_change(ConfChange { transition, changes, context: _ }: &ConfChange) -> String {
    let step = |step: &MemberChange| match step {
        MemberChange::AddVoter(id) => format!("+{id}"),
        MemberChange::AddLearner(id) => format!("~{id}"),
        MemberChange::Remove(id) => format!("-{id}"),
        MemberChange::Update(id) => format!("={id}"),
    };
    let steps = changes.iter().map(step).collect::<Vec<_>>().join(" ");
    match transition {
        Transition::Automatic if changes.is_empty() => "leave joint".to_owned(),
        Transition::Automatic => format!("change {steps}"),
        Transition::JointImplicit => format!("change jointly {steps}"),
        Transition::JointExplicit => format!("change jointly until told {steps}"),
    }
}

fn render_snapshot(SnapshotMeta { last, configuration, handle }: &SnapshotMeta) -> String {
    let list =
        |ids: &mut dyn Iterator<Item = NodeId>| ids.map(|id| id.to_string()).collect::<Vec<_>>().join(" ");
    let voters = list(&mut configuration.voters().incoming().voters().iter().copied());
    let mut text = format!("{} up to {last}, voters {voters}", handle.0);
    if let Some(outgoing) = configuration.voters().outgoing() {
        text += &format!(", outgoing {}", list(&mut outgoing.voters().iter().copied()));
    }
    for (name, ids) in [("learners", configuration.learners()), ("to learn", configuration.learners_next())] {
        if !ids.is_empty() {
            text += &format!(", {name} {}", list(&mut ids.iter().copied()));
        }
    }
    text
}

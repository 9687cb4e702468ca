//! The words in which etcd's harness tells what it sees. Nothing in here decides anything.

use std::fmt::Write as _;

use raft_core::{Configuration, Leave, Majority, MemberChange, NodeId, Progress, ProgressState, RoleKind};

/// Ids or anything else, with spaces between them.
pub(crate) fn joined(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// `true` or `false`.
pub(crate) fn parse_bool(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text} is neither true nor false"))
}

/// Reads `v1`, `l2`, `r3` or `u4`. On the server 0, which nobody is, a step does nothing: that is `None`.
pub(crate) fn parse_member_change(token: &str) -> Result<Option<MemberChange>, String> {
    let mut characters = token.chars();
    let (kind, number) = (characters.next(), characters.as_str());
    if number.is_empty() {
        return Err(format!("unknown token {token}"));
    }
    let number = number.parse().map_err(|error| format!("{number}: {error}"))?;
    let change = match kind {
        Some('v') => MemberChange::AddVoter,
        Some('l') => MemberChange::AddLearner,
        Some('r') => MemberChange::Remove,
        Some('u') => MemberChange::Update,
        _ => return Err(format!("unknown input: {token}")),
    };
    Ok(NodeId::new(number).map(change))
}

/// `v1`, `l2`, `r3` or `u4`.
pub(crate) fn member_change(change: MemberChange) -> String {
    let (letter, id) = match change {
        MemberChange::AddVoter(id) => ('v', id),
        MemberChange::AddLearner(id) => ('l', id),
        MemberChange::Remove(id) => ('r', id),
        MemberChange::Update(id) => ('u', id),
    };
    format!("{letter}{}", id.number())
}

/// The members as a snapshot spells them out.
pub(crate) fn members(configuration: &Configuration) -> String {
    let ids = |ids: &mut dyn Iterator<Item = NodeId>| joined(ids.map(|id| id.number().to_string()));
    let voters = configuration.voters();
    format!(
        "Voters:[{}] VotersOutgoing:[{}] Learners:[{}] LearnersNext:[{}] AutoLeave:{}",
        ids(&mut voters.incoming().voters().iter().copied()),
        ids(&mut voters.outgoing().into_iter().flat_map(|half| half.voters().iter().copied())),
        ids(&mut configuration.learners().iter().copied()),
        ids(&mut configuration.learners_next().iter().copied()),
        configuration.leave() == Some(Leave::Automatic),
    )
}

/// The name of a role.
pub(crate) fn role(role: RoleKind) -> &'static str {
    match role {
        RoleKind::Follower => "StateFollower",
        RoleKind::PreCandidate => "StatePreCandidate",
        RoleKind::Candidate => "StateCandidate",
        RoleKind::Leader => "StateLeader",
    }
}

/// `voters=(1 2)&&(1) learners=(3) learners_next=(1) autoleave`.
pub(crate) fn configuration(configuration: &Configuration) -> String {
    let ids = |ids: &[NodeId]| joined(ids.iter().map(|id| format!("{:x}", id.number())));
    let half = |half: &Majority| ids(half.voters());
    let mut text = format!("voters=({})", half(configuration.voters().incoming()));
    if let Some(outgoing) = configuration.voters().outgoing() {
        text.push_str(&format!("&&({})", half(outgoing)));
    }
    for (name, learners) in
        [("learners", configuration.learners()), ("learners_next", configuration.learners_next())]
    {
        if !learners.is_empty() {
            let learners = learners.iter().copied().collect::<Vec<_>>();
            text.push_str(&format!(" {name}=({})", ids(&learners)));
        }
    }
    if configuration.leave() == Some(Leave::Automatic) {
        text.push_str(" autoleave");
    }
    text
}

/// What a row of a table of progress does not tell of its member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) is_learner: bool,
    pub(crate) is_window_full: bool,
}

/// One line of a table of progress.
pub(crate) fn progress(id: NodeId, progress: &Progress, standing: Standing) -> String {
    let Standing { is_learner, is_window_full } = standing;
    let mut text = format!(
        "{}: {} match={} next={}",
        id.number(),
        match progress.state() {
            ProgressState::Probe => "StateProbe",
            ProgressState::Replicate(_) => "StateReplicate",
            ProgressState::Snapshot { .. } => "StateSnapshot",
        },
        progress.matched(),
        progress.next(),
    );
    for (holds, word) in [(is_learner, " learner"), (progress.is_paused(), " paused")] {
        if holds {
            text.push_str(word);
        }
    }
    if let ProgressState::Snapshot { pending } = progress.state() {
        write!(text, " pendingSnap={pending}").expect("strings take everything");
    }
    if !progress.is_recently_active() {
        text.push_str(" inactive");
    }
    if let ProgressState::Replicate(inflights) = progress.state()
        && !inflights.is_empty()
    {
        let full = if is_window_full { "[full]" } else { "" };
        write!(text, " inflight={}{full}", inflights.len()).expect("strings take everything");
    }
    text.push('\n');
    text
}

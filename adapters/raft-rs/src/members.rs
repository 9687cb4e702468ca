//! Members and changes of them: the crate's words for them, and the tank's.

use bytes::Bytes;
use protobuf::Message as _;
use raft::{
    RawNode,
    eraftpb::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState},
};
use raft_core::{ConfChange, Configuration, Leave, Majority, MemberChange, NodeId, Transition, Voters};

use crate::storage::MemoryStorage;

/// The members in the crate's words.
pub(crate) fn conf_state(configuration: &Configuration) -> ConfState {
    fn numbers<'a>(ids: impl IntoIterator<Item = &'a NodeId>) -> Vec<u64> {
        ids.into_iter().copied().map(NodeId::number).collect()
    }
    let halves = configuration.voters();
    ConfState {
        voters: numbers(halves.incoming().voters()),
        voters_outgoing: numbers(halves.outgoing().map_or(&[][..], Majority::voters)),
        learners: numbers(configuration.learners()),
        learners_next: numbers(configuration.learners_next()),
        auto_leave: configuration.leave() == Some(Leave::Automatic),
        ..ConfState::default()
    }
}

/// The same, the other way round.
///
/// # Errors
/// When the members contradict each other.
pub(crate) fn configuration(state: &ConfState) -> Result<Configuration, String> {
    let majority = |ids: &[u64]| ids.iter().copied().filter_map(NodeId::new).collect::<Majority>();
    let set = |ids: &[u64]| ids.iter().copied().filter_map(NodeId::new).collect();
    let (incoming, outgoing) = (majority(&state.voters), majority(&state.voters_outgoing));
    let (voters, leave) = match (outgoing.is_empty(), state.auto_leave) {
        (true, _) => (incoming.into(), None),
        (false, true) => (Voters::joint(incoming, outgoing), Some(Leave::Automatic)),
        (false, false) => (Voters::joint(incoming, outgoing), Some(Leave::Explicit)),
    };
    Configuration::new(voters, set(&state.learners), set(&state.learners_next), leave)
        .map_err(|error| error.to_string())
}

/// A change in the crate's words; `None` if there are none for it.
pub(crate) fn change_of_crate(change: &ConfChange) -> Option<ConfChangeV2> {
    let ConfChange { transition, changes, context } = change;
    let single = |change: &MemberChange| {
        let (change_type, id) = match change {
            MemberChange::AddVoter(id) => (ConfChangeType::AddNode, id),
            MemberChange::AddLearner(id) => (ConfChangeType::AddLearnerNode, id),
            MemberChange::Remove(id) => (ConfChangeType::RemoveNode, id),
            MemberChange::Update(_) => return None,
        };
        Some(ConfChangeSingle { change_type, node_id: id.number(), ..ConfChangeSingle::default() })
    };
    Some(ConfChangeV2 {
        transition: match transition {
            Transition::Automatic => ConfChangeTransition::Auto,
            Transition::JointImplicit => ConfChangeTransition::Implicit,
            Transition::JointExplicit => ConfChangeTransition::Explicit,
        },
        changes: changes.iter().map(single).collect::<Option<Vec<_>>>()?.into(),
        context: context.clone(),
        ..ConfChangeV2::default()
    })
}

/// The change that an entry of the crate carries. The one that ends a joint configuration may have no data.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn change_in(data: &[u8]) -> Result<ConfChange, String> {
    let ConfChangeV2 { transition, changes, context, .. } =
        ConfChangeV2::parse_from_bytes(data).map_err(|error| error.to_string())?;
    let step = |single: &ConfChangeSingle| {
        let id = NodeId::new(single.node_id).ok_or("a change of n0")?;
        Ok::<_, String>(match single.change_type {
            ConfChangeType::AddNode => MemberChange::AddVoter(id),
            ConfChangeType::AddLearnerNode => MemberChange::AddLearner(id),
            ConfChangeType::RemoveNode => MemberChange::Remove(id),
        })
    };
    Ok(ConfChange {
        transition: match transition {
            ConfChangeTransition::Auto => Transition::Automatic,
            ConfChangeTransition::Implicit => Transition::JointImplicit,
            ConfChangeTransition::Explicit => Transition::JointExplicit,
        },
        changes: changes.iter().map(step).collect::<Result<_, _>>()?,
        context: Bytes::from(context.to_vec()),
    })
}

/// The members as of what is applied.
pub(crate) fn in_force(node: &RawNode<MemoryStorage>) -> Configuration {
    configuration(&node.raft.prs().conf().to_conf_state()).expect("the crate keeps them in order")
}

//! Who belongs to a cluster (§4), as those who judge it see it.
//!
//! Written again here, and simply: the implementations share with it what a change of members looks like in the log, and
//! nothing of what it means. So a mistake in what they make of a change is seen, and not made twice.

use std::{collections::BTreeSet, fmt};

use raft_core::{ConfChange, Configuration, Leave, Majority, MemberChange, NodeId, Transition};

/// A set of servers.
pub type Servers = BTreeSet<NodeId>;

/// The members of a cluster at some index of its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The voters; in a joint configuration those that there will be.
    pub incoming: Servers,
    /// In a joint configuration, the voters that there were, and which decide as well. Otherwise nobody.
    pub outgoing: Servers,
    /// Who gets the log and has no vote.
    pub learners: Servers,
    /// Who votes as one of the outgoing, and learns once they go.
    pub learners_next: Servers,
    /// Whether a joint configuration ends by itself.
    pub leaves_by_itself: bool,
}

impl Members {
    /// Those with whom a cluster begins.
    pub fn founding(
        voters: impl IntoIterator<Item = NodeId>,
        learners: impl IntoIterator<Item = NodeId>,
    ) -> Self {
        let (incoming, learners) = (voters.into_iter().collect(), learners.into_iter().collect());
        Self { incoming, learners, ..Self::default() }
    }

    /// Whether two majorities decide.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether a server votes, in either half.
    pub fn votes(&self, id: NodeId) -> bool {
        self.incoming.contains(&id) || self.outgoing.contains(&id)
    }

    /// Whether a server belongs to the cluster, with or without a vote.
    pub fn contains(&self, id: NodeId) -> bool {
        self.votes(id) || self.learners.contains(&id)
    }

    /// Whether those of whom `agrees` says so decide: a majority of either half.
    pub fn is_quorum(&self, agrees: impl Fn(NodeId) -> bool) -> bool {
        self.halves().all(|half| half.len() < 2 * half.iter().filter(|id| agrees(**id)).count())
    }

    /// Whether no quorum of the one can do without a server of every quorum of the other (§4.1, §4.3). That is so if there are
    /// two halves, one of each, whose majorities cannot be had side by side.
    pub fn must_meet(&self, other: &Self) -> bool {
        let majority = |half: &Servers| half.len() / 2 + 1;
        self.halves().any(|ours| {
            let meets = |theirs: &Servers| ours.union(theirs).count() < majority(ours) + majority(theirs);
            other.halves().any(meets)
        })
    }

    fn halves(&self) -> impl Iterator<Item = &Servers> {
        std::iter::once(&self.incoming).chain(self.is_joint().then_some(&self.outgoing))
    }

    /// The members after a change. `None` if the change does not fit: then it is passed over.
    pub fn after(&self, change: &ConfChange) -> Option<Self> {
        let ConfChange { transition, changes, context: _ } = change;
        match (transition, changes.len(), self.is_joint()) {
            (Transition::Automatic, 0, true) => Some(self.left()),
            (Transition::Automatic, 0, false) | (_, _, true) => None,
            (Transition::Automatic, 1, false) => self.moved(Servers::new(), changes),
            (Transition::Automatic | Transition::JointImplicit, _, false) => {
                let next = self.moved(self.incoming.clone(), changes)?;
                Some(Self { leaves_by_itself: true, ..next })
            }
            (Transition::JointExplicit, _, false) => self.moved(self.incoming.clone(), changes),
        }
    }

    /// The members when the outgoing half is gone.
    fn left(&self) -> Self {
        Self {
            incoming: self.incoming.clone(),
            learners: self.learners.union(&self.learners_next).copied().collect(),
            ..Self::default()
        }
    }

    /// The members after these steps, beside an outgoing half that they do not touch.
    fn moved(&self, outgoing: Servers, changes: &[MemberChange]) -> Option<Self> {
        let (mut incoming, mut learners) = (self.incoming.clone(), self.learners.clone());
        for change in changes {
            let (MemberChange::AddVoter(id)
            | MemberChange::AddLearner(id)
            | MemberChange::Remove(id)
            | MemberChange::Update(id)) = change;
            if let MemberChange::Update(_) = change {
                continue;
            }
            incoming.remove(id);
            learners.remove(id);
            match change {
                MemberChange::AddVoter(_) => _ = incoming.insert(*id),
                MemberChange::AddLearner(_) => _ = learners.insert(*id),
                MemberChange::Remove(_) | MemberChange::Update(_) => (),
            }
        }
        // Who votes still cannot learn yet.
        let (learners_next, learners) = learners.into_iter().partition(|id| outgoing.contains(id));
        let members = Self { incoming, outgoing, learners, learners_next, leaves_by_itself: false };
        (!members.incoming.is_empty()).then_some(members)
    }

    /// Whether an implementation says the same.
    pub fn are(&self, claimed: &Configuration) -> bool {
        let half = |half: &Servers, claimed: &Majority| half.iter().eq(claimed.voters());
        let outgoing = match claimed.voters().outgoing() {
            Some(outgoing) => self.is_joint() && half(&self.outgoing, outgoing),
            None => !self.is_joint(),
        };
        outgoing
            && half(&self.incoming, claimed.voters().incoming())
            && self.learners == *claimed.learners()
            && self.learners_next == *claimed.learners_next()
            && self.leaves_by_itself == (claimed.leave() == Some(Leave::Automatic))
    }
}

impl From<&Configuration> for Members {
    fn from(claimed: &Configuration) -> Self {
        let half = |half: &Majority| half.voters().iter().copied().collect();
        Self {
            incoming: half(claimed.voters().incoming()),
            outgoing: claimed.voters().outgoing().map(half).unwrap_or_default(),
            learners: claimed.learners().clone(),
            learners_next: claimed.learners_next().clone(),
            leaves_by_itself: claimed.leave() == Some(Leave::Automatic),
        }
    }
}

impl fmt::Display for Members {
    /// `n1 n2 n3`, or `n2 n3 n4 with n1 n2 n3, learning n5, to learn n1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { incoming, outgoing, learners, learners_next, leaves_by_itself } = self;
        f.write_str(&listed(incoming))?;
        let rest = [("with", outgoing), ("learning", learners), ("to learn", learners_next)];
        for (what, ids) in rest.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            let comma = if what == "with" { "" } else { "," };
            write!(f, "{comma} {what} {}", listed(ids))?;
        }
        if self.is_joint() && !leaves_by_itself { f.write_str(", until told") } else { Ok(()) }
    }
}

/// Servers as a list of words.
pub fn listed<'a>(ids: impl IntoIterator<Item = &'a NodeId>) -> String {
    ids.into_iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ")
}

/// A change of members, as an order to somebody.
#[derive(Debug)]
pub(crate) struct Order<'a>(pub(crate) &'a ConfChange);

impl fmt::Display for Order<'_> {
    /// `add n4 and remove n1, jointly`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfChange { transition, changes, context: _ } = self.0;
        let step = |change: &MemberChange| match change {
            MemberChange::AddVoter(id) => format!("add {id}"),
            MemberChange::AddLearner(id) => format!("have {id} learn"),
            MemberChange::Remove(id) => format!("remove {id}"),
            MemberChange::Update(id) => format!("update {id}"),
        };
        if changes.is_empty() && *transition == Transition::Automatic {
            return f.write_str("leave the joint configuration");
        }
        f.write_str(&changes.iter().map(step).collect::<Vec<_>>().join(" and "))?;
        match transition {
            Transition::Automatic => Ok(()),
            Transition::JointImplicit => f.write_str(", jointly"),
            Transition::JointExplicit => f.write_str(", jointly until told"),
        }
    }
}

#[cfg(test)]
mod tests;

//! Who belongs to the cluster, and in which capacity (§4).
//!
//! Invariants, checked wherever a configuration comes into being:
//! - A server is a voter or a learner, not both: learners are in neither half of the voters.
//! - Only a joint configuration has servers that will be learners once it is left. They vote in the outgoing
//!   half still, and not in the incoming one any more.
//! - Without voters there is nobody at all: learners alone could never decide anything. This is what a server
//!   starts with that does not know its cluster yet.
//! - A half of a joint configuration has a voter at least.

use alloc::collections::BTreeSet;

use crate::{
    id::NodeId,
    quorum::{Majority, Voters},
};

/// The members of a cluster. The default has none: it is that of a server which waits to be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "RawConfiguration", into = "RawConfiguration"))]
pub struct Configuration {
    voters: Voters,
    learners: BTreeSet<NodeId>,
    /// Empty unless joint.
    learners_next: BTreeSet<NodeId>,
    /// `Some` if, and only if, the voters are in two halves.
    leave: Option<Leave>,
}

/// How a joint configuration ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Leave {
    /// The leader proposes to leave it as soon as it is in force.
    Automatic,
    /// Somebody has to ask for it.
    Explicit,
}

impl Configuration {
    /// The configuration with these members. `leave` says how a joint one ends, and is `None` otherwise.
    ///
    /// # Errors
    /// When they contradict each other: see the invariants at the top of [this module](self).
    pub fn new(
        voters: Voters,
        learners: BTreeSet<NodeId>,
        learners_next: BTreeSet<NodeId>,
        leave: Option<Leave>,
    ) -> Result<Self, ConfigurationError> {
        let configuration = Self { voters, learners, learners_next, leave };
        configuration.validate()?;
        Ok(configuration)
    }

    /// The configuration in which these servers vote, and there is nobody else.
    pub fn of_voters(voters: impl IntoIterator<Item = NodeId>) -> Self {
        let voters = voters.into_iter().collect::<Majority>().into();
        Self { voters, ..Self::default() }
    }

    /// Who decides.
    pub fn voters(&self) -> &Voters {
        &self.voters
    }

    /// Who receives the log and has no vote.
    pub fn learners(&self) -> &BTreeSet<NodeId> {
        &self.learners
    }

    /// Who is to be a learner when the joint configuration is left. Until then their votes are needed in the
    /// outgoing half (§4.3).
    pub fn learners_next(&self) -> &BTreeSet<NodeId> {
        &self.learners_next
    }

    /// How this joint configuration ends; `None` if it is not joint.
    pub fn leave(&self) -> Option<Leave> {
        self.leave
    }

    /// Whether two majorities must agree (§4.3).
    pub fn is_joint(&self) -> bool {
        self.leave.is_some()
    }

    /// Whether `node` votes, in either half.
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(node)
    }

    /// Whether `node` is a learner now. One that is about to become a learner is a voter still.
    pub fn is_learner(&self, node: NodeId) -> bool {
        self.learners.contains(&node)
    }

    /// Whether `node` is a member in any capacity.
    pub fn contains(&self, node: NodeId) -> bool {
        self.is_voter(node) || self.is_learner(node)
    }

    /// Every member once, by ascending id.
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.voters.iter().chain(self.learners.iter().copied()).collect()
    }

    fn validate(&self) -> Result<(), ConfigurationError> {
        let Self { voters, learners, learners_next, leave } = self;
        let incoming = voters.incoming();
        match (voters.outgoing(), leave) {
            (Some(outgoing), Some(_)) if incoming.is_empty() || outgoing.is_empty() => {
                return Err(ConfigurationError::EmptyHalf);
            }
            (Some(_), Some(_)) | (None, None) => (),
            (Some(_), None) => return Err(ConfigurationError::NoWayOut),
            (None, Some(_)) => return Err(ConfigurationError::NothingToLeave),
        }
        if let Some(&node) = learners.iter().find(|&&node| voters.contains(node)) {
            return Err(ConfigurationError::VotesAndLearns { node });
        }
        let votes_in_outgoing_only = |node| {
            voters.outgoing().is_some_and(|outgoing| outgoing.contains(node)) && !incoming.contains(node)
        };
        if let Some(&node) = learners_next.iter().find(|&&node| !votes_in_outgoing_only(node)) {
            return Err(ConfigurationError::NotOutgoing { node });
        }
        if incoming.is_empty() && !learners.is_empty() {
            return Err(ConfigurationError::LearnersOnly);
        }
        Ok(())
    }
}

/// Why members cannot form a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// Nobody votes in one of the halves.
    #[error("a half of a joint configuration has no voters")]
    EmptyHalf,
    /// There are two halves, but it is not said how that ends.
    #[error("a joint configuration must say how it is left")]
    NoWayOut,
    /// It is said how a joint configuration ends, but there is no second half.
    #[error("only a joint configuration can be left")]
    NothingToLeave,
    /// A server is both.
    #[error("{node} is both a voter and a learner")]
    VotesAndLearns {
        /// Which.
        node: NodeId,
    },
    /// A server is to become a learner which is not on its way out of the voters.
    #[error("{node} is to become a learner but is no voter of the outgoing half alone")]
    NotOutgoing {
        /// Which.
        node: NodeId,
    },
    /// There are learners and no voters.
    #[error("there are learners but no voters")]
    LearnersOnly,
}

/// The form in which a configuration travels; reading it back re-checks everything.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct RawConfiguration {
    voters: Voters,
    learners: BTreeSet<NodeId>,
    learners_next: BTreeSet<NodeId>,
    leave: Option<Leave>,
}

#[cfg(feature = "serde")]
impl TryFrom<RawConfiguration> for Configuration {
    type Error = ConfigurationError;

    fn try_from(raw: RawConfiguration) -> Result<Self, Self::Error> {
        let RawConfiguration { voters, learners, learners_next, leave } = raw;
        Self::new(voters, learners, learners_next, leave)
    }
}

#[cfg(feature = "serde")]
impl From<Configuration> for RawConfiguration {
    fn from(configuration: Configuration) -> Self {
        let Configuration { voters, learners, learners_next, leave } = configuration;
        Self { voters, learners, learners_next, leave }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u64) -> NodeId {
        NodeId::new(number).expect("not zero")
    }

    fn set(numbers: &[u64]) -> BTreeSet<NodeId> {
        numbers.iter().copied().map(node).collect()
    }

    fn majority(numbers: &[u64]) -> Majority {
        numbers.iter().copied().map(node).collect()
    }

    fn joint(
        incoming: &[u64],
        outgoing: &[u64],
        learners: &[u64],
        next: &[u64],
    ) -> Result<Configuration, ConfigurationError> {
        let voters = Voters::joint(majority(incoming), majority(outgoing));
        Configuration::new(voters, set(learners), set(next), Some(Leave::Explicit))
    }

    fn simple(voters: &[u64], learners: &[u64], next: &[u64]) -> Result<Configuration, ConfigurationError> {
        Configuration::new(majority(voters).into(), set(learners), set(next), None)
    }

    #[test]
    fn members_are_listed_once_by_ascending_id() {
        let configuration = joint(&[2, 6], &[6, 1], &[4], &[1]).expect("it is in order");
        assert_eq!(configuration.members(), set(&[1, 2, 4, 6]));
        for number in 1..=7 {
            let id = node(number);
            assert_eq!(configuration.contains(id), configuration.members().contains(&id));
            assert_eq!(configuration.is_voter(id), [1, 2, 6].contains(&number));
            assert_eq!(configuration.is_learner(id), number == 4);
        }
    }

    #[test]
    fn nobody_both_votes_and_learns() {
        let error = |number| Err(ConfigurationError::VotesAndLearns { node: node(number) });
        assert_eq!(simple(&[1, 2], &[3, 2], &[]), error(2));
        assert_eq!(joint(&[1], &[2], &[2], &[]), error(2));
        assert_eq!(joint(&[1], &[2], &[1], &[]), error(1));
        assert!(joint(&[1], &[2], &[3], &[]).is_ok());
    }

    #[test]
    fn only_voters_on_their_way_out_are_to_become_learners() {
        let error = |number| Err(ConfigurationError::NotOutgoing { node: node(number) });
        assert_eq!(simple(&[1], &[], &[1]), error(1));
        assert_eq!(simple(&[1], &[], &[2]), error(2));
        assert_eq!(joint(&[1, 2], &[2], &[], &[2]), error(2));
        assert_eq!(joint(&[1], &[2], &[], &[3]), error(3));
        assert!(joint(&[1], &[2], &[], &[2]).is_ok());
    }

    #[test]
    fn a_cluster_has_voters_or_nobody() {
        assert_eq!(simple(&[], &[1], &[]), Err(ConfigurationError::LearnersOnly));
        assert_eq!(simple(&[], &[], &[]), Ok(Configuration::default()));
        for (incoming, outgoing) in [(&[][..], &[1][..]), (&[1], &[]), (&[], &[])] {
            assert_eq!(joint(incoming, outgoing, &[], &[]), Err(ConfigurationError::EmptyHalf));
        }
    }

    #[test]
    fn a_joint_configuration_and_no_other_can_be_left() {
        let halves = Voters::joint(majority(&[1]), majority(&[2]));
        let none = BTreeSet::new;
        assert_eq!(Configuration::new(halves, none(), none(), None), Err(ConfigurationError::NoWayOut));
        let one = majority(&[1]).into();
        let left = Configuration::new(one, none(), none(), Some(Leave::Automatic));
        assert_eq!(left, Err(ConfigurationError::NothingToLeave));
        assert!(joint(&[1], &[2], &[], &[]).is_ok_and(|configuration| configuration.is_joint()));
        assert!(!Configuration::of_voters([1, 2].map(node)).is_joint());
    }
}

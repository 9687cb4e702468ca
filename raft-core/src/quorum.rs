//! Majorities: who votes, and what a quorum of them has agreed on (§3.4, §4.3).
//!
//! A configuration has an optional second half, which is in force while the cluster moves from one set of
//! voters to another: then every decision needs a majority of both.

use alloc::vec::Vec;

use crate::id::{LogIndex, NodeId};

/// What an election or a survey has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteResult {
    /// A quorum said yes.
    Won,
    /// A quorum can no longer say yes.
    Lost,
    /// Neither yet.
    Pending,
}

/// A set of voters that decides by majority. Sorted, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "Vec<NodeId>"))]
pub struct Majority(Vec<NodeId>);

impl From<Vec<NodeId>> for Majority {
    fn from(mut voters: Vec<NodeId>) -> Self {
        voters.sort_unstable();
        voters.dedup();
        Self(voters)
    }
}

impl FromIterator<NodeId> for Majority {
    fn from_iter<I: IntoIterator<Item = NodeId>>(voters: I) -> Self {
        Self::from(voters.into_iter().collect::<Vec<_>>())
    }
}

impl Majority {
    /// The voters by ascending id.
    pub fn voters(&self) -> &[NodeId] {
        &self.0
    }

    /// Whether `node` votes here.
    pub fn contains(&self, node: NodeId) -> bool {
        self.0.binary_search(&node).is_ok()
    }

    /// How many votes decide: more than half.
    fn quorum(&self) -> usize {
        self.0.len() / 2 + 1
    }

    /// The verdict, given each voter's answer so far.
    fn vote_result(&self, answer: &impl Fn(NodeId) -> Option<bool>) -> VoteResult {
        if self.0.is_empty() {
            return VoteResult::Won;
        }
        let (mut yes, mut unknown) = (0, 0);
        for &voter in &self.0 {
            match answer(voter) {
                Some(true) => yes += 1,
                Some(false) => (),
                None => unknown += 1,
            }
        }
        if self.quorum() <= yes {
            VoteResult::Won
        } else if self.quorum() <= yes + unknown {
            VoteResult::Pending
        } else {
            VoteResult::Lost
        }
    }

    /// The largest position that a majority has reached; `None` without voters, who would agree to anything.
    fn agreed<P: Ord + Copy>(&self, position: &impl Fn(NodeId) -> P) -> Option<P> {
        // The voters are few, so it is cheaper to rank each position than to copy and sort them all.
        self.0
            .iter()
            .map(|&voter| position(voter))
            .filter(|&candidate| {
                let reached = self.0.iter().filter(|&&voter| candidate <= position(voter)).count();
                self.quorum() <= reached
            })
            .max()
    }
}

/// Who decides: a majority, or during a change of members two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Voters {
    incoming: Majority,
    /// The voters being replaced: `Some` in a joint configuration only.
    outgoing: Option<Majority>,
}

impl From<Majority> for Voters {
    fn from(incoming: Majority) -> Self {
        Self { incoming, outgoing: None }
    }
}

impl Voters {
    /// A configuration in force with `outgoing` beside `incoming`: both must agree (§4.3).
    pub fn joint(incoming: Majority, outgoing: Majority) -> Self {
        Self { incoming, outgoing: Some(outgoing) }
    }

    /// The majority that stays.
    pub fn incoming(&self) -> &Majority {
        &self.incoming
    }

    /// The majority being replaced, in a joint configuration.
    pub fn outgoing(&self) -> Option<&Majority> {
        self.outgoing.as_ref()
    }

    fn halves(&self) -> impl Iterator<Item = &Majority> {
        core::iter::once(&self.incoming).chain(&self.outgoing)
    }

    /// Whether `node` votes in either half.
    pub fn contains(&self, node: NodeId) -> bool {
        self.halves().any(|half| half.contains(node))
    }

    /// Every voter once, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        let (mut left, mut right) = (
            self.incoming.0.as_slice(),
            self.outgoing.as_ref().map_or(&[][..], |outgoing| outgoing.0.as_slice()),
        );
        core::iter::from_fn(move || {
            let next = match (left.first(), right.first()) {
                (Some(&l), Some(&r)) => l.min(r),
                (Some(&one), None) | (None, Some(&one)) => one,
                (None, None) => return None,
            };
            left = left.strip_prefix(&[next]).unwrap_or(left);
            right = right.strip_prefix(&[next]).unwrap_or(right);
            Some(next)
        })
    }

    /// The verdict of an election, given each voter's answer so far: won only if every half is.
    pub fn vote_result(&self, answer: impl Fn(NodeId) -> Option<bool>) -> VoteResult {
        let mut verdict = VoteResult::Won;
        for half in self.halves() {
            verdict = match (verdict, half.vote_result(&answer)) {
                (VoteResult::Lost, _) | (_, VoteResult::Lost) => VoteResult::Lost,
                (VoteResult::Pending, _) | (_, VoteResult::Pending) => VoteResult::Pending,
                (VoteResult::Won, VoteResult::Won) => VoteResult::Won,
            };
        }
        verdict
    }

    /// The largest position that every half has reached by majority, or `None` when there are no voters.
    /// For matched log indexes it is the index that is safe to commit, terms aside (Figure 2, leaders).
    pub fn agreed<P: Ord + Copy>(&self, position: impl Fn(NodeId) -> P) -> Option<P> {
        self.halves().filter_map(|half| half.agreed(&position)).min()
    }

    /// [`agreed`](Self::agreed) for log indexes.
    pub(crate) fn agreed_index(&self, matched: impl Fn(NodeId) -> LogIndex) -> LogIndex {
        self.agreed(matched).unwrap_or_default()
    }
}

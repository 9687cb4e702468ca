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

    /// Whether nobody votes here.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many votes decide: more than half.
    fn quorum(&self) -> usize {
        self.0.len() / 2 + 1
    }

    /// The verdict, given each voter's answer so far.
    fn vote_result(&self, answer: &impl Fn(NodeId) -> Option<bool>) -> VoteResult {
        if self.is_empty() {
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
        let mut agreed = None;
        for &voter in &self.0 {
            let candidate = Some(position(voter));
            let has_reached = |voter: &&NodeId| candidate <= Some(position(**voter));
            if agreed < candidate && self.quorum() <= self.0.iter().filter(has_reached).count() {
                agreed = candidate;
            }
        }
        agreed
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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u64) -> NodeId {
        NodeId::new(number).expect("not zero")
    }

    /// The voters whose bits are set.
    fn majority(bits: u64) -> Majority {
        (1..=5).filter(|number| bits & (1 << (number - 1)) != 0).map(node).collect()
    }

    /// Calls `check` with every way of giving servers 1 to `count` one of three things.
    fn for_each_ternary(count: u32, mut check: impl FnMut(&dyn Fn(NodeId) -> u64)) {
        for code in 0..3u64.pow(count) {
            check(&|id: NodeId| code / 3u64.pow(u32::try_from(id.number() - 1).unwrap()) % 3);
        }
    }

    const ANSWERS: [Option<bool>; 3] = [None, Some(false), Some(true)];

    /// The verdict by its definition: what every, or some, way of filling in the missing answers leads to.
    fn verdict_by_definition(voters: &[NodeId], answer: &dyn Fn(NodeId) -> Option<bool>) -> VoteResult {
        let missing: Vec<NodeId> = voters.iter().copied().filter(|&id| answer(id).is_none()).collect();
        let wins = |given: &dyn Fn(NodeId) -> bool| {
            let yes = voters.iter().filter(|&&id| answer(id).unwrap_or_else(|| given(id))).count();
            voters.is_empty() || voters.len() < 2 * yes
        };
        match (wins(&|_| false), wins(&|id| missing.contains(&id))) {
            (true, _) => VoteResult::Won,
            (false, true) => VoteResult::Pending,
            (false, false) => VoteResult::Lost,
        }
    }

    #[test]
    fn a_vote_is_decided_when_the_missing_answers_cannot_change_it() {
        for bits in 0..32 {
            let half = majority(bits);
            let voters = Voters::from(half.clone());
            for_each_ternary(5, |code| {
                let answer = |id| ANSWERS[usize::try_from(code(id)).unwrap()];
                assert_eq!(voters.vote_result(answer), verdict_by_definition(half.voters(), &answer));
            });
        }
    }

    /// The largest position that more than half have reached: of sorted positions the one in the middle.
    #[test]
    fn a_position_is_agreed_when_more_than_half_have_reached_it() {
        for bits in 0..32 {
            let half = majority(bits);
            let voters = Voters::from(half.clone());
            for_each_ternary(5, |position| {
                let mut sorted: Vec<u64> = half.voters().iter().map(|&id| position(id)).collect();
                sorted.sort_unstable();
                let middle = sorted.len().checked_sub(1).map(|last| sorted[last / 2]);
                assert_eq!(voters.agreed(position), middle, "{sorted:?}");
            });
        }
    }

    #[test]
    fn two_halves_agree_on_what_each_of_them_does() {
        for (left, right) in (0..16).flat_map(|left| (0..16).map(move |right| (left, right))) {
            let (incoming, outgoing) = (majority(left), majority(right));
            let joint = Voters::joint(incoming.clone(), outgoing.clone());
            let [incoming, outgoing] = [incoming, outgoing].map(Voters::from);
            for_each_ternary(4, |code| {
                let answer = |id| ANSWERS[usize::try_from(code(id)).unwrap()];
                let verdicts = [incoming.vote_result(answer), outgoing.vote_result(answer)];
                let expected = if verdicts.contains(&VoteResult::Lost) {
                    VoteResult::Lost
                } else if verdicts.contains(&VoteResult::Pending) {
                    VoteResult::Pending
                } else {
                    VoteResult::Won
                };
                assert_eq!(joint.vote_result(answer), expected);
                let agreed = [incoming.agreed(code), outgoing.agreed(code)];
                assert_eq!(joint.agreed(code), agreed.into_iter().flatten().min());
            });
        }
    }

    /// Any two quorums of one configuration share a voter: what all of safety rests on.
    #[test]
    fn quorums_overlap() {
        for bits in 1..32 {
            let voters = Voters::from(majority(bits));
            let is_quorum =
                |set| voters.vote_result(|id| Some(majority(set).contains(id))) == VoteResult::Won;
            for (left, right) in (0..32).flat_map(|left| (0..32).map(move |right| (left, right))) {
                assert!(
                    !is_quorum(left) || !is_quorum(right) || left & right & bits != 0,
                    "{left:b} {right:b}"
                );
            }
        }
    }

    #[test]
    fn voters_are_listed_once_by_ascending_id() {
        for (left, right) in (0..32).flat_map(|left| (0..32).map(move |right| (left, right))) {
            let joint = Voters::joint(majority(left), majority(right));
            let expected: Vec<_> = majority(left | right).voters().to_vec();
            assert_eq!(joint.iter().collect::<Vec<_>>(), expected);
            assert!((1..=5).map(node).all(|id| joint.contains(id) == expected.contains(&id)));
        }
        let unsorted = Majority::from(Vec::from([3, 1, 3, 2].map(node)));
        assert_eq!(unsorted.voters(), [1, 2, 3].map(node));
    }

    #[test]
    fn without_voters_nothing_is_agreed_to_be_committed() {
        assert_eq!(Voters::default().agreed_index(|_| LogIndex(7)), LogIndex(0));
        assert_eq!(Voters::from(majority(1)).agreed_index(|_| LogIndex(7)), LogIndex(7));
    }
}

//! What a crash must not take from a server: the latest term it has entered, and the vote it gave there (Figure 2).
//!
//! Election Safety rests on two rules (§3.4): terms only grow, and a term's vote is given at most once. Nobody outside
//! this file can touch the fields, and inside it there are just two ways to change them, one for each rule.

use crate::id::{NodeId, Term};

/// A server's term and vote, to be durable before anybody is told of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HardState {
    term: Term,
    /// The candidate this server supports in `term`; at most one, once and for all.
    vote: Option<NodeId>,
}

impl HardState {
    /// As read back from storage, for a server that starts again. A running server never builds one.
    pub const fn recovered(term: Term, vote: Option<NodeId>) -> Self {
        Self { term, vote }
    }

    /// The latest term this server has entered.
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The candidate it supports in that term.
    pub const fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// Moves on to a later term, in which the vote is free again.
    pub(crate) fn enter_term(&mut self, later: Term) {
        let earlier = core::mem::replace(self, Self::recovered(later, None)).term;
        assert!(earlier < later, "terms only grow, but {later} was to follow {earlier}");
    }

    /// Supports a candidate in the current term. Says whether that is new: a candidate whose answer got lost asks for the
    /// same vote a second time, and may have it.
    pub(crate) fn cast_vote(&mut self, candidate: NodeId) -> bool {
        let before = self.vote.replace(candidate);
        assert!(
            before.is_none_or(|supported| supported == candidate),
            "the vote of {} went to {before:?} and cannot go to {candidate}",
            self.term
        );
        before.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u64) -> NodeId {
        NodeId::new(number).expect("not zero")
    }

    #[test]
    fn a_later_term_clears_the_vote() {
        let mut state = HardState::recovered(Term(3), Some(node(1)));
        state.enter_term(Term(5));
        assert_eq!(state, HardState::recovered(Term(5), None));
    }

    #[test]
    fn a_vote_may_be_repeated() {
        let mut state = HardState::recovered(Term(3), None);
        assert!(state.cast_vote(node(1)), "it is news");
        assert!(!state.cast_vote(node(1)), "it is not");
        assert_eq!(state.vote(), Some(node(1)));
    }

    #[test]
    #[should_panic(expected = "cannot go to")]
    fn a_vote_is_not_given_twice() {
        HardState::recovered(Term(3), Some(node(1))).cast_vote(node(2));
    }

    #[test]
    #[should_panic(expected = "terms only grow")]
    fn a_term_is_not_entered_twice() {
        HardState::recovered(Term(3), Some(node(1))).enter_term(Term(3));
    }
}

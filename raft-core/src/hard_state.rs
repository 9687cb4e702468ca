//! State that survives a crash: Figure 2, "Persistent state on all servers".
//!
//! Invariant: within a term a vote is cast once and never cleared (§3.4). The fields are private, so this
//! file is all one has to read to believe it.

use crate::id::{NodeId, Term};

/// What a server must never forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HardState {
    term: Term,
    /// Who got our vote in `term`.
    vote: Option<NodeId>,
}

impl HardState {
    /// What was read back from storage after a restart. A running server never builds one: it has
    /// only the two moves below.
    pub const fn recovered(term: Term, vote: Option<NodeId>) -> Self {
        Self { term, vote }
    }

    /// The latest term this server has seen.
    pub const fn term(&self) -> Term {
        self.term
    }

    /// Who got our vote in the current term.
    pub const fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// Enters a later term, which is the only thing that clears a vote.
    pub(crate) fn enter_term(&mut self, term: Term) {
        assert!(self.term < term, "a term can only grow: {} to {term}", self.term);
        *self = Self { term, vote: None };
    }

    /// Casts our vote in the current term. Repeating the same vote is allowed, since a lost reply makes the
    /// candidate ask again; `false` says that it was a repetition.
    pub(crate) fn cast_vote(&mut self, candidate: NodeId) -> bool {
        let free = self.vote.is_none();
        assert!(
            free || self.vote == Some(candidate),
            "one vote a term: {:?} has it in {}, not {candidate}",
            self.vote,
            self.term
        );
        self.vote = Some(candidate);
        free
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
    #[should_panic(expected = "one vote a term")]
    fn a_vote_is_not_given_twice() {
        HardState::recovered(Term(3), Some(node(1))).cast_vote(node(2));
    }

    #[test]
    #[should_panic(expected = "a term can only grow")]
    fn a_term_is_not_entered_twice() {
        HardState::recovered(Term(3), Some(node(1))).enter_term(Term(3));
    }
}

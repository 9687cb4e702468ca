//! What must hold of one replica between any two calls. A breach is a bug of this crate, and stops it.

use super::Raft;
use crate::{id::Term, role::Role};

impl Raft {
    /// Checks this state. Cheap enough to be always on.
    pub(super) fn assert_invariants(&self) {
        self.log.assert_invariants();
        let last = self.log.last();
        // A founder may start from a snapshot before it enters a term.
        let is_founding = || last == self.log.base() && self.term() == Term(0);
        assert!(
            last.term <= self.term() || is_founding(),
            "the log ends at {last}, beyond the current {}",
            self.term()
        );
        match &self.role {
            Role::Follower { leader } => {
                assert!(*leader != Some(self.config.id), "{} follows itself", self.config.id);
            }
            Role::PreCandidate(_) => (),
            Role::Candidate(_) => {
                assert_eq!(self.hard_state.vote(), Some(self.config.id), "a candidate votes for itself");
            }
            Role::Leader(leader) => {
                assert_eq!(self.hard_state.vote(), Some(self.config.id), "a leader voted for itself");
                assert!(leader.first_of_term <= last.index, "a leader begins with an entry of its own");
                for (_, progress) in leader.members.iter() {
                    progress.assert_invariants();
                    assert!(progress.matched() <= last.index, "matched {} of {last}", progress.matched());
                }
            }
        }
    }
}

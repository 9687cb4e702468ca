//! Changes of members, and why the core does not take one.

use raft_core::{ApplyConfChangeError, ConfChange, ConfChangeError, LogIndex, ProposeError, Raft};
use wavetank_process::Refusal;

/// Appends a change of members.
///
/// # Errors
/// When the core does not take it.
pub(crate) fn propose(raft: &mut Raft, change: ConfChange) -> Result<(), Refusal> {
    raft.propose_conf_change(change).map(|_| ()).map_err(refusal)
}

/// Why the core does not take a proposal, in the words of the seam.
pub(crate) fn refusal(error: ProposeError) -> Refusal {
    match error {
        ProposeError::NotLeader { leader } => Refusal::NotLeader { leader },
        ProposeError::ConfChange(ConfChangeError::Pending { .. }) => Refusal::ChangePending,
        ProposeError::Transferring { .. }
        | ProposeError::NotMember { .. }
        | ProposeError::ConfChange(ConfChangeError::Rejected(_))
        | ProposeError::QuotaExceeded { .. } => Refusal::Other(error.to_string()),
    }
}

/// Puts the change at `index` in force. Whether there is one that fits.
///
/// # Errors
/// When it is not its turn, in words.
pub(crate) fn apply(raft: &mut Raft, index: LogIndex) -> Result<bool, String> {
    match raft.apply_conf_change(index) {
        Ok(_) => Ok(true),
        Err(ApplyConfChangeError::NoConfChange { .. } | ApplyConfChangeError::Rejected(_)) => Ok(false),
        Err(
            error @ (ApplyConfChangeError::NotHandedOut { .. }
            | ApplyConfChangeError::InForce { .. }
            | ApplyConfChangeError::Unfounded { .. }),
        ) => Err(error.to_string()),
    }
}

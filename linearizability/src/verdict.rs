//! What a check may come to. There are three verdicts and no way from one to another, and none of them is a boolean.

use std::fmt;

use crate::history::{EventNumber, OperationId};

/// How much a check may cost. Nothing in it depends on time, so that a verdict is the same on every machine and with
/// any number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most nodes of the search, over all keys.
    pub nodes: u64,
    /// The most bytes that searches may take up at any time.
    pub bytes: u64,
}

impl Default for Budget {
    /// Four million nodes, and 512 MiB.
    fn default() -> Self {
        Self { nodes: 4_000_000, bytes: 512 << 20 }
    }
}

/// What a check has come to, and what it took.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it has come to.
    pub verdict: Verdict,
    /// What it took.
    pub cost: Cost,
    /// The groups of keys that were judged together because some operation concerned several of them. Such a
    /// group is as hard to judge as one key with all their operations.
    pub merged_keys: Vec<Vec<String>>,
}

/// What a check took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Nodes searched, over all keys and rounds.
    pub nodes: u64,
    /// The most bytes that the search of one key took up.
    pub peak_bytes: u64,
    /// Keys decided without a search.
    pub fast_keys: u64,
    /// Keys decided by search.
    pub searched_keys: u64,
}

/// Whether a history is linearizable.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Linearizable {
        /// An order that explains every answer, replayed by a verifier that shares nothing with the search. It holds
        /// every operation that was answered, and those of the others that must have taken effect.
        witness: Vec<OperationId>,
    },
    /// It is not.
    Violation(Box<Violation>),
    /// The check ended before it knew.
    Unknown {
        /// Why.
        reason: UnknownReason,
        /// The keys that are undecided, as they are shown. All others can be explained.
        undecided_keys: Vec<String>,
    },
}

/// Why a history is not linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key in question, as it is shown; several where keys were merged.
    pub keys: Vec<String>,
    /// The first event with which no order can explain everything: an answer, or the news that an operation failed.
    pub first_bad: EventNumber,
    /// How well that event is known.
    pub precision: Precision,
    /// Operations that prove the violation, by invocation: even if every other operation could take effect at any
    /// time after its invocation, with any answer, or never, these could not be explained.
    pub core: Vec<OperationId>,
    /// What happened, in words, over several lines.
    pub story: String,
}

/// How well the first bad event of a violation is known. That the event cannot be explained *is* certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precision {
    /// It is the first: up to the event before, everything can be explained.
    Exact,
    /// It is an upper bound. The budget ended before it was known that there is no earlier one of these keys.
    AtMost {
        /// The keys in question.
        undecided_keys: Vec<String>,
    },
}

/// Why a check ended before it knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownReason {
    /// It was not allowed more nodes.
    Nodes {
        /// So many it was allowed.
        budget: u64,
    },
    /// It was not allowed more memory.
    Bytes {
        /// So much it was allowed.
        budget: u64,
    },
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes { budget } => write!(f, "the budget of {budget} nodes was spent"),
            Self::Bytes { budget } => write!(f, "the budget of {budget} bytes was spent"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linearizable { witness } => {
                write!(f, "linearizable, with a witness of {} operations", witness.len())
            }
            Self::Violation(violation) => write!(f, "{}", violation.story.trim_end()),
            Self::Unknown { reason, undecided_keys } => {
                write!(f, "unknown: {reason} before these keys were decided: {}", undecided_keys.join(", "))
            }
        }
    }
}

impl Report {
    /// For tests: goes on if the history is linearizable, and not otherwise.
    ///
    /// # Panics
    /// When there is a violation, which is told, and when the verdict is unknown: what was not decided has not passed.
    #[track_caller]
    pub fn assert_linearizable(&self) {
        match &self.verdict {
            Verdict::Linearizable { witness: _ } => (),
            verdict @ (Verdict::Violation(_) | Verdict::Unknown { .. }) => panic!("{verdict}"),
        }
    }

    /// For tests of histories that may be too hard: also goes on if the verdict is unknown.
    ///
    /// # Panics
    /// When there is a violation.
    #[track_caller]
    pub fn assert_no_violation_found(&self) {
        match &self.verdict {
            Verdict::Linearizable { witness: _ } | Verdict::Unknown { .. } => (),
            verdict @ Verdict::Violation(_) => panic!("{verdict}"),
        }
    }
}

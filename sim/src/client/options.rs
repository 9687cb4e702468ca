//! What a client does, and how patient it is.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// What a client does, and how patient it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientOptions {
    /// How many keys there are to choose from, at least one. The fewer, the more operations meet.
    pub keys: u64,
    /// How many of a hundred operations are reads.
    pub read_percent: u64,
    /// How many of a hundred operations compare and set.
    pub cas_percent: u64,
    /// How many of a hundred operations append. The rest are puts.
    pub append_percent: u64,
    /// How many values there are to write, at least one; `None`: every value is written once in a run, so that a
    /// read tells which write it saw.
    pub values: Option<u64>,
    /// How long an operation waits for its answer before it is abandoned. Not zero.
    pub timeout: Span,
    /// How long an attempt waits for its answer before the next. Not zero.
    pub retry_after: Span,
    /// The shortest rest between two operations.
    pub think_min: Span,
    /// The rest between two operations on average; no shorter than the shortest.
    pub think_mean: Span,
    /// How many operations to begin.
    pub operations: u64,
    /// How often one operation is sent, at least once.
    pub attempts: u64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            keys: 3,
            read_percent: 40,
            cas_percent: 15,
            append_percent: 10,
            values: None,
            timeout: Span::from_secs(2),
            retry_after: Span::from_millis(150),
            think_min: Span::from_millis(1),
            think_mean: Span::from_millis(10),
            operations: 100,
            attempts: 12,
        }
    }
}

impl ClientOptions {
    /// Whether a client can work with these.
    ///
    /// # Errors
    /// When it cannot; says why.
    pub fn validate(&self) -> Result<(), ClientOptionsError> {
        let percent = [self.read_percent, self.cas_percent, self.append_percent];
        let sum = percent.into_iter().fold(0, u64::saturating_add);
        if 100 < sum {
            return Err(ClientOptionsError::TooManyPercent { sum });
        }
        if self.think_mean < self.think_min {
            return Err(ClientOptionsError::RestTooShort { mean: self.think_mean, min: self.think_min });
        }
        let zeros = [
            ("keys", self.keys == 0),
            ("values", self.values == Some(0)),
            ("timeout", self.timeout == Span::ZERO),
            ("retry_after", self.retry_after == Span::ZERO),
            ("attempts", self.attempts == 0),
        ];
        match zeros.into_iter().find(|(_, zero)| *zero) {
            Some((option, _)) => Err(ClientOptionsError::Zero { option }),
            None => Ok(()),
        }
    }
}

/// Why a client cannot work with its options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientOptionsError {
    /// The kinds of operations make more than the whole.
    #[error("reads, compare-and-sets and appends make {sum} percent of the operations; expected at most 100")]
    TooManyPercent {
        /// Their sum.
        sum: u64,
    },
    /// The mean is below the minimum.
    #[error("think_mean is {mean}; expected at least think_min, {min}")]
    RestTooShort {
        /// The mean.
        mean: Span,
        /// The minimum.
        min: Span,
    },
    /// An option is zero that must not be.
    #[error("{option} is zero; expected more")]
    Zero {
        /// Its name.
        option: &'static str,
    },
}

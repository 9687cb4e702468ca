//! Linearizability.

pub mod history;
pub mod specification;
pub mod specifications;
pub mod verdict;
pub mod oracle;
#[cfg(feature = "formats")]
pub mod formats;
mod hash;
mod sets;
mod model;
mod problem;
mod search;
mod partition;
mod witness;
mod fast;
mod part_search;
mod core_operations;
mod story;
mod check;
pub mod online;

pub use check::{check, check_with_candidate};
pub use history::{
    ClientId, Ending, Event, EventKind, EventNumber, History, Operation, OperationId, OutcomeCounts,
    RecordError,
};
pub use online::{Online, Progress};
pub use specification::{Effect, Keys, Outcomes, Specification, View};
pub use verdict::{Budget, Cost, Precision, Report, UnknownReason, Verdict, Violation};
pub use witness::{WitnessError, verify_witness};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

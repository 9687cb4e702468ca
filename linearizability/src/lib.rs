//! Checks whether recorded histories of concurrent operations are linearizable.
//!
//! Clients ask something of a store, several at a time, and are answered. The history of that is *linearizable* if there
//! is one order of the operations, true to real time, in which a single copy of the store would have given the same
//! answers (Herlihy and Wing 1990). A lost write, a stale read, a lock held twice: whatever goes wrong with one object
//! shows as a history for which there is no such order.
//!
//! # A history of your own system
//!
//! Record what clients do: each invocation before the request leaves, each answer when the client has it. Then ask.
//!
//! ```
//! use linearizability::{Budget, ClientId, History, Verdict, check, specifications::register::*};
//!
//! let mut history = History::default();
//! let (alice, bob) = (ClientId(1), ClientId(2));
//! let write = history.invoke(alice, Input::Write("x", 1), 0)?;
//! let read = history.invoke(bob, Input::Read("x"), 0)?;
//! history.complete(read, Output::Value(1), 0)?; // The write may have taken effect already.
//! history.complete(write, Output::Written, 0)?;
//! check(&Registers::holding(0), &history, Budget::default()).assert_linearizable();
//!
//! let stale = history.invoke(bob, Input::Read("x"), 0)?;
//! history.complete(stale, Output::Value(0), 0)?; // But now it cannot be undone.
//! let report = check(&Registers::holding(0), &history, Budget::default());
//! let Verdict::Violation(violation) = report.verdict else { panic!("{}", report.verdict) };
//! assert_eq!(violation.first_bad.0, 6, "{}", violation.story);
//! # Ok::<(), linearizability::RecordError>(())
//! ```
//!
//! There are [specifications] of registers with compare-and-set, key-value maps, sets, queues, locks with leases and
//! lists; others are written by implementing [`Specification`], of which `apply` is the heart. Histories are read from
//! and written to [files](formats). While a test runs, [`Online`] tells at each answer whether it still can be explained.
//!
//! # What is recorded
//!
//! An operation [completes](History::complete) with an answer; or it [fails](History::fail), which says that it
//! certainly had no effect and never will; or it is [abandoned](History::abandon): nobody knows whether it will have had
//! one, or when. A time-out is no failure. To mix these up makes verdicts worthless. The only order is that in which events
//! were recorded: clocks are labels.
//!
//! # What comes out
//!
//! A [`Verdict`], and there is no way to take one for another. *Linearizable* comes with an order that a
//! [verifier](verify_witness), which shares nothing with the search, has replayed. *Violation* means that every
//! order was ruled out; it names the first event up to which there is none, and a few operations that prove it whatever
//! all others did. *Unknown* means that the [`Budget`] ended before. The budget counts nodes and bytes and not seconds,
//! nothing is hashed with a random seed, and threads share no search: so a verdict is the same on every machine, with
//! any number of threads.
//!
//! # How it is found
//!
//! The problem is NP-complete even for one register (Gibbons and Korach 1997), and real histories are much easier than
//! that. A history is divided by key. Where every value is written once, or a list only grows, its reads tell what
//! came after what, and sorting decides. Otherwise orders are searched by depth first, *just in time*:
//! operations are placed only when an answer forces them, so that a configuration is a state and a few operations in
//! progress, and configurations that were seen are not entered again. What can be left out without changing a verdict
//! is written at the head of the search, with the reasons. Several keys are searched in turn with growing
//! allowances, so that a hard one does not hide an easy violation in another.
//!
//! # In which order to read
//!
//! [`history`] is what is recorded, [`specification`] what it means, [`verdict`] what comes out, and [`oracle`] the
//! definition, in the form of a search through all orders. Then come the parts: `hash` and `sets`, `model` (a specification in
//! numbers), `problem` (what a search has to explain) and `search`; `partition` (by key), `witness` (the verifier), `fast`
//! (without a search), `part_search` (one key, up to the first violating event), `core_operations` and `story` (why).
//! [`check`](check()) puts them together, [`hints`] tests what specifications claim, [`online`] judges event by event.
//!
//! # What is left out
//!
//! Clients that have several operations open are to be recorded as several clients. Weaker conditions, such as
//! sequential consistency or stale reads by design, need another checker. Transactions are operations on several keys here:
//! they are right, and make a history as hard to judge as one with a single key.

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
pub mod hints;
pub mod online;
#[cfg(feature = "html")]
pub mod html;

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

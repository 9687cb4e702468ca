//! The checks: what must hold in every run, looked at after every event.
//!
//! A check is told [facts](Fact), one at a time, each about one machine, and may look at the whole
//! [cluster](Watched) as it is then. The built-in ones share identifiers with the implementations and no logic:
//! quorums are counted again [here](crate::members), by configurations read from the logs, and durable state is what an
//! [independent reader](crate::audit) finds on the disk, never what an implementation claims. To add a check, implement
//! [`Check`] and hand it to the tank.
//!
//! A check also says whether it had anything to decide: one that never did has proved nothing, and the counters
//! of a run show it.

mod configurations;
mod election_safety;
mod election_quorum;
mod pre_vote_quorum;
mod term_origin;
mod votes;
mod promises;
mod monotonic;
mod recovery;
mod leader_append_only;
mod log_matching;
mod state_machine_safety;
mod leader_completeness;
mod commit_term;
mod commit_durability;
mod configuration_safety;
mod snapshots;
mod story;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::Serialize;
use wavetank_process::{
    Description, Observation,
    raft_core::{Configuration, LogIndex, LogSlice, NodeId},
};

use crate::{
    audit::{Auditor, DurableState},
    members::Members,
};

pub use commit_durability::CommitDurability;
pub use commit_term::CommitTerm;
pub use configuration_safety::ConfigurationSafety;
pub(crate) use configurations::Configurations;
pub use election_quorum::ElectionQuorum;
pub use election_safety::ElectionSafety;
pub use leader_append_only::LeaderAppendOnly;
pub use leader_completeness::LeaderCompleteness;
pub use log_matching::LogMatching;
pub use monotonic::Monotonic;
pub use pre_vote_quorum::PreVoteQuorum;
pub use promises::Promises;
pub use recovery::Recovery;
pub use snapshots::SnapshotDurability;
pub use state_machine_safety::StateMachineSafety;
pub use story::{Names, promise};
pub use term_origin::TermOrigin;
pub use votes::Votes;

/// A machine as the checks see it.
pub struct Watched {
    /// Which machine.
    pub id: NodeId,
    /// What its process showed last, if it is up and has recovered.
    pub observation: Option<Observation>,
    /// Whom its process took last for the members, if it said.
    pub claimed: Option<Configuration>,
    /// Whether it has sent messages that nobody could read, whatever they promised.
    pub is_mute: bool,
    /// Whom its log has made members, by an independent reading.
    pub(crate) configurations: Configurations,
    /// Reads what was handed to the disk, synced or not: the log as the process has it.
    pub(crate) written: Option<Box<dyn Auditor>>,
    /// Reads what would survive a loss of power now.
    pub(crate) durable: Option<Box<dyn Auditor>>,
}

impl Watched {
    /// Who belongs to the cluster by what this machine has applied, or had when it was last up: read from its log. Of a machine
    /// without an auditor, what its process claims.
    pub fn members(&self) -> &Members {
        self.members_at(self.observation.map_or(LogIndex(u64::MAX), |shown| shown.applied))
    }

    /// The same as of an index that it has applied since it booted.
    pub fn members_at(&self, applied: LogIndex) -> &Members {
        self.configurations.at(applied)
    }

    /// Every configuration that was in force on it at some time while what it has applied went from `from` to `to`.
    fn members_between(&self, from: LogIndex, to: LogIndex) -> impl Iterator<Item = &Arc<Members>> {
        self.configurations.between(from, to)
    }

    /// The configurations that have been in force on it since it booted, the latest first.
    fn latest_configurations(&self) -> impl Iterator<Item = &Arc<Members>> {
        self.configurations.iter().rev().map(|(_, members)| members)
    }

    /// What the process has handed to its disk, by an independent reading; `None` without an auditor.
    pub fn written(&self) -> Option<&DurableState> {
        self.written.as_deref().map(Auditor::state)
    }

    /// What a loss of power would leave, by an independent reading; `None` without an auditor.
    pub fn durable(&self) -> Option<&DurableState> {
        self.durable.as_deref().map(Auditor::state)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("id", &self.id)
            .field("observation", &self.observation)
            .field("members", self.members())
            .field("written", &self.written())
            .field("durable", &self.durable())
            .finish()
    }
}

/// Something that has just happened to a machine.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// Its process shows this now, and showed that before the event, in the same incarnation.
    Observed {
        /// Before the event.
        before: &'a Observation,
        /// After it.
        now: &'a Observation,
    },
    /// Its process has recovered and shows itself for the first time in this incarnation.
    Recovered {
        /// What it shows.
        now: &'a Observation,
        /// Its log, if it can show one.
        log: Option<&'a LogSlice>,
    },
    /// A message of a peer has arrived, and its process handles it now.
    Received {
        /// Of whom.
        from: NodeId,
        /// What it is.
        message: &'a Description,
    },
    /// It sends a message.
    Sent {
        /// To whom.
        to: NodeId,
        /// What it is.
        message: &'a Description,
    },
    /// It has handed something to its disk.
    Wrote {
        /// If entries were replaced by others, the last index that was kept.
        kept: Option<LogIndex>,
    },
    /// More of its state is durable now.
    Persisted,
    /// It has crashed; what its disk holds is decided.
    Crashed,
}

/// What a check makes of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It does not concern this check.
    Unconcerned,
    /// It holds, trivially: there was nothing to compare with.
    Trivial,
    /// It holds, and might not have.
    Holds,
    /// It does not hold: what was found, in a sentence that names servers, terms and indexes.
    Violated(String),
}

/// Something that must hold.
pub trait Check: Send {
    /// Its name: a property of Figure 3 where it is one.
    fn name(&self) -> &'static str;

    /// Takes note of a fact about the machine at `subject` of the cluster. Not all machines need be
    /// [members](Watched::members).
    fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding;
}

/// All built-in checks of a cluster's inner state.
pub fn built_in() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(ElectionSafety::default()),
        Box::new(ElectionQuorum::default()),
        Box::new(PreVoteQuorum::default()),
        Box::new(TermOrigin::default()),
        Box::new(Votes::default()),
        Box::new(Promises),
        Box::new(Monotonic::default()),
        Box::new(Recovery),
        Box::new(LeaderAppendOnly::default()),
        Box::new(LogMatching::default()),
        Box::new(StateMachineSafety::default()),
        Box::new(LeaderCompleteness::default()),
        Box::new(CommitTerm),
        Box::new(CommitDurability::default()),
        Box::new(ConfigurationSafety::default()),
        Box::new(SnapshotDurability),
    ]
}

/// How often a check was asked, and how often it had something to decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckCounters {
    /// How often it looked at a fact that concerns it.
    pub evaluations: u64,
    /// How often that fact could have been a violation.
    pub non_trivial: u64,
}

impl CheckCounters {
    /// Adds another run's counters.
    pub fn add(&mut self, other: Self) {
        let Self { evaluations, non_trivial } = other;
        self.evaluations += evaluations;
        self.non_trivial += non_trivial;
    }
}

/// A violation of what a check demands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The check that found it.
    pub check: String,
    /// The event after which it was found.
    pub event: u64,
    /// What was found.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violated at event {}: {}", self.check, self.event, self.message)
    }
}

/// The checks of one run and their counters.
pub(crate) struct Judge {
    checks: Vec<(Box<dyn Check>, CheckCounters)>,
}

impl Judge {
    pub(crate) fn new(checks: Vec<Box<dyn Check>>) -> Self {
        Self { checks: checks.into_iter().map(|check| (check, CheckCounters::default())).collect() }
    }

    /// Puts a fact before every check. The first violation, with the name of its check.
    pub(crate) fn judge(
        &mut self,
        fact: &Fact<'_>,
        subject: usize,
        cluster: &[Watched],
    ) -> Option<(&'static str, String)> {
        let mut violation = None;
        for (check, counters) in &mut self.checks {
            let finding = check.check(fact, subject, cluster);
            counters.evaluations += u64::from(finding != Finding::Unconcerned);
            counters.non_trivial += u64::from(matches!(finding, Finding::Holds | Finding::Violated(_)));
            if let (Finding::Violated(message), None) = (finding, &violation) {
                violation = Some((check.name(), message));
            }
        }
        violation
    }

    pub(crate) fn counters(&self) -> BTreeMap<String, CheckCounters> {
        self.checks.iter().map(|(check, counters)| (check.name().to_owned(), *counters)).collect()
    }
}

#[cfg(test)]
pub(crate) mod testing;

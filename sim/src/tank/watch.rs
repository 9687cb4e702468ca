//! Looking at a process after each event: what changed goes into the identity of the run, before the checks, and
//! into the trace.

use std::sync::Arc;

use wavetank_process::{
    Observation, Role,
    raft_core::{LogIndex, NodeId},
};

use super::Tank;
use crate::{
    audit::Auditor,
    checks::{Configurations, Fact},
    client::Workload,
    trace::LineKind,
};

impl<W: Workload> Tank<W> {
    /// Looks at a machine's process and passes on what it shows.
    pub(super) fn observe(&mut self, position: usize) {
        if !self.machines[position].status().hears() {
            return;
        }
        let Some(now) = self.machines[position].observe() else { return };
        let before = self.cluster[position].observation.replace(now);
        if before.is_none_or(|before| before.applied != now.applied) {
            self.look_at_members(position, before.is_none(), now.applied);
        }
        let [a, b] = halves(now.digest);
        let [c, d] = halves(now.machine_digest);
        self.fingerprint.absorb([position as u64, a, b, c, d, now.commit.0, now.applied.0]);
        let led = before.is_some_and(|before| before.role == Role::Leader && before.term == now.term);
        self.tally.elections += u64::from(now.role == Role::Leader && !led);
        if self.trace.is_kept()
            && let Some(text) = describe_change(self.cluster[position].id, before.as_ref(), &now)
        {
            self.line(LineKind::State, None, || text);
        }
        match &before {
            Some(before) => self.judge(&Fact::Observed { before, now: &now }, position),
            None => {
                let log = self.machines[position].log();
                self.judge(&Fact::Recovered { now: &now, log: log.as_ref() }, position);
            }
        }
    }
}

impl<W: Workload> Tank<W> {
    /// Looks at what a machine that has applied more has made of its members.
    fn look_at_members(&mut self, position: usize, recovered: bool, applied: LogIndex) {
        let watched = &mut self.cluster[position];
        if recovered {
            watched.configurations = Configurations::founding(Arc::clone(&self.founding));
        }
        let before = Arc::clone(watched.configurations.at(LogIndex(u64::MAX)));
        watched.claimed = self.machines[position].configuration();
        // A snapshot that is being written may have taken the place of what is applied; the disk has that still.
        let logs = [watched.written.as_deref(), watched.durable.as_deref()].into_iter().flatten();
        let log = logs.map(Auditor::state).find(|log| log.base.index <= applied);
        match (log, &watched.claimed) {
            (Some(log), _) => watched.configurations.read(log, applied),
            (None, Some(claimed)) if watched.written.is_none() => {
                watched.configurations.believe(claimed, applied);
            }
            (None, _) => (),
        }
        // A joint configuration and its end are one change.
        let changes = watched.configurations.iter().zip(watched.configurations.iter().skip(1));
        let counted = changes.filter(|((_, left), (from, entered))| {
            self.changes_counted < *from && (entered.is_joint() || !left.is_joint())
        });
        self.tally.changes += counted.count() as u64;
        self.changes_counted = self.changes_counted.max(applied);
        let now = watched.configurations.at(applied);
        if self.trace.is_kept() && **now != *before {
            let text = format!("{} has the members {now}", watched.id);
            self.line(LineKind::State, None, || text);
        }
    }
}

/// A digest as two words, the lower one first.
fn halves(digest: u128) -> [u64; 2] {
    let word = |shift: u32| u64::try_from(digest >> shift & u128::from(u64::MAX)).unwrap_or(0);
    [word(0), word(64)]
}

/// What of a change a reader wants to know; `None` for nothing.
fn describe_change(id: NodeId, before: Option<&Observation>, now: &Observation) -> Option<String> {
    let Some(before) = before else {
        return Some(format!("{id} {} {}, log to {}", now.term, now.role.name(), now.last));
    };
    let mut parts = Vec::new();
    if before.role != now.role || (now.role == Role::Candidate && before.term != now.term) {
        parts.push(format!("{} → {}", before.role.name(), now.role.name()));
    } else if before.term != now.term {
        parts.push(now.role.name().to_owned());
    }
    if (before.term, before.vote) != (now.term, now.vote)
        && let Some(vote) = now.vote
    {
        parts.push(format!("votes {vote}"));
    }
    if before.leader != now.leader
        && now.role == Role::Follower
        && let Some(leader) = now.leader
    {
        parts.push(format!("follows {leader}"));
    }
    if before.commit != now.commit {
        parts.push(format!("commits {}", now.commit));
    }
    if parts.is_empty() { None } else { Some(format!("{id} {} {}", now.term, parts.join(", "))) }
}

//! Looking at a process after each event: what changed goes into the identity of the run, before the checks, and
//! into the trace.

use wavetank_process::{Observation, Role, raft_core::NodeId};

use super::Tank;
use crate::{checks::Fact, client::Workload, trace::LineKind};

impl<W: Workload> Tank<W> {
    /// Looks at a machine's process and passes on what it shows.
    pub(super) fn observe(&mut self, position: usize) {
        if !self.machines[position].status().hears() {
            return;
        }
        let Some(now) = self.machines[position].observe() else { return };
        let before = self.cluster[position].observation.replace(now);
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

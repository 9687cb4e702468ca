//! The passing of time: a number of ticks, never a clock.

use super::Raft;
use crate::{
    error::TimeoutError,
    event::Event,
    id::Ticks,
    quorum::VoteResult,
    role::{Role, RoleKind},
};

impl Raft {
    /// Lets one tick go by.
    pub fn tick(&mut self) {
        self.advance(Ticks(1));
    }

    /// Lets `ticks` go by, as if [`tick`](Self::tick) were called as often.
    pub fn advance(&mut self, ticks: Ticks) {
        let mut left = ticks.0;
        while 0 < left {
            let step = self.ticks_until_timeout().map_or(left, |until| until.0.min(left));
            // Where nobody waits for the timer, it may run for any length of time.
            self.election_elapsed.0 = self.election_elapsed.0.saturating_add(step);
            self.vote_withheld.0 = self.vote_withheld.0.saturating_sub(step);
            if let Role::Leader(leader) = &mut self.role {
                leader.heartbeat_elapsed.0 += step;
                if self.config.keeps_lease() {
                    leader.clock.0 = leader.clock.0.saturating_add(step);
                }
            }
            self.fire_due_timers();
            left -= step;
        }
        self.assert_invariants();
    }

    /// How many ticks can go by before one of them does something, counting that one: at least 1. `None` if none
    /// ever will, because this replica has no vote or waits for its [election
    /// timeout](Self::wants_election_timeout).
    pub fn ticks_until_timeout(&self) -> Option<Ticks> {
        let until = |due: Ticks, elapsed: Ticks| due.0.saturating_sub(elapsed.0).max(1);
        if let Role::Leader(leader) = &self.role {
            let heartbeat = until(self.config.heartbeat_interval, leader.heartbeat_elapsed);
            return Some(Ticks(heartbeat.min(until(self.config.election_timeout, self.election_elapsed))));
        }
        let timeout = self.election_timeout.filter(|_| self.is_promotable())?;
        Some(Ticks(until(timeout, self.election_elapsed)))
    }

    /// Whether the election timer was reset and needs a new timeout. Until one is supplied it does not fire.
    pub fn wants_election_timeout(&self) -> bool {
        self.election_timeout.is_none() && self.role() != RoleKind::Leader
    }

    /// Supplies the election timeout: drawn at random by the driver from T to 2T - 1 ticks, where T is
    /// [`election_timeout`](crate::Config::election_timeout), so that split votes are rare (§3.4).
    ///
    /// # Errors
    /// When it is outside that range.
    pub fn set_election_timeout(&mut self, timeout: Ticks) -> Result<(), TimeoutError> {
        let base = self.config.election_timeout;
        if timeout < base || 2 * base.0 <= timeout.0 {
            return Err(TimeoutError { given: timeout, base });
        }
        self.election_timeout = Some(timeout);
        Ok(())
    }

    fn fire_due_timers(&mut self) {
        if self.role() == RoleKind::Leader {
            self.fire_leader_timers();
            return;
        }
        let due = self.election_timeout.is_some_and(|timeout| timeout <= self.election_elapsed);
        if due && self.is_promotable() {
            self.election_elapsed = Ticks(0);
            // If it is refused, it is tried again when the timer has run once more.
            let _ = self.campaign();
        }
    }

    fn fire_leader_timers(&mut self) {
        if self.config.election_timeout <= self.election_elapsed {
            self.election_elapsed = Ticks(0);
            if self.config.check_quorum {
                self.check_quorum();
            }
            // Whoever was to take over has had its time.
            self.abort_transfer();
        }
        if let Role::Leader(leader) = &mut self.role
            && self.config.heartbeat_interval <= leader.heartbeat_elapsed
        {
            leader.heartbeat_elapsed = Ticks(0);
            self.broadcast_heartbeat();
        }
    }

    /// Steps down unless a quorum was heard from since this was last asked (§6.2).
    fn check_quorum(&mut self) {
        let this = self.config.id;
        let Role::Leader(leader) = &mut self.role else { return };
        let active = self
            .configuration
            .voters()
            .vote_result(|voter| Some(leader.member(voter).is_some_and(|progress| progress.recently_active)));
        for (id, progress) in leader.members.iter_mut() {
            progress.recently_active = id == this;
        }
        if active != VoteResult::Won {
            self.record(Event::QuorumLost { term: self.term() });
            self.become_follower(self.term(), None);
        }
    }
}

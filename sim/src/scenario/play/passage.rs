//! Verbs that let things happen: `run_for`, `run_until`, `settle`; and `together`, which does not.

use super::{Failure, Played, Player, possible};
use crate::{
    scenario::{Condition, Step, scene::Instead},
    time::Span,
};

/// A scenario is short. More events than this mean that a span of time was mistyped.
const MOST_EVENTS: u64 = 500_000;

/// After so many deliveries at one moment a cluster does not settle.
const MOST_DELIVERIES: u64 = 100_000;

impl Player<'_> {
    /// Lets everything happen that takes no time, unless there is more to be done first.
    pub(super) fn settle_moment(&mut self) {
        if !self.together {
            self.tank.run_to(self.tank.now());
        }
    }

    /// Takes several steps at once. What is within others is together with all of them.
    pub(super) fn together(&mut self, steps: &[Step]) -> Played {
        let outermost = !self.together;
        self.together = true;
        let played = steps.iter().try_for_each(|step| self.step(step));
        self.together = !outermost;
        played
    }

    pub(super) fn run_for(&mut self, span: Span) -> Played {
        let until = self.tank.now() + span;
        while self.tank.violation().is_none() && self.tank.next_event().is_some_and(|next| next <= until) {
            self.tank.step();
            self.within_limit()?;
        }
        self.tank.run_to(until);
        Ok(())
    }

    /// Waits for something. What holds already need not be waited for: that is a claim in disguise.
    pub(super) fn run_until(&mut self, condition: &Condition, within: Span) -> Played {
        let deadline = self.tank.now() + within;
        let mut open = condition.judge(&self.scene());
        possible(open.is_err(), "this holds already: claim it with `expect(..)`")?;
        while let Err(instead) = open {
            match self.tank.next_event() {
                Some(next) if next <= deadline && self.tank.violation().is_none() => {
                    self.tank.step();
                    self.within_limit()?;
                }
                _ => {
                    let words = format!("after {within} {}", instead.into_words());
                    return Err(Failure::Claim(Instead::Otherwise(words)));
                }
            }
            open = condition.judge(&self.scene());
        }
        Ok(())
    }

    fn within_limit(&self) -> Played {
        let reason = format!("more than {MOST_EVENTS} events: too long for a scenario");
        possible(self.tank.events() <= MOST_EVENTS, &reason)
    }

    pub(super) fn settle(&mut self) -> Played {
        for _ in 0..MOST_DELIVERIES {
            self.settle_moment();
            let next =
                self.tank.network().in_flight().find(|message| !message.held).map(|message| message.id);
            let Some(next) = next.filter(|_| self.tank.violation().is_none()) else { return Ok(()) };
            // What cannot arrive is lost, as it would be if its time came.
            _ = self.tank.deliver_now(next);
        }
        Err(Failure::Step(format!("after {MOST_DELIVERIES} deliveries there are still messages")))
    }
}

//! Messages of one kind that are kept back until somebody else leads, and arrive then: what they say was true once.

use super::{Ending, FaultKind, Storm};
use crate::{
    chance::{Site, labels},
    client::Workload,
    network::{Endpoint, InFlight, MessageId},
    tank::{Post, Tank},
};

/// How many messages are kept back at a time.
const MOST_MESSAGES: usize = 8;

impl Storm {
    /// Keeps back what is under way from or to `victim` and is of one kind. In half of the cases the receivers get a copy
    /// in time, so that what comes later is a repetition.
    pub(super) fn strike_hold<W: Workload>(&mut self, victim: usize, tank: &mut Tank<W>) -> Option<()> {
        let messages = choose_messages(victim, tank)?;
        let repeats = tank.door().chance(Site::global(labels::FAULT_HOLD), 1, 2);
        for &message in &messages {
            if repeats {
                tank.duplicate_now(message).ok()?;
            }
            tank.hold(message).ok()?;
        }
        let until = tank.now() + Self::length(tank, FaultKind::Hold, 6);
        let elections = tank.tally().elections;
        self.end_at(until, Ending::Release { messages, elections });
        Some(())
    }

    /// Somebody else leads: what was kept back arrives soon.
    pub(super) fn release_soon<W: Workload>(&mut self, tank: &mut Tank<W>) {
        let (held, others) = std::mem::take(&mut self.endings)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, ending)| matches!(ending, Ending::Release { .. }));
        self.endings = others;
        for (due, ending) in held {
            // Half an election timeout at most: while the new leader is still finding its feet.
            let soon = tank.now() + Self::length(tank, FaultKind::Hold, 1) / 2;
            self.end_at(due.min(soon), ending);
        }
    }

    pub(super) fn release<W: Workload>(
        &mut self,
        messages: &[MessageId],
        elections: u64,
        tank: &mut Tank<W>,
    ) {
        let mut released = false;
        for &message in messages {
            released |= tank.release(message).is_ok();
        }
        let late = elections < tank.tally().elections;
        self.counter(FaultKind::Hold).effective += u64::from(released && late);
    }
}

/// The messages of one kind, drawn among those that are under way there; `None` if nothing is.
fn choose_messages<W: Workload>(victim: usize, tank: &mut Tank<W>) -> Option<Vec<MessageId>> {
    let victim = Endpoint::Server(tank.cluster()[victim].id);
    let concerned =
        |message: &&InFlight<Post>| !message.held && (message.from == victim || message.to == victim);
    let kind = |message: &InFlight<Post>| message.payload.description.as_ref().map(|about| about.kind);
    let mut kinds = tank.network().in_flight().filter(concerned).filter_map(kind).collect::<Vec<_>>();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return None;
    }
    let chosen = *tank.door().pick(Site::global(labels::FAULT_HOLD), &kinds);
    let messages =
        tank.network().in_flight().filter(concerned).filter(|message| kind(message) == Some(chosen));
    Some(messages.map(|message| message.id).take(MOST_MESSAGES).collect())
}

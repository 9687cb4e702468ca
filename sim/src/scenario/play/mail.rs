//! Verbs that move messages: `deliver`, `drop`, `duplicate`, `hold`, `release`, `delay`.

use wavetank_process::ClientId;

use super::{Failure, Played, Player};
use crate::{
    network::{Endpoint, InFlight, MessageId},
    scenario::{ClientName, Messages, Party},
    tank::{Post, Tank, Unmoved},
};

impl Player<'_> {
    /// Does something with every message that fits. There must be one, and each must let it be done.
    pub(super) fn each(
        &mut self,
        messages: &Messages,
        mut act: impl FnMut(&mut Tank, MessageId) -> Result<(), Unmoved>,
    ) -> Played {
        for id in self.matching(messages)? {
            let named = self.tank.network().message(id).map(name).unwrap_or_default();
            act(&mut self.tank, id).map_err(|unmoved| Failure::Step(format!("{named}: {unmoved}")))?;
            self.settle_moment();
        }
        Ok(())
    }

    /// The messages that fit, in the order in which they were sent; at least one.
    fn matching(&self, messages: &Messages) -> Result<Vec<MessageId>, Failure> {
        let end = |party: Option<Party>| party.map(|party| self.endpoint(party)).transpose();
        let (from, to) = (end(messages.from)?, end(messages.to)?);
        let fits = |message: &&InFlight<Post>| {
            from.is_none_or(|from| message.from == from)
                && to.is_none_or(|to| message.to == to)
                && messages.kind.is_none_or(|kind| message.payload.kind() == kind.name())
        };
        let fitting = self.tank.network().in_flight().filter(fits).map(|message| message.id);
        let found: Vec<_> = match messages.nth {
            None => fitting.collect(),
            Some(nth) => fitting.skip(nth.get() - 1).take(1).collect(),
        };
        if found.is_empty() { Err(Failure::Step(self.none_fits())) } else { Ok(found) }
    }

    /// That no message fits, and which ones there are.
    fn none_fits(&self) -> String {
        let waiting: Vec<_> = self.tank.network().in_flight().map(name).collect();
        match waiting.is_empty() {
            true => "no such message: the mailboxes are empty".to_owned(),
            false => format!("no such message; in the mailboxes: {}", waiting.join(", ")),
        }
    }

    fn endpoint(&self, party: Party) -> Result<Endpoint, Failure> {
        match party {
            Party::Server(server) => self.id(server).map(Endpoint::Server),
            Party::Client(ClientName(number)) => Ok(Endpoint::Client(ClientId(number))),
        }
    }
}

fn name(message: &InFlight<Post>) -> String {
    format!("{} {} → {}", message.payload.kind(), message.from, message.to)
}

//! Messages moved by hand, as scripts do it. Each says why it could not be done, so that no step of a script passes
//! without an effect.

use super::Tank;
use crate::{
    client::Workload,
    network::{Endpoint, MessageId},
    queue::Scheduled,
    time::Span,
};

/// Why what was asked of a message has not happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmoved {
    /// It is not in flight, or not any more.
    #[error("it is gone")]
    Gone,
    /// It is held back.
    #[error("it is held back")]
    Held,
    /// It is not held back.
    #[error("it is not held back")]
    NotHeld,
    /// Its link is cut; it is lost.
    #[error("it is lost, for its link is cut")]
    Cut,
    /// Its receiver is switched off; it is lost.
    #[error("it is lost, for its receiver is down")]
    Down,
    /// It travels between a client and a server.
    #[error("a client's connection repeats nothing: with two copies of a request no refusal would be final")]
    OfClient,
}

impl<W: Workload> Tank<W> {
    /// Delivers a message now, whatever its time.
    ///
    /// # Errors
    /// When nothing was delivered. A held message stays in flight.
    pub fn deliver_now(&mut self, id: MessageId) -> Result<(), Unmoved> {
        self.arrive(id)
    }

    /// Loses a message, held or not.
    ///
    /// # Errors
    /// When it is not in flight.
    pub fn drop_now(&mut self, id: MessageId) -> Result<(), Unmoved> {
        let message = self.network.drop_message(id).ok_or(Unmoved::Gone)?;
        self.count_fault([10, id.0, 0]);
        self.line_lost(message.from, message.to, &message.payload, "dropped");
        Ok(())
    }

    /// Puts a second copy of a message between servers in flight, due at the same moment.
    ///
    /// # Errors
    /// When it is not in flight, or when one of its ends is a client.
    pub fn duplicate_now(&mut self, id: MessageId) -> Result<(), Unmoved> {
        let message = self.network.message(id).ok_or(Unmoved::Gone)?;
        let (Endpoint::Server(_), Endpoint::Server(_)) = (message.from, message.to) else {
            return Err(Unmoved::OfClient);
        };
        let due = message.due.max(self.now);
        let copy = self.network.duplicate_message(id).ok_or(Unmoved::Gone)?;
        self.count_fault([11, id.0, 0]);
        self.schedule(due, Scheduled::Arrival(copy));
        Ok(())
    }

    /// Keeps a message in flight until it is [released](Self::release).
    ///
    /// # Errors
    /// When it is not in flight, or held already.
    pub fn hold(&mut self, id: MessageId) -> Result<(), Unmoved> {
        if self.network.message(id).ok_or(Unmoved::Gone)?.held {
            return Err(Unmoved::Held);
        }
        self.count_fault([12, id.0, 0]);
        self.network.hold(id);
        Ok(())
    }

    /// Lets a held message go on. What was due while it was held arrives now.
    ///
    /// # Errors
    /// When it is not in flight, or not held.
    pub fn release(&mut self, id: MessageId) -> Result<(), Unmoved> {
        let message = self.network.message(id).ok_or(Unmoved::Gone)?;
        if !message.held {
            return Err(Unmoved::NotHeld);
        }
        let due = message.due.max(self.now);
        self.network.release(id);
        self.count_fault([13, id.0, 0]);
        self.schedule(due, Scheduled::Arrival(id));
        Ok(())
    }

    /// Puts off a message by so much.
    ///
    /// # Errors
    /// When it is not in flight.
    pub fn delay(&mut self, id: MessageId, by: Span) -> Result<(), Unmoved> {
        let due = self.network.message(id).ok_or(Unmoved::Gone)?.due.max(self.now) + by;
        // The old arrival finds the message under its new name only.
        let copy = self.network.duplicate_message(id).ok_or(Unmoved::Gone)?;
        self.network.drop_message(id);
        self.network.set_due(copy, due);
        self.count_fault([14, id.0, 0]);
        self.schedule(due, Scheduled::Arrival(copy));
        Ok(())
    }
}

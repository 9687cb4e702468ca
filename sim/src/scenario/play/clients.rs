//! Verbs of clients: `put`, `get`, `cas`, `append`, `retry`.

use super::{Played, Player, possible};
use crate::scenario::{ClientName, Server, Step};

impl Player<'_> {
    pub(super) fn call(&mut self, step: &Step) -> Played {
        let Some((call, Ok(command))) = step.call() else {
            // No such step gets through the validation of a file.
            return possible(false, "this is no request");
        };
        let (place, to) = (self.scene().place(call.client)?, self.id(call.to)?);
        self.tank.submit(place, command, to);
        Ok(())
    }

    pub(super) fn retry(&mut self, client: ClientName, to: Server) -> Played {
        let (place, to) = (self.scene().place(client)?, self.id(to)?);
        possible(self.tank.resend(place, to), "the client has no open request")
    }
}

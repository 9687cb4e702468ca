//! Where clients are tied to the tank.

use bytes::Bytes;
use linearizability::Ending;
use wavetank_process::{ClientId, Outcome, RequestId, raft_core::NodeId};
use xxhash_rust::xxh3::xxh3_64;

use super::{Parcel, Tank};
use crate::{
    client::{Client, ClientOptions, Request, Workload},
    network::Endpoint,
    queue::Scheduled,
    time::Time,
    trace::LineKind,
};

/// A client, and when it is next looked after.
pub(super) struct Port<W: Workload> {
    client: Client<W>,
    wake: Option<Time>,
}

impl<W: Workload> Tank<W> {
    /// Adds a client, which sets to work at once. Returns its place among the clients.
    pub fn add_client(&mut self, options: ClientOptions) -> usize {
        let place = self.clients.len();
        let servers = self.cluster.iter().map(|machine| machine.id).collect();
        let client = Client::new(ClientId(place as u64 + 1), servers, self.workload.clone(), options);
        self.clients.push(Port { client, wake: None });
        self.reschedule_client(place);
        place
    }

    /// A client, to look at.
    pub fn client(&self, place: usize) -> &Client<W> {
        &self.clients[place].client
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Has every client begin nothing new.
    pub fn stop_clients(&mut self) {
        for port in &mut self.clients {
            port.client.stop();
        }
    }

    /// For scripts: has a client send one command to one server, without trying again by itself.
    pub fn submit(&mut self, place: usize, command: W::Input, to: NodeId) {
        let request = self.clients[place].client.submit(self.now, command, to, &mut self.history);
        self.send_request(place, request);
        self.reschedule_client(place);
    }

    /// For scripts: has a client send its open operation once more, as the same request. `false` when none is open.
    pub fn resend(&mut self, place: usize, to: NodeId) -> bool {
        let Some(request) = self.clients[place].client.resend(to) else { return false };
        self.send_request(place, request);
        self.reschedule_client(place);
        true
    }

    fn send_request(&mut self, place: usize, Request { to, id, bytes }: Request) {
        self.count_event(7, [id.client.0, id.sequence, to.number(), xxh3_64(&bytes)]);
        let from = Endpoint::Client(self.clients[place].client.id());
        self.send(from, Endpoint::Server(to), Parcel::Request { id, bytes }, None);
    }

    /// A client may have something to do.
    pub(super) fn client_acts(&mut self, place: usize) {
        let port = &mut self.clients[place];
        if port.wake != Some(self.now) {
            return;
        }
        port.wake = None;
        let open = port.client.open().map(|(operation, _)| operation);
        while let Some(request) = self.clients[place].client.poll(self.now, &mut self.door, &mut self.history)
        {
            self.send_request(place, request);
        }
        let ending = open.and_then(|open| self.history.operation(open)).map(|operation| &operation.ending);
        let how = match ending {
            Some(Ending::Failed { .. }) => Some("gives up: every attempt was refused"),
            Some(Ending::Abandoned { .. }) => Some("gives up waiting: the outcome is unknown"),
            Some(Ending::Open | Ending::Completed { .. }) | None => None,
        };
        if let Some(how) = how {
            let id = self.clients[place].client.id();
            self.line(LineKind::Client, None, || format!("{id} {how}"));
        }
        self.judge_history();
        self.reschedule_client(place);
    }

    /// A client gets an answer.
    pub(super) fn client_hears(&mut self, client: ClientId, id: RequestId, outcome: Outcome) {
        let Some(place) = usize::try_from(client.0).ok().and_then(|number| number.checked_sub(1)) else {
            return;
        };
        let Some(port) = self.clients.get_mut(place) else { return };
        port.client.reply(self.now, id, outcome, &mut self.door, &mut self.history);
        self.judge_history();
        self.reschedule_client(place);
    }

    fn reschedule_client(&mut self, place: usize) {
        let port = &mut self.clients[place];
        let Some(due) = port.client.deadline().map(|due| due.max(self.now)) else { return };
        // An earlier one stays: the client looks again then.
        if port.wake.is_none_or(|wake| due < wake) {
            port.wake = Some(due);
            self.schedule(due, Scheduled::Client { client: place });
        }
    }
}

pub(super) fn render_request<W: Workload>(id: RequestId, bytes: &Bytes) -> String {
    match W::decode_input(bytes) {
        Ok(command) => format!("#{} {command}", id.sequence),
        Err(error) => format!("#{} ({error})", id.sequence),
    }
}

pub(super) fn render_reply<W: Workload>(id: RequestId, outcome: &Outcome) -> String {
    let answer = match outcome {
        Outcome::Done(bytes) => match W::decode_output(bytes) {
            Ok(reply) => reply.to_string(),
            Err(error) => format!("({error})"),
        },
        Outcome::Refused { leader: Some(leader) } => format!("refused, ask {leader}"),
        Outcome::Refused { leader: None } => "refused".to_owned(),
    };
    format!("#{} {answer}", id.sequence)
}

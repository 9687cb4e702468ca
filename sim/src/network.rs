//! The network: mailboxes between endpoints, with latency, loss, duplication, bounded links and cuts.
//!
//! It is told the time, decides through the [`Door`], and says what is in flight and when each message is
//! due; whoever drives it delivers them. Messages overtake each other because each draws a latency of its
//! own.
//!
//! Two kinds of misfortune are kept apart. *Weather* ([`NetworkOptions`]) is drawn message by message.
//! *Faults* (cuts, messages held back, dropped or duplicated by hand) are ordered from outside.
//! [`NetworkCounters`] tell what came of the weather and the cuts: an injector that injects nothing shows
//! there.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use raft_core::NodeId;
use serde::{Deserialize, Serialize};
use wavetank_process::{ClientId, Label};

use crate::{
    chance::{Door, Site, labels},
    time::{Span, Time},
};

/// Who sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// A server of the cluster.
    Server(NodeId),
    /// A client of the cluster.
    Client(ClientId),
}

impl Endpoint {
    /// The endpoint as the subject of a choice: servers by their number, clients by theirs beyond 2^32.
    pub const fn subject(self) -> u64 {
        match self {
            Self::Server(id) => id.number(),
            Self::Client(ClientId(number)) => (1 << 32) | number,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(id) => write!(f, "{id}"),
            Self::Client(ClientId(number)) => write!(f, "c{number}"),
        }
    }
}

/// Names a message while it is in flight, and orders messages by when they were sent. Counted from 1 over the
/// whole run; a second copy of a message has an id of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight<P> {
    /// Its name.
    pub id: MessageId,
    /// Who sent it.
    pub from: Endpoint,
    /// To whom.
    pub to: Endpoint,
    /// When.
    pub sent: Time,
    /// When it arrives, unless it is held, cut off or dropped.
    pub due: Time,
    /// What it carries.
    pub payload: P,
    /// Whether it waits to be [released](Network::release), even when it is due.
    pub held: bool,
}

/// The weather.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkOptions {
    /// The shortest time that a message takes.
    pub latency_min: Span,
    /// The average time that a message takes, when it is more than the shortest.
    pub latency_mean: Span,
    /// How many of a thousand messages take ten to fifty times longer.
    pub tail_permille: u64,
    /// How many of a thousand messages are lost.
    pub loss_permille: u64,
    /// How many of a thousand messages arrive twice, unless the link is full.
    pub duplicate_permille: u64,
    /// How many messages a link carries at a time, in one direction; what is sent beyond is lost. `None`: any
    /// number.
    pub capacity: Option<u64>,
}

impl Default for NetworkOptions {
    /// Fair weather: every message takes a millisecond and arrives once, in order.
    fn default() -> Self {
        Self {
            latency_min: Span::from_millis(1),
            latency_mean: Span::from_millis(1),
            tail_permille: 0,
            loss_permille: 0,
            duplicate_permille: 0,
            capacity: None,
        }
    }
}

/// How often the network's misfortunes struck, that is, cost an endpoint a message or sent it a strange one.
/// Whether anybody was there to notice is for whoever drives the network to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NetworkCounters {
    /// Messages sent, copies left out.
    pub sent: u64,
    /// Messages delivered, copies included.
    pub delivered: u64,
    /// Messages lost by chance, on a link that would have carried them.
    pub lost: u64,
    /// Deliveries of a message that had been delivered before.
    pub duplicated: u64,
    /// Messages that arrived after one sent later on the same link.
    pub reordered: u64,
    /// Messages sent into a cut link.
    pub cut_at_send: u64,
    /// Messages that were under way and found their link cut when they were due.
    pub cut_in_flight: u64,
    /// Messages sent into a full link.
    pub queue_full: u64,
}

impl NetworkCounters {
    /// Adds other counters.
    pub fn add(&mut self, other: Self) {
        let Self { sent, delivered, lost, duplicated, reordered, cut_at_send, cut_in_flight, queue_full } =
            other;
        self.sent += sent;
        self.delivered += delivered;
        self.lost += lost;
        self.duplicated += duplicated;
        self.reordered += reordered;
        self.cut_at_send += cut_at_send;
        self.cut_in_flight += cut_in_flight;
        self.queue_full += queue_full;
    }

    /// What has been counted since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            sent: self.sent - earlier.sent,
            delivered: self.delivered - earlier.delivered,
            lost: self.lost - earlier.lost,
            duplicated: self.duplicated - earlier.duplicated,
            reordered: self.reordered - earlier.reordered,
            cut_at_send: self.cut_at_send - earlier.cut_at_send,
            cut_in_flight: self.cut_in_flight - earlier.cut_in_flight,
            queue_full: self.queue_full - earlier.queue_full,
        }
    }
}

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is under way.
    InFlight {
        /// Its name, and when it is due.
        message: (MessageId, Time),
        /// The same of its second copy, if it was duplicated.
        copy: Option<(MessageId, Time)>,
    },
    /// It is gone.
    Dropped(DropReason),
}

impl Sent {
    /// What is in flight now, by name, and when it is due: nothing, the message, or the message and its copy.
    pub fn in_flight(self) -> impl Iterator<Item = (MessageId, Time)> {
        let (message, copy) = match self {
            Self::InFlight { message, copy } => (Some(message), copy),
            Self::Dropped(_) => (None, None),
        };
        message.into_iter().chain(copy)
    }
}

/// Why a message did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The link is cut.
    Cut,
    /// By chance.
    Lost,
    /// The link carries as many messages as it can.
    QueueFull,
}

/// What came of an attempt to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery<P> {
    /// It arrived.
    Delivered(InFlight<P>),
    /// Its link is cut: it is lost.
    Cut,
    /// It is not in flight any more, or never was.
    Gone,
    /// It is held back, and still in flight.
    Held,
}

/// A place in [`Network::links`].
#[derive(Clone, Copy, Debug)]
struct LinkIndex(usize);

/// One direction between two endpoints.
#[derive(Clone, Debug, Default)]
struct Link {
    cut: bool,
    /// How many messages it carries.
    in_flight: u64,
    /// The message delivered that was sent last, copies standing for their originals.
    latest_delivered: Option<MessageId>,
}

/// A message in flight, with what only the network needs to know of it.
#[derive(Clone, Debug)]
struct Slot<P> {
    message: InFlight<P>,
    link: LinkIndex,
    /// The message of which it is a copy; its own id when it is none.
    original: MessageId,
}

/// The copies of one message, as long as any is in flight.
#[derive(Clone, Copy, Debug)]
struct Copies {
    in_flight: u64,
    delivered: bool,
}

/// All messages in flight, and the links between endpoints.
#[derive(Clone, Debug)]
pub struct Network<P> {
    options: NetworkOptions,
    counters: NetworkCounters,
    last_id: u64,
    slots: BTreeMap<MessageId, Slot<P>>,
    links: Vec<Link>,
    link_indexes: BTreeMap<(Endpoint, Endpoint), LinkIndex>,
    /// By original; only of messages that were duplicated.
    copies: BTreeMap<MessageId, Copies>,
}

impl<P: Clone> Network<P> {
    /// A network in this weather, with every link whole.
    pub fn new(options: NetworkOptions) -> Self {
        Self {
            options,
            counters: NetworkCounters::default(),
            last_id: 0,
            slots: BTreeMap::new(),
            links: Vec::new(),
            link_indexes: BTreeMap::new(),
            copies: BTreeMap::new(),
        }
    }

    /// The weather.
    pub fn options(&self) -> &NetworkOptions {
        &self.options
    }

    /// Changes the weather for what is sent from now on.
    pub fn set_options(&mut self, options: NetworkOptions) {
        self.options = options;
    }

    /// What has taken effect so far.
    pub fn counters(&self) -> NetworkCounters {
        self.counters
    }

    /// Takes a message and says when it is due, or why it is lost.
    pub fn send(&mut self, now: Time, from: Endpoint, to: Endpoint, payload: P, door: &mut Door) -> Sent {
        self.counters.sent += 1;
        let link = self.link_index(from, to);
        if self.links[link.0].cut {
            self.counters.cut_at_send += 1;
            return Sent::Dropped(DropReason::Cut);
        }
        if self.is_full(link) {
            self.counters.queue_full += 1;
            return Sent::Dropped(DropReason::QueueFull);
        }
        let site = |label| Site { label, subject: [from.subject(), to.subject()] };
        if door.chance(site(labels::NET_LOSS), self.options.loss_permille, 1_000) {
            self.counters.lost += 1;
            return Sent::Dropped(DropReason::Lost);
        }
        // A client speaks over a connection, which may break but does not repeat itself; if it did, no refusal
        // would be final, since a second copy of the request might still be accepted.
        let between_servers = matches!((from, to), (Endpoint::Server(_), Endpoint::Server(_)));
        let duplicate_permille = if between_servers { self.options.duplicate_permille } else { 0 };
        let twice = door.chance(site(labels::NET_DUPLICATE), duplicate_permille, 1_000);
        let id = self.next_id();
        let due = now + self.latency(site, door);
        let message = InFlight { id, from, to, sent: now, due, payload, held: false };
        let slot = Slot { message, link, original: id };
        let copy = twice.then(|| slot.clone());
        self.insert(slot);
        let copy = copy.filter(|_| !self.is_full(link)).map(|mut copy| {
            let due = now + self.latency(site, door);
            copy.message.due = due;
            (self.insert_copy(copy), due)
        });
        Sent::InFlight { message: (id, due), copy }
    }

    /// Lets a message arrive, or finds out why it cannot. Whoever drives the network calls it when the
    /// message is due; a script may call it earlier.
    ///
    /// # Panics
    /// When the message is sent only after `now`.
    pub fn deliver(&mut self, id: MessageId, now: Time) -> Delivery<P> {
        let Entry::Occupied(entry) = self.slots.entry(id) else { return Delivery::Gone };
        let message = &entry.get().message;
        assert!(message.sent <= now, "{id} is sent at {} and cannot arrive at {now}", message.sent);
        if message.held {
            return Delivery::Held;
        }
        let slot = entry.remove();
        let cut = self.links[slot.link.0].cut;
        let repeated = self.leave(&slot, !cut);
        if cut {
            self.counters.cut_in_flight += 1;
            return Delivery::Cut;
        }
        self.count_delivery(&slot, repeated);
        Delivery::Delivered(slot.message)
    }

    /// Tells what is strange about a delivery: a repetition, or a message that was overtaken.
    fn count_delivery(&mut self, slot: &Slot<P>, repeated: bool) {
        self.counters.delivered += 1;
        if repeated {
            self.counters.duplicated += 1;
            return;
        }
        let latest = &mut self.links[slot.link.0].latest_delivered;
        if Some(slot.original) < *latest {
            self.counters.reordered += 1;
        } else {
            *latest = Some(slot.original);
        }
    }

    /// Cuts one direction between two endpoints: what is sent into it is lost, and so is what is under way
    /// and comes due while it is cut. Nothing cuts an endpoint off from itself.
    pub fn cut(&mut self, from: Endpoint, to: Endpoint) {
        if from != to {
            let link = self.link_index(from, to);
            self.links[link.0].cut = true;
        }
    }

    /// Mends one direction between two endpoints.
    pub fn heal(&mut self, from: Endpoint, to: Endpoint) {
        let link = self.link_index(from, to);
        self.links[link.0].cut = false;
    }

    /// Mends every link.
    pub fn heal_all(&mut self) {
        for link in &mut self.links {
            link.cut = false;
        }
    }

    /// Whether this direction is cut.
    pub fn is_cut(&self, from: Endpoint, to: Endpoint) -> bool {
        self.link_indexes.get(&(from, to)).is_some_and(|link| self.links[link.0].cut)
    }

    /// Keeps a message from being delivered until it is released; `false` when it is not in flight.
    pub fn hold(&mut self, id: MessageId) -> bool {
        self.update(id, |message| message.held = true)
    }

    /// Lets a held message go: from its due time on it can be delivered. `false` when it is not in flight.
    pub fn release(&mut self, id: MessageId) -> bool {
        self.update(id, |message| message.held = false)
    }

    /// Moves the moment when a message is due; `false` when it is not in flight.
    pub fn set_due(&mut self, id: MessageId, due: Time) -> bool {
        self.update(id, |message| message.due = due)
    }

    /// Loses a message, and says which it was; `None` when it is not in flight.
    pub fn drop_message(&mut self, id: MessageId) -> Option<InFlight<P>> {
        let slot = self.slots.remove(&id)?;
        self.leave(&slot, false);
        Some(slot.message)
    }

    /// Puts a second copy of a message on its way, due at the same moment and held like the first, whatever
    /// the link's capacity. Returns its name; `None` when the message is not in flight.
    pub fn duplicate_message(&mut self, id: MessageId) -> Option<MessageId> {
        let slot = self.slots.get(&id)?.clone();
        Some(self.insert_copy(slot))
    }

    /// A message, while it is in flight.
    pub fn message(&self, id: MessageId) -> Option<&InFlight<P>> {
        self.slots.get(&id).map(|slot| &slot.message)
    }

    /// Everything in flight, in the order in which it was sent.
    pub fn in_flight(&self) -> impl Iterator<Item = &InFlight<P>> {
        self.slots.values().map(|slot| &slot.message)
    }

    /// What is in flight in one direction between two endpoints, in the order in which it was sent.
    pub fn on_link(&self, from: Endpoint, to: Endpoint) -> impl Iterator<Item = &InFlight<P>> {
        self.in_flight().filter(move |message| message.from == from && message.to == to)
    }

    /// How many messages are in flight.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn update(&mut self, id: MessageId, change: impl FnOnce(&mut InFlight<P>)) -> bool {
        self.slots.get_mut(&id).map(|slot| change(&mut slot.message)).is_some()
    }

    fn latency(&self, site: impl Fn(Label) -> Site, door: &mut Door) -> Span {
        let NetworkOptions { latency_min, latency_mean, tail_permille, .. } = self.options;
        let latency = door.latency(site(labels::NET_LATENCY), latency_min, latency_mean);
        if door.chance(site(labels::NET_TAIL), tail_permille, 1_000) {
            return latency * door.range(site(labels::NET_TAIL_FACTOR), 10, 50);
        }
        latency
    }

    fn link_index(&mut self, from: Endpoint, to: Endpoint) -> LinkIndex {
        *self.link_indexes.entry((from, to)).or_insert_with(|| {
            self.links.push(Link::default());
            LinkIndex(self.links.len() - 1)
        })
    }

    fn is_full(&self, link: LinkIndex) -> bool {
        self.options.capacity.is_some_and(|capacity| capacity <= self.links[link.0].in_flight)
    }

    fn next_id(&mut self) -> MessageId {
        self.last_id += 1;
        MessageId(self.last_id)
    }

    fn insert(&mut self, slot: Slot<P>) {
        self.links[slot.link.0].in_flight += 1;
        self.slots.insert(slot.message.id, slot);
    }

    /// Puts a copy of a message in flight under a name of its own.
    fn insert_copy(&mut self, mut slot: Slot<P>) -> MessageId {
        let id = self.next_id();
        slot.message.id = id;
        self.copies.entry(slot.original).or_insert(Copies { in_flight: 1, delivered: false }).in_flight += 1;
        self.insert(slot);
        id
    }

    /// Keeps the books on a message that has just left the network, delivered or not. Returns whether another
    /// copy of it was delivered before.
    fn leave(&mut self, slot: &Slot<P>, delivered: bool) -> bool {
        self.links[slot.link.0].in_flight -= 1;
        let Some(copies) = self.copies.get_mut(&slot.original) else { return false };
        let repeated = copies.delivered;
        copies.delivered |= delivered;
        copies.in_flight -= 1;
        if copies.in_flight == 0 {
            self.copies.remove(&slot.original);
        }
        repeated
    }
}

#[cfg(test)]
mod tests;

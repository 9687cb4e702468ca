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

/// How often the network's misfortunes took effect, that is, cost somebody a message or showed somebody a
/// strange one.
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
mod tests {
    use super::*;
    use crate::chance::{Random, Recorded};

    fn server(number: u64) -> Endpoint {
        Endpoint::Server(NodeId::new(number).unwrap())
    }

    fn quiet() -> Door {
        Door::new(Recorded::quiet())
    }

    /// Sends on a link that is known to carry everything.
    fn send(network: &mut Network<u64>, from: u64, to: u64, payload: u64) -> MessageId {
        match network.send(Time::ZERO, server(from), server(to), payload, &mut quiet()) {
            Sent::InFlight { message: (id, _), copy: None } => id,
            sent => panic!("{sent:?}"),
        }
    }

    fn deliver(network: &mut Network<u64>, id: MessageId) -> u64 {
        match network.deliver(id, Time(1)) {
            Delivery::Delivered(message) => message.payload,
            delivery => panic!("{delivery:?}"),
        }
    }

    #[test]
    fn fair_weather_delivers_everything_once_after_a_millisecond() {
        let mut network = Network::new(NetworkOptions::default());
        let client = Endpoint::Client(ClientId(1));
        let sent = network.send(Time(5), client, server(1), "put", &mut Door::new(Random::new(1)));
        assert_eq!(sent.in_flight().collect::<Vec<_>>(), [(MessageId(1), Time(1_000_005))]);
        let message = network.message(MessageId(1)).unwrap().clone();
        assert_eq!((message.from, message.to, message.payload), (client, server(1), "put"));
        assert_eq!(network.deliver(MessageId(1), message.due), Delivery::Delivered(message));
        assert_eq!(network.deliver(MessageId(1), Time(1_000_005)), Delivery::Gone);
        assert!(network.is_empty());
        let expected = NetworkCounters { sent: 1, delivered: 1, ..NetworkCounters::default() };
        assert_eq!(network.counters(), expected);
    }

    #[test]
    fn a_cut_takes_one_direction_and_what_comes_due_while_it_lasts() {
        let mut network = Network::new(NetworkOptions::default());
        let [early, late] = [1, 2].map(|payload| send(&mut network, 1, 2, payload));
        let back = send(&mut network, 2, 1, 3);
        network.cut(server(1), server(2));
        assert!(network.is_cut(server(1), server(2)) && !network.is_cut(server(2), server(1)));
        let refused = network.send(Time(1), server(1), server(2), 4, &mut quiet());
        assert_eq!(refused, Sent::Dropped(DropReason::Cut));
        assert_eq!(refused.in_flight().count(), 0);
        assert_eq!(network.deliver(early, Time(1)), Delivery::Cut);
        assert_eq!(network.deliver(early, Time(1)), Delivery::Gone);
        assert_eq!(deliver(&mut network, back), 3);
        network.heal(server(1), server(2));
        assert_eq!(deliver(&mut network, late), 2);
        let counters = network.counters();
        assert_eq!((counters.cut_at_send, counters.cut_in_flight, counters.delivered), (1, 1, 2));
    }

    #[test]
    fn healing_all_mends_every_link_and_loopback_is_never_cut() {
        let mut network = Network::new(NetworkOptions::default());
        for (from, to) in [(1, 2), (2, 3), (1, 1)] {
            network.cut(server(from), server(to));
        }
        assert!(!network.is_cut(server(1), server(1)));
        let own = send(&mut network, 1, 1, 7);
        assert_eq!(deliver(&mut network, own), 7);
        network.heal_all();
        assert!(!network.is_cut(server(1), server(2)) && !network.is_cut(server(2), server(3)));
    }

    #[test]
    fn a_full_link_drops_and_takes_no_second_copy() {
        let options =
            NetworkOptions { capacity: Some(2), duplicate_permille: 1_000, ..NetworkOptions::default() };
        let mut network = Network::new(options);
        let sent = network.send(Time::ZERO, server(1), server(2), 1, &mut quiet());
        assert_eq!(sent.in_flight().count(), 2);
        let full = network.send(Time::ZERO, server(1), server(2), 2, &mut quiet());
        assert_eq!(full, Sent::Dropped(DropReason::QueueFull));
        assert_eq!(network.send(Time::ZERO, server(2), server(1), 3, &mut quiet()).in_flight().count(), 2);
        deliver(&mut network, MessageId(2));
        let half = network.send(Time::ZERO, server(1), server(2), 4, &mut quiet());
        assert_eq!(half.in_flight().count(), 1);
        assert_eq!(network.counters().queue_full, 1);
    }

    #[test]
    fn a_duplicate_counts_once_it_is_seen_twice() {
        let options = NetworkOptions { duplicate_permille: 1_000, ..NetworkOptions::default() };
        let mut network = Network::new(options);
        for payload in 0..2 {
            network.send(Time::ZERO, server(1), server(2), payload, &mut quiet());
        }
        assert_eq!(deliver(&mut network, MessageId(2)), 0);
        assert_eq!(network.counters().duplicated, 0, "one copy alone is the message itself");
        assert_eq!(deliver(&mut network, MessageId(1)), 0);
        assert_eq!(network.counters().duplicated, 1);
        network.drop_message(MessageId(3)).unwrap();
        assert_eq!(deliver(&mut network, MessageId(4)), 1);
        assert_eq!(network.counters().duplicated, 1, "its twin never arrived");
        assert!(network.copies.is_empty());
    }

    #[test]
    fn who_is_overtaken_is_counted_as_reordered() {
        let mut network = Network::new(NetworkOptions::default());
        let [first, second, third] = [1, 2, 3].map(|payload| send(&mut network, 1, 2, payload));
        let elsewhere = send(&mut network, 1, 3, 4);
        deliver(&mut network, elsewhere);
        deliver(&mut network, second);
        assert_eq!(network.counters().reordered, 0, "nothing has arrived late yet");
        deliver(&mut network, first);
        assert_eq!(network.counters().reordered, 1);
        deliver(&mut network, third);
        assert_eq!(network.counters().reordered, 1);
    }

    #[test]
    fn a_late_copy_is_a_duplicate_and_not_a_reordering() {
        let mut network = Network::new(NetworkOptions::default());
        let first = send(&mut network, 1, 2, 1);
        let copy = network.duplicate_message(first).unwrap();
        let second = send(&mut network, 1, 2, 2);
        for id in [first, second, copy] {
            deliver(&mut network, id);
        }
        assert_eq!((network.counters().duplicated, network.counters().reordered), (1, 0));
    }

    #[test]
    fn messages_are_held_released_moved_and_dropped_by_hand() {
        let mut network = Network::new(NetworkOptions::default());
        let [first, second] = [1, 2].map(|payload| send(&mut network, 1, 2, payload));
        let other = send(&mut network, 2, 1, 3);
        assert!(network.hold(first));
        assert_eq!(network.deliver(first, Time(1)), Delivery::Held);
        assert!(network.message(first).unwrap().held);
        let ids = network.on_link(server(1), server(2)).map(|message| message.id).collect::<Vec<_>>();
        assert_eq!(ids, [first, second]);
        assert_eq!(network.in_flight().last().unwrap().id, other);
        assert!(network.release(first) && network.set_due(first, Time(9)));
        assert_eq!(network.message(first).unwrap().due, Time(9));
        assert_eq!(deliver(&mut network, first), 1);
        assert_eq!(network.drop_message(second).unwrap().payload, 2);
        assert_eq!(network.len(), 1);
        assert!(!network.hold(second) && !network.release(second) && !network.set_due(second, Time(9)));
        assert_eq!(network.duplicate_message(second), None);
        assert_eq!(network.drop_message(second), None);
    }

    #[test]
    fn latencies_are_drawn_per_link_and_reorder() {
        let options = NetworkOptions {
            latency_min: Span::from_millis(2),
            latency_mean: Span::from_millis(12),
            ..NetworkOptions::default()
        };
        let run = |disturbance: u64| {
            let mut network = Network::new(options.clone());
            let mut door = Door::new(Random::new(5));
            let mut due = Vec::new();
            for payload in 0..100 {
                let sent = network.send(Time::ZERO, server(1), server(2), payload, &mut door);
                due.extend(sent.in_flight());
                for _ in 0..disturbance {
                    network.send(Time::ZERO, server(2), server(1), payload, &mut door);
                }
            }
            due.iter().map(|(_, due)| *due).collect::<Vec<_>>()
        };
        let due = run(0);
        assert!(due.iter().all(|due| Time::ZERO + Span::from_millis(2) <= *due));
        assert!(!due.is_sorted());
        assert_eq!(due, run(3), "another link shifts nothing here");
    }

    #[test]
    fn every_misfortune_of_the_weather_takes_effect_about_as_often_as_asked() {
        let options = NetworkOptions {
            latency_min: Span::from_millis(1),
            latency_mean: Span::from_millis(10),
            tail_permille: 10,
            loss_permille: 100,
            duplicate_permille: 100,
            capacity: None,
        };
        let mut network = Network::new(options);
        let mut door = Door::new(Random::new(9));
        let mut due = Vec::new();
        for payload in 0..10_000 {
            let now = Time::ZERO + Span::from_millis(1) * payload;
            due.extend(network.send(now, server(1), server(2), payload, &mut door).in_flight());
        }
        due.sort_by_key(|(id, due)| (*due, *id));
        for (id, due) in due {
            assert!(matches!(network.deliver(id, due), Delivery::Delivered(_)));
        }
        let NetworkCounters { sent, delivered, lost, duplicated, reordered, .. } = network.counters();
        assert_eq!((sent, delivered), (10_000, sent - lost + duplicated));
        assert!((900..1_100).contains(&lost), "{lost}");
        assert!((800..1_000).contains(&duplicated), "{duplicated}");
        assert!(5_000 < reordered, "{reordered}");
        assert!(network.copies.is_empty() && network.is_empty());
    }

    #[test]
    fn a_tail_takes_ten_to_fifty_times_longer() {
        let options = NetworkOptions { tail_permille: 1_000, ..NetworkOptions::default() };
        let mut network = Network::new(options);
        let mut door = Door::new(Random::new(9));
        for payload in 0..1_000 {
            network.send(Time::ZERO, server(1), server(2), payload, &mut door);
        }
        let millis = |span: u64| Time::ZERO + Span::from_millis(span);
        let latest = network.in_flight().map(|message| message.due).max().unwrap();
        assert!(network.in_flight().all(|message| millis(10) <= message.due));
        assert!(millis(45) < latest && latest <= millis(50), "{latest}");
    }

    #[test]
    fn options_are_readable_and_misspelt_ones_are_refused() {
        let options: NetworkOptions = ron::from_str(r#"(latency_mean: "5ms", loss_permille: 20)"#).unwrap();
        assert_eq!((options.latency_mean, options.loss_permille), (Span::from_millis(5), 20));
        assert_eq!(options.latency_min, NetworkOptions::default().latency_min);
        assert!(ron::from_str::<NetworkOptions>("(loss_per_mille: 20)").is_err());
    }
}

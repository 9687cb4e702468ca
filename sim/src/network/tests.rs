//! Each kind of weather, and each thing done by hand.

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

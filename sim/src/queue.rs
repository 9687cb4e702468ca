//! What is going to happen, in order of time. Events of the same moment are ordered by a draw, and then by age.

use std::{cmp::Reverse, collections::BinaryHeap};

use wavetank_process::disk;

use crate::{network::MessageId, time::Time};

/// Something that will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheduled {
    /// A message arrives.
    Arrival(MessageId),
    /// A disk answers a request of this incarnation of a machine.
    Disk { machine: usize, incarnation: u64, id: disk::RequestId },
    /// A machine's process may have reached its deadline.
    Timer { machine: usize },
    /// A client may have something to do.
    Client { client: usize },
}

/// The events to come.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    pushed: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time: Time,
    tie: u64,
    age: u64,
    what: Scheduled,
}

impl Queue {
    /// Adds an event. Of two events at the same time the one with the smaller `tie` comes first.
    pub(crate) fn push(&mut self, time: Time, tie: u64, what: Scheduled) {
        self.pushed += 1;
        self.heap.push(Reverse(Entry { time, tie, age: self.pushed, what }));
    }

    /// When the next event is due.
    pub(crate) fn next_time(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(entry)| entry.time)
    }

    /// Takes the next event.
    pub(crate) fn pop(&mut self) -> Option<(Time, Scheduled)> {
        self.heap.pop().map(|Reverse(entry)| (entry.time, entry.what))
    }
}

//! Snapshots on their way from one replica to another: in chunks, each sent when the one before it has arrived.
//!
//! Both ends do no IO: they are told what has come in and the time, and say what is to be sent. The network may lose,
//! repeat and reorder, and either end may restart. The sender repeats itself after a while without an answer; the receiver
//! takes only the bytes that continue what it has, and says how far it is. A reply that tells no progress is not
//! answered at once but heeded at the next repetition, so that repeated replies do not multiply.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft_core::{EntryId, NodeId, Term};

use crate::{
    adapter::SnapshotSend,
    frame::{Chunk, ChunkReply, Frame, Received},
    process::LocalTime,
};

/// After so many repetitions without any answer a transfer has failed.
const MAX_SILENT_REPETITIONS: u64 = 10;

/// The snapshots that a replica is sending, one to a peer at most.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    transfers: BTreeMap<NodeId, Transfer>,
}

#[derive(Debug)]
struct Transfer {
    last: EntryId,
    message: Bytes,
    snapshot: Bytes,
    checksum: u32,
    /// The receiver has everything before this offset, as far as is known.
    received: u64,
    /// What it said last, if that was less: it may have started again.
    rewind_to: Option<u64>,
    repeat_at: LocalTime,
    silent_repetitions: u64,
}

/// What a reply has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The next chunk is to be sent.
    Next(Bytes),
    /// Nothing is to be done now.
    Wait,
    /// The receiver's implementation has got the message.
    Done,
}

/// What the time has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// This chunk is to be sent again.
    Repeat(NodeId, Bytes),
    /// The transfer to this peer has failed.
    Failed(NodeId),
}

/// How a sender paces itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The most bytes in one chunk.
    pub(crate) chunk_bytes: u64,
    /// After how many nanoseconds without an answer a chunk is sent again.
    pub(crate) repeat_after: u64,
}

impl Outgoing {
    /// Begins to send a snapshot, in the place of an earlier one to the same peer: the first chunk.
    pub(crate) fn start(&mut self, send: SnapshotSend, snapshot: Bytes, now: LocalTime, pace: Pace) -> Bytes {
        let SnapshotSend { to, last, message } = send;
        let transfer = Transfer {
            last,
            message,
            checksum: crc32fast::hash(&snapshot),
            snapshot,
            received: 0,
            rewind_to: None,
            repeat_at: now.after(pace.repeat_after),
            silent_repetitions: 0,
        };
        let first = transfer.chunk(pace);
        self.transfers.insert(to, transfer);
        first
    }

    /// Takes a reply.
    pub(crate) fn reply(&mut self, from: NodeId, reply: ChunkReply, now: LocalTime, pace: Pace) -> Progress {
        let Some(transfer) = self.transfers.get_mut(&from).filter(|transfer| transfer.last == reply.last)
        else {
            return Progress::Wait;
        };
        transfer.silent_repetitions = 0;
        match reply.received {
            Received::HandedOver => {
                self.transfers.remove(&from);
                Progress::Done
            }
            Received::Before(offset) if transfer.received < offset && offset <= transfer.len() => {
                transfer.received = offset;
                transfer.rewind_to = None;
                transfer.repeat_at = now.after(pace.repeat_after);
                // Whoever has all of it will say when it is done.
                if offset < transfer.len() { Progress::Next(transfer.chunk(pace)) } else { Progress::Wait }
            }
            Received::Before(offset) => {
                transfer.rewind_to = Some(offset.min(transfer.received));
                Progress::Wait
            }
        }
    }

    /// What is to be sent again by now, and what has failed.
    pub(crate) fn overdue(&mut self, now: LocalTime, pace: Pace) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        self.transfers.retain(|&to, transfer| {
            if now < transfer.repeat_at {
                return true;
            }
            if MAX_SILENT_REPETITIONS <= transfer.silent_repetitions {
                overdue.push(Overdue::Failed(to));
                return false;
            }
            transfer.silent_repetitions += 1;
            transfer.repeat_at = now.after(pace.repeat_after);
            transfer.received = transfer.rewind_to.take().unwrap_or(transfer.received);
            overdue.push(Overdue::Repeat(to, transfer.chunk(pace)));
            true
        });
        overdue
    }

    /// When something will be overdue.
    pub(crate) fn deadline(&self) -> Option<LocalTime> {
        self.transfers.values().map(|transfer| transfer.repeat_at).min()
    }
}

impl Transfer {
    fn len(&self) -> u64 {
        self.snapshot.len() as u64
    }

    /// The bytes that come next; none when all were received, which asks how far the receiver is.
    fn chunk(&self, pace: Pace) -> Bytes {
        let start = self.received as usize;
        let len = usize::try_from(pace.chunk_bytes.max(1)).unwrap_or(usize::MAX);
        let end = start.saturating_add(len).min(self.snapshot.len());
        let chunk = Chunk {
            last: self.last,
            snapshot_len: self.len(),
            snapshot_checksum: self.checksum,
            message: &self.message,
            offset: self.received,
            bytes: &self.snapshot[start..end],
        };
        Frame::Chunk(chunk).encode()
    }
}

/// A snapshot that is being received.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Who sends it.
    pub(crate) from: NodeId,
    /// The term in which it was sent, and the last entry that it covers: what makes one of two the newer one.
    version: (Term, EntryId),
    snapshot_len: u64,
    checksum: u32,
    /// For the implementation, when it is there.
    pub(crate) message: Bytes,
    /// What has come so far; `None` once all of it has, and was passed on.
    received: Option<Vec<u8>>,
}

/// What a chunk has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The sender is to be told how far we are.
    Tell(u64),
    /// It was the last one that was missing: the whole snapshot.
    Complete(Bytes),
    /// It belongs to an older snapshot than the one being received.
    Outdated,
    /// All chunks are there, and they are not what was sent.
    Garbled,
}

impl Incoming {
    /// Begins to receive the snapshot of which `chunk` is a part.
    pub(crate) fn new(from: NodeId, term: Term, chunk: &Chunk<'_>) -> Self {
        Self {
            from,
            version: (term, chunk.last),
            snapshot_len: chunk.snapshot_len,
            checksum: chunk.snapshot_checksum,
            message: Bytes::copy_from_slice(chunk.message),
            received: Some(Vec::new()),
        }
    }

    /// The last entry that the snapshot covers.
    pub(crate) fn last(&self) -> EntryId {
        self.version.1
    }

    /// Whether a chunk is of a newer snapshot, for which this one is given up: of a later term, or of more entries; or
    /// of a sender whose snapshot of the same entries has other bytes.
    pub(crate) fn is_superseded_by(&self, from: NodeId, term: Term, chunk: &Chunk<'_>) -> bool {
        let same = (self.from, self.snapshot_len, self.checksum);
        let version = (term, chunk.last);
        self.version < version
            || (self.version == version && same != (from, chunk.snapshot_len, chunk.snapshot_checksum))
    }

    /// Takes a chunk.
    pub(crate) fn take(&mut self, term: Term, chunk: &Chunk<'_>) -> Arrival {
        if (term, chunk.last) < self.version {
            return Arrival::Outdated;
        }
        let Some(received) = &mut self.received else { return Arrival::Tell(self.snapshot_len) };
        let held = received.len() as u64;
        if chunk.offset != held || self.snapshot_len - held < chunk.bytes.len() as u64 {
            return Arrival::Tell(held);
        }
        received.extend_from_slice(chunk.bytes);
        let held = received.len() as u64;
        if held < self.snapshot_len {
            return Arrival::Tell(held);
        }
        match self.received.take() {
            Some(whole) if crc32fast::hash(&whole) == self.checksum => Arrival::Complete(whole.into()),
            Some(_) | None => Arrival::Garbled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { chunk_bytes: 2, repeat_after: 10 };
    const TERM: Term = Term(3);

    fn node(number: u64) -> NodeId {
        NodeId::new(number).expect("not zero")
    }

    fn send(last: EntryId) -> SnapshotSend {
        SnapshotSend { to: node(2), last, message: Bytes::from_static(b"install") }
    }

    fn reply(last: EntryId, received: Received) -> ChunkReply {
        ChunkReply { last, received }
    }

    fn decode(bytes: &Bytes) -> Chunk<'_> {
        match Frame::decode(bytes) {
            Ok(Frame::Chunk(chunk)) => chunk,
            other => panic!("no chunk: {other:?}"),
        }
    }

    /// Both ends with a network between them that does to message number n what `fate` says: how often it arrives.
    fn transmit(fate: impl Fn(u64) -> u64, restart_at: Option<u64>) -> (Bytes, u64) {
        let last = EntryId::new(2, 9);
        let mut outgoing = Outgoing::default();
        let mut now = LocalTime(0);
        let mut sent = 0;
        let mut arriving = vec![outgoing.start(send(last), Bytes::from_static(b"the state"), now, PACE)];
        let mut incoming: Option<Incoming> = None;
        loop {
            let mut replies = Vec::new();
            for bytes in arriving.drain(..) {
                sent += 1;
                if Some(sent) == restart_at {
                    incoming = None;
                }
                for _ in 0..fate(sent) {
                    let chunk = decode(&bytes);
                    let receiver = incoming.get_or_insert_with(|| Incoming::new(node(1), TERM, &chunk));
                    match receiver.take(TERM, &chunk) {
                        Arrival::Tell(offset) => replies.push(offset),
                        Arrival::Complete(bytes) => return (bytes, sent),
                        arrival => panic!("{arrival:?}"),
                    }
                }
            }
            for offset in replies {
                sent += 1;
                for _ in 0..fate(sent) {
                    match outgoing.reply(node(2), reply(last, Received::Before(offset)), now, PACE) {
                        Progress::Next(bytes) => arriving.push(bytes),
                        Progress::Wait => (),
                        Progress::Done => panic!("nothing was handed over"),
                    }
                }
            }
            if arriving.is_empty() {
                now = outgoing.deadline().expect("it is not done");
                arriving.extend(outgoing.overdue(now, PACE).into_iter().map(|overdue| match overdue {
                    Overdue::Repeat(to, bytes) if to == node(2) => bytes,
                    overdue => panic!("{overdue:?}"),
                }));
            }
        }
    }

    #[test]
    fn a_snapshot_arrives_through_loss_and_repetition_and_a_restart() {
        assert_eq!(transmit(|_| 1, None), (Bytes::from_static(b"the state"), 9), "five chunks, four replies");
        for pattern in 0..1_u64 << 9 {
            let fate = |number: u64| if 9 <= number { 1 } else { pattern >> number & 1 };
            let (bytes, _) = transmit(fate, None);
            assert_eq!(bytes, "the state", "lost by {pattern:b}");
            let (bytes, sent) = transmit(|number| 1 + fate(number), Some(7));
            assert_eq!(bytes, "the state", "repeated by {pattern:b}");
            assert!(sent < 60, "repetitions do not multiply: {sent}");
        }
    }

    #[test]
    fn a_transfer_without_answers_fails_and_is_forgotten() {
        let mut outgoing = Outgoing::default();
        outgoing.start(send(EntryId::new(2, 9)), Bytes::from_static(b"state"), LocalTime(0), PACE);
        assert_eq!(outgoing.overdue(LocalTime(9), PACE), []);
        for repetition in 1..=MAX_SILENT_REPETITIONS {
            let overdue = outgoing.overdue(LocalTime(10 * repetition), PACE);
            assert!(matches!(overdue[..], [Overdue::Repeat(..)]), "{overdue:?}");
        }
        let end = LocalTime(10 * (MAX_SILENT_REPETITIONS + 1));
        assert_eq!(outgoing.overdue(end, PACE), [Overdue::Failed(node(2))]);
        assert_eq!(outgoing.deadline(), None);
    }

    #[test]
    fn replies_about_another_snapshot_mean_nothing() {
        let (old, new) = (EntryId::new(2, 9), EntryId::new(2, 12));
        let mut outgoing = Outgoing::default();
        outgoing.start(send(old), Bytes::from_static(b"old"), LocalTime(0), PACE);
        outgoing.start(send(new), Bytes::from_static(b"newer"), LocalTime(0), PACE);
        for received in [Received::Before(2), Received::HandedOver] {
            assert_eq!(outgoing.reply(node(2), reply(old, received), LocalTime(1), PACE), Progress::Wait);
            assert_eq!(outgoing.reply(node(3), reply(new, received), LocalTime(1), PACE), Progress::Wait);
        }
        let beyond = reply(new, Received::Before(6));
        assert_eq!(outgoing.reply(node(2), beyond, LocalTime(1), PACE), Progress::Wait, "it has five bytes");
        let handed_over = reply(new, Received::HandedOver);
        assert_eq!(outgoing.reply(node(2), handed_over, LocalTime(1), PACE), Progress::Done);
        assert_eq!(outgoing.deadline(), None);
    }

    #[test]
    fn a_newer_snapshot_takes_over_and_an_older_one_does_not() {
        let chunk = |last, bytes: &'static [u8]| Chunk {
            last,
            snapshot_len: 4,
            snapshot_checksum: 0,
            message: b"",
            offset: 0,
            bytes,
        };
        let (old, new) = (chunk(EntryId::new(2, 9), b"ol"), chunk(EntryId::new(2, 12), b"ne"));
        let mut incoming = Incoming::new(node(1), TERM, &new);
        assert_eq!(incoming.take(TERM, &new), Arrival::Tell(2));
        assert!(!incoming.is_superseded_by(node(1), TERM, &old));
        assert_eq!(incoming.take(TERM, &old), Arrival::Outdated);
        assert!(incoming.is_superseded_by(node(3), Term(4), &old), "of a later leader");
        assert!(incoming.is_superseded_by(node(3), TERM, &new), "of somebody else");
        assert!(!incoming.is_superseded_by(node(1), TERM, &new));
        let last = Chunk { offset: 2, bytes: b"w!", ..new };
        assert_eq!(incoming.take(TERM, &last), Arrival::Garbled);
    }
}

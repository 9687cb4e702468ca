//! Snapshots (§5): taken every so many entries, sent to followers that need what was compacted, installed in the place
//! of a log that lags.
//!
//! The order in which things become durable is what makes it safe. A snapshot's bytes are saved before the log names
//! them, and before the implementation hears of it; entries are removed only when a snapshot that covers them is named. A
//! snapshot that comes from a peer is received, tried on a state machine and saved first. Only then does the
//! implementation get the message that goes with it; it may still find that it has no use for it. Other messages
//! are handled meanwhile.

use std::collections::VecDeque;

use bytes::Bytes;
use raft_core::{EntryId, LogIndex, NodeId, SnapshotHandle, SnapshotMeta, SnapshotOutcome, Term};

use super::{Running, branches};
use crate::{
    adapter::{Adapter, Boot, Persist, Recovered, SnapshotOptions, SnapshotSend, StoredSnapshot},
    frame::{Chunk, ChunkReply, Frame, Received},
    log_store::{DiskQueue, LogStore},
    process::{Context, LocalTime, Output},
    state_machine::StateMachine,
    transfer::{Arrival, Incoming, Outgoing, Overdue, Pace, Progress},
};

/// Everything of a replica that has to do with snapshots.
#[derive(Debug)]
pub(super) struct Snapshots<S> {
    options: SnapshotOptions,
    pace: Pace,
    /// What the implementation would send.
    latest: Option<StoredSnapshot>,
    /// One of our own state machine, being saved.
    taking: Option<StoredSnapshot>,
    /// The log in memory begins behind this entry.
    base: LogIndex,
    outgoing: Outgoing,
    incoming: Option<Incoming>,
    /// A snapshot that was received whole, being saved or on offer to the implementation.
    received: Option<ReceivedSnapshot<S>>,
    /// Snapshots that the implementation installs, from the write to its durability.
    installing: VecDeque<Installing<S>>,
}

#[derive(Debug)]
struct ReceivedSnapshot<S> {
    from: NodeId,
    message: Bytes,
    last: EntryId,
    bytes: Bytes,
    /// The state machine made of them.
    machine: S,
    stage: Stage,
    /// Whether this server was a member when the implementation got the message.
    was_member: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is being saved.
    Saving,
    /// It is saved, and the implementation has got the message.
    Offered,
}

#[derive(Debug)]
struct Installing<S> {
    /// The number of the write with which it is durable.
    number: u64,
    last: EntryId,
    machine: S,
    /// Whether this server was a member before it.
    was_member: bool,
}

impl<S> Snapshots<S> {
    pub(super) fn new(boot: &Boot, tick: u64, recovered: &Recovered) -> Self {
        let options = boot.options.snapshots.clone();
        let repeat_after = tick.saturating_mul(3 * boot.options.heartbeat_ticks.max(1));
        Self {
            pace: Pace { chunk_bytes: options.snapshot_chunk_bytes, repeat_after },
            options,
            latest: recovered.snapshot.clone(),
            taking: None,
            base: recovered.log.prev().index,
            outgoing: Outgoing::default(),
            incoming: None,
            received: None,
            installing: VecDeque::new(),
        }
    }

    /// When a chunk is to be sent again.
    pub(super) fn deadline(&self) -> Option<LocalTime> {
        self.outgoing.deadline()
    }

    /// Takes note of a write before it goes to the store: it may install the snapshot that was offered.
    ///
    /// # Panics
    /// When it installs another one.
    pub(super) fn note_write(&mut self, write: &Persist) {
        let Some(meta) = &write.snapshot else { return };
        let received = self.received.take_if(|received| received.last == meta.last);
        let Some(ReceivedSnapshot { last, bytes, machine, stage: Stage::Offered, was_member, .. }) = received
        else {
            panic!("write {} installs the snapshot of {}, which was not offered", write.number, meta.last);
        };
        self.installing.push_back(Installing { number: write.number, last, machine, was_member });
        self.base = last.index;
        self.latest = Some(StoredSnapshot { meta: meta.clone(), bytes });
    }

    /// Up to where the snapshots known cover everything.
    fn covered(&self) -> LogIndex {
        self.latest.as_ref().map_or(LogIndex(0), |latest| latest.meta.last.index)
    }
}

impl<A: Adapter, S: StateMachine> Running<A, S> {
    /// Takes a snapshot if it is time, or if somebody needs one.
    pub(super) fn take_due_snapshot<L: LogStore>(
        &mut self,
        store: &mut L,
        disk: &mut DiskQueue,
        context: &mut Context<'_>,
    ) {
        if self.snapshot_obstacle().is_some() {
            return;
        }
        let entries = self.applied.index.0 - self.snapshots.covered().0;
        let due = self.snapshots.options.snapshot_every_entries.is_some_and(|every| every.max(1) <= entries);
        let wanted = due || self.raft.wants_snapshot();
        if wanted && self.take_snapshot(store, disk).is_ok() && !due {
            context.emit(Output::Reached { branch: branches::TAKEN_FOR_A_NEWCOMER });
        }
    }

    /// Why no snapshot can be taken now, if none can.
    fn snapshot_obstacle(&self) -> Option<&'static str> {
        let Snapshots { taking, installing, .. } = &self.snapshots;
        if taking.is_some() || !installing.is_empty() {
            return Some("another snapshot is on its way to the disk");
        }
        if self.applied.index <= self.snapshots.covered() {
            return Some("the latest snapshot covers all that is applied");
        }
        None
    }

    /// Takes a snapshot of what is applied.
    ///
    /// # Errors
    /// When another one is on its way to the disk, or there is nothing new to take one of.
    pub(super) fn take_snapshot<L: LogStore>(
        &mut self,
        store: &mut L,
        disk: &mut DiskQueue,
    ) -> Result<(), &'static str> {
        if let Some(obstacle) = self.snapshot_obstacle() {
            return Err(obstacle);
        }
        let configuration = self.raft.configuration().ok_or("it cannot say who its members are")?;
        let last = self.applied;
        // Committed entries never change, so the last one's index is a name for what they have led to.
        let meta = SnapshotMeta { last, configuration, handle: SnapshotHandle(last.index.0) };
        let bytes = self.machine.snapshot();
        store.save_snapshot(last, &bytes, disk);
        self.snapshots.taking = Some(StoredSnapshot { meta, bytes });
        Ok(())
    }

    /// The bytes of a snapshot are durable: one of our own, or one that was received.
    pub(super) fn snapshot_saved<L: LogStore>(
        &mut self,
        last: EntryId,
        store: &mut L,
        disk: &mut DiskQueue,
        context: &mut Context<'_>,
    ) {
        if let Some(taken) = self.snapshots.taking.take_if(|taken| taken.meta.last == last) {
            self.keep_snapshot(taken, store, disk, context);
        } else {
            self.offer_snapshot(last, context);
        }
    }

    /// A snapshot of our own is durable: names it, and compacts the log.
    fn keep_snapshot<L: LogStore>(
        &mut self,
        taken: StoredSnapshot,
        store: &mut L,
        disk: &mut DiskQueue,
        context: &mut Context<'_>,
    ) {
        let last = taken.meta.last;
        if last.index <= self.snapshots.covered() {
            // One that was installed meanwhile covers more.
            store.discard_snapshot(last);
            return;
        }
        store.name_snapshot(&taken.meta, disk);
        self.raft.snapshot_available(taken.meta.clone());
        self.snapshots.latest = Some(taken);
        context.emit(Output::Reached { branch: branches::TAKEN });
        let kept = self.snapshots.options.keep_entries_behind_snapshot;
        self.compact_to(LogIndex(last.index.0.saturating_sub(kept)), store, disk, context);
    }

    /// Removes from the log what the latest snapshot covers.
    ///
    /// # Errors
    /// When that is nothing.
    pub(super) fn compact<L: LogStore>(
        &mut self,
        store: &mut L,
        disk: &mut DiskQueue,
        context: &mut Context<'_>,
    ) -> Result<(), &'static str> {
        let covered = self.snapshots.covered();
        if covered <= self.snapshots.base {
            return Err("no snapshot covers an entry of its log");
        }
        self.compact_to(covered, store, disk, context);
        Ok(())
    }

    fn compact_to<L: LogStore>(
        &mut self,
        to: LogIndex,
        store: &mut L,
        disk: &mut DiskQueue,
        context: &mut Context<'_>,
    ) {
        if to <= self.snapshots.base {
            return;
        }
        self.raft.compact(to);
        self.snapshots.base = to;
        if store.compact(to, disk) {
            context.emit(Output::Reached { branch: branches::COMPACTED });
        }
    }

    /// Begins to send the latest snapshot.
    pub(super) fn send_snapshot(&mut self, send: SnapshotSend, context: &mut Context<'_>) {
        let to = send.to;
        let latest = self.snapshots.latest.as_ref().filter(|latest| latest.meta.last == send.last);
        let Some(StoredSnapshot { meta: _, bytes }) = latest else {
            self.raft.report_snapshot(to, SnapshotOutcome::Failed);
            return;
        };
        let snapshot = bytes.clone();
        let bytes = self.snapshots.outgoing.start(send, snapshot, context.now(), self.snapshots.pace);
        context.emit(Output::Reached { branch: branches::SENDING });
        context.emit(Output::Send { to, bytes });
    }

    /// Sends again what was not answered, and gives up what was never answered.
    pub(super) fn repeat_chunks(&mut self, context: &mut Context<'_>) {
        let now = context.now();
        if self.snapshots.outgoing.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        for overdue in self.snapshots.outgoing.overdue(now, self.snapshots.pace) {
            match overdue {
                Overdue::Repeat(to, bytes) => {
                    context.emit(Output::Reached { branch: branches::REPEATED });
                    context.emit(Output::Send { to, bytes });
                }
                Overdue::Failed(to) => {
                    context.emit(Output::Reached { branch: branches::FAILED });
                    self.raft.report_snapshot(to, SnapshotOutcome::Failed);
                }
            }
        }
    }

    /// Takes the reply to a chunk.
    pub(super) fn take_chunk_reply(&mut self, from: NodeId, reply: ChunkReply, context: &mut Context<'_>) {
        let Snapshots { outgoing, pace, .. } = &mut self.snapshots;
        match outgoing.reply(from, reply, context.now(), *pace) {
            Progress::Next(bytes) => context.emit(Output::Send { to: from, bytes }),
            Progress::Wait => (),
            Progress::Done => {
                context.emit(Output::Reached { branch: branches::SENT });
                self.raft.report_snapshot(from, SnapshotOutcome::Sent);
            }
        }
    }

    /// Takes a chunk.
    ///
    /// # Errors
    /// When it makes no sense, in words.
    pub(super) fn take_chunk<L: LogStore>(
        &mut self,
        from: NodeId,
        chunk: &Chunk<'_>,
        store: &mut L,
        disk: &mut DiskQueue,
        context: &mut Context<'_>,
    ) -> Result<(), String> {
        // An implementation that does not tell has all its snapshots told apart by their entries alone.
        let term = A::describe(chunk.message).map_or(Term(0), |described| described.term);
        let installing =
            self.snapshots.installing.back().map_or(LogIndex(0), |installing| installing.last.index);
        if chunk.last.index <= self.applied.index.max(installing) {
            // There is no need for the bytes, and the sender wants an answer.
            tell(from, chunk.last, Received::HandedOver, context);
            return self.raft.install_snapshot(from, chunk.last, chunk.message);
        }
        if let Some(received) = &self.snapshots.received
            && received.last == chunk.last
        {
            // The disk has it still.
            tell(from, chunk.last, Received::Before(chunk.snapshot_len), context);
            return Ok(());
        }
        self.receive(from, term, chunk, store, disk, context)
    }

    fn receive<L: LogStore>(
        &mut self,
        from: NodeId,
        term: Term,
        chunk: &Chunk<'_>,
        store: &mut L,
        disk: &mut DiskQueue,
        context: &mut Context<'_>,
    ) -> Result<(), String> {
        let incoming = &mut self.snapshots.incoming;
        if incoming.take_if(|incoming| incoming.is_superseded_by(from, term, chunk)).is_some() {
            context.emit(Output::Reached { branch: branches::SUPERSEDED });
        }
        let receiver = incoming.get_or_insert_with(|| Incoming::new(from, term, chunk));
        match receiver.take(term, chunk) {
            Arrival::Tell(offset) => tell(from, chunk.last, Received::Before(offset), context),
            Arrival::Outdated => (),
            Arrival::Garbled => {
                *incoming = None;
                return Err("a snapshot that is not what its chunks promised".to_owned());
            }
            Arrival::Complete(bytes) => {
                let (last, message) = (receiver.last(), receiver.message.clone());
                *incoming = None;
                let mut machine = S::default();
                machine.restore(&bytes).map_err(|error| error.to_string())?;
                if self.snapshots.received.is_some() {
                    // One at a time: the sender will ask how far we are, and begin again.
                    return Ok(());
                }
                store.save_snapshot(last, &bytes, disk);
                let stage = Stage::Saving;
                self.snapshots.received =
                    Some(ReceivedSnapshot { from, message, last, bytes, machine, stage, was_member: true });
            }
        }
        Ok(())
    }

    /// A snapshot that was received is durable: hands the message over.
    fn offer_snapshot(&mut self, last: EntryId, context: &mut Context<'_>) {
        let Some(received) = &mut self.snapshots.received else { return };
        received.stage = Stage::Offered;
        received.was_member = self.raft.configuration().is_none_or(|members| members.contains(self.id));
        let from = received.from;
        if let Err(reason) = self.raft.install_snapshot(from, last, &received.message) {
            context.emit(Output::MessageRefused { from, reason });
        }
        tell(from, last, Received::HandedOver, context);
    }

    /// Gives up a snapshot that was offered, if the implementation did not take it.
    pub(super) fn drop_unwanted_snapshot<L: LogStore>(&mut self, store: &mut L, context: &mut Context<'_>) {
        let received = self.snapshots.received.take_if(|received| received.stage == Stage::Offered);
        if let Some(ReceivedSnapshot { last, .. }) = received {
            store.discard_snapshot(last);
            context.emit(Output::Reached { branch: branches::UNWANTED });
        }
    }

    /// Sets the state machine to the last snapshot among the writes up to this number, if there is one. Whether there
    /// was.
    pub(super) fn install_snapshots(&mut self, number: u64, context: &mut Context<'_>) -> bool {
        let installing = &mut self.snapshots.installing;
        let durable = installing.iter().take_while(|installing| installing.number <= number).count();
        let mut installed = false;
        for Installing { number: _, last, machine, was_member } in installing.drain(..durable) {
            self.machine_digest = machine.digest();
            self.machine = machine;
            self.applied = last;
            installed = true;
            context.emit(Output::Reached { branch: branches::INSTALLED });
            if !was_member {
                context.emit(Output::Reached { branch: branches::CAUGHT_UP_BY_SNAPSHOT });
            }
        }
        installed
    }
}

fn tell(to: NodeId, last: EntryId, received: Received, context: &mut Context<'_>) {
    let bytes = Frame::Reply(ChunkReply { last, received }).encode();
    context.emit(Output::Send { to, bytes });
}

/// A chunk in one line, with the line of the message that goes with it.
pub(super) fn render_chunk(chunk: &Chunk<'_>, message: &str) -> String {
    let Chunk { last, snapshot_len, offset, bytes, .. } = chunk;
    let end = offset.saturating_add(bytes.len() as u64);
    format!("SnapshotChunk {last} bytes {offset}..{end} of {snapshot_len} for {message}")
}

/// The reply to a chunk in one line.
pub(super) fn render_reply(ChunkReply { last, received }: ChunkReply) -> String {
    match received {
        Received::Before(offset) => format!("SnapshotChunkReply {last} has {offset} bytes"),
        Received::HandedOver => format!("SnapshotChunkReply {last} handed over"),
    }
}

//! The ready-made process: a Raft implementation, a log store and a state machine, wired together.
//!
//! It recovers its log first and handles nothing before that is done. Afterwards each input goes to the
//! implementation, and whatever that wants done is done before the input counts as handled. A command is answered
//! when it is applied here, known by its request's id and never by its index: another command may have taken
//! its place.
//!
//! What replicas send each other are frames of their own, around the implementation's messages and the chunks of
//! snapshots; the [chapter on snapshots](snapshots) has the latter, and there is one on [members](members).

pub mod branches;
mod members;
mod snapshots;

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use raft_core::{Configuration, EntryId, LogIndex, LogSlice, NodeId};
use raft_wal::disk::{self, DiskResult};
use snapshots::Snapshots;

use crate::{
    adapter::{Adapter, Boot, Committed, Outputs, ReadOutcome, Recovered, Refusal},
    frame::Frame,
    log_store::{DiskQueue, LogStore, StoreEvent},
    observation::{Description, Observation, Promise},
    process::{ClientId, Context, Control, Input, Label, LocalTime, Outcome, Output, Process, RequestId},
    state_machine::StateMachine,
};

/// A process put together from a Raft implementation `A`, a log store `L` and a state machine `S`.
#[derive(Debug)]
pub struct Replica<A, L, S> {
    boot: Boot,
    /// What a tick is worth on this process's clock, in nanoseconds.
    tick: u64,
    store: L,
    disk: DiskQueue,
    phase: Phase<A, S>,
    /// Reused from input to input.
    outputs: Outputs,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one in a replica, and it runs most of the time")]
enum Phase<A, S> {
    /// The log is being read.
    Recovering,
    /// The usual state.
    Running(Running<A, S>),
    /// The disk failed, or what was on it cannot be used.
    Halted,
}

#[derive(Debug)]
struct Running<A, S> {
    id: NodeId,
    raft: A,
    machine: S,
    machine_digest: u128,
    /// The last entry that was applied.
    applied: EntryId,
    snapshots: Snapshots<S>,
    /// The time that has been passed on in whole ticks.
    ticked_to: LocalTime,
    /// Commands proposed here that have not been applied.
    commands: BTreeSet<RequestId>,
    /// Reads that wait for an index, and then for the state machine to reach it.
    reads: BTreeMap<RequestId, Read>,
}

#[derive(Debug)]
struct Read {
    query: Bytes,
    /// Known once the implementation has confirmed the read.
    index: Option<LogIndex>,
}

/// How often an implementation may want something more within one input. Each round hands over all there is, so a few
/// are the rule.
const MAX_ROUNDS: u64 = 10_000;

impl<A: Adapter, L: LogStore, S: StateMachine> Replica<A, L, S> {
    /// A replica about to start, on a clock of which a tick takes `tick` nanoseconds.
    pub fn new(boot: Boot, tick: u64) -> Self {
        assert!(0 < tick, "a tick takes time");
        Self {
            boot,
            tick,
            store: L::default(),
            disk: DiskQueue::default(),
            phase: Phase::Recovering,
            outputs: Outputs::default(),
        }
    }

    fn halt(&mut self, reason: String, context: &mut Context<'_>) {
        self.phase = Phase::Halted;
        context.emit(Output::Halt { reason });
    }

    fn on_disk(&mut self, id: disk::RequestId, result: DiskResult, context: &mut Context<'_>) {
        match self.store.complete(id, result, &mut self.disk) {
            Ok(StoreEvent::Pending) => (),
            Ok(StoreEvent::Durable(number)) => {
                if let Phase::Running(running) = &mut self.phase {
                    running.persisted(number, context);
                }
            }
            Ok(StoreEvent::SnapshotSaved(last)) => {
                if let Phase::Running(running) = &mut self.phase {
                    running.snapshot_saved(last, &mut self.store, &mut self.disk, context);
                }
            }
            Ok(StoreEvent::Recovered(recovered)) => match self.start(*recovered, context) {
                Ok(running) => self.phase = Phase::Running(running),
                Err(reason) => self.halt(reason, context),
            },
            Err(error) => self.halt(error.to_string(), context),
        }
    }

    fn start(&self, recovered: Recovered, context: &mut Context<'_>) -> Result<Running<A, S>, String> {
        let mut machine = S::default();
        let mut applied = EntryId::ORIGIN;
        if let Some(snapshot) = &recovered.snapshot {
            machine.restore(&snapshot.bytes).map_err(|error| error.to_string())?;
            applied = snapshot.meta.last;
            context.emit(Output::Reached { branch: branches::RECOVERED });
        }
        let snapshots = Snapshots::new(&self.boot, self.tick, &recovered);
        Ok(Running {
            id: self.boot.id,
            raft: A::start(&self.boot, recovered)?,
            machine_digest: machine.digest(),
            machine,
            applied,
            snapshots,
            ticked_to: context.now(),
            commands: BTreeSet::new(),
            reads: BTreeMap::new(),
        })
    }

    /// Does what the implementation wants done, until it wants nothing more.
    ///
    /// # Panics
    /// When it never does: then nothing else would ever happen on this machine.
    fn settle(&mut self, context: &mut Context<'_>) {
        if let Phase::Running(running) = &mut self.phase {
            for round in 0.. {
                assert!(round < MAX_ROUNDS, "{} still wants something done after {round} rounds", A::NAME);
                if running.raft.wants_election_timeout() {
                    running.raft.set_election_timeout(election_timeout(&self.boot, context));
                }
                running.raft.drain(&mut self.outputs);
                if self.outputs.is_empty() {
                    break;
                }
                for write in self.outputs.writes.drain(..) {
                    running.snapshots.note_write(&write);
                    self.store.append(&write, &mut self.disk);
                }
                for (to, message) in self.outputs.sends.drain(..) {
                    context.emit(Output::Send { to, bytes: Frame::Message(&message).encode() });
                }
                for send in self.outputs.snapshots.drain(..) {
                    running.send_snapshot(send, context);
                }
                if let Err(reason) = running.apply(&mut self.outputs.committed, context) {
                    return self.halt(reason, context);
                }
                running.note_reads(&mut self.outputs.reads, context);
            }
            running.drop_unwanted_snapshot(&mut self.store, context);
            running.take_due_snapshot(&mut self.store, &mut self.disk, context);
        }
        for (id, request) in self.disk.drain() {
            context.emit(Output::Disk { id, request });
        }
    }
}

/// Reading what replicas send each other, for traces and checks.
impl<A: Adapter, L: LogStore, S: StateMachine> Replica<A, L, S> {
    /// What a message is, or `None` if these bytes are none.
    pub fn describe(bytes: &[u8]) -> Option<Description> {
        match Frame::decode(bytes).ok()? {
            Frame::Message(message) => A::describe(message),
            Frame::Chunk(chunk) => {
                let Description { kind: _, term, promise: _ } = A::describe(chunk.message)?;
                Some(Description { kind: "SnapshotChunk", term, promise: Promise::None })
            }
            // It speaks of no term, and says only what the sender's implementation has been told.
            Frame::Reply(_) => {
                let (kind, promise) = ("SnapshotChunkReply", Promise::None);
                Some(Description { kind, term: raft_core::Term(0), promise })
            }
        }
    }

    /// A message in one line; see [`Adapter::render`].
    pub fn render(bytes: &[u8], command: &dyn Fn(&[u8]) -> String) -> String {
        match Frame::decode(bytes) {
            Ok(Frame::Message(message)) => A::render(message, command),
            Ok(Frame::Chunk(chunk)) => snapshots::render_chunk(&chunk, &A::render(chunk.message, command)),
            Ok(Frame::Reply(reply)) => snapshots::render_reply(reply),
            Err(error) => format!("({error})"),
        }
    }
}

impl<A: Adapter, L: LogStore, S: StateMachine> Process for Replica<A, L, S> {
    fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        if let Phase::Running(running) = &mut self.phase {
            running.pass_time(context.now(), self.tick);
            running.repeat_chunks(context);
        }
        match (input, &mut self.phase) {
            (_, Phase::Halted) => return,
            (Input::Start, _) => self.store.open(&mut self.disk),
            (Input::Disk { id, result }, _) => self.on_disk(id, result, context),
            (Input::Request { id, bytes: _ }, Phase::Recovering) => refuse(id, None, context),
            (Input::Control(_), Phase::Recovering) => {
                context.emit(Output::ControlRefused { reason: "it is still recovering".to_owned() });
            }
            // A machine that is starting hears nothing.
            (Input::Message { .. } | Input::Timer, Phase::Recovering) => (),
            // Time has been passed on above.
            (Input::Timer, Phase::Running(_)) => (),
            (Input::Message { from, bytes }, Phase::Running(running)) => {
                if let Err(reason) = running.hear(from, &bytes, &mut self.store, &mut self.disk, context) {
                    context.emit(Output::MessageRefused { from, reason });
                }
            }
            (Input::Request { id, bytes }, Phase::Running(running)) => running.request(id, bytes, context),
            (Input::Control(control), Phase::Running(running)) => {
                running.control(control, &mut self.store, &mut self.disk, context);
            }
        }
        self.settle(context);
    }

    fn deadline(&self) -> Option<LocalTime> {
        let Phase::Running(running) = &self.phase else { return None };
        let ticks = running.raft.ticks_until_timeout();
        let timeout = ticks.map(|ticks| running.ticked_to.after(ticks.saturating_mul(self.tick)));
        timeout.into_iter().chain(running.snapshots.deadline()).min()
    }

    fn observe(&self) -> Option<Observation> {
        let Phase::Running(running) = &self.phase else { return None };
        let Running { raft, machine_digest, applied, .. } = running;
        Some(Observation { applied: applied.index, machine_digest: *machine_digest, ..raft.observe() })
    }

    fn log(&self) -> Option<LogSlice> {
        let Phase::Running(running) = &self.phase else { return None };
        Some(running.raft.log())
    }

    fn configuration(&self) -> Option<Configuration> {
        let Phase::Running(running) = &self.phase else { return None };
        running.raft.configuration()
    }
}

impl<A: Adapter, S: StateMachine> Running<A, S> {
    /// Takes what a peer's replica sent.
    fn hear<L: LogStore>(
        &mut self,
        from: NodeId,
        bytes: &[u8],
        store: &mut L,
        disk: &mut DiskQueue,
        context: &mut Context<'_>,
    ) -> Result<(), String> {
        match Frame::decode(bytes)? {
            Frame::Message(message) => self.raft.step(from, message),
            Frame::Chunk(chunk) => self.take_chunk(from, &chunk, store, disk, context),
            Frame::Reply(reply) => {
                self.take_chunk_reply(from, reply, context);
                Ok(())
            }
        }
    }

    /// A write, and so all before it, is durable.
    fn persisted(&mut self, number: u64, context: &mut Context<'_>) {
        let installed = self.install_snapshots(number, context);
        self.raft.persisted(number);
        if installed {
            self.serve_reads(context);
        }
    }

    /// Passes on the whole ticks that have gone by since it was last called.
    fn pass_time(&mut self, now: LocalTime, tick: u64) {
        let ticks = now.0.saturating_sub(self.ticked_to.0) / tick;
        if 0 < ticks {
            self.raft.advance(ticks);
            self.ticked_to.0 += ticks * tick;
        }
    }

    fn request(&mut self, id: RequestId, bytes: Bytes, context: &mut Context<'_>) {
        let taken = if S::is_query(&bytes) {
            self.raft.read(id).map(|()| {
                self.reads.insert(id, Read { query: bytes, index: None });
            })
        } else {
            self.raft.propose(frame_command(id, &bytes)).map(|()| {
                self.commands.insert(id);
            })
        };
        match taken {
            Ok(()) => (),
            Err(Refusal::NotLeader { leader }) => refuse(id, leader, context),
            Err(Refusal::ChangePending | Refusal::Other(_)) => refuse(id, None, context),
        }
    }

    fn control<L: LogStore>(
        &mut self,
        control: Control,
        store: &mut L,
        disk: &mut DiskQueue,
        context: &mut Context<'_>,
    ) {
        let other = |reason: &str| Refusal::Other(reason.to_owned());
        let taken = match control {
            Control::Campaign => self.raft.campaign(),
            Control::Transfer(to) => self.raft.transfer(to),
            Control::Change(change) => self.change_members(change, context),
            Control::Snapshot => self.take_snapshot(store, disk).map_err(other),
            Control::Compact => self.compact(store, disk, context).map_err(other),
        };
        let reason = match taken {
            Ok(()) => return,
            Err(Refusal::NotLeader { leader: Some(leader) }) => format!("not the leader; {leader} is"),
            Err(Refusal::NotLeader { leader: None }) => "not the leader, and none is known".to_owned(),
            Err(Refusal::ChangePending) => "another change of members may be under way".to_owned(),
            Err(Refusal::Other(reason)) => reason,
        };
        context.emit(Output::ControlRefused { reason });
    }

    fn apply(&mut self, committed: &mut Vec<Committed>, context: &mut Context<'_>) -> Result<(), String> {
        if committed.is_empty() {
            return Ok(());
        }
        for Committed { id: entry, command } in committed.drain(..) {
            if command.is_none() {
                self.apply_change(entry, context)?;
            } else if let Some((id, command)) = command.as_deref().and_then(unframe_command) {
                let reply = self.machine.apply(id, command);
                if self.commands.remove(&id) {
                    context.emit(Output::Reply { id, outcome: Outcome::Done(reply) });
                }
            }
            self.applied = entry;
        }
        self.machine_digest = self.machine.digest();
        self.raft.applied(self.applied.index);
        self.serve_reads(context);
        Ok(())
    }

    fn note_reads(&mut self, reads: &mut Vec<(RequestId, ReadOutcome)>, context: &mut Context<'_>) {
        if reads.is_empty() {
            return;
        }
        for (id, outcome) in reads.drain(..) {
            match outcome {
                ReadOutcome::At(index) => {
                    if let Some(read) = self.reads.get_mut(&id) {
                        read.index = Some(index);
                    }
                }
                ReadOutcome::Lost => {
                    if self.reads.remove(&id).is_some() {
                        refuse(id, None, context);
                    }
                }
            }
        }
        self.serve_reads(context);
    }

    /// Answers the reads whose index the state machine has reached.
    fn serve_reads(&mut self, context: &mut Context<'_>) {
        let Self { reads, applied, machine, .. } = self;
        reads.retain(|&id, Read { query, index }| {
            let waits = index.is_none_or(|index| applied.index < index);
            if !waits {
                context.emit(Output::Reply { id, outcome: Outcome::Done(machine.query(query)) });
            }
            waits
        });
    }
}

fn refuse(id: RequestId, leader: Option<NodeId>, context: &mut Context<'_>) {
    context.emit(Output::Reply { id, outcome: Outcome::Refused { leader } });
}

/// Draws an election timeout from T to 2T - 1 ticks. The mildest choice is one tick longer for each server than
/// for the one before it, so that in a quiet run they do not all stand for election at once.
fn election_timeout(boot: &Boot, context: &mut Context<'_>) -> u64 {
    let base = boot.options.election_timeout_ticks;
    let choice = context.choose(Label::ELECTION_TIMEOUT, base);
    base + (choice + (boot.id.number() - 1) % base) % base
}

/// A command as it stands in the log: the id of its request, then the client's bytes.
fn frame_command(id: RequestId, command: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(16 + command.len());
    framed.put_u64_le(id.client.0);
    framed.put_u64_le(id.sequence);
    framed.put_slice(command);
    framed.freeze()
}

/// Takes a command as it stands in the log apart, into the id of its request and the client's bytes; `None` for
/// bytes that no [`Replica`] has proposed.
pub fn unframe_command(framed: &[u8]) -> Option<(RequestId, &[u8])> {
    let (client, rest) = framed.split_first_chunk()?;
    let (sequence, command) = rest.split_first_chunk()?;
    let client = ClientId(u64::from_le_bytes(*client));
    Some((RequestId { client, sequence: u64::from_le_bytes(*sequence) }, command))
}

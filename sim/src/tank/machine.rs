//! One machine: its process, its disk, its clock, and what happens to them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use wavetank_process::{
    Boot, Chance, Context, Control, Input, Label, Observation, Output, Process,
    disk::{self, FileName, Request, Response},
    raft_core::{ConfChange, Configuration, EntryId, LogIndex, LogSlice, NodeId, Payload},
};

use super::{Parcel, Tank, TankOptions};
use crate::{
    audit::{Images, payload_digest},
    chance::{Door, Site},
    checks::{Configurations, Fact, Watched},
    client::Workload,
    clock::Clock,
    disk::{CrashReport, DiskOptions, SectorDisk},
    members::{Members, Order},
    network::Endpoint,
    panics,
    program::Program,
    queue::Scheduled,
    time::{Span, Time},
    trace::LineKind,
};

/// Whether a machine is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its process runs.
    Up,
    /// Its process is suspended; what comes in waits.
    Paused,
    /// It is switched off.
    Down,
    /// Its process has given up.
    Halted {
        /// Why, in its words.
        reason: String,
    },
}

impl Status {
    /// Whether what arrives is not lost.
    pub fn hears(&self) -> bool {
        matches!(self, Self::Up | Self::Paused)
    }
}

/// A machine.
pub(super) struct Machine {
    id: NodeId,
    program: Arc<dyn Program>,
    boot: Boot,
    tick: Span,
    status: Status,
    process: Option<Box<dyn Process>>,
    disk: SectorDisk,
    clock: Clock,
    /// What came in while it was paused.
    parked: VecDeque<Input>,
    /// When its next timer is scheduled.
    wake: Option<Time>,
    /// The audited files with everything the process has handed to its disk, done or not.
    written_images: BTreeMap<FileName, Vec<u8>>,
}

/// What of a disk's files a loss of power would leave at least.
struct Durable<'a>(&'a SectorDisk);

impl Images for Durable<'_> {
    fn image(&self, file: &FileName) -> &[u8] {
        self.0.durable(file)
    }
}

/// The door, as the process on one machine sees it.
struct ProcessChance<'a> {
    door: &'a mut Door,
    machine: NodeId,
}

impl Chance for ProcessChance<'_> {
    fn choose(&mut self, label: Label, bound: u64) -> u64 {
        self.door.choose(Site::of(label, self.machine.number()), bound)
    }
}

impl Machine {
    pub(super) fn new(id: NodeId, program: Arc<dyn Program>, options: &TankOptions, drift_ppm: i64) -> Self {
        let (voters, learners) = (options.voter_ids().collect(), options.learner_ids().collect());
        Self {
            id,
            program,
            boot: Boot { id, voters, learners, incarnation: 0, options: options.raft.clone() },
            tick: options.tick,
            status: Status::Down,
            process: None,
            disk: SectorDisk::new(options.disk.clone()),
            clock: Clock::drifting(drift_ppm),
            parked: VecDeque::new(),
            wake: None,
            written_images: BTreeMap::new(),
        }
    }

    /// The same machine, as the checks see it.
    pub(super) fn watched(&self, founding: &Arc<Members>) -> Watched {
        Watched {
            id: self.id,
            observation: None,
            claimed: None,
            is_mute: false,
            configurations: Configurations::founding(Arc::clone(founding)),
            written: self.program.auditor(),
            durable: self.program.auditor(),
        }
    }

    pub(super) fn status(&self) -> &Status {
        &self.status
    }

    pub(super) fn program(&self) -> &dyn Program {
        self.program.as_ref()
    }

    pub(super) fn observe(&self) -> Option<Observation> {
        self.process.as_ref().and_then(|process| process.observe())
    }

    pub(super) fn log(&self) -> Option<LogSlice> {
        self.process.as_ref().and_then(|process| process.log())
    }

    pub(super) fn configuration(&self) -> Option<Configuration> {
        self.process.as_ref().and_then(|process| process.configuration())
    }

    pub(super) fn set_disk(&mut self, options: DiskOptions) {
        self.disk.set_options(options);
    }

    pub(super) fn disk(&self) -> &SectorDisk {
        &self.disk
    }

    pub(super) fn disk_mut(&mut self) -> &mut SectorDisk {
        &mut self.disk
    }

    pub(super) fn drift_ppm(&self) -> i64 {
        self.clock.drift_ppm()
    }

    /// Puts its clock forward and changes its drift. `false` if neither changes anything.
    pub(super) fn skew_clock(&mut self, now: Time, forward: Span, parts_per_million: i64) -> bool {
        let changes = forward != Span::ZERO || parts_per_million != self.drift_ppm();
        if changes {
            self.clock = self.clock.skewed(now, forward, parts_per_million);
        }
        changes
    }

    pub(super) fn clock_is_off(&self, now: Time) -> bool {
        self.tick.0 <= self.clock.read(now).0.abs_diff(now.0)
    }

    /// Notes what a write will have made of an audited file.
    fn note_write(&mut self, file: &FileName, offset: u64, bytes: &Bytes) {
        let start = usize::try_from(offset).expect("simulated files fit in memory");
        let end = start + bytes.len();
        let image = self.written_images.entry(file.clone()).or_default();
        if image.len() < end {
            image.resize(end, 0);
        }
        image[start..end].copy_from_slice(bytes);
    }

    /// The first moment at which its process wants to be woken.
    fn deadline(&self, now: Time) -> Option<Time> {
        let deadline = self.process.as_ref()?.deadline()?;
        Some(self.clock.when(deadline).max(now))
    }
}

impl<W: Workload> Tank<W> {
    /// Puts files on a machine's disk before it is switched on for the first time.
    pub(super) fn install(&mut self, position: usize, files: &BTreeMap<FileName, Vec<u8>>) {
        for (name, image) in files {
            self.machines[position].disk.install(name.clone(), image.clone());
        }
        self.audit_afresh(position);
    }

    /// Switches a machine on.
    pub(super) fn boot(&mut self, position: usize) {
        let machine = &mut self.machines[position];
        machine.status = Status::Up;
        machine.process = Some(machine.program.boot(machine.boot.clone(), machine.tick));
        self.handle(position, Input::Start);
    }

    /// Switches a machine on again after a crash, or after its process gave up; it recovers from its disk. `false` if it
    /// is running.
    pub fn restart(&mut self, position: usize) -> bool {
        match self.machines[position].status {
            Status::Up | Status::Paused => return false,
            Status::Down => (),
            Status::Halted { .. } => {
                self.switch_off(position, false);
                self.audit_afresh(position);
                self.judge(&Fact::Crashed, position);
            }
        }
        let machine = &mut self.machines[position];
        machine.boot.incarnation += 1;
        let id = machine.id;
        self.count_fault([4, id.number(), 0]);
        self.line(LineKind::Fault, None, || format!("{id} restarts"));
        self.boot(position);
        true
    }

    /// Ends a machine's process. With `power_loss`, what was not synced survives or not, sector by sector; without,
    /// every completed write does, in the page cache. `None` if it is down already.
    pub fn crash(&mut self, position: usize, power_loss: bool) -> Option<CrashReport> {
        let machine = &self.machines[position];
        if machine.status == Status::Down {
            return None;
        }
        let id = machine.id;
        let report = self.switch_off(position, power_loss);
        self.tally.lossy_crashes += u64::from(0 < report.bytes_lost);
        self.count_fault([5, id.number(), u64::from(power_loss)]);
        self.line(LineKind::Fault, None, || {
            let how = if power_loss { "loses power" } else { "crashes" };
            let lost = [(report.bytes_lost, "unsynced bytes lost"), (report.sectors_torn, "sectors torn")];
            let lost = lost.iter().filter(|(count, _)| 0 < *count);
            let lost: String = lost.map(|(count, what)| format!(", {count} {what}")).collect();
            format!("{id} {how}{lost}")
        });
        self.audit_afresh(position);
        self.judge(&Fact::Crashed, position);
        Some(report)
    }

    /// Ends a machine's process and everything that it has asked of its disk.
    fn switch_off(&mut self, position: usize, power_loss: bool) -> CrashReport {
        let machine = &mut self.machines[position];
        machine.status = Status::Down;
        machine.process = None;
        machine.parked.clear();
        machine.wake = None;
        machine.disk.crash(power_loss, machine.id.number(), &mut self.door)
    }

    /// Suspends a machine's process: nothing reaches it, and its timers do not fire. `false` if it is not up.
    pub fn pause(&mut self, position: usize) -> bool {
        let machine = &mut self.machines[position];
        if machine.status != Status::Up {
            return false;
        }
        machine.status = Status::Paused;
        let id = machine.id;
        self.count_fault([7, id.number(), 0]);
        self.line(LineKind::Fault, None, || format!("{id} pauses"));
        true
    }

    /// Lets a suspended process go on; what came in meanwhile comes in now. Says how many inputs that were, or
    /// `None` if it was not paused.
    pub fn resume(&mut self, position: usize) -> Option<usize> {
        let machine = &mut self.machines[position];
        if machine.status != Status::Paused {
            return None;
        }
        machine.status = Status::Up;
        let id = machine.id;
        let parked = std::mem::take(&mut machine.parked);
        let count = parked.len();
        self.count_fault([8, id.number(), count as u64]);
        self.line(LineKind::Fault, None, || format!("{id} resumes"));
        for input in parked {
            self.judge_arrival(position, &input);
            self.handle(position, input);
        }
        self.reschedule(position);
        Some(count)
    }

    /// Puts a message that has waited for its process before the checks.
    fn judge_arrival(&mut self, position: usize, input: &Input) {
        if let Input::Message { from, bytes } = input
            && let Some(message) = self.machines[position].program.describe(bytes)
        {
            self.judge(&Fact::Received { from: *from, message: &message }, position);
        }
    }

    /// Asks something of a machine's process as its operator. The reason, if the process refuses.
    pub fn control(&mut self, position: usize, control: Control) -> Option<&str> {
        let id = self.machines[position].id;
        let (code, text) = match &control {
            Control::Campaign => (0, format!("{id} is told to campaign")),
            Control::Transfer(to) => (to.number(), format!("{id} is told to hand its leadership to {to}")),
            Control::Change(change) => {
                let code = payload_digest(&Payload::ConfChange(Box::new(change.clone())));
                (code, format!("{id} is told to {}", Order(change)))
            }
            // Of other controls the code is a server, or none; no server has these numbers.
            Control::Snapshot => (u64::MAX, format!("{id} is told to take a snapshot")),
            Control::Compact => (u64::MAX - 1, format!("{id} is told to compact its log")),
        };
        self.count_fault([9, id.number(), code]);
        self.line(LineKind::Fault, None, || text);
        self.refusal = None;
        self.handle(position, Input::Control(control));
        self.refusal()
    }

    /// Why a process refused what its operator asked last, if it did.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Whether whoever leads is in a joint configuration that does not end by itself.
    pub(crate) fn stays_joint(&self) -> bool {
        let members = self.leader().map(|leader| self.cluster[leader].members());
        members.is_some_and(|members| members.is_joint() && !members.leaves_by_itself)
    }

    /// Asks whoever leads to leave a joint configuration.
    pub(crate) fn leave_joint(&mut self) {
        if let Some(leader) = self.leader() {
            // Refused, or lost with a leadership: then it is asked again.
            self.control(leader, Control::Change(ConfChange::leave_joint()));
        }
    }

    /// How many bytes a machine has written and not synced.
    pub fn unsynced_bytes(&self, position: usize) -> u64 {
        self.machines[position].disk.unsynced_bytes()
    }

    /// Gives an input to a machine's process and carries out what it does.
    pub(super) fn handle(&mut self, position: usize, input: Input) {
        let machine = &mut self.machines[position];
        match machine.status {
            Status::Up => (),
            Status::Paused => {
                machine.parked.push_back(input);
                return;
            }
            Status::Down | Status::Halted { .. } => return,
        }
        let Some(process) = &mut machine.process else { return };
        let mut outputs = std::mem::take(&mut self.outputs);
        let mut chance = ProcessChance { door: &mut self.door, machine: machine.id };
        let mut context = Context::new(machine.clock.read(self.now), &mut outputs, &mut chance);
        let handled = panics::catch(|| process.handle(input, &mut context));
        for output in outputs.drain(..) {
            self.carry_out(position, output);
        }
        self.outputs = outputs;
        match handled {
            Ok(()) => {
                self.observe(position);
                self.reschedule(position);
            }
            Err(panic) => {
                let id = self.machines[position].id;
                self.violate("Panic", format!("the process on {id} panicked: {panic}"));
            }
        }
    }

    fn carry_out(&mut self, position: usize, output: Output) {
        let id = self.machines[position].id;
        match output {
            Output::Send { to, bytes } => {
                let description = self.machines[position].program.describe(&bytes);
                match &description {
                    Some(message) => self.judge(&Fact::Sent { to, message }, position),
                    None => {
                        self.cluster[position].is_mute = true;
                        self.tally.undescribed_messages += 1;
                    }
                }
                self.send(Endpoint::Server(id), Endpoint::Server(to), Parcel::Peer(bytes), description);
            }
            Output::Disk { id, request } => self.ask_disk(position, id, request),
            Output::Reply { id: request, outcome } => {
                let parcel = Parcel::Reply { id: request, outcome };
                self.send(Endpoint::Server(id), Endpoint::Client(request.client), parcel, None);
            }
            Output::ControlRefused { reason } => {
                self.line(LineKind::Refused, None, || format!("{id} refuses: {reason}"));
                self.refusal = Some(reason);
            }
            Output::MessageRefused { from, reason } => {
                self.tally.refused_messages += 1;
                self.line(LineKind::Refused, None, || format!("{id} refuses a message of {from}: {reason}"));
            }
            Output::Reached { branch } => {
                *self.branches.entry(branch).or_default() += 1;
                self.line(LineKind::State, None, || format!("{id} {}", branch.replace('_', " ")));
            }
            Output::Halt { reason } => {
                self.line(LineKind::Fault, None, || format!("{id} halts: {reason}"));
                self.machines[position].status = Status::Halted { reason };
                // What it showed before is no longer so.
                self.cluster[position].observation = None;
            }
        }
    }

    fn ask_disk(&mut self, position: usize, id: disk::RequestId, request: Request) {
        if let Request::Write { file, offset, bytes } = &request
            && let Some(written) = &mut self.cluster[position].written
            && written.reads(file)
        {
            let machine = &mut self.machines[position];
            machine.note_write(file, *offset, bytes);
            let advance = written.advance(&machine.written_images);
            if 0 < advance.frames {
                let kept = advance.truncated_to.and_then(LogIndex::previous);
                self.judge(&Fact::Wrote { kept }, position);
            }
        }
        let machine = &mut self.machines[position];
        let incarnation = machine.boot.incarnation;
        let due = machine.disk.submit(self.now, id, request, machine.id.number(), &mut self.door);
        self.schedule(due, Scheduled::Disk { machine: position, incarnation, id });
    }

    /// A disk has done what was asked of it.
    pub(super) fn disk_answers(&mut self, position: usize, incarnation: u64, id: disk::RequestId) {
        let machine = &mut self.machines[position];
        // A crash leaves nobody to answer to.
        if machine.boot.incarnation != incarnation || !machine.status.hears() {
            return;
        }
        let number = machine.id.number();
        let result = machine.disk.complete(id);
        let synced = result == Ok(Response::Synced);
        self.count_event(3, [number, incarnation, id.0, u64::from(synced)]);
        if synced {
            self.audit_durable(position);
        }
        self.handle(position, Input::Disk { id, result });
    }

    /// A machine's deadline may have come.
    pub(super) fn timer(&mut self, position: usize) {
        let machine = &mut self.machines[position];
        if machine.wake != Some(self.now) {
            return;
        }
        machine.wake = None;
        if machine.status != Status::Up {
            return;
        }
        if machine.deadline(self.now) == Some(self.now) {
            let number = machine.id.number();
            self.count_event(4, [number, 0, 0, 0]);
            self.handle(position, Input::Timer);
        } else {
            self.reschedule(position);
        }
    }

    /// Sees to it that a machine is woken at its deadline. A timer that is scheduled earlier than needed stays: when
    /// it comes it looks again.
    pub(super) fn reschedule(&mut self, position: usize) {
        let machine = &mut self.machines[position];
        let Some(due) = machine.deadline(self.now) else { return };
        if machine.status == Status::Up && machine.wake.is_none_or(|wake| due < wake) {
            machine.wake = Some(due);
            self.schedule(due, Scheduled::Timer { machine: position });
        }
    }

    /// More of a machine's state has become durable.
    fn audit_durable(&mut self, position: usize) {
        let disk = &self.machines[position].disk;
        let Some(durable) = &mut self.cluster[position].durable else { return };
        if 0 == durable.advance(&Durable(disk)).frames {
            return;
        }
        if self.trace.is_kept() {
            let id = self.machines[position].id;
            let state = durable.state();
            let vote = state.vote.map(|vote| format!(", vote {vote}")).unwrap_or_default();
            let base = match state.base {
                EntryId::ORIGIN => String::new(),
                base => format!(" from {base}"),
            };
            let text = format!("{id} durable: {}{vote}, log{base} to {}", state.term, state.last());
            self.line(LineKind::Disk, None, || text);
        }
        self.judge(&Fact::Persisted, position);
    }

    /// Reads a machine's disk from the beginning: after a crash nothing that was known of it counts.
    fn audit_afresh(&mut self, position: usize) {
        let machine = &mut self.machines[position];
        let watched = &mut self.cluster[position];
        watched.observation = None;
        if let Some(written) = &mut watched.written {
            machine.written_images = machine.disk.cached_images();
            *written = written.fresh();
            written.advance(&machine.written_images);
        }
        if let Some(durable) = &mut watched.durable {
            *durable = durable.fresh();
            durable.advance(&Durable(&machine.disk));
        }
    }
}

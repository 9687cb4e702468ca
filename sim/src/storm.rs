//! Faults: a budget drawn per run, placed by event and by phase of the protocol.
//!
//! A rate per tick would leave most runs without a crash and give the others a dozen. So a run has so many faults
//! of each kind, each with a place: not before some event, and for some only in a moment that hurts, such as
//! between a write and its sync. Every fault counts that it was armed, that it struck, and that it took effect: a
//! crash that lost nothing and a partition that cut nothing have tested nothing. To add a fault, add a
//! [`FaultKind`], strike it in [`Storm`], and give it a share of the [`Budget`].

mod partition;
mod held;
mod members;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use wavetank_process::{Control, Role};

use crate::{
    chance::{Site, labels},
    client::Workload,
    network::{MessageId, NetworkCounters},
    tank::{Status, Tank},
    time::{Span, Time},
};

/// How often something was meant to strike, struck, and made a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FaultCounters {
    /// How often it was meant to strike; for a rate, the runs in which it was not zero.
    pub armed: u64,
    /// How often it struck.
    pub fired: u64,
    /// How often that made a difference.
    pub effective: u64,
}

impl FaultCounters {
    /// Adds another run's counters.
    pub fn add(&mut self, other: Self) {
        let Self { armed, fired, effective } = other;
        self.armed += armed;
        self.fired += fired;
        self.effective += effective;
    }
}

/// How many faults of each kind a run has, and over how many events they are spread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// How many events the storm lasts.
    pub events: u64,
    /// Processes that are killed; what was written stays in the page cache.
    pub crashes: u64,
    /// Machines that lose power, and with it unsynced sectors.
    pub power_losses: u64,
    /// Networks that fall into parts.
    pub partitions: u64,
    /// Servers that can be heard but not hear, or the reverse.
    pub one_way_cuts: u64,
    /// Processes that stand still for a while.
    pub pauses: u64,
    /// Leaders that are told to hand over.
    pub transfers: u64,
    /// How often messages of one kind are kept back until somebody else leads.
    pub holds: u64,
    /// How often an operator asks for a change of members.
    pub changes: u64,
}

impl Budget {
    /// How many faults of each kind there are, each with the name of its field.
    pub fn counts(&self) -> [(&'static str, u64); 8] {
        let Self {
            events: _,
            crashes,
            power_losses,
            partitions,
            one_way_cuts,
            pauses,
            transfers,
            holds,
            changes,
        } = *self;
        [
            ("crashes", crashes),
            ("power_losses", power_losses),
            ("partitions", partitions),
            ("one_way_cuts", one_way_cuts),
            ("pauses", pauses),
            ("transfers", transfers),
            ("holds", holds),
            ("changes", changes),
        ]
    }
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A process is killed.
    Crash,
    /// A machine loses power.
    PowerLoss,
    /// The network falls into parts.
    Partition,
    /// A server is cut off in one direction.
    OneWayCut,
    /// A process stands still.
    Pause,
    /// A leader is told to hand over.
    Transfer,
    /// Messages of one kind are kept back.
    Hold,
    /// The members change.
    Change,
}

impl FaultKind {
    /// What it is called in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::PowerLoss => "power_loss",
            Self::Partition => "partition",
            Self::OneWayCut => "one_way_cut",
            Self::Pause => "pause",
            Self::Transfer => "transfer",
            Self::Hold => "hold",
            Self::Change => "change",
        }
    }
}

/// The moment for which a fault waits, once its event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// None: it strikes at once, anybody.
    Any,
    /// A machine has written something that is not synced; it strikes there.
    UnsyncedWrite,
    /// A leader has just been elected and has just begun to replicate; it strikes there.
    FreshLeader,
    /// A leader is in a joint configuration; it strikes there, or at another member.
    Joint,
}

/// A fault that has its place in the run.
#[derive(Clone, Copy, Debug)]
struct Planned {
    kind: FaultKind,
    /// Not before this event.
    event: u64,
    phase: Phase,
}

/// How a fault ends.
#[derive(Clone, Debug)]
enum Ending {
    Restart {
        machine: usize,
    },
    Resume {
        machine: usize,
    },
    Mend {
        links: Vec<(usize, usize)>,
        kind: FaultKind,
        cut_before: u64,
    },
    /// `elections` is how many there had been when the messages were kept back.
    Release {
        messages: Vec<MessageId>,
        elections: u64,
    },
    /// A joint configuration has lasted long enough.
    LeaveJoint,
}

/// The faults of one run.
#[derive(Debug)]
pub struct Storm {
    planned: VecDeque<Planned>,
    /// What ends when, the next first.
    endings: Vec<(Time, Ending)>,
    counters: BTreeMap<&'static str, FaultCounters>,
    /// Elections at the last look, to notice a new one.
    elections: u64,
    /// A fresh leader, for as many events as this.
    fresh_for: u64,
    /// Who was to become leader.
    transferee: Option<usize>,
}

/// For how many events after its election a leader counts as fresh.
const FRESH_EVENTS: u64 = 12;

impl Storm {
    /// Places the faults of a budget.
    pub fn plan<W: Workload>(budget: &Budget, tank: &mut Tank<W>) -> Self {
        let changes = if members::may_change(tank) { budget.changes } else { 0 };
        let shares = [
            (FaultKind::Crash, budget.crashes),
            (FaultKind::PowerLoss, budget.power_losses),
            (FaultKind::Partition, budget.partitions),
            (FaultKind::OneWayCut, budget.one_way_cuts),
            (FaultKind::Pause, budget.pauses),
            (FaultKind::Transfer, budget.transfers),
            (FaultKind::Hold, budget.holds),
            (FaultKind::Change, changes),
        ];
        let mut planned = Vec::new();
        let mut counters = BTreeMap::new();
        for (kind, count) in shares {
            counters.insert(kind.name(), FaultCounters { armed: count, ..FaultCounters::default() });
            for _ in 0..count {
                let door = tank.door();
                let site = Site::of(labels::FAULT_PLACE, kind as u64);
                let event = door.choose(site, budget.events.max(1));
                let phase = match (kind, door.choose(site, 4)) {
                    (FaultKind::PowerLoss, 0..=2) | (FaultKind::Crash, 2) => Phase::UnsyncedWrite,
                    (FaultKind::Crash | FaultKind::Partition | FaultKind::Pause, 3) => Phase::FreshLeader,
                    _ => Phase::Any,
                };
                let waits = 0 < changes && door.chance(Site::of(labels::FAULT_CHANGE, kind as u64), 1, 4);
                let phase = if waits && kind != FaultKind::Change { Phase::Joint } else { phase };
                planned.push(Planned { kind, event, phase });
            }
        }
        planned.sort_by_key(|fault| fault.event);
        Self {
            planned: planned.into(),
            endings: Vec::new(),
            counters,
            elections: 0,
            fresh_for: 0,
            transferee: None,
        }
    }

    /// Lets one event happen, with the faults and the endings that come with it. `false` when nothing can happen any more.
    pub fn step<W: Workload>(&mut self, tank: &mut Tank<W>) -> bool {
        if let Some(&(due, _)) = self.endings.first()
            && tank.next_event().is_none_or(|next| due <= next)
        {
            let (due, ending) = self.endings.remove(0);
            tank.run_to(due);
            self.end(ending, tank);
            return tank.violation().is_none();
        }
        if !tank.step() {
            return false;
        }
        self.watch_elections(tank);
        self.strike_due(tank);
        true
    }

    /// Ends every fault now, and forgets those that have not struck.
    pub fn calm<W: Workload>(&mut self, tank: &mut Tank<W>) {
        self.planned.clear();
        for (_, ending) in std::mem::take(&mut self.endings) {
            self.end(ending, tank);
        }
        tank.mend_all();
        for machine in 0..tank.cluster().len() {
            tank.resume(machine);
            tank.restart(machine);
        }
    }

    fn watch_elections<W: Workload>(&mut self, tank: &mut Tank<W>) {
        let elections = tank.tally().elections;
        if self.elections < elections {
            self.elections = elections;
            self.fresh_for = FRESH_EVENTS;
            if self.transferee.is_some() && self.transferee == tank.leader() {
                self.counter(FaultKind::Transfer).effective += 1;
            }
            self.transferee = None;
            self.release_soon(tank);
        } else {
            self.fresh_for = self.fresh_for.saturating_sub(1);
        }
    }

    fn counter(&mut self, kind: FaultKind) -> &mut FaultCounters {
        self.counters.entry(kind.name()).or_default()
    }

    /// Strikes with the first fault whose event has come and whose moment this is.
    fn strike_due<W: Workload>(&mut self, tank: &mut Tank<W>) {
        let due = self.planned.iter().take_while(|fault| fault.event <= tank.events()).count();
        for position in 0..due {
            let fault = self.planned[position];
            if let Some(victim) = self.victim(fault.phase, tank)
                && self.strike(fault.kind, victim, tank)
            {
                self.planned.remove(position);
                return;
            }
        }
    }

    /// Whom a fault would strike at this moment.
    fn victim<W: Workload>(&self, phase: Phase, tank: &mut Tank<W>) -> Option<usize> {
        let up = |tank: &Tank<W>, machine: usize| *tank.status(machine) == Status::Up;
        match phase {
            Phase::Any => {
                let machines = tank.cluster().len() as u64;
                let site = Site::global(labels::FAULT_VICTIM);
                // A leader is the most interesting victim, so it is chosen half the time.
                match tank.leader() {
                    Some(leader) if tank.door().chance(site, 1, 2) => Some(leader),
                    _ => usize::try_from(tank.door().choose(site, machines)).ok(),
                }
            }
            Phase::UnsyncedWrite => {
                (0..tank.cluster().len()).find(|&m| up(tank, m) && 0 < tank.unsynced_bytes(m))
            }
            Phase::FreshLeader => tank.leader().filter(|_| 0 < self.fresh_for),
            Phase::Joint => {
                let leader = tank.leader().filter(|&leader| tank.cluster()[leader].members().is_joint())?;
                let machines = tank.cluster().len() as u64;
                let site = Site::global(labels::FAULT_VICTIM);
                if tank.door().chance(site, 1, 2) {
                    return Some(leader);
                }
                usize::try_from(tank.door().choose(site, machines)).ok()
            }
        }
    }

    /// How long a fault lasts: some election timeouts.
    fn length<W: Workload>(tank: &mut Tank<W>, kind: FaultKind, most: u64) -> Span {
        let unit = tank.options().longest_election_timeout();
        let site = Site::of(labels::FAULT_LENGTH, kind as u64);
        // In quarters, so that some are over before anybody notices.
        unit * tank.door().range(site, 1, 4 * most) / 4
    }

    fn end_at(&mut self, time: Time, ending: Ending) {
        let position = self.endings.partition_point(|(due, _)| *due <= time);
        self.endings.insert(position, (time, ending));
    }

    /// Strikes, if that is possible. Whether it was.
    fn strike<W: Workload>(&mut self, kind: FaultKind, victim: usize, tank: &mut Tank<W>) -> bool {
        let struck = match kind {
            FaultKind::Crash | FaultKind::PowerLoss => self.strike_crash(kind, victim, tank),
            FaultKind::Partition | FaultKind::OneWayCut => self.strike_network(kind, victim, tank),
            FaultKind::Pause => tank.pause(victim).then(|| {
                let until = tank.now() + Self::length(tank, kind, 4);
                self.end_at(until, Ending::Resume { machine: victim });
            }),
            FaultKind::Transfer => self.strike_transfer(victim, tank),
            FaultKind::Hold => self.strike_hold(victim, tank),
            FaultKind::Change => self.strike_change(tank),
        }
        .is_some();
        self.counter(kind).fired += u64::from(struck);
        struck
    }

    fn strike_crash<W: Workload>(
        &mut self,
        kind: FaultKind,
        victim: usize,
        tank: &mut Tank<W>,
    ) -> Option<()> {
        let busy = tank.cluster()[victim].observation.is_some_and(|shown| shown.role != Role::Follower);
        let report = tank.crash(victim, kind == FaultKind::PowerLoss)?;
        let effective = match kind {
            FaultKind::PowerLoss => 0 < report.bytes_lost,
            // A follower with nothing under way comes back as it was.
            _ => busy || 0 < report.requests_abandoned,
        };
        self.counter(kind).effective += u64::from(effective);
        let torn = self.counters.entry("torn_sector").or_default();
        torn.fired += report.sectors_torn;
        torn.effective += report.sectors_mixed;
        let until = tank.now() + Self::length(tank, kind, 4);
        self.end_at(until, Ending::Restart { machine: victim });
        Some(())
    }

    fn strike_network<W: Workload>(
        &mut self,
        kind: FaultKind,
        victim: usize,
        tank: &mut Tank<W>,
    ) -> Option<()> {
        let links = match kind {
            FaultKind::OneWayCut => partition::one_way(victim, tank),
            _ => partition::parts(victim, tank),
        };
        if links.is_empty() {
            return None;
        }
        let cut_before = cut_messages(tank.network().counters());
        for &(from, to) in &links {
            let (from, to) = (tank.cluster()[from].id, tank.cluster()[to].id);
            tank.cut(from, to);
        }
        let until = tank.now() + Self::length(tank, kind, 6);
        self.end_at(until, Ending::Mend { links, kind, cut_before });
        Some(())
    }

    fn strike_transfer<W: Workload>(&mut self, victim: usize, tank: &mut Tank<W>) -> Option<()> {
        let leader = tank.leader().filter(|&leader| leader != victim)?;
        if tank.cluster()[leader].observation.is_none_or(|observation| observation.role != Role::Leader) {
            return None;
        }
        let to = tank.cluster()[victim].id;
        if tank.control(leader, Control::Transfer(to)).is_none() {
            self.transferee = Some(victim);
        }
        Some(())
    }

    fn end<W: Workload>(&mut self, ending: Ending, tank: &mut Tank<W>) {
        match ending {
            Ending::Restart { machine } => {
                tank.restart(machine);
            }
            Ending::Resume { machine } => {
                let missed = tank.resume(machine).unwrap_or(0);
                self.counter(FaultKind::Pause).effective += u64::from(0 < missed);
            }
            Ending::Mend { links, kind, cut_before } => {
                for (from, to) in links {
                    let (from, to) = (tank.cluster()[from].id, tank.cluster()[to].id);
                    tank.mend(from, to);
                }
                let cut = cut_messages(tank.network().counters());
                self.counter(kind).effective += u64::from(cut_before < cut);
            }
            Ending::Release { messages, elections } => self.release(&messages, elections, tank),
            Ending::LeaveJoint => self.leave_joint(tank),
        }
    }

    /// What every fault came to, the weather included. Call it when the run is over.
    pub fn counters<W: Workload>(&self, tank: &Tank<W>) -> BTreeMap<String, FaultCounters> {
        let mut counters: BTreeMap<String, FaultCounters> =
            self.counters.iter().map(|(name, counters)| ((*name).to_owned(), *counters)).collect();
        if let Some(change) = counters.get_mut(FaultKind::Change.name()) {
            change.effective += tank.tally().changes;
        }
        let options = &tank.options().network;
        let network = tank.network().counters();
        let noticed = tank.noticed();
        let spread = options.latency_min < options.latency_mean;
        let mut rate = |name: &str, on: bool, struck: u64, effective: u64| {
            let counter = counters.entry(name.to_owned()).or_default();
            counter.add(FaultCounters { armed: u64::from(on), fired: struck, effective });
        };
        rate("loss", 0 < options.loss_permille, network.lost, noticed.lost);
        rate("duplicate", 0 < options.duplicate_permille, network.duplicated, noticed.duplicated);
        rate("reorder", spread, network.reordered, noticed.reordered);
        rate("full_queue", options.capacity.is_some(), network.queue_full, noticed.queue_full);
        rate("torn_sector", tank.options().disk.tear, 0, 0);
        let drifting = tank.options().drift_ppm.iter().filter(|drift| **drift != 0).count() as u64;
        rate("clock_drift", 0 < drifting, drifting, tank.clocks_apart());
        counters
    }
}

fn cut_messages(counters: NetworkCounters) -> u64 {
    counters.cut_at_send + counters.cut_in_flight
}

//! A program for the tank that is nothing but its core: no disk and no clients, to measure the tank and not them.

use bytes::Bytes;
use raft_core::{
    Apply, Config, EntryId, Incarnation, LogIndex, MemoryStorage, Raft, Recovered, RoleKind, SnapshotHandle,
    SnapshotMeta, Storage, Ticks, handle_ready,
};
use wavetank::{audit::Auditor, program::Program, time::Span};
use wavetank_process::{Boot, Context, Description, Input, Label, LocalTime, Observation, Output, Process};

const MILLISECOND: u64 = 1_000_000;

/// `raft-core` over storage in memory. Whoever leads makes so many proposals of 64 bytes in each millisecond.
#[derive(Clone, Copy, Debug)]
pub struct Bare {
    /// How many.
    pub proposals_per_millisecond: u64,
}

impl Program for Bare {
    fn name(&self) -> &str {
        "bare raft-core"
    }

    fn boot(&self, boot: Boot, tick: Span) -> Box<dyn Process> {
        Box::new(BareProcess::new(&boot, tick, self.proposals_per_millisecond))
    }

    fn describe(&self, _bytes: &[u8]) -> Option<Description> {
        None
    }

    fn render(&self, _bytes: &[u8]) -> String {
        "(a message)".to_owned()
    }

    fn auditor(&self) -> Option<Box<dyn Auditor>> {
        None
    }
}

struct BareProcess {
    raft: Raft,
    storage: MemoryStorage,
    election_timeout_ticks: u64,
    tick: u64,
    ticked_to: u64,
    proposals_per_millisecond: u64,
    /// When the next proposals are due.
    proposes_at: u64,
    command: Bytes,
}

impl BareProcess {
    fn new(boot: &Boot, tick: Span, proposals_per_millisecond: u64) -> Self {
        let config = Config {
            election_timeout: Ticks(boot.options.election_timeout_ticks),
            heartbeat_interval: Ticks(boot.options.heartbeat_ticks),
            pre_vote: boot.options.pre_vote,
            check_quorum: boot.options.check_quorum,
            ..Config::new(boot.id)
        };
        let storage = MemoryStorage::new(Recovered::founding(boot.voters.iter().copied()));
        let recovered = storage.recover().unwrap_or_else(|never| match never {});
        Self {
            raft: Raft::new(config, recovered, Incarnation(boot.incarnation)).expect("a sound configuration"),
            storage,
            election_timeout_ticks: boot.options.election_timeout_ticks,
            tick: tick.0,
            ticked_to: 0,
            proposals_per_millisecond,
            proposes_at: MILLISECOND,
            command: Bytes::from(vec![7; 64]),
        }
    }

    fn proposes(&self) -> bool {
        0 < self.proposals_per_millisecond && self.raft.role() == RoleKind::Leader
    }

    fn pass_time(&mut self, now: u64) {
        let ticks = (now - self.ticked_to) / self.tick;
        if 0 < ticks {
            self.raft.advance(Ticks(ticks));
            self.ticked_to += ticks * self.tick;
        }
        if self.proposes_at <= now {
            if self.proposes() {
                for _ in 0..self.proposals_per_millisecond {
                    self.raft.propose(self.command.clone()).expect("it leads");
                }
            }
            self.proposes_at = now + MILLISECOND;
        }
    }

    fn compact(&mut self) {
        let to = LogIndex(self.raft.applied().0.saturating_sub(crate::COMPACT_EVERY / 2));
        if to.0 < self.raft.base().index.0 + crate::COMPACT_EVERY {
            return;
        }
        let term = self.raft.entry_term(to).expect("it is in the log");
        let (last, configuration) = (EntryId { term, index: to }, self.raft.configuration().clone());
        let snapshot = SnapshotMeta { last, configuration, handle: SnapshotHandle::default() };
        self.raft.snapshot_available(snapshot).expect("it has been applied");
        self.raft.compact(to).expect("the snapshot covers it");
        self.storage.compact(self.raft.base());
    }
}

impl Process for BareProcess {
    fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        self.pass_time(context.now().0);
        if let Input::Message { bytes, .. } = input {
            let envelope = raft_wire::decode(&bytes).expect("nothing is damaged here");
            self.raft.step(envelope).expect("peers are correct");
        }
        if self.raft.wants_election_timeout() {
            let base = self.election_timeout_ticks;
            let timeout = base + context.choose(Label::ELECTION_TIMEOUT, base);
            self.raft.set_election_timeout(Ticks(timeout)).expect("within the range");
        }
        let send = |envelope: raft_core::Envelope| {
            context.emit(Output::Send { to: envelope.to, bytes: raft_wire::encode(&envelope) });
        };
        handle_ready(&mut self.raft, &mut self.storage, send, |apply| match apply {
            Apply::Entries(_) => (),
            Apply::Snapshot(snapshot) => panic!("nobody lags, and yet there is {snapshot:?}"),
        })
        .unwrap_or_else(|never| match never {});
        self.compact();
    }

    fn deadline(&self) -> Option<LocalTime> {
        let tick = self.raft.ticks_until_timeout().map(|ticks| self.ticked_to + ticks.0 * self.tick);
        let propose = self.proposes().then_some(self.proposes_at);
        tick.into_iter().chain(propose).min().map(LocalTime)
    }

    fn observe(&self) -> Option<Observation> {
        None
    }
}

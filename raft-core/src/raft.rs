//! One replica: its whole state, what a driver may ask of it, and in the chapters below how it answers.

mod outputs;
mod election;
mod replication;
mod reads;
mod transfer;
mod time;
mod step;
mod invariants;

use alloc::vec::Vec;

use crate::{
    config::Config,
    digest::Digest,
    entry::LogSlice,
    error::StartError,
    event::Event,
    hard_state::HardState,
    id::{EntryId, LogIndex, NodeId, Term, Ticks},
    log::Log,
    message::Envelope,
    progress::Progress,
    quorum::{Majority, Voters},
    read::{ReadId, ReadState},
    ready::SoftState,
    role::{Role, RoleKind},
    write::{Incarnation, Writes},
};

/// One replica of a Raft cluster. See the [crate's page](crate) for how it is driven.
///
/// It is a plain value: it can be cloned, compared and printed, and does nothing unless it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raft {
    config: Config,
    voters: Voters,
    hard_state: HardState,
    log: Log,
    role: Role,
    /// Since the last sign of a leader, or since the role began; a leader counts to its next look at its quorum.
    election_elapsed: Ticks,
    /// How long to wait for a leader; `None` until the driver has supplied it after a reset.
    election_timeout: Option<Ticks>,
    writes: Writes,
    /// What may leave with the next [`Ready`](crate::Ready).
    messages: Vec<Envelope>,
    read_states: Vec<ReadState>,
    last_read: ReadId,
    /// As last told to the driver.
    soft_state: SoftState,
    events: Vec<Event>,
}

/// What a replica starts from: what its storage holds, or for a new cluster what its founders agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Term and vote.
    pub hard_state: HardState,
    /// The last commit index that was written. It may be behind what the replica had reached.
    pub commit: LogIndex,
    /// Who votes.
    pub voters: Voters,
    /// The log, all of it durable. Its `prev` is the last entry that was compacted away.
    pub log: LogSlice,
}

impl Recovered {
    /// The beginning of a new cluster: no term, no vote, no entry. Every founder starts with the same voters.
    pub fn founding(voters: impl IntoIterator<Item = NodeId>) -> Self {
        Self {
            hard_state: HardState::default(),
            commit: LogIndex(0),
            voters: voters.into_iter().collect::<Majority>().into(),
            log: LogSlice::empty(EntryId::ORIGIN),
        }
    }
}

impl Raft {
    /// A replica that starts, or starts again, as a follower.
    ///
    /// # Errors
    /// When the settings make no sense, or what was recovered cannot have been written by a replica.
    pub fn new(config: Config, recovered: Recovered, incarnation: Incarnation) -> Result<Self, StartError> {
        config.validate()?;
        let Recovered { hard_state, commit, voters, log } = recovered;
        if commit < log.prev().index || log.last().index < commit {
            return Err(StartError::CommitOutsideLog { commit, base: log.prev(), last: log.last() });
        }
        if hard_state.term() < log.last().term {
            return Err(StartError::TermBehindLog { term: hard_state.term(), last: log.last() });
        }
        Ok(Self {
            voters,
            hard_state,
            log: Log::new(&log, commit),
            role: Role::Follower { leader: None },
            election_elapsed: Ticks(0),
            election_timeout: None,
            writes: Writes::new(config.id, incarnation),
            messages: Vec::new(),
            read_states: Vec::new(),
            last_read: ReadId(0),
            soft_state: SoftState { role: RoleKind::Follower, leader: None },
            events: Vec::new(),
            config,
        })
    }

    /// Who this replica is.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Who votes.
    pub fn voters(&self) -> &Voters {
        &self.voters
    }

    /// Term and vote, as in memory.
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// The current term, as in memory.
    pub fn term(&self) -> Term {
        self.hard_state.term()
    }

    /// The role.
    pub fn role(&self) -> RoleKind {
        self.role.kind()
    }

    /// The leader of the current term, if one is known.
    pub fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Follower { leader } => *leader,
            Role::PreCandidate(_) | Role::Candidate(_) => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }

    /// The last entry of the log in memory.
    pub fn last(&self) -> EntryId {
        self.log.last()
    }

    /// The term of the entry at `index`, if the log in memory reaches there.
    pub fn entry_term(&self, index: LogIndex) -> Option<Term> {
        self.log.term(index)
    }

    /// What is known to be committed.
    pub fn commit(&self) -> LogIndex {
        self.log.commit()
    }

    /// What the state machine has applied.
    pub fn applied(&self) -> LogIndex {
        self.log.applied()
    }

    /// A leader's view of the others; empty for anyone else.
    pub fn peers(&self) -> impl Iterator<Item = (NodeId, &Progress)> {
        let peers = match &self.role {
            Role::Leader(leader) => leader.peers.as_slice(),
            Role::Follower { .. } | Role::PreCandidate(_) | Role::Candidate(_) => &[],
        };
        peers.iter().map(|(id, progress)| (*id, progress))
    }

    /// To whom the leadership is being handed over.
    pub fn transferee(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(leader) => leader.transferee,
            Role::Follower { .. } | Role::PreCandidate(_) | Role::Candidate(_) => None,
        }
    }

    /// What happened since it was last asked, oldest first; nothing unless
    /// [`record_events`](Config::record_events) is set.
    pub fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    fn record(&mut self, event: Event) {
        if self.config.record_events {
            self.events.push(event);
        }
    }

    /// A digest of everything that decides what this replica does next, timers included. Equal on every
    /// machine. It takes time in proportion to what is under way, not to the log.
    pub fn state_digest(&self) -> u128 {
        let Self {
            config: _,
            voters,
            hard_state,
            log,
            role,
            election_elapsed,
            election_timeout,
            writes,
            messages,
            read_states,
            last_read,
            soft_state,
            events: _,
        } = self;
        let mut digest = Digest::default();
        for voter in voters.incoming().voters() {
            digest.node(Some(*voter));
        }
        digest.node(None);
        for voter in voters.outgoing().into_iter().flat_map(|half| half.voters()) {
            digest.node(Some(*voter));
        }
        digest.number(hard_state.term().0);
        digest.node(hard_state.vote());
        log.digest(&mut digest);
        role.digest(&mut digest);
        digest.number(election_elapsed.0);
        digest.option(election_timeout.map(|ticks| ticks.0));
        writes.digest(&mut digest);
        digest.number(messages.len() as u64);
        for envelope in messages {
            digest.envelope(envelope);
        }
        digest.number(read_states.len() as u64);
        digest.number(last_read.0);
        digest.number(soft_state.role as u64);
        digest.node(soft_state.leader);
        digest.finish()
    }
}

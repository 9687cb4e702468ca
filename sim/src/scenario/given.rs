//! How a scenario begins: what its servers have on their disks.

use serde::Deserialize;
use wavetank_process::{
    Recovered,
    raft_core::{Entry, EntryId, HardState, LogIndex, LogSlice, NodeId, Payload, Term},
};

use super::{Party, Server};

/// The latest term to begin in.
const MOST_TERMS: u64 = 1_000_000_000;

/// What a server has behind it: `(server: n1, term: 7, vote: n2, log: [1, 1, 4], commit: 2)`. Its entries carry nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// Whose past it is; by number.
    pub server: Server,
    /// Its term; that of its last entry if not said.
    pub term: Option<u64>,
    /// Whom it has voted for in that term; nobody if not said.
    pub vote: Option<Server>,
    /// The terms of its entries.
    #[serde(default)]
    pub log: Vec<u64>,
    /// Its commit index.
    #[serde(default)]
    pub commit: u64,
}

impl Given {
    /// The past on its disk, or what is wrong with it.
    pub(super) fn past(&self) -> Result<Recovered, &'static str> {
        let last = self.log.last().copied().unwrap_or(0);
        let term = self.term.unwrap_or(last);
        if MOST_TERMS < term {
            return Err("expected a term of at most a billion, so that there are later ones");
        }
        if term < last {
            return Err("expected a term that is not behind that of the last entry");
        }
        if (self.log.len() as u64) < self.commit {
            return Err("expected a commit index within the log");
        }
        let vote = match self.vote {
            None => None,
            Some(Server::Number(_)) if term == 0 => return Err("expected no vote in term 0"),
            Some(Server::Number(number)) => NodeId::new(number),
            Some(_) => return Err("expected a vote for a server named by number"),
        };
        let entry = |term: &u64| Entry { term: Term(*term), payload: Payload::Noop };
        let entries = self.log.iter().map(entry).collect();
        if self.log.contains(&0) {
            return Err("expected the terms of entries, from 1 on");
        }
        let log = LogSlice::new(EntryId::ORIGIN, entries)
            .map_err(|_| "expected entries whose terms never fall from one to the next")?;
        Ok(Recovered {
            hard_state: HardState::recovered(Term(term), vote),
            commit: LogIndex(self.commit),
            snapshot: None,
            log,
        })
    }

    /// Every server it names.
    pub(super) fn parties(&self) -> Vec<Party> {
        [Some(self.server), self.vote].into_iter().flatten().map(Party::Server).collect()
    }
}

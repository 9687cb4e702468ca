//! A cluster at one moment of a script, as its claims look at it.

use wavetank_process::{
    Observation, Role,
    raft_core::{LogIndex, NodeId},
};

use super::{ClientName, RoleName, Server, names::Part};
use crate::{
    audit::DurableState,
    checks::Watched,
    client::Status as Operation,
    members::{Members, Servers, listed},
    run,
    tank::{Status, Tank},
};

/// What a claim is judged by.
pub(super) struct Scene<'a> {
    pub(super) tank: &'a Tank,
    pub(super) last_crashed: Option<usize>,
    /// Who refused what its operator asked last, and why.
    pub(super) refusal: Option<&'a (usize, String)>,
}

/// Why a claim does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// Something else is the case.
    Otherwise(String),
    /// There is nothing that it could be true or false of, so that its contrary does not hold either.
    Unjudged(String),
}

impl Instead {
    /// What is the case, in words.
    pub(super) fn into_words(self) -> String {
        match self {
            Self::Otherwise(words) | Self::Unjudged(words) => words,
        }
    }
}

/// `Ok` if a claim holds.
pub(super) type Claim = Result<(), Instead>;

/// Whether something is as expected.
fn equal<T: PartialEq>(actual: T, expected: T, instead: impl FnOnce(T) -> String) -> Claim {
    if actual == expected { Ok(()) } else { Err(Instead::Otherwise(instead(actual))) }
}

fn terms(state: Option<&DurableState>) -> Result<Vec<u64>, Instead> {
    let state = state.ok_or_else(|| Instead::Unjudged("nobody reads its disk".to_owned()))?;
    Ok(state.log.iter().map(|entry| entry.term.0).collect())
}

impl Scene<'_> {
    /// The place of a server in the cluster, or why there is none.
    pub(super) fn find(&self, server: Server) -> Result<usize, Instead> {
        let cluster = self.tank.cluster();
        let follows = |m: &Watched| m.observation.is_some_and(|o| o.role == Role::Follower);
        match server {
            Server::Number(number) => {
                cluster.iter().position(|m| m.id.number() == number).ok_or("there is no such server")
            }
            Server::Leader => self.tank.leader().ok_or("there is no leader"),
            Server::Follower => cluster.iter().position(follows).ok_or("there is no follower"),
            Server::LastCrashed => self.last_crashed.ok_or("no server has crashed"),
        }
        .map_err(|words| Instead::Unjudged(words.to_owned()))
    }

    fn machine(&self, server: Server) -> Result<&Watched, Instead> {
        self.find(server).map(|position| &self.tank.cluster()[position])
    }

    fn observation(&self, server: Server) -> Result<(NodeId, Observation), Instead> {
        let machine = self.machine(server)?;
        let unjudged = || Instead::Unjudged(format!("{} is not running", machine.id));
        Ok((machine.id, machine.observation.ok_or_else(unjudged)?))
    }

    /// The place of a client.
    pub(super) fn place(&self, ClientName(number): ClientName) -> Result<usize, Instead> {
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        place
            .filter(|place| *place < self.tank.clients())
            .ok_or_else(|| Instead::Unjudged(format!("there is no c{number}")))
    }
}

/// Roles, terms and votes.
impl Scene<'_> {
    pub(super) fn leads(&self, server: Server) -> Claim {
        let expected = self.find(server)?;
        equal(self.tank.leader(), Some(expected), |leader| match leader {
            Some(leader) => format!("the leader is {}", self.tank.cluster()[leader].id),
            None => "there is no leader".to_owned(),
        })
    }

    pub(super) fn nobody_leads(&self) -> Claim {
        match self.tank.leader() {
            None => Ok(()),
            Some(leader) => Err(Instead::Otherwise(format!("{} leads", self.tank.cluster()[leader].id))),
        }
    }

    pub(super) fn plays(&self, server: Server, role: RoleName) -> Claim {
        let (id, shown) = self.observation(server)?;
        equal(shown.role, role.role(), |role| format!("{id} is a {}", role.name()))
    }

    pub(super) fn is_in_term(&self, server: Server, term: u64) -> Claim {
        let (id, shown) = self.observation(server)?;
        equal(shown.term.0, term, |term| format!("{id} is in t{term}"))
    }

    /// Whether it has voted for that server, or for nobody.
    pub(super) fn has_voted(&self, server: Server, candidate: Option<Server>) -> Claim {
        let (id, shown) = self.observation(server)?;
        let expected = candidate.map(|candidate| self.machine(candidate)).transpose()?.map(|m| m.id);
        equal(shown.vote, expected, |vote| match vote {
            Some(vote) => format!("{id} has voted for {vote} in {}", shown.term),
            None => format!("{id} has voted for nobody in {}", shown.term),
        })
    }
}

/// Members, as of what a server has applied.
impl Scene<'_> {
    fn members(&self, server: Server) -> Result<(NodeId, &Members), Instead> {
        let (id, _) = self.observation(server)?;
        Ok((id, self.machine(server)?.members()))
    }

    /// Whether these, and nobody else, belong to it in this capacity.
    pub(super) fn has_members(&self, server: Server, part: Part, expected: &[Server]) -> Claim {
        let (id, members) = self.members(server)?;
        let expected = expected.iter().map(|server| self.machine(*server).map(|machine| machine.id));
        let expected = expected.collect::<Result<Servers, _>>()?;
        let actual = match part {
            Part::Voters => &members.incoming,
            Part::Outgoing => &members.outgoing,
            Part::Learners => &members.learners,
            Part::ToLearn => &members.learners_next,
        };
        equal(actual, &expected, |_| format!("for {id} the members are {members}, not {}", listed(&expected)))
    }

    pub(super) fn is_joint(&self, server: Server) -> Claim {
        let (id, members) = self.members(server)?;
        equal(members.is_joint(), true, |_| format!("for {id} the members are {members}"))
    }

    /// Whether it refused what its operator asked last, for this reason.
    pub(super) fn has_refused(&self, server: Server, expected: &str) -> Claim {
        let (id, position) = (self.machine(server)?.id, self.find(server)?);
        let refusal = self.refusal.filter(|(by, _)| *by == position).map(|(_, reason)| reason.as_str());
        equal(refusal, Some(expected), |refusal| match refusal {
            Some(reason) => format!("{id} has refused: {reason}"),
            None => format!("{id} has refused nothing"),
        })
    }
}

/// Logs.
impl Scene<'_> {
    pub(super) fn has_committed(&self, server: Server, index: u64) -> Claim {
        let (id, shown) = self.observation(server)?;
        equal(shown.commit.0, index, |index| format!("the commit index of {id} is {index}"))
    }

    pub(super) fn has_committed_at_least(&self, server: Server, index: u64) -> Claim {
        let (id, shown) = self.observation(server)?;
        let reached = LogIndex(index) <= shown.commit;
        equal(reached, true, |_| format!("the commit index of {id} is {}", shown.commit))
    }

    pub(super) fn has_written(&self, server: Server, expected: &[u64]) -> Claim {
        let machine = self.machine(server)?;
        equal(terms(machine.written())?, expected.to_vec(), |terms| {
            format!("the entries of {} have the terms {terms:?}", machine.id)
        })
    }

    pub(super) fn has_made_durable(&self, server: Server, expected: &[u64]) -> Claim {
        let machine = self.machine(server)?;
        equal(terms(machine.durable())?, expected.to_vec(), |terms| {
            format!("the entries on the disk of {} have the terms {terms:?}", machine.id)
        })
    }

    pub(super) fn has_converged(&self) -> Claim {
        run::not_converged(self.tank).map_or(Ok(()), |words| Err(Instead::Otherwise(words)))
    }
}

/// Machines and clients.
impl Scene<'_> {
    pub(super) fn has_status(&self, server: Server, expected: impl FnOnce(&Status) -> bool) -> Claim {
        let position = self.find(server)?;
        let id = self.tank.cluster()[position].id;
        let status = self.tank.status(position);
        if expected(status) {
            return Ok(());
        }
        Err(Instead::Otherwise(match status {
            Status::Up => format!("{id} is up"),
            Status::Paused => format!("{id} is paused"),
            Status::Down => format!("{id} is down"),
            Status::Halted { reason } => format!("{id} has halted: {reason}"),
        }))
    }

    /// Whether a client's last request came out so.
    pub(super) fn came_out(
        &self,
        name: ClientName,
        expected: impl FnOnce(Option<&Operation>) -> bool,
    ) -> Claim {
        let client = self.tank.client(self.place(name)?);
        let (id, status) = (client.id(), client.status());
        if expected(status) {
            return Ok(());
        }
        Err(Instead::Otherwise(match status {
            None => format!("{id} has asked nothing"),
            Some(Operation::Open) => format!("{id} waits for its answer"),
            Some(Operation::Done(reply)) => format!("{id} was answered {:?}", reply.to_string()),
            Some(Operation::Refused { .. }) => format!("{id} was refused"),
            Some(Operation::TimedOut) => format!("{id} has given up waiting"),
        }))
    }
}

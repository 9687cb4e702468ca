//! What a scenario can claim, and how it is found out.

use serde::Deserialize;
use wavetank_process::{
    Observation, Role,
    raft_core::{LogIndex, NodeId},
};

use super::{ClientName, RoleName, Server};
use crate::{
    audit::DurableState,
    checks::Watched,
    client,
    tank::{Status, Tank},
};

/// Something that holds at a moment, or does not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It leads, in the latest term that has a leader.
    Leader(Server),
    /// Nobody leads.
    NoLeader,
    /// It plays this role.
    Role(Server, RoleName),
    /// It is in this term.
    Term(Server, u64),
    /// In its current term it has voted for that server.
    Vote(Server, Server),
    /// In its current term it has voted for nobody.
    NoVote(Server),
    /// Its commit index is this.
    Commit(Server, u64),
    /// Its commit index is at least this.
    CommitAtLeast(Server, u64),
    /// The entries of its log have these terms, in order, by an independent reading of what it wrote.
    Log(Server, Vec<u64>),
    /// The entries of its log that would survive a loss of power have these terms.
    DurableLog(Server, Vec<u64>),
    /// The client's last request was answered so, in the words of the trace.
    Answer(ClientName, String),
    /// The client's last request waits for an answer.
    Waiting(ClientName),
    /// The client has given up waiting, and does not know whether its request took effect.
    Unknown(ClientName),
    /// The client's last request was refused.
    Refused(ClientName),
    /// Every server is up, has the same log, and has applied all of it.
    Converged,
    /// It is switched off.
    Down(Server),
    /// It has given up.
    Halted(Server),
    /// The contrary.
    Not(Box<Condition>),
}

/// What a condition is judged by.
pub(super) struct Scene<'a> {
    pub(super) tank: &'a Tank,
    pub(super) last_crashed: Option<usize>,
}

impl Scene<'_> {
    /// The place of a server in the cluster, or why there is none.
    pub(super) fn find(&self, server: Server) -> Result<usize, String> {
        if let Some(number) = server.number() {
            return usize::try_from(number - 1).map_err(|error| error.to_string());
        }
        let cluster = self.tank.cluster();
        let follows = |m: &Watched| m.observation.is_some_and(|o| o.role == Role::Follower);
        match server {
            Server::Leader => self.tank.leader().ok_or("there is no leader"),
            Server::Follower => cluster.iter().position(follows).ok_or("there is no follower"),
            _ => self.last_crashed.ok_or("no server has crashed"),
        }
        .map_err(str::to_owned)
    }

    fn machine(&self, server: Server) -> Result<&Watched, String> {
        self.find(server).map(|position| &self.tank.cluster()[position])
    }

    fn observation(&self, server: Server) -> Result<(NodeId, Observation), String> {
        let machine = self.machine(server)?;
        let shown = machine.observation.ok_or_else(|| format!("{} is not running", machine.id))?;
        Ok((machine.id, shown))
    }

    fn client(&self, name: ClientName) -> Result<&client::Client, String> {
        let place = usize::try_from(name.number() - 1).map_err(|error| error.to_string())?;
        Ok(self.tank.client(place))
    }
}

/// `Ok` if it is as expected, or what it is instead.
fn equal<T: PartialEq>(actual: T, expected: T, instead: impl FnOnce(T) -> String) -> Result<(), String> {
    if actual == expected { Ok(()) } else { Err(instead(actual)) }
}

fn terms(state: Option<&DurableState>) -> Vec<u64> {
    state.map(|state| state.log.iter().map(|entry| entry.term.0).collect()).unwrap_or_default()
}

impl Condition {
    /// `Ok` if it holds, or what is the case instead.
    pub(super) fn judge(&self, scene: &Scene<'_>) -> Result<(), String> {
        match self {
            Self::Leader(server) => {
                let expected = scene.find(*server)?;
                let ids = scene.tank.cluster();
                equal(scene.tank.leader(), Some(expected), |leader| match leader {
                    Some(leader) => format!("the leader is {}", ids[leader].id),
                    None => "there is no leader".to_owned(),
                })
            }
            Self::NoLeader => match scene.tank.leader() {
                None => Ok(()),
                Some(leader) => Err(format!("{} leads", scene.tank.cluster()[leader].id)),
            },
            Self::Role(server, role) => {
                let (id, shown) = scene.observation(*server)?;
                equal(shown.role, role.role(), |role| format!("{id} is a {}", role.name()))
            }
            Self::Term(server, term) => {
                let (id, shown) = scene.observation(*server)?;
                equal(shown.term.0, *term, |term| format!("{id} is in t{term}"))
            }
            Self::Vote(server, candidate) => {
                let (id, shown) = scene.observation(*server)?;
                let expected = scene.machine(*candidate)?.id;
                equal(shown.vote, Some(expected), |vote| match vote {
                    Some(vote) => format!("{id} has voted for {vote} in {}", shown.term),
                    None => format!("{id} has voted for nobody in {}", shown.term),
                })
            }
            Self::NoVote(server) => {
                let (id, shown) = scene.observation(*server)?;
                equal(shown.vote, None, |vote| format!("{id} has voted for {vote:?} in {}", shown.term))
            }
            Self::Commit(server, index) => {
                let (id, shown) = scene.observation(*server)?;
                equal(shown.commit.0, *index, |index| format!("the commit index of {id} is {index}"))
            }
            Self::CommitAtLeast(server, index) => {
                let (id, shown) = scene.observation(*server)?;
                let reached = LogIndex(*index) <= shown.commit;
                equal(reached, true, |_| format!("the commit index of {id} is {}", shown.commit))
            }
            Self::Log(server, expected) => {
                let machine = scene.machine(*server)?;
                equal(terms(machine.written()), expected.clone(), |terms| {
                    format!("the entries of {} have the terms {terms:?}", machine.id)
                })
            }
            Self::DurableLog(server, expected) => {
                let machine = scene.machine(*server)?;
                equal(terms(machine.durable()), expected.clone(), |terms| {
                    format!("the entries on the disk of {} have the terms {terms:?}", machine.id)
                })
            }
            Self::Converged => converged(scene.tank),
            Self::Down(server) => {
                let position = scene.find(*server)?;
                status(scene, position, matches!(scene.tank.status(position), Status::Down))
            }
            Self::Halted(server) => {
                let position = scene.find(*server)?;
                status(scene, position, matches!(scene.tank.status(position), Status::Halted { .. }))
            }
            Self::Not(condition) => match condition.judge(scene) {
                Ok(()) => Err("it holds".to_owned()),
                Err(_) => Ok(()),
            },
            Self::Answer(..) | Self::Waiting(_) | Self::Unknown(_) | Self::Refused(_) => {
                self.judge_client(scene)
            }
        }
    }

    fn judge_client(&self, scene: &Scene<'_>) -> Result<(), String> {
        let (Self::Answer(name, _) | Self::Waiting(name) | Self::Unknown(name) | Self::Refused(name)) = self
        else {
            return Ok(());
        };
        let client = scene.client(*name)?;
        let holds = match (self, client.status()) {
            (Self::Answer(_, expected), Some(client::Status::Done(reply))) => reply.to_string() == *expected,
            (Self::Waiting(_), Some(client::Status::Open))
            | (Self::Unknown(_), Some(client::Status::TimedOut))
            | (Self::Refused(_), Some(client::Status::Refused { .. })) => true,
            _ => false,
        };
        let instead = || match client.status() {
            None => format!("{} has asked nothing", client.id()),
            Some(client::Status::Open) => format!("{} waits for its answer", client.id()),
            Some(client::Status::Done(reply)) => {
                format!("{} was answered {:?}", client.id(), reply.to_string())
            }
            Some(client::Status::Refused { .. }) => format!("{} was refused", client.id()),
            Some(client::Status::TimedOut) => format!("{} has given up waiting", client.id()),
        };
        if holds { Ok(()) } else { Err(instead()) }
    }

    /// Every server it names.
    pub(super) fn servers(&self) -> Vec<Server> {
        match self {
            Self::Leader(server)
            | Self::Role(server, _)
            | Self::Term(server, _)
            | Self::NoVote(server)
            | Self::Commit(server, _)
            | Self::CommitAtLeast(server, _)
            | Self::Log(server, _)
            | Self::DurableLog(server, _)
            | Self::Down(server)
            | Self::Halted(server) => vec![*server],
            Self::Vote(server, candidate) => vec![*server, *candidate],
            Self::Not(condition) => condition.servers(),
            Self::NoLeader
            | Self::Converged
            | Self::Answer(..)
            | Self::Waiting(_)
            | Self::Unknown(_)
            | Self::Refused(_) => Vec::new(),
        }
    }

    /// Every client it names.
    pub(super) fn clients(&self) -> Vec<ClientName> {
        match self {
            Self::Answer(client, _)
            | Self::Waiting(client)
            | Self::Unknown(client)
            | Self::Refused(client) => {
                vec![*client]
            }
            Self::Not(condition) => condition.clients(),
            _ => Vec::new(),
        }
    }
}

fn status(scene: &Scene<'_>, position: usize, holds: bool) -> Result<(), String> {
    let id = scene.tank.cluster()[position].id;
    let instead = match scene.tank.status(position) {
        Status::Up => format!("{id} is up"),
        Status::Paused => format!("{id} is paused"),
        Status::Down => format!("{id} is down"),
        Status::Halted { reason } => format!("{id} has halted: {reason}"),
    };
    if holds { Ok(()) } else { Err(instead) }
}

fn converged(tank: &Tank) -> Result<(), String> {
    let mut first = None;
    for machine in tank.cluster() {
        let Some(now) = machine.observation else { return Err(format!("{} is not running", machine.id)) };
        let (id, last) = *first.get_or_insert((machine.id, now.last));
        if now.last != last {
            return Err(format!(
                "the log of {id} ends at {last}, and that of {} at {}",
                machine.id, now.last
            ));
        }
        if now.applied != now.last.index {
            return Err(format!("{} has applied {} of {}", machine.id, now.applied, now.last.index));
        }
    }
    Ok(())
}

//! What a scenario can claim.

use serde::Deserialize;

use super::{
    ClientName, Party, RoleName, Server,
    names::Part,
    scene::{Claim, Instead, Scene},
};
use crate::{client::Status as Operation, tank::Status};

/// Something that holds at a moment, or does not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It leads, in the latest term that has a leader: `leader(n1)`.
    Leader(Server),
    /// Nobody leads: `no_leader`.
    NoLeader,
    /// It plays this role: `role(n2, follower)`, `pre_candidate`, `candidate` or `leader`.
    Role(Server, RoleName),
    /// It is in this term: `term(n1, 2)`.
    Term(Server, u64),
    /// In its current term it has voted for that server: `vote(n3, n1)`.
    Vote(Server, Server),
    /// In its current term it has voted for nobody: `no_vote(n3)`.
    NoVote(Server),
    /// By what it has applied, these vote, and after a joint configuration nobody else will: `voters(n1, [n1, n2, n4])`.
    Voters(Server, Vec<Server>),
    /// By what it has applied, these are the voters that a joint configuration is about to lose or has had all along; nobody, if
    /// it is not joint: `outgoing(n1, [n1, n2, n3])`.
    Outgoing(Server, Vec<Server>),
    /// By what it has applied, these learn: `learners(n1, [n5])`.
    Learners(Server, Vec<Server>),
    /// By what it has applied, these vote still and will learn when the joint configuration ends: `to_learn(n1, [n3])`.
    ToLearn(Server, Vec<Server>),
    /// By what it has applied, the configuration is joint: `joint(n1)`.
    Joint(Server),
    /// It refused what was asked of it last, for this reason: `refuses(n1, "another change of members may be under way")`.
    Refuses(Server, String),
    /// Its commit index is this: `commit(n1, 2)`.
    Commit(Server, u64),
    /// Its commit index is at least this: `commit_at_least(n1, 2)`.
    CommitAtLeast(Server, u64),
    /// The entries of its log have these terms, in order, by an independent reading of what it wrote:
    /// `log(n1, [1, 1, 2])`.
    Log(Server, Vec<u64>),
    /// The entries of its log that would survive a loss of power have these terms: `durable_log(n1, [1, 1])`.
    DurableLog(Server, Vec<u64>),
    /// The client's last request was answered so, in the words of the trace: `answer(c1, "written")`.
    Answer(ClientName, String),
    /// The client's last request waits for an answer: `waiting(c1)`.
    Waiting(ClientName),
    /// The client has given up waiting, and does not know whether its request took effect: `unknown(c1)`.
    Unknown(ClientName),
    /// The client's last request was refused: `refused(c1)`.
    Refused(ClientName),
    /// There is a leader, and every member is up, has the leader's log and has applied all of it, and no joint configuration is
    /// about to end by itself: `converged`.
    Converged,
    /// It is switched off: `down(n1)`.
    Down(Server),
    /// It has given up: `halted(n1)`.
    Halted(Server),
    /// The contrary: `not(leader(n1))`. What can be neither true nor false, such as the role of a server that is down,
    /// has no contrary: that claim fails as well.
    Not(Box<Condition>),
}

impl Condition {
    /// Whether it holds.
    pub(super) fn judge(&self, scene: &Scene<'_>) -> Claim {
        match self {
            Self::Leader(server) => scene.leads(*server),
            Self::NoLeader => scene.nobody_leads(),
            Self::Role(server, role) => scene.plays(*server, *role),
            Self::Term(server, term) => scene.is_in_term(*server, *term),
            Self::Vote(server, candidate) => scene.has_voted(*server, Some(*candidate)),
            Self::NoVote(server) => scene.has_voted(*server, None),
            Self::Voters(server, voters) => scene.has_members(*server, Part::Voters, voters),
            Self::Outgoing(server, voters) => scene.has_members(*server, Part::Outgoing, voters),
            Self::Learners(server, learners) => scene.has_members(*server, Part::Learners, learners),
            Self::ToLearn(server, learners) => scene.has_members(*server, Part::ToLearn, learners),
            Self::Joint(server) => scene.is_joint(*server),
            Self::Refuses(server, reason) => scene.has_refused(*server, reason),
            Self::Commit(server, index) => scene.has_committed(*server, *index),
            Self::CommitAtLeast(server, index) => scene.has_committed_at_least(*server, *index),
            Self::Log(server, terms) => scene.has_written(*server, terms),
            Self::DurableLog(server, terms) => scene.has_made_durable(*server, terms),
            Self::Converged => scene.has_converged(),
            Self::Down(server) => scene.has_status(*server, |status| *status == Status::Down),
            Self::Halted(server) => {
                scene.has_status(*server, |status| matches!(status, Status::Halted { .. }))
            }
            Self::Answer(client, words) => scene.came_out(
                *client,
                |how| matches!(how, Some(Operation::Done(reply)) if reply.to_string() == *words),
            ),
            Self::Waiting(client) => scene.came_out(*client, |how| matches!(how, Some(Operation::Open))),
            Self::Unknown(client) => scene.came_out(*client, |how| matches!(how, Some(Operation::TimedOut))),
            Self::Refused(client) => {
                scene.came_out(*client, |how| matches!(how, Some(Operation::Refused { .. })))
            }
            Self::Not(condition) => match condition.judge(scene) {
                Ok(()) => Err(Instead::Otherwise("it holds".to_owned())),
                Err(Instead::Otherwise(_)) => Ok(()),
                Err(unjudged) => Err(unjudged),
            },
        }
    }

    /// Every server and client it names.
    pub(super) fn parties(&self) -> Vec<Party> {
        match self {
            Self::Leader(server)
            | Self::Role(server, _)
            | Self::Term(server, _)
            | Self::NoVote(server)
            | Self::Joint(server)
            | Self::Refuses(server, _)
            | Self::Commit(server, _)
            | Self::CommitAtLeast(server, _)
            | Self::Log(server, _)
            | Self::DurableLog(server, _)
            | Self::Down(server)
            | Self::Halted(server) => vec![Party::Server(*server)],
            Self::Voters(server, others)
            | Self::Outgoing(server, others)
            | Self::Learners(server, others)
            | Self::ToLearn(server, others) => {
                std::iter::once(server).chain(others).copied().map(Party::Server).collect()
            }
            Self::Vote(server, candidate) => vec![Party::Server(*server), Party::Server(*candidate)],
            Self::Answer(client, _)
            | Self::Waiting(client)
            | Self::Unknown(client)
            | Self::Refused(client) => vec![Party::Client(*client)],
            Self::Not(condition) => condition.parties(),
            Self::NoLeader | Self::Converged => Vec::new(),
        }
    }
}

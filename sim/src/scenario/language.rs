//! The verbs of a script, and how it names servers, clients and messages.

use serde::Deserialize;
use wavetank_process::Role;

use super::Condition;
use crate::time::Span;

/// A server, by number or by what it is at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "n1 to n9 are what they say")]
pub enum Server {
    N1,
    N2,
    N3,
    N4,
    N5,
    N6,
    N7,
    N8,
    N9,
    /// The leader of the latest term that has one.
    Leader,
    /// The follower with the lowest number.
    Follower,
    /// The server that crashed last.
    LastCrashed,
}

impl Server {
    /// Its number, if it is named by number.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::N1 => Some(1),
            Self::N2 => Some(2),
            Self::N3 => Some(3),
            Self::N4 => Some(4),
            Self::N5 => Some(5),
            Self::N6 => Some(6),
            Self::N7 => Some(7),
            Self::N8 => Some(8),
            Self::N9 => Some(9),
            Self::Leader | Self::Follower | Self::LastCrashed => None,
        }
    }
}

/// A client, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "c1 to c9 are what they say")]
pub enum ClientName {
    #[default]
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    C7,
    C8,
    C9,
}

impl ClientName {
    /// Its number, from 1.
    pub fn number(self) -> u64 {
        self as u64 + 1
    }
}

/// Either end of a message: a server or a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Party {
    N1,
    N2,
    N3,
    N4,
    N5,
    N6,
    N7,
    N8,
    N9,
    Leader,
    Follower,
    LastCrashed,
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    C7,
    C8,
    C9,
}

impl Party {
    /// The server it names, or the client.
    pub fn server_or_client(self) -> Result<Server, ClientName> {
        match self {
            Self::N1 => Ok(Server::N1),
            Self::N2 => Ok(Server::N2),
            Self::N3 => Ok(Server::N3),
            Self::N4 => Ok(Server::N4),
            Self::N5 => Ok(Server::N5),
            Self::N6 => Ok(Server::N6),
            Self::N7 => Ok(Server::N7),
            Self::N8 => Ok(Server::N8),
            Self::N9 => Ok(Server::N9),
            Self::Leader => Ok(Server::Leader),
            Self::Follower => Ok(Server::Follower),
            Self::LastCrashed => Ok(Server::LastCrashed),
            Self::C1 => Err(ClientName::C1),
            Self::C2 => Err(ClientName::C2),
            Self::C3 => Err(ClientName::C3),
            Self::C4 => Err(ClientName::C4),
            Self::C5 => Err(ClientName::C5),
            Self::C6 => Err(ClientName::C6),
            Self::C7 => Err(ClientName::C7),
            Self::C8 => Err(ClientName::C8),
            Self::C9 => Err(ClientName::C9),
        }
    }
}

/// A kind of message, by the paper's names, or a client's request and the reply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "they are named as in the paper")]
pub enum Kind {
    RequestPreVote,
    RequestPreVoteReply,
    RequestVote,
    RequestVoteReply,
    AppendEntries,
    AppendEntriesReply,
    Heartbeat,
    HeartbeatReply,
    TimeoutNow,
    Request,
    Reply,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestPreVote => "RequestPreVote",
            Self::RequestPreVoteReply => "RequestPreVoteReply",
            Self::RequestVote => "RequestVote",
            Self::RequestVoteReply => "RequestVoteReply",
            Self::AppendEntries => "AppendEntries",
            Self::AppendEntriesReply => "AppendEntriesReply",
            Self::Heartbeat => "Heartbeat",
            Self::HeartbeatReply => "HeartbeatReply",
            Self::TimeoutNow => "TimeoutNow",
            Self::Request => "Request",
            Self::Reply => "Reply",
        }
    }
}

/// Messages that wait in their mailboxes: all that fit what is said of them. There must be one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Messages {
    /// Their kind.
    pub kind: Option<Kind>,
    /// Who sent them.
    pub from: Option<Party>,
    /// For whom they are.
    pub to: Option<Party>,
    /// Only this one of them, in the order in which they were sent, from 1.
    pub nth: Option<usize>,
}

/// What becomes of sectors that were written and not synced when a machine loses power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// They reached the disk all the same.
    Kept,
    /// They are as they were before.
    #[default]
    Lost,
    /// Half of each is new.
    Torn,
}

/// A role, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are named as in the paper")]
pub enum RoleName {
    Follower,
    PreCandidate,
    Candidate,
    Leader,
}

impl RoleName {
    /// The role of this name.
    pub fn role(self) -> Role {
        match self {
            Self::Follower => Role::Follower,
            Self::PreCandidate => Role::PreCandidate,
            Self::Candidate => Role::Candidate,
            Self::Leader => Role::Leader,
        }
    }
}

const fn leader() -> Server {
    Server::Leader
}

/// A step of a script.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Has a server start an election: `campaign(n1)`.
    Campaign(Server),
    /// Has a leader hand over: `transfer(to: n3)`.
    Transfer {
        /// Who is asked; the leader if not said.
        #[serde(default = "leader")]
        from: Server,
        /// Who is to lead.
        to: Server,
    },

    /// Delivers messages now: `deliver(kind: RequestVote, from: n1, to: n2)`.
    Deliver(Messages),
    /// Loses messages.
    Drop(Messages),
    /// Puts a second copy of messages in the mailboxes.
    Duplicate(Messages),
    /// Keeps messages back, whatever happens, until they are released.
    Hold(Messages),
    /// Lets held messages go on.
    Release(Messages),
    /// Has messages take longer: `delay(kind: Heartbeat, by: "1s")`.
    Delay {
        /// Their kind.
        kind: Option<Kind>,
        /// Who sent them.
        from: Option<Party>,
        /// For whom they are.
        to: Option<Party>,
        /// By how much longer.
        by: Span,
    },
    /// Cuts every link between servers of different groups: `partition([[n1, n2], [n3]])`. Servers not named form
    /// one more group.
    Partition(Vec<Vec<Server>>),
    /// Cuts one direction of one link: `cut(from: n1, to: n2)`.
    Cut {
        /// The sender that is not heard.
        from: Server,
        /// The receiver that does not hear.
        to: Server,
    },
    /// Mends every link.
    Heal,

    /// Ends a server's process. What it wrote stays, synced or not.
    Crash(Server),
    /// Switches a machine off: `lose_power(n2, lost)` says what becomes of what was not synced.
    LosePower(Server, Fate),
    /// Switches a machine on again, or starts its process again.
    Restart(Server),
    /// Suspends a process.
    Pause(Server),
    /// Lets it go on.
    Resume(Server),
    /// Has a machine's disk take so long for each request from now on: `slow(n2, "20ms")`.
    Slow(Server, Span),

    /// Has a client write: `put(key: "x", value: "1")`.
    Put {
        /// Who.
        #[serde(default)]
        client: ClientName,
        /// The server it turns to; the leader if not said.
        #[serde(default = "leader")]
        to: Server,
        /// Where.
        key: String,
        /// What.
        value: String,
    },
    /// Has a client read: `get(key: "x")`.
    Get {
        /// Who.
        #[serde(default)]
        client: ClientName,
        /// The server it turns to; the leader if not said.
        #[serde(default = "leader")]
        to: Server,
        /// What.
        key: String,
    },
    /// Has a client write if the key holds what it expects: `cas(key: "x", expected: "1", value: "2")`.
    Cas {
        /// Who.
        #[serde(default)]
        client: ClientName,
        /// The server it turns to; the leader if not said.
        #[serde(default = "leader")]
        to: Server,
        /// Where.
        key: String,
        /// What must be there; nothing, if not said.
        expected: Option<String>,
        /// What.
        value: String,
    },
    /// Has a client append: `append(key: "x", value: "1")`.
    Append {
        /// Who.
        #[serde(default)]
        client: ClientName,
        /// The server it turns to; the leader if not said.
        #[serde(default = "leader")]
        to: Server,
        /// Where.
        key: String,
        /// What.
        value: String,
    },
    /// Has a client send its open request once more: `retry(to: n2)`.
    Retry {
        /// Who.
        #[serde(default)]
        client: ClientName,
        /// The server it turns to; the leader if not said.
        #[serde(default = "leader")]
        to: Server,
    },

    /// Lets so much time pass: messages arrive and timers fire.
    RunFor(Span),
    /// Lets time pass until something holds: `run_until(condition: leader(n2), within: "1s")`.
    RunUntil {
        /// What is to hold.
        condition: Condition,
        /// For how long to wait. If it does not hold by then, the scenario has failed.
        within: Span,
    },
    /// Delivers everything, and what comes of it, until no message is left that is not held. No time passes.
    Settle,

    /// Claims that something holds now.
    Expect(Condition),
}

impl Step {
    /// Every server it names.
    pub(super) fn servers(&self) -> Vec<Server> {
        let ends = |from: &Option<Party>, to: &Option<Party>| {
            from.iter().chain(to).filter_map(|party| party.server_or_client().ok()).collect()
        };
        match self {
            Self::Campaign(server)
            | Self::Crash(server)
            | Self::LosePower(server, _)
            | Self::Restart(server)
            | Self::Pause(server)
            | Self::Resume(server)
            | Self::Slow(server, _) => vec![*server],
            Self::Transfer { from, to } | Self::Cut { from, to } => vec![*from, *to],
            Self::Deliver(messages)
            | Self::Drop(messages)
            | Self::Duplicate(messages)
            | Self::Hold(messages)
            | Self::Release(messages) => ends(&messages.from, &messages.to),
            Self::Delay { from, to, .. } => ends(from, to),
            Self::Partition(groups) => groups.iter().flatten().copied().collect(),
            Self::Put { to, .. }
            | Self::Get { to, .. }
            | Self::Cas { to, .. }
            | Self::Append { to, .. }
            | Self::Retry { to, .. } => vec![*to],
            Self::RunUntil { condition, .. } | Self::Expect(condition) => condition.servers(),
            Self::Heal | Self::RunFor(_) | Self::Settle => Vec::new(),
        }
    }

    /// Every client it names.
    pub(super) fn clients(&self) -> Vec<ClientName> {
        let ends = |from: &Option<Party>, to: &Option<Party>| {
            from.iter().chain(to).filter_map(|party| party.server_or_client().err()).collect()
        };
        match self {
            Self::Put { client, .. }
            | Self::Get { client, .. }
            | Self::Cas { client, .. }
            | Self::Append { client, .. }
            | Self::Retry { client, .. } => vec![*client],
            Self::Deliver(messages)
            | Self::Drop(messages)
            | Self::Duplicate(messages)
            | Self::Hold(messages)
            | Self::Release(messages) => ends(&messages.from, &messages.to),
            Self::Delay { from, to, .. } => ends(from, to),
            Self::RunUntil { condition, .. } | Self::Expect(condition) => condition.clients(),
            Self::Campaign(_)
            | Self::Transfer { .. }
            | Self::Partition(_)
            | Self::Cut { .. }
            | Self::Heal
            | Self::Crash(_)
            | Self::LosePower(..)
            | Self::Restart(_)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Slow(..)
            | Self::RunFor(_)
            | Self::Settle => Vec::new(),
        }
    }
}

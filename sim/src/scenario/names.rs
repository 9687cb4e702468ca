//! How a script names servers, clients, roles and messages.

use serde::Deserialize;
use wavetank_process::Role;

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

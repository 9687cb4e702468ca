//! How a script names servers, clients, roles and messages.

use std::{fmt, marker::PhantomData, num::NonZeroUsize};

use serde::{Deserialize, Deserializer, de};
use wavetank_process::Role;

/// The most servers, and the most clients, that have a name.
pub(super) const MOST_NAMED: u64 = 9;

/// Something that a file calls by one word.
trait Named: Sized {
    /// What the word names, and which words there are, for who wrote another one.
    const EXPECTED: &'static str;

    /// What is called so.
    fn named(word: &str) -> Option<Self>;
}

struct NameVisitor<T>(PhantomData<T>);

impl<T: Named> de::Visitor<'_> for NameVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
        T::named(word).ok_or_else(|| E::custom(format_args!("expected {}, not `{word}`", T::EXPECTED)))
    }
}

fn deserialize_name<'de, T: Named, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_identifier(NameVisitor(PhantomData))
}

/// The number in a name that is this letter and one digit from 1 on.
fn number(word: &str, letter: char) -> Option<u64> {
    let digits = word.strip_prefix(letter)?;
    (1..=MOST_NAMED).find(|number| digits == number.to_string())
}

/// A server, by number or by what it is at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// `n1` to `n9`: the one with this number.
    Number(u64),
    /// `leader`: that of the latest term that has one.
    Leader,
    /// `follower`: the one with the lowest number.
    Follower,
    /// `last_crashed`: the one that crashed last.
    LastCrashed,
}

impl Named for Server {
    const EXPECTED: &'static str = "a server: `n1` to `n9`, `leader`, `follower` or `last_crashed`";

    fn named(word: &str) -> Option<Self> {
        match word {
            "leader" => Some(Self::Leader),
            "follower" => Some(Self::Follower),
            "last_crashed" => Some(Self::LastCrashed),
            _ => number(word, 'n').map(Self::Number),
        }
    }
}

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_name(deserializer)
    }
}

/// A client, by number: `c1` to `c9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientName(
    /// From 1.
    pub u64,
);

impl Default for ClientName {
    fn default() -> Self {
        Self(1)
    }
}

impl Named for ClientName {
    const EXPECTED: &'static str = "a client: `c1` to `c9`";

    fn named(word: &str) -> Option<Self> {
        number(word, 'c').map(Self)
    }
}

impl<'de> Deserialize<'de> for ClientName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_name(deserializer)
    }
}

/// Either end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// A server.
    Server(Server),
    /// A client.
    Client(ClientName),
}

impl Named for Party {
    const EXPECTED: &'static str =
        "a server (`n1` to `n9`, `leader`, `follower`, `last_crashed`) or a client (`c1` to `c9`)";

    fn named(word: &str) -> Option<Self> {
        Server::named(word).map(Self::Server).or_else(|| ClientName::named(word).map(Self::Client))
    }
}

impl<'de> Deserialize<'de> for Party {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_name(deserializer)
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

/// Reads which message is meant.
pub(super) fn from_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroUsize>, D::Error> {
    let number = Option::<usize>::deserialize(deserializer)?;
    let counted =
        |number| NonZeroUsize::new(number).ok_or_else(|| de::Error::custom("messages are counted from 1"));
    number.map(counted).transpose()
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
    #[serde(deserialize_with = "from_one")]
    pub nth: Option<NonZeroUsize>,
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

/// In which capacity servers belong to a cluster.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Voters,
    Outgoing,
    Learners,
    ToLearn,
}

/// How a change of members takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionName {
    /// At once if it is one step, and otherwise through a joint configuration that ends by itself.
    #[default]
    Automatic,
    /// Through a joint configuration that ends by itself.
    Implicit,
    /// Through a joint configuration that lasts until `leave` ends it.
    Explicit,
}

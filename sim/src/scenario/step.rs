//! The verbs of a script.

use serde::Deserialize;

use super::{ClientName, Condition, Fate, Kind, Messages, Party, Server};
use crate::time::Span;

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

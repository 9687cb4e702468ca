//! The verbs of a script.

use std::num::NonZeroUsize;

use serde::Deserialize;

use super::{ClientName, Condition, Fate, Kind, Messages, Party, Server, TransitionName, names::from_one};
use crate::{
    disk::{Damage, DiskOperation},
    kv::Command,
    time::Span,
};

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

    /// Asks for a change of members: `change(add: [n4])`. Whoever refuses has the step refused, unless the script says otherwise.
    Change(Change),
    /// Asks a leader to leave a joint configuration: `leave(leader)`.
    Leave(Server),
    /// Has a server take a snapshot of what it has applied: `snapshot(n1)`. When it is durable, the log is compacted, but for
    /// as many entries as the cluster's `keep_entries_behind_snapshot` says.
    Snapshot(Server),
    /// Has a server remove from its log all that its latest snapshot covers: `compact(n1)`.
    Compact(Server),

    /// Delivers every message that fits, in the order in which they were sent: `deliver(kind: RequestVote, to: n2)`.
    /// Refused if one of them is held or cannot arrive, because its link is cut or its receiver is down.
    Deliver(Messages),
    /// Loses every message that fits: `drop(kind: Heartbeat, from: n1)`.
    Drop(Messages),
    /// Puts a second copy of every message that fits in the mailboxes. Servers only: what clients and servers tell each
    /// other travels over connections, which repeat nothing.
    Duplicate(Messages),
    /// Keeps every message that fits back, whatever happens, until it is released.
    Hold(Messages),
    /// Lets held messages go on: every one that fits.
    Release(Messages),
    /// Has every message that fits take longer: `delay(kind: Heartbeat, by: "1s")`.
    Delay {
        /// Their kind.
        kind: Option<Kind>,
        /// Who sent them.
        from: Option<Party>,
        /// For whom they are.
        to: Option<Party>,
        /// Only this one of them, in the order in which they were sent, from 1.
        #[serde(default, deserialize_with = "from_one")]
        nth: Option<NonZeroUsize>,
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
    /// Mends every link: `heal`.
    Heal,

    /// Ends a server's process: `crash(n1)`. What it wrote stays, synced or not.
    Crash(Server),
    /// Switches a machine off: `lose_power(n2, lost)` says what becomes of what was not synced.
    LosePower(Server, Fate),
    /// Switches a machine on again, or starts its process again: `restart(n1)`.
    Restart(Server),
    /// Suspends a process: `pause(n1)`.
    Pause(Server),
    /// Lets it go on: `resume(n1)`.
    Resume(Server),
    /// Has a machine's disk take so long for each request from now on: `slow(n2, "20ms")`. To make something durable
    /// takes two requests, a write and a sync, and so twice as long.
    Slow(Server, Span),

    /// Has a server's clock go wrong from now on: `skew(server: n2, ppm: 50000)`, `skew(server: n2, forward: "1s")`.
    Skew {
        /// Whose clock.
        server: Server,
        /// How many parts in a million it gains, or loses if negative: more than it loses in all, and at most as many. As
        /// before, if not said.
        ppm: Option<i64>,
        /// By how much it jumps ahead.
        #[serde(default)]
        forward: Span,
    },
    /// Has the next read, write or sync of a server's disk fail: `fail(n1, sync)`. Like the next three, it must come to
    /// something before the script ends.
    Fail(Server, DiskOperation),
    /// Has a server's disk be full, so that its files cannot grow, until there is room again: `fill(n1)`.
    Fill(Server),
    /// Has only so many bytes of the last write reach a server's disk, if it is not synced when the power fails next:
    /// `tear(n3, 40)`. They count from the beginning of a sector of 512.
    Tear(Server, u64),
    /// Damages what a server's disk holds, for whoever reads it: `rot(n1, bit(40))` flips a bit of that byte, and
    /// `rot(n1, sector(0))` loses that sector. What the disk holds by rights is what it is judged by.
    Rot(Server, Damage),
    /// Makes room on a full disk: `make_room(n1)`.
    MakeRoom(Server),

    /// Has a client write: `put(key: "x", value: "1")`. Its request waits in the mailboxes like any message. A client has
    /// one request open: it gives up an earlier one that is still unanswered, whose outcome stays unknown.
    Put(Call),
    /// Has a client read: `get(key: "x")`.
    Get(Call),
    /// Has a client write if the key holds what it expects: `cas(key: "x", expected: "1", value: "2")`. Without
    /// `expected` the key must hold nothing.
    Cas(Call),
    /// Has a client append: `append(key: "x", value: "1")`.
    Append(Call),
    /// Has a client send its open request once more: `retry(to: n2)`.
    Retry {
        /// Who.
        #[serde(default)]
        client: ClientName,
        /// The server it turns to; the leader if not said.
        #[serde(default = "leader")]
        to: Server,
    },

    /// Takes several steps at once, before anything comes of the first: `together([deliver(nth: 1), deliver(nth: 1)])`.
    /// Neither claims nor the passing of time are among them.
    Together(Vec<Step>),
    /// Lets so much time pass: `run_for("20ms")`. Messages arrive and timers fire.
    RunFor(Span),
    /// Lets time pass until something holds: `run_until(condition: leader(n2), within: "1s")`.
    RunUntil {
        /// What is to hold.
        condition: Condition,
        /// For how long to wait. If it does not hold by then, the scenario has failed.
        within: Span,
    },
    /// Delivers everything, and what comes of it, until no message is left that is not held. No time passes, and what
    /// cannot arrive is lost.
    Settle,

    /// Claims that something holds now: `expect(leader(n1))`.
    Expect(Condition),
}

/// A change of members: `change(add: [n4], remove: [n1], transition: explicit)`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Who is asked; the leader if not said.
    #[serde(default = "leader")]
    pub to: Server,
    /// Who is to vote; a learner is promoted so.
    #[serde(default)]
    pub add: Vec<Server>,
    /// Who is to learn; a voter is demoted so.
    #[serde(default)]
    pub learn: Vec<Server>,
    /// Who is to be no member.
    #[serde(default)]
    pub remove: Vec<Server>,
    /// How it takes effect; `automatic` if not said.
    #[serde(default)]
    pub transition: TransitionName,
    /// Whether the script goes on if it is refused, to [claim](Condition::Refuses) that it was.
    #[serde(default)]
    pub even_if_refused: bool,
}

impl Change {
    /// Every server that it concerns.
    pub(super) fn concerned(&self) -> Vec<Server> {
        [&self.add[..], &self.learn, &self.remove].concat()
    }
}

/// What a client asks, whatever the verb.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Who asks; c1 if not said.
    #[serde(default)]
    pub client: ClientName,
    /// The server it turns to; the leader if not said.
    #[serde(default = "leader")]
    pub to: Server,
    /// Where to read or write.
    pub key: String,
    /// What to write; not for a read.
    pub value: Option<String>,
    /// What must be there; only to compare and set.
    pub expected: Option<String>,
}

/// A call whose fields are not those of its verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Misfit;

impl Step {
    /// What a client is to ask, if it is to ask something.
    pub(super) fn call(&self) -> Option<(&Call, Result<Command, Misfit>)> {
        let (Self::Put(call) | Self::Get(call) | Self::Cas(call) | Self::Append(call)) = self else {
            return None;
        };
        let key = call.key.clone();
        let command = match (self, call.value.clone(), call.expected.clone()) {
            (Self::Put(_), Some(value), None) => Ok(Command::Put { key, value }),
            (Self::Get(_), None, None) => Ok(Command::Get { key }),
            (Self::Cas(_), Some(value), expected) => Ok(Command::Cas { key, expected, value }),
            (Self::Append(_), Some(value), None) => Ok(Command::Append { key, value }),
            _ => Err(Misfit),
        };
        Some((call, command))
    }

    /// It, and the steps within it.
    pub(super) fn all(&self) -> Vec<&Self> {
        match self {
            Self::Together(steps) => std::iter::once(self).chain(steps.iter().flat_map(Self::all)).collect(),
            _ => vec![self],
        }
    }

    /// Whether it can be taken together with others: nothing comes of it before the next.
    pub(super) fn is_momentary(&self) -> bool {
        !matches!(self, Self::RunFor(_) | Self::RunUntil { .. } | Self::Settle | Self::Expect(_))
    }

    /// Every server and client it names.
    pub(super) fn parties(&self) -> Vec<Party> {
        let servers = |servers: &[Server]| servers.iter().copied().map(Party::Server).collect();
        match self {
            Self::Campaign(server)
            | Self::Crash(server)
            | Self::LosePower(server, _)
            | Self::Restart(server)
            | Self::Pause(server)
            | Self::Resume(server)
            | Self::Slow(server, _)
            | Self::Skew { server, .. }
            | Self::Fail(server, _)
            | Self::Fill(server)
            | Self::Tear(server, _)
            | Self::Rot(server, _)
            | Self::MakeRoom(server)
            | Self::Leave(server)
            | Self::Snapshot(server)
            | Self::Compact(server) => servers(&[*server]),
            Self::Change(change) => servers(&[vec![change.to], change.concerned()].concat()),
            Self::Transfer { from, to } | Self::Cut { from, to } => servers(&[*from, *to]),
            Self::Partition(groups) => servers(&groups.concat()),
            Self::Deliver(Messages { from, to, .. })
            | Self::Drop(Messages { from, to, .. })
            | Self::Duplicate(Messages { from, to, .. })
            | Self::Hold(Messages { from, to, .. })
            | Self::Release(Messages { from, to, .. })
            | Self::Delay { from, to, .. } => from.iter().chain(to).copied().collect(),
            Self::Put(Call { client, to, .. })
            | Self::Get(Call { client, to, .. })
            | Self::Cas(Call { client, to, .. })
            | Self::Append(Call { client, to, .. })
            | Self::Retry { client, to } => vec![Party::Client(*client), Party::Server(*to)],
            Self::Together(steps) => steps.iter().flat_map(Self::parties).collect(),
            Self::RunUntil { condition, .. } | Self::Expect(condition) => condition.parties(),
            Self::Heal | Self::RunFor(_) | Self::Settle => Vec::new(),
        }
    }
}

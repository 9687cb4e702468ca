//! What is under way: messages between servers, and what a server's storage answers to it. One queue, in order.

use raft_core::{EntryId, Envelope, LogSlice, NodeId, SnapshotMeta, Term, WriteNumber};

use crate::messages::{self, Party, Shape};

/// Something that is under way.
#[derive(Debug)]
pub(super) enum Mail {
    /// From server to server. It may get lost.
    Peer(Envelope),
    /// A write of a server, which makes storage writes in the background, is durable. It never gets lost.
    Written {
        /// The write, with all that were handed out before.
        number: WriteNumber,
        /// What is printed.
        notice: Notice,
    },
    /// Entries were applied in the background. It never gets lost.
    Applied {
        /// By whom.
        node: NodeId,
        /// Which.
        entries: LogSlice,
    },
}

/// What is told of a durable write to its own server: a promise to itself, or that the writing is done.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// Its own vote, or its own acknowledgement.
    Promise(Envelope),
    /// The thread is done.
    Done {
        /// With a write of this server.
        node: NodeId,
        /// Its term when it handed the write out.
        term: Term,
        /// The last entry that is durable by it.
        last: Option<EntryId>,
        /// The snapshot that was stored.
        snapshot: Option<SnapshotMeta>,
    },
}

impl Notice {
    /// As it is printed.
    pub(super) fn shape(&self) -> Shape<'_> {
        match self {
            Self::Promise(envelope) => Shape::of_envelope(envelope),
            Self::Done { node, term, last, snapshot } => Shape {
                log: last.unwrap_or(EntryId::ORIGIN),
                snapshot: snapshot.as_ref(),
                ..Shape::bare(Party::AppendThread, Party::Server(*node), "MsgStorageAppendResp", *term)
            },
        }
    }

    fn to(&self) -> NodeId {
        match self {
            Self::Promise(envelope) => envelope.to,
            Self::Done { node, .. } => *node,
        }
    }
}

impl Mail {
    /// As it is printed.
    pub(super) fn shape(&self) -> Shape<'_> {
        match self {
            Self::Peer(envelope) => Shape::of_envelope(envelope),
            Self::Written { number: _, notice } => notice.shape(),
            Self::Applied { node, entries } => applied_shape(*node, entries),
        }
    }

    fn to(&self) -> NodeId {
        match self {
            Self::Peer(envelope) => envelope.to,
            Self::Written { number: _, notice } => notice.to(),
            Self::Applied { node, entries: _ } => *node,
        }
    }

    /// Whether it never leaves its server, so that no network can lose it.
    fn is_local(&self) -> bool {
        match self {
            Self::Peer(envelope) => messages::sender(envelope) == envelope.to,
            Self::Written { .. } | Self::Applied { .. } => true,
        }
    }
}

/// The answer of the thread that applies.
pub(super) fn applied_shape(node: NodeId, entries: &LogSlice) -> Shape<'_> {
    Shape::storage_apply(Party::ApplyThread, Party::Server(node), "MsgStorageApplyResp", entries)
}

/// All mail under way, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    mail: Vec<Mail>,
}

/// Which mail a directive is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selection<'a> {
    pub(super) to: NodeId,
    /// The kind of message, if only one is meant.
    pub(super) kind: Option<&'a str>,
    /// Whether it will be lost.
    pub(super) is_loss: bool,
}

impl Selection<'_> {
    fn includes(&self, mail: &Mail) -> bool {
        mail.to() == self.to
            && !(self.is_loss && mail.is_local())
            && self.kind.is_none_or(|kind| mail.shape().kind == kind)
    }
}

impl Mailbox {
    pub(super) fn post(&mut self, envelope: Envelope) {
        self.mail.push(Mail::Peer(envelope));
    }

    pub(super) fn extend(&mut self, mail: impl IntoIterator<Item = Mail>) {
        self.mail.extend(mail);
    }

    pub(super) fn has_any(&self, selection: Selection<'_>) -> bool {
        self.mail.iter().any(|mail| selection.includes(mail))
    }

    /// Takes out what is selected, in order.
    pub(super) fn take(&mut self, selection: Selection<'_>) -> Vec<Mail> {
        self.mail.extract_if(.., |mail| selection.includes(mail)).collect()
    }
}

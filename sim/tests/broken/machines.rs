//! State machines that are none: what they do depends on more than the commands, or happens twice.

use std::cell::Cell;

use bytes::Bytes;
use wavetank::kv::Kv;
use wavetank_process::{ClientId, RequestId, RestoreError, StateMachine};

/// What a state machine does differently; whatever a variant does not mention is done right.
pub(crate) trait Twist: std::fmt::Debug + Default + 'static {
    /// Before a command is applied. By which name.
    fn applies(&mut self, _kv: &Kv, id: RequestId, _command: &[u8]) -> RequestId {
        id
    }

    /// A query is served.
    fn queried(&self) {}

    /// What is added to the digest.
    fn digest(&self) -> u128 {
        0
    }

    /// The snapshot.
    fn snapshot(&self, kv: &Kv) -> Bytes {
        kv.snapshot()
    }

    /// Takes a snapshot's state.
    fn restore(&mut self, kv: &mut Kv, snapshot: &[u8]) -> Result<(), RestoreError> {
        kv.restore(snapshot)
    }
}

/// The key-value store with a twist.
#[derive(Debug, Default)]
pub(crate) struct Twisted<T> {
    kv: Kv,
    twist: T,
}

impl<T: Twist> StateMachine for Twisted<T> {
    fn is_query(request: &[u8]) -> bool {
        Kv::is_query(request)
    }

    fn apply(&mut self, id: RequestId, command: &[u8]) -> Bytes {
        let id = self.twist.applies(&self.kv, id, command);
        self.kv.apply(id, command)
    }

    fn query(&self, request: &[u8]) -> Bytes {
        self.twist.queried();
        self.kv.query(request)
    }

    fn digest(&self) -> u128 {
        self.kv.digest() ^ self.twist.digest()
    }

    fn snapshot(&self) -> Bytes {
        self.twist.snapshot(&self.kv)
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        self.twist.restore(&mut self.kv, snapshot)
    }
}

/// Keeps no sessions: a retry takes effect again.
#[derive(Debug, Default)]
pub(crate) struct ForgetsSessions {
    applied: u64,
}

impl Twist for ForgetsSessions {
    fn applies(&mut self, _kv: &Kv, id: RequestId, _command: &[u8]) -> RequestId {
        self.applied += 1;
        RequestId { sequence: self.applied, ..id }
    }

    fn snapshot(&self, kv: &Kv) -> Bytes {
        [&self.applied.to_le_bytes()[..], &kv.snapshot()].concat().into()
    }

    fn restore(&mut self, kv: &mut Kv, snapshot: &[u8]) -> Result<(), RestoreError> {
        let (applied, rest) = snapshot.split_first_chunk().expect("it begins with the count");
        self.applied = u64::from_le_bytes(*applied);
        kv.restore(rest)
    }
}

/// Keeps count of the queries it has served, which each replica serves others of.
#[derive(Debug, Default)]
pub(crate) struct CountsQueries {
    queries: Cell<u64>,
}

impl Twist for CountsQueries {
    fn queried(&self) {
        self.queries.set(self.queries.get() + 1);
    }

    fn digest(&self) -> u128 {
        self.queries.get().into()
    }
}

/// Takes snapshots of the state before the last command.
#[derive(Debug, Default)]
pub(crate) struct SnapshotsLag {
    before: Kv,
}

impl Twist for SnapshotsLag {
    fn applies(&mut self, kv: &Kv, id: RequestId, _command: &[u8]) -> RequestId {
        self.before = kv.clone();
        id
    }

    fn snapshot(&self, _kv: &Kv) -> Bytes {
        self.before.snapshot()
    }

    fn restore(&mut self, kv: &mut Kv, snapshot: &[u8]) -> Result<(), RestoreError> {
        self.before.restore(snapshot)?;
        kv.restore(snapshot)
    }
}

/// Restores what the keys hold, and no sessions.
#[derive(Debug, Default)]
pub(crate) struct RestoresWithoutSessions {
    /// What was written, and in a snapshot takes the sessions' place: the commands of a client that is nobody.
    writes: Vec<Bytes>,
}

impl Twist for RestoresWithoutSessions {
    fn applies(&mut self, _kv: &Kv, id: RequestId, command: &[u8]) -> RequestId {
        self.writes.push(Bytes::copy_from_slice(command));
        id
    }

    fn snapshot(&self, _kv: &Kv) -> Bytes {
        let frame = |write: &Bytes| [&(write.len() as u64).to_le_bytes()[..], write].concat();
        self.writes.iter().flat_map(frame).collect::<Vec<_>>().into()
    }

    fn restore(&mut self, kv: &mut Kv, mut snapshot: &[u8]) -> Result<(), RestoreError> {
        (*self, *kv) = (Self::default(), Kv::default());
        while let Some((len, rest)) = snapshot.split_first_chunk() {
            let (write, rest) = rest.split_at(u64::from_le_bytes(*len) as usize);
            self.writes.push(Bytes::copy_from_slice(write));
            kv.apply(RequestId { client: ClientId(u64::MAX), sequence: self.writes.len() as u64 }, write);
            snapshot = rest;
        }
        Ok(())
    }
}

//! State machines that are none: what they do depends on more than the commands, or happens twice.

use std::cell::Cell;

use bytes::Bytes;
use wavetank::kv::Kv;
use wavetank_process::{ClientId, RequestId, RestoreError, StateMachine};

/// Keeps no sessions: a retry takes effect again.
#[derive(Debug, Default)]
pub(crate) struct ForgetsSessions {
    kv: Kv,
    applied: u64,
}

impl StateMachine for ForgetsSessions {
    fn is_query(request: &[u8]) -> bool {
        Kv::is_query(request)
    }

    fn apply(&mut self, id: RequestId, command: &[u8]) -> Bytes {
        self.applied += 1;
        self.kv.apply(RequestId { sequence: self.applied, ..id }, command)
    }

    fn query(&self, request: &[u8]) -> Bytes {
        self.kv.query(request)
    }

    fn digest(&self) -> u128 {
        self.kv.digest()
    }

    fn snapshot(&self) -> Bytes {
        let snapshot = [&self.applied.to_le_bytes()[..], &self.kv.snapshot()].concat();
        snapshot.into()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        let (applied, rest) = snapshot.split_first_chunk().expect("it begins with the count");
        self.applied = u64::from_le_bytes(*applied);
        self.kv.restore(rest)
    }
}

/// Keeps count of the queries it has served, which each replica serves others of.
#[derive(Debug, Default)]
pub(crate) struct CountsQueries {
    kv: Kv,
    queries: Cell<u64>,
}

impl StateMachine for CountsQueries {
    fn is_query(request: &[u8]) -> bool {
        Kv::is_query(request)
    }

    fn apply(&mut self, id: RequestId, command: &[u8]) -> Bytes {
        self.kv.apply(id, command)
    }

    fn query(&self, request: &[u8]) -> Bytes {
        self.queries.set(self.queries.get() + 1);
        self.kv.query(request)
    }

    fn digest(&self) -> u128 {
        self.kv.digest() ^ u128::from(self.queries.get())
    }

    fn snapshot(&self) -> Bytes {
        self.kv.snapshot()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        self.kv.restore(snapshot)
    }
}

/// Takes snapshots of the state before the last command.
#[derive(Debug, Default)]
pub(crate) struct SnapshotsLag {
    kv: Kv,
    before: Kv,
}

impl StateMachine for SnapshotsLag {
    fn is_query(request: &[u8]) -> bool {
        Kv::is_query(request)
    }

    fn apply(&mut self, id: RequestId, command: &[u8]) -> Bytes {
        self.before = self.kv.clone();
        self.kv.apply(id, command)
    }

    fn query(&self, request: &[u8]) -> Bytes {
        self.kv.query(request)
    }

    fn digest(&self) -> u128 {
        self.kv.digest()
    }

    fn snapshot(&self) -> Bytes {
        self.before.snapshot()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        self.before.restore(snapshot)?;
        self.kv.restore(snapshot)
    }
}

/// Restores what the keys hold, and no sessions.
#[derive(Debug, Default)]
pub(crate) struct RestoresWithoutSessions {
    kv: Kv,
    /// What was written, and in a snapshot takes the sessions' place: the commands of a client that is nobody.
    writes: Vec<Bytes>,
}

impl StateMachine for RestoresWithoutSessions {
    fn is_query(request: &[u8]) -> bool {
        Kv::is_query(request)
    }

    fn apply(&mut self, id: RequestId, command: &[u8]) -> Bytes {
        self.writes.push(Bytes::copy_from_slice(command));
        self.kv.apply(id, command)
    }

    fn query(&self, request: &[u8]) -> Bytes {
        self.kv.query(request)
    }

    fn digest(&self) -> u128 {
        self.kv.digest()
    }

    fn snapshot(&self) -> Bytes {
        let frame = |write: &Bytes| [&(write.len() as u64).to_le_bytes()[..], write].concat();
        self.writes.iter().flat_map(frame).collect::<Vec<_>>().into()
    }

    fn restore(&mut self, mut snapshot: &[u8]) -> Result<(), RestoreError> {
        *self = Self::default();
        while let Some((len, rest)) = snapshot.split_first_chunk() {
            let (write, rest) = rest.split_at(u64::from_le_bytes(*len) as usize);
            let sequence = self.writes.len() as u64 + 1;
            self.apply(RequestId { client: ClientId(u64::MAX), sequence }, write);
            snapshot = rest;
        }
        Ok(())
    }
}

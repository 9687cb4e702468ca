//! State machines that are none: what they do depends on more than the commands, or happens twice.

use std::cell::Cell;

use bytes::Bytes;
use wavetank::kv::Kv;
use wavetank_process::{RequestId, StateMachine};

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
}

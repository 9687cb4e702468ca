//! What runs on a machine: how to boot it, and how to read what it says.

mod past;

use std::{collections::BTreeMap, marker::PhantomData, sync::Arc};

use wavetank_process::{
    Adapter, Boot, Description, LogStore, Process, Recovered, Replica, StateMachine, WalStore,
    disk::FileName, unframe_command,
};

use crate::{
    audit::{Auditor, LogAudit},
    kv::Kv,
    time::Span,
};

/// A program that machines can run. One cluster may mix several.
pub trait Program: Send + Sync {
    /// What it is called in traces and on the command line.
    fn name(&self) -> &str;

    /// A process of it, about to start on a clock of which a tick is this long.
    fn boot(&self, boot: Boot, tick: Span) -> Box<dyn Process>;

    /// What a message of it is, or `None` if these bytes are none.
    fn describe(&self, bytes: &[u8]) -> Option<Description>;

    /// A message in one line.
    fn render(&self, bytes: &[u8]) -> String;

    /// The files of a server that has this behind it, by name; `None` for a program that cannot begin in the middle of a
    /// history.
    fn files(&self, past: &Recovered) -> Option<BTreeMap<FileName, Vec<u8>>> {
        let _ = past;
        None
    }

    /// A reader of its disk that shares no code with it; without one, the checks of durability have nothing
    /// to go by and say so in their counters.
    fn auditor(&self) -> Option<Box<dyn Auditor>>;
}

/// The program made of a Raft implementation, a log store and a state machine.
struct ReplicaProgram<A, L, S> {
    auditor: Option<fn() -> Box<dyn Auditor>>,
    parts: PhantomData<fn(A, L, S)>,
}

impl<A: Adapter, L: LogStore, S: StateMachine> Program for ReplicaProgram<A, L, S> {
    fn name(&self) -> &str {
        A::NAME
    }

    fn boot(&self, boot: Boot, tick: Span) -> Box<dyn Process> {
        Box::new(Replica::<A, L, S>::new(boot, tick.0))
    }

    fn describe(&self, bytes: &[u8]) -> Option<Description> {
        Replica::<A, L, S>::describe(bytes)
    }

    fn render(&self, bytes: &[u8]) -> String {
        Replica::<A, L, S>::render(bytes, &render_command::<S>)
    }

    fn files(&self, past: &Recovered) -> Option<BTreeMap<FileName, Vec<u8>>> {
        past::write::<L>(past)
    }

    fn auditor(&self) -> Option<Box<dyn Auditor>> {
        self.auditor.map(|auditor| auditor())
    }
}

/// A Raft implementation with the built-in key-value store over the built-in write-ahead log.
pub fn replica<A: Adapter>() -> Arc<dyn Program> {
    custom_replica::<A, WalStore, Kv>(Some(|| Box::new(LogAudit::new("log".into()))))
}

/// A command as it stands in the log, in the words of the state machine.
fn render_command<S: StateMachine>(framed: &[u8]) -> String {
    match unframe_command(framed) {
        Some((id, command)) => format!("\"{} #{} {}\"", id.client, id.sequence, S::render(command)),
        None => format!("({} bytes)", framed.len()),
    }
}

/// A replica with parts of your own. Supply an auditor for a log store of your own, or go without the checks
/// that need one.
pub fn custom_replica<A: Adapter, L: LogStore, S: StateMachine>(
    auditor: Option<fn() -> Box<dyn Auditor>>,
) -> Arc<dyn Program> {
    Arc::new(ReplicaProgram::<A, L, S> { auditor, parts: PhantomData })
}

/// The implementations that come with the tank.
pub fn built_in() -> Vec<Arc<dyn Program>> {
    vec![
        replica::<wavetank_raft_core::RaftCore>(),
        #[cfg(feature = "raft-rs")]
        replica::<wavetank_raft_rs::RaftRs>(),
    ]
}

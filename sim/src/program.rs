//! What runs on a machine: how to boot it, and how to read what it says.

use std::{marker::PhantomData, sync::Arc};

use wavetank_process::{
    Adapter, Boot, Description, LogStore, Process, Replica, StateMachine, WalStore, unframe_command,
};

use crate::{
    audit::{Auditor, LogAudit},
    kv::{Command, Kv},
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
        Replica::<A, L, S>::render(bytes, &render_command)
    }

    fn auditor(&self) -> Option<Box<dyn Auditor>> {
        self.auditor.map(|auditor| auditor())
    }
}

/// A Raft implementation with the built-in key-value store over the built-in write-ahead log.
pub fn replica<A: Adapter>() -> Arc<dyn Program> {
    custom_replica::<A, WalStore, Kv>(Some(|| Box::new(LogAudit::new("log".into()))))
}

/// A command as it stands in the log, in the words of the built-in state machine if it can read it.
fn render_command(framed: &[u8]) -> String {
    let Some((id, command)) = unframe_command(framed) else { return format!("({} bytes)", framed.len()) };
    match Command::decode(command) {
        Ok(command) => format!("\"{} #{} {command}\"", id.client, id.sequence),
        Err(_) => format!("({} bytes)", command.len()),
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

//! A whole process that does wrong what no part of it could.

use std::sync::Arc;

use wavetank::{
    audit::Auditor,
    kv::{Command, Reply},
    program::{self, Program},
    time::Span,
};
use wavetank_process::{
    Boot, Chance, Context, Description, Input, Label, LocalTime, Observation, Outcome, Output, Process,
    RequestId,
};
use wavetank_raft_core::RaftCore;

/// The replica that tells clients that a write is done when it has only been put into the leader's log.
pub(crate) fn acknowledges_on_append() -> Arc<dyn Program> {
    Arc::new(AcknowledgesOnAppend { inner: program::replica::<RaftCore>() })
}

struct AcknowledgesOnAppend {
    inner: Arc<dyn Program>,
}

impl Program for AcknowledgesOnAppend {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn boot(&self, boot: Boot, tick: Span) -> Box<dyn Process> {
        Box::new(Hasty { inner: self.inner.boot(boot, tick) })
    }

    fn describe(&self, bytes: &[u8]) -> Option<Description> {
        self.inner.describe(bytes)
    }

    fn render(&self, bytes: &[u8]) -> String {
        self.inner.render(bytes)
    }

    fn auditor(&self) -> Option<Box<dyn Auditor>> {
        self.inner.auditor()
    }
}

struct Hasty {
    inner: Box<dyn Process>,
}

impl Process for Hasty {
    fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        let answer = hasty_answer(&input);
        let mut outputs = Vec::new();
        let now = context.now();
        self.inner.handle(input, &mut Context::new(now, &mut outputs, &mut Borrowed(context)));
        let refused = outputs.iter().any(|output| matches!(output, Output::Reply { .. }));
        for output in outputs {
            context.emit(output);
        }
        if let (Some((id, reply)), false) = (answer, refused) {
            context.emit(Output::Reply { id, outcome: Outcome::Done(reply.encode()) });
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.inner.deadline()
    }

    fn observe(&self) -> Option<Observation> {
        self.inner.observe()
    }
}

/// What a write will be answered once it is done.
fn hasty_answer(input: &Input) -> Option<(RequestId, Reply)> {
    let Input::Request { id, bytes } = input else { return None };
    match Command::decode(bytes) {
        Ok(Command::Put { .. }) => Some((*id, Reply::Written)),
        Ok(Command::Append { .. }) => Some((*id, Reply::Appended)),
        Ok(Command::Get { .. } | Command::Cas { .. }) | Err(_) => None,
    }
}

/// The door of the context that is being wrapped.
struct Borrowed<'a, 'b>(&'a mut Context<'b>);

impl Chance for Borrowed<'_, '_> {
    fn choose(&mut self, label: Label, bound: u64) -> u64 {
        self.0.choose(label, bound)
    }
}

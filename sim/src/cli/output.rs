//! Standard output: where results go.
//!
//! Text is written with its colours, and they are taken out again where nobody would see them. If the reader goes
//! away, as `head` does when it has enough, the rest is not written and the command comes out as it would have.

use std::{
    fmt,
    io::{self, BufWriter, Stdout, Write},
};

use anstream::AutoStream;
use serde::Serialize;

use super::{exit::Exit, mistake::Mistake};

/// Standard output.
pub(super) struct Output {
    stdout: BufWriter<AutoStream<Stdout>>,
    /// Why nothing more can be written.
    failure: Option<io::Error>,
}

impl Output {
    /// Standard output, with colours if it is a terminal that wants them.
    pub(super) fn stdout() -> Self {
        Self { stdout: BufWriter::new(AutoStream::auto(io::stdout())), failure: None }
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: impl fmt::Display) {
        self.attempt(|stdout| writeln!(stdout, "{line}"));
    }

    /// Writes a line of JSON.
    pub(super) fn json(&mut self, line: &impl Serialize) {
        self.attempt(|stdout| {
            serde_json::to_writer(&mut *stdout, line)?;
            stdout.write_all(b"\n")
        });
    }

    /// Makes sure that what was written can be read now.
    pub(super) fn flush(&mut self) {
        self.attempt(Write::flush);
    }

    /// Tells a mistake on standard error, where what was written before it can be read before it. What it comes to.
    pub(super) fn mistake(&mut self, mistake: &Mistake) -> Exit {
        self.flush();
        mistake.report();
        Exit::BadInput
    }

    fn attempt(&mut self, write: impl FnOnce(&mut BufWriter<AutoStream<Stdout>>) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = write(&mut self.stdout).err();
        }
    }

    /// Whether nothing more can be written.
    pub(super) fn is_closed(&self) -> bool {
        self.failure.is_some()
    }

    /// Writes what is still to be written.
    ///
    /// # Errors
    /// When something could not be written, for another reason than that the reader went away.
    pub(super) fn finish(&mut self) -> Result<(), Mistake> {
        self.flush();
        match self.failure.take() {
            Some(failure) if failure.kind() != io::ErrorKind::BrokenPipe => Err(Mistake::Output(failure)),
            Some(_) | None => Ok(()),
        }
    }
}

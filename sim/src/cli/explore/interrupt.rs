//! Ctrl-C: the first ends an exploration early, with its summary; the second ends the command at once.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::cli::mistake::Mistake;

/// The exit code of a command that was interrupted: 128 and the number of the signal.
const INTERRUPTED: i32 = 130;

/// Whether somebody wants the command to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the operating system does not let it.
    pub(super) fn watch() -> Result<Self, Mistake> {
        let interrupt = Self::default();
        let noted = interrupt.clone();
        ctrlc::set_handler(move || {
            if noted.0.swap(true, Ordering::Relaxed) {
                process::exit(INTERRUPTED);
            }
        })
        .map_err(Mistake::Interrupts)?;
        Ok(interrupt)
    }

    /// Whether it has come.
    pub(super) fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

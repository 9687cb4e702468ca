//! What can go wrong, in words for whoever asked.

use std::{io, path::PathBuf};

/// Why a patch came to nothing, or the whole command did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// A file or directory cannot be used.
    #[error("{}: {error}", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A patch does not say what it should.
    #[error("the patch {name} lacks {what} in its header")]
    Header {
        /// Which.
        name: String,
        /// What it does not say.
        what: &'static str,
    },
    /// There is no such patch.
    #[error("there is no patch named {name:?}; there are: correct, {}", known.join(", "))]
    UnknownPatch {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A patch does not fit the sources.
    #[error("does not apply{}: {reason}", file.as_ref().map(|file| format!(" to {file}")).unwrap_or_default())]
    DoesNotApply {
        /// Where.
        file: Option<String>,
        /// Why.
        reason: String,
    },
    /// The patched sources do not build.
    #[error("does not build: {0}")]
    DoesNotBuild(String),
    /// The exploration came to no end.
    #[error("does not run: {0}")]
    DoesNotRun(String),
}

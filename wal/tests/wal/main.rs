//! The log against everything that can happen to its file.

mod support;
mod recovery;
mod crashes;

//! Colours, by what they mean.

use clap::builder::styling::{AnsiColor, Style};

/// What passed.
pub(super) const PASSED: Style = AnsiColor::Green.on_default().bold();
/// What failed.
pub(super) const FAILED: Style = AnsiColor::Red.on_default().bold();
/// What proves nothing.
pub(super) const OPEN: Style = AnsiColor::Yellow.on_default().bold();
/// The word "error".
pub(super) const ERROR: Style = FAILED;
/// The word "hint".
pub(super) const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// A heading.
pub(super) const HEADING: Style = Style::new().bold();

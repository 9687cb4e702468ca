//! `wavetank completions`: what lets a shell complete this command.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{
    exit::{Exit, exit_codes},
    output::Output,
};

/// Write what lets a shell complete this command
#[derive(Debug, Args)]
#[command(after_help = concat!(
    "Examples:\n",
    "  wavetank completions bash > ~/.local/share/bash-completion/completions/wavetank\n",
    "  wavetank completions zsh > ~/.zfunc/_wavetank            with ~/.zfunc in $fpath\n",
    "  wavetank completions fish > ~/.config/fish/completions/wavetank.fish\n",
    "\n",
    exit_codes!()
))]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the completions.
pub(super) fn completions(arguments: &Arguments, output: &mut Output) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "wavetank", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end());
    Exit::Passed
}

//! The command line: what can be asked, and how it is answered.
//!
//! Each verb has a file of its own, with its arguments and what it does. A verb returns how it came out, or the
//! mistake that kept it from coming out; [`main`] makes an exit code of either. Results go to standard output
//! through [`Output`], everything else to standard error.

mod exit;
mod style;
mod format;
mod file_kind;
mod mistake;
mod output;
mod render;
mod stopwatch;
mod input;
mod determinism;
mod explore;
mod replay;
mod run;
mod check;
mod completions;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Exit;
use output::Output;

/// A wave tank for Raft: simulated clusters in storms, checked all along, and replayed from a seed
#[derive(Debug, Parser)]
#[command(
    name = "wavetank",
    version,
    after_help = concat!(
        "Begin with:\n",
        "  wavetank explore                     a thousand randomized histories of raft-core\n",
        "  wavetank replay 17 --trace           the history of seed 17, event by event\n",
        "  wavetank run scenarios               all scripted histories of a directory\n",
        "  wavetank check history.jsonl         is a recorded history linearizable?\n",
        "\n",
        exit::exit_codes!()
    )
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run randomized histories on all cores, and sum them up
    Explore(explore::Arguments),
    /// Run one history again, from its seed or from a file
    Replay(replay::Arguments),
    /// Play scripted histories
    Run(run::Arguments),
    /// Judge whether recorded histories are linearizable
    Check(check::Arguments),
    /// Write what lets a shell complete this command
    Completions(completions::Arguments),
}

/// The whole command: reads the arguments, does what they say, and tells how it came out.
pub(crate) fn main() -> ExitCode {
    let Arguments { verb } = Arguments::parse();
    let mut output = Output::stdout();
    let result = match &verb {
        Verb::Explore(arguments) => explore::explore(arguments, &mut output),
        Verb::Replay(arguments) => replay::replay(arguments, &mut output),
        Verb::Run(arguments) => run::run(arguments, &mut output),
        Verb::Check(arguments) => check::check(arguments, &mut output),
        Verb::Completions(arguments) => Ok(completions::completions(arguments, &mut output)),
    };
    let written = output.finish();
    let exit = result.and_then(|exit| written.map(|()| exit)).unwrap_or_else(|mistake| {
        mistake.report();
        Exit::BadInput
    });
    exit.into()
}

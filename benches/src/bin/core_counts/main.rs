//! Counts instructions and allocations per operation, of `raft-core` and of TiKV's `raft` crate side by side.
//!
//! `--gate` also holds `raft-core` to its share of what the other needs. Exit codes: 0 all is well, 1 a share is
//! exceeded, 2 something could not be counted.

mod count;

use std::process::ExitCode;

use clap::Parser;

use crate::count::{CountError, Implementation, Operation};

/// Instructions and allocations per operation, of raft-core and of the raft crate. The same on every run.
#[derive(Parser)]
struct Arguments {
    /// Count allocations only, which needs no valgrind
    #[arg(long)]
    allocations: bool,
    /// Fail unless raft-core needs its share or less: 56 % of the instructions and a third of the allocations
    #[arg(long)]
    gate: bool,
    /// Do an operation, so many rounds: what is run under valgrind
    #[arg(long, hide = true, num_args = 3, value_names = ["IMPLEMENTATION", "OPERATION", "ROUNDS"])]
    work: Option<Vec<String>>,
}

/// What raft-core may need, in percent of what the raft crate does.
const INSTRUCTIONS_PERCENT: u64 = 56;
const ALLOCATIONS_PERCENT: u64 = 33;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(work) = &arguments.work {
        return do_work(work);
    }
    match compare(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("core_counts: {error}");
            ExitCode::from(2)
        }
    }
}

fn do_work(work: &[String]) -> ExitCode {
    let [implementation, operation, rounds] = work else { return ExitCode::from(2) };
    let implementation = <Implementation as clap::ValueEnum>::from_str(implementation, false);
    let operation =
        operation.parse().ok().and_then(|position: usize| Operation::all().get(position).copied());
    let (Ok(implementation), Some(operation), Ok(rounds)) = (implementation, operation, rounds.parse())
    else {
        return ExitCode::from(2);
    };
    implementation.work(operation, rounds);
    ExitCode::SUCCESS
}

/// Prints the table. Whether raft-core keeps to its share.
fn compare(arguments: &Arguments) -> Result<bool, CountError> {
    let mut kept = true;
    println!("per command, tick or election    {:>29}    {:>31}", "instructions", "allocations");
    println!(
        "{:32} {:>10} {:>11} {:>6}    {:>10} {:>11} {:>6}",
        "", "raft-core", "raft 0.7.0", "ratio", "raft-core", "raft 0.7.0", "ratio"
    );
    for operation in Operation::all() {
        let [ours, theirs] =
            [Implementation::RaftCore, Implementation::RaftRs].map(|which| which.allocations(operation));
        let allocations = Pair { ours, theirs, unit: 100 };
        let instructions = if arguments.allocations {
            None
        } else {
            let ours = Implementation::RaftCore.instructions(operation)?;
            Some(Pair { ours, theirs: Implementation::RaftRs.instructions(operation)?, unit: 1 })
        };
        let shown = instructions.map_or_else(|| " ".repeat(29), |pair| pair.to_string());
        println!("{:32} {shown}    {allocations}", operation.to_string());
        if arguments.gate && !keeps_share(operation, instructions, allocations) {
            println!(
                "    more than its share: {INSTRUCTIONS_PERCENT} % of the instructions, {ALLOCATIONS_PERCENT} % of the allocations of a single command"
            );
            kept = false;
        }
    }
    Ok(kept)
}

/// The bar: single commands, and many of them, whose instructions alone count.
fn keeps_share(operation: Operation, instructions: Option<Pair>, allocations: Pair) -> bool {
    let instructions_kept = instructions.is_none_or(|pair| pair.percent() <= INSTRUCTIONS_PERCENT);
    match operation {
        Operation::Commit { count: 1, .. } => {
            instructions_kept && allocations.percent() <= ALLOCATIONS_PERCENT
        }
        Operation::Commit { count: 256, .. } => instructions_kept,
        Operation::Commit { .. } | Operation::IdleTick { .. } | Operation::Election { .. } => true,
    }
}

/// A count of both.
#[derive(Clone, Copy)]
struct Pair {
    ours: u64,
    theirs: u64,
    /// What a whole one is counted as.
    unit: u64,
}

impl Pair {
    fn percent(self) -> u64 {
        100 * self.ours / self.theirs.max(1)
    }
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |count: u64| match self.unit {
            1 => count.to_string(),
            unit => format!("{}.{:02}", count / unit, count % unit),
        };
        let percent = self.percent();
        write!(
            f,
            "{:>10} {:>11} {:>3}.{:02}",
            show(self.ours),
            show(self.theirs),
            percent / 100,
            percent % 100
        )
    }
}

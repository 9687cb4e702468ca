//! What an operation costs in instructions and allocations: the same on every run, however busy the machine is.
//!
//! Allocations are counted by an allocator that stands before the system's. Instructions are counted by callgrind, a
//! tool of [valgrind](https://valgrind.org), from outside: a program is run under it twice, doing an operation so many
//! times and twice as many times, and the difference is what the operation costs.

use std::{
    env, fmt, io,
    process::{Command, Stdio},
};

use bytes::Bytes;
use wavetank_benches::{Batch, Cluster, CoreReplica, PeerReplica, Replica};

/// An operation whose cost is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A batch of commands is committed and applied on three replicas.
    Commit {
        /// The length of a command.
        bytes: usize,
        /// How many commands there are in the batch.
        count: u64,
        /// How they are proposed.
        batch: Batch,
    },
    /// A tick goes by in a cluster of this size; its leader sends a heartbeat.
    IdleTick {
        /// How many replicas there are.
        size: u64,
    },
    /// A cluster of this size starts, elects a leader and commits its no-op. What starting costs is in it.
    Election {
        /// How many replicas there are.
        size: u64,
    },
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit { bytes, count: 1, .. } => write!(f, "commit, {bytes} B"),
            Self::Commit { bytes, count, batch } => write!(f, "commit {count} {}, {bytes} B", batch.name()),
            Self::IdleTick { size } => write!(f, "idle tick of {size}"),
            Self::Election { size } => write!(f, "election of {size}"),
        }
    }
}

impl Operation {
    /// Every operation that is counted.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for bytes in [16, 256, 4_096] {
            all.push(Self::Commit { bytes, count: 1, batch: Batch::OneByOne });
            for count in [16, 256] {
                let batches = [Batch::AtOnce, Batch::OneByOne];
                all.extend(batches.map(|batch| Self::Commit { bytes, count, batch }));
            }
        }
        all.extend([3, 5, 7].map(|size| Self::IdleTick { size }));
        all.extend([3, 5, 7, 51].map(|size| Self::Election { size }));
        all
    }

    /// How many commands it commits, or how often it does what it does: its cost is divided by this.
    pub(crate) const fn parts(self) -> u64 {
        match self {
            Self::Commit { count, .. } => count,
            Self::IdleTick { .. } | Self::Election { .. } => 1,
        }
    }

    /// How often it is done to be measured.
    const fn repetitions(self) -> u64 {
        match self {
            Self::Commit { count, .. } => 4_096 / count,
            Self::IdleTick { .. } => 1_000,
            Self::Election { size } => 1_000 / size,
        }
    }

    /// Gets everything ready and returns what does the operation so many times.
    fn prepare<R: Replica + 'static>(self) -> Box<dyn FnMut(u64)> {
        match self {
            Self::Commit { bytes, count, batch } => {
                let mut cluster = Cluster::<R>::elected(3);
                let command = Bytes::from(vec![7; bytes]);
                Box::new(move |times| (0..times).for_each(|_| cluster.commit(&command, count, batch)))
            }
            Self::IdleTick { size } => {
                let mut cluster = Cluster::<R>::elected(size);
                Box::new(move |times| (0..times).for_each(|_| cluster.tick()))
            }
            Self::Election { size } => {
                Box::new(move |times| (0..times).for_each(|_| drop(Cluster::<R>::elected(size))))
            }
        }
    }
}

/// An implementation that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Implementation {
    /// This project's.
    RaftCore,
    /// TiKV's `raft` crate.
    RaftRs,
}

impl Implementation {
    fn prepare(self, operation: Operation) -> Box<dyn FnMut(u64)> {
        match self {
            Self::RaftCore => operation.prepare::<CoreReplica>(),
            Self::RaftRs => operation.prepare::<PeerReplica>(),
        }
    }

    const fn argument(self) -> &'static str {
        match self {
            Self::RaftCore => "raft-core",
            Self::RaftRs => "raft-rs",
        }
    }

    /// How many allocations a part of an operation costs, in hundredths.
    pub(crate) fn allocations(self, operation: Operation) -> u64 {
        let mut work = self.prepare(operation);
        // What is allocated once and kept is not the operation's.
        work(operation.repetitions());
        let counted = allocation_counter::measure(|| work(operation.repetitions()));
        100 * counted.count_total / (operation.repetitions() * operation.parts())
    }

    /// How many instructions a part of an operation costs.
    ///
    /// # Errors
    /// When valgrind cannot be run, or does not say.
    pub(crate) fn instructions(self, operation: Operation) -> Result<u64, CountError> {
        let position =
            Operation::all().iter().position(|known| *known == operation).expect("it is one of all");
        let count = |rounds| self.instructions_of(position, rounds);
        let cost = count(3)?.saturating_sub(count(2)?);
        Ok(cost / (operation.repetitions() * operation.parts()))
    }

    fn instructions_of(self, position: usize, rounds: u64) -> Result<u64, CountError> {
        let run = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(env::current_exe().map_err(CountError::Valgrind)?)
            .args(["--work", self.argument(), &position.to_string(), &rounds.to_string()])
            .stdin(Stdio::null())
            .output()
            .map_err(CountError::Valgrind)?;
        let said = String::from_utf8_lossy(&run.stderr);
        let total = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
        total.filter(|_| run.status.success()).ok_or_else(|| CountError::Silent(said.into_owned()))
    }

    /// Does an operation as often as it is measured, so many times over: what runs under valgrind.
    pub(crate) fn work(self, operation: Operation, rounds: u64) {
        let mut work = self.prepare(operation);
        (0..rounds).for_each(|_| work(operation.repetitions()));
    }
}

/// Instructions could not be counted.
#[derive(Debug)]
pub(crate) enum CountError {
    /// Valgrind could not be started.
    Valgrind(io::Error),
    /// It ran, and did not say how many there were.
    Silent(String),
}

impl fmt::Display for CountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valgrind(error) => {
                write!(
                    f,
                    "valgrind cannot be run: {error}. Install it (apt-get install valgrind), or count --allocations only"
                )
            }
            Self::Silent(said) => write!(f, "valgrind did not count instructions; it said:\n{said}"),
        }
    }
}

impl std::error::Error for CountError {}

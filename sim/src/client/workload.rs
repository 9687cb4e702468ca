//! What clients ask for, and what the answers mean.
//!
//! The tank knows nothing of a state machine but bytes. Its language is a [`Workload`]: it chooses the next operation,
//! puts it into bytes, reads the answer, and names the specification by which the history is judged. Whoever brings a
//! state machine of another language brings its workload along.

use std::{collections::BTreeMap, fmt, hash::Hash};

use bytes::Bytes;
use linearizability::Specification;
use wavetank_process::{ClientId, Label};

use super::options::ClientOptions;
use crate::{
    chance::{Door, Site, labels},
    kv::{Command, KvSpecification, Reply},
};

/// What a client has at hand when it chooses its next operation.
#[derive(Debug)]
pub struct Turn<'a> {
    /// Who it is.
    pub client: ClientId,
    /// Which of its requests this will be, from 1: with its name, something that no other operation has.
    pub sequence: u64,
    /// Its options. What they say of keys, values and kinds of operations is said for the key-value store; others
    /// may go by it as it suits them.
    pub options: &'a ClientOptions,
    pub(super) door: &'a mut Door,
}

impl Turn<'_> {
    /// A number below `bound`; 0 is the mildest. Choices of one label do not move those of another: there are
    /// [`labels::CLIENT_OPERATION`], [`labels::CLIENT_KEY`] and [`labels::CLIENT_VALUE`].
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn choose(&mut self, label: Label, bound: u64) -> u64 {
        self.door.choose(Site::of(label, self.client.0), bound)
    }
}

/// The language of a state machine, and what its clients do with it. Every client has a copy of its own.
pub trait Workload: Clone + fmt::Debug + Send + Sync + 'static {
    /// What is asked.
    type Input: Clone + fmt::Debug + fmt::Display + Ord + Hash + Send + Sync;
    /// What is answered.
    type Output: Clone + fmt::Debug + fmt::Display + Eq + Hash + Send + Sync;
    /// What operations mean. It is written down without a look at how the state machine does it.
    type Specification: Specification<Input = Self::Input, Output = Self::Output>;

    /// By what the history of all clients is judged.
    fn specification(&self) -> Self::Specification;

    /// What the client asks for next.
    fn next(&mut self, turn: &mut Turn<'_>) -> Self::Input;

    /// Takes note of an answer, for choices to come.
    fn learn(&mut self, input: &Self::Input, output: &Self::Output) {
        let _ = (input, output);
    }

    /// A request as it travels: what the state machine will be given.
    fn encode(input: &Self::Input) -> Bytes;

    /// Reads a request back.
    ///
    /// # Errors
    /// When these bytes are none; says why.
    fn decode_input(bytes: &[u8]) -> Result<Self::Input, String>;

    /// Reads an answer.
    ///
    /// # Errors
    /// When these bytes are none; says why.
    fn decode_output(bytes: &[u8]) -> Result<Self::Output, String>;

    /// What is recorded for an answer that cannot be read. The specification must not foretell it for anything.
    fn unreadable() -> Self::Output;
}

/// The workload of the [key-value store](crate::kv): gets, puts, compare-and-sets and appends on a few keys.
#[derive(Clone, Debug, Default)]
pub struct KvWorkload {
    /// What keys held when last seen, as a guess for the next compare-and-set.
    seen: BTreeMap<String, Option<String>>,
}

impl Workload for KvWorkload {
    type Input = Command;
    type Output = Reply;
    type Specification = KvSpecification;

    fn specification(&self) -> KvSpecification {
        KvSpecification::default()
    }

    fn next(&mut self, turn: &mut Turn<'_>) -> Command {
        let percent = turn.choose(labels::CLIENT_OPERATION, 100);
        let key = format!("k{}", 1 + turn.choose(labels::CLIENT_KEY, turn.options.keys));
        let ClientOptions { read_percent, cas_percent, append_percent, .. } = *turn.options;
        if percent < read_percent {
            return Command::Get { key };
        }
        let value = choose_value(turn);
        if percent < read_percent + cas_percent {
            let expected = self.seen.get(&key).cloned().flatten();
            Command::Cas { key, expected, value }
        } else if percent < read_percent + cas_percent + append_percent {
            Command::Append { key, value }
        } else {
            Command::Put { key, value }
        }
    }

    fn learn(&mut self, command: &Command, reply: &Reply) {
        if let Some(held) = held_after(command, reply) {
            self.seen.insert(command.key().to_owned(), held);
        }
    }

    fn encode(command: &Command) -> Bytes {
        command.encode()
    }

    fn decode_input(bytes: &[u8]) -> Result<Command, String> {
        Command::decode(bytes).map_err(|error| error.to_string())
    }

    fn decode_output(bytes: &[u8]) -> Result<Reply, String> {
        Reply::decode(bytes).map_err(|error| error.to_string())
    }

    fn unreadable() -> Reply {
        Reply::Malformed
    }
}

fn choose_value(turn: &mut Turn<'_>) -> String {
    match turn.options.values {
        Some(values) => format!("v{}", 1 + turn.choose(labels::CLIENT_VALUE, values)),
        None => format!("c{}.{}", turn.client.0, turn.sequence),
    }
}

/// What a key holds after an operation that was answered so; `None`: the answer does not tell.
fn held_after(command: &Command, reply: &Reply) -> Option<Option<String>> {
    match (command, reply) {
        (Command::Get { .. }, Reply::Value(held)) => Some(held.clone()),
        (Command::Put { value, .. }, Reply::Written) => Some(Some(value.clone())),
        (Command::Cas { value, .. }, Reply::CasResult { ok: true, .. }) => Some(Some(value.clone())),
        (Command::Cas { .. }, Reply::CasResult { ok: false, actual }) => Some(actual.clone()),
        _ => None,
    }
}

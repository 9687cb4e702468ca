//! A state machine of one's own, with the workload of its clients: one counter, to which clients add.
//!
//! [`Counter`] is what is replicated. [`CounterWorkload`] says what clients ask for, and [`CounterSpecification`] what the
//! answers must be; neither looks at how the counter does it. The second test shows that the judgement can fail: a counter
//! that forgets who has asked before adds a retry twice.

use std::{collections::BTreeMap, fmt, iter};

use bytes::Bytes;
use wavetank::{
    chance::labels,
    client::{Turn, Workload},
    harness::Harness,
    linearizability::{Effect, Keys, Outcomes, Specification},
    process::{ClientId, RequestId, RestoreError, StateMachine},
};
use wavetank_raft_core::RaftCore;

/// What a client asks of the counter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Ask {
    /// How much is it?
    Read,
    /// Add this, and say how much it is then.
    Add(u64),
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Add(amount) => write!(f, "add {amount}"),
        }
    }
}

/// What the counter answers: how much it is. Nothing, if the answer could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Total(Option<u64>);

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(total)) => write!(f, "{total}"),
            Self(None) => f.write_str("unreadable"),
        }
    }
}

/// The counter. With `REMEMBERS` it knows a retry, as it must (§6.3).
#[derive(Debug, Default)]
struct Counter<const REMEMBERS: bool> {
    total: u64,
    /// Each client's last request, and what it was answered.
    sessions: BTreeMap<ClientId, (u64, u64)>,
}

impl<const REMEMBERS: bool> StateMachine for Counter<REMEMBERS> {
    fn is_query(request: &[u8]) -> bool {
        CounterWorkload::decode_input(request) == Ok(Ask::Read)
    }

    fn apply(&mut self, id: RequestId, command: &[u8]) -> Bytes {
        // Whatever stands in the log, every replica meets it: it must not stop them.
        let Ok(Ask::Add(amount)) = CounterWorkload::decode_input(command) else { return Bytes::new() };
        match self.sessions.get(&id.client) {
            Some((last, _)) if REMEMBERS && id.sequence < *last => return Bytes::new(),
            Some((last, total)) if REMEMBERS && id.sequence == *last => return encode(*total),
            Some(_) | None => (),
        }
        self.total = self.total.wrapping_add(amount);
        self.sessions.insert(id.client, (id.sequence, self.total));
        encode(self.total)
    }

    fn query(&self, _request: &[u8]) -> Bytes {
        encode(self.total)
    }

    fn render(command: &[u8]) -> String {
        CounterWorkload::decode_input(command)
            .map_or_else(|error| format!("({error})"), |ask| ask.to_string())
    }

    /// The order in which sessions are taken in is that of their names, so equal states have equal digests.
    fn digest(&self) -> u128 {
        let mix = |digest: u128, word: u64| {
            (digest ^ u128::from(word)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        };
        self.sessions.iter().fold(mix(1, self.total), |digest, (client, (sequence, total))| {
            [client.0, *sequence, *total].into_iter().fold(digest, mix)
        })
    }

    /// The total, then three numbers a session.
    fn snapshot(&self) -> Bytes {
        let sessions =
            self.sessions.iter().flat_map(|(client, (sequence, total))| [client.0, *sequence, *total]);
        iter::once(self.total).chain(sessions).flat_map(u64::to_le_bytes).collect()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        let (words, []) = snapshot.as_chunks() else {
            return Err(RestoreError(format!("{} bytes are no numbers of eight bytes", snapshot.len())));
        };
        let numbers = words.iter().map(|word| u64::from_le_bytes(*word)).collect::<Vec<_>>();
        let Some((total, sessions)) = numbers.split_first() else {
            return Err(RestoreError("it is empty".to_owned()));
        };
        let (sessions, []) = sessions.as_chunks() else {
            return Err(RestoreError("a session is cut off".to_owned()));
        };
        self.total = *total;
        self.sessions = sessions
            .iter()
            .map(|[client, sequence, total]| (ClientId(*client), (*sequence, *total)))
            .collect();
        Ok(())
    }
}

fn encode(total: u64) -> Bytes {
    Bytes::copy_from_slice(&total.to_le_bytes())
}

/// What clients do with the counter.
#[derive(Clone, Debug)]
struct CounterWorkload;

impl Workload for CounterWorkload {
    type Input = Ask;
    type Output = Total;
    type Specification = CounterSpecification;

    fn specification(&self) -> CounterSpecification {
        CounterSpecification
    }

    fn next(&mut self, turn: &mut Turn<'_>) -> Ask {
        match turn.choose(labels::CLIENT_OPERATION, 3) {
            0 => Ask::Read,
            _ => Ask::Add(1 + turn.choose(labels::CLIENT_VALUE, 9)),
        }
    }

    fn encode(input: &Ask) -> Bytes {
        match input {
            Ask::Read => Bytes::from_static(&[0]),
            Ask::Add(amount) => [&[1][..], &amount.to_le_bytes()].concat().into(),
        }
    }

    fn decode_input(bytes: &[u8]) -> Result<Ask, String> {
        match bytes.split_first() {
            Some((0, [])) => Ok(Ask::Read),
            Some((1, amount)) => number(amount).map(Ask::Add),
            _ => Err(format!("{bytes:?} asks for nothing")),
        }
    }

    fn decode_output(bytes: &[u8]) -> Result<Total, String> {
        number(bytes).map(|total| Total(Some(total)))
    }

    fn unreadable() -> Total {
        Total(None)
    }
}

fn number(bytes: &[u8]) -> Result<u64, String> {
    bytes.try_into().map(u64::from_le_bytes).map_err(|_| format!("{bytes:?} is no number of eight bytes"))
}

/// What the counter's answers must be.
#[derive(Debug)]
struct CounterSpecification;

impl Specification for CounterSpecification {
    /// There is one counter, so a history is not divided.
    type Key = ();
    type Input = Ask;
    type Output = Total;
    type State = u64;
    type Value = ();

    fn keys(&self, _input: &Ask) -> Keys<()> {
        Keys::One(())
    }

    fn initial(&self, _keys: &[()]) -> u64 {
        0
    }

    fn apply(&self, state: &u64, input: &Ask) -> Outcomes<Total, u64> {
        let total = match input {
            Ask::Read => *state,
            Ask::Add(amount) => state.wrapping_add(*amount),
        };
        Outcomes::one(Total(Some(total)), total)
    }

    fn effect(&self, input: &Ask) -> Effect {
        match input {
            Ask::Read => Effect::Read,
            Ask::Add(_) => Effect::Update,
        }
    }
}

fn harness<const REMEMBERS: bool>() -> Harness<CounterWorkload> {
    Harness::state_machine::<RaftCore, Counter<REMEMBERS>>(CounterWorkload)
        .seeds(0..24)
        .allow_idle("transfer")
}

fn main() {
    harness::<true>().run();
    match harness::<false>().try_run() {
        Ok(_) => println!("the forgetful counter passed"),
        Err(failure) => println!("{failure}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank::harness::Failure;

    #[test]
    fn a_counter_counts() {
        harness::<true>().run();
    }

    #[test]
    fn a_counter_that_adds_a_retry_twice_is_found() {
        let failure = harness::<false>().try_run().unwrap_err();
        let Failure::Run(failed) = failure else { panic!("{failure}") };
        assert_eq!(failed.violation().map(|violation| violation.check.as_str()), Some("Linearizability"));
        assert!(
            failed.report.trace.iter().any(|line| line.text.contains("add ")),
            "its commands are rendered"
        );
    }
}

//! Operations and answers of every specification that comes with the crate, drawn at random.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    specifications::{append_list, key_value, lock, queue, register, set},
    testing::{Random, Workload},
};

pub(crate) type Registers = register::Registers<u8, u8>;

impl Workload for Registers {
    fn all_keys(&self) -> Vec<u8> {
        vec![0, 1]
    }

    fn random_input(&self, random: &mut Random, _number: u64) -> Self::Input {
        let key = u8::from(random.one_in(8));
        let mut value = || u8::try_from(random.below(3)).unwrap();
        let (one, other) = (value(), value());
        match random.below(6) {
            0..2 => register::Input::Read(key),
            2..4 => register::Input::Write(key, one),
            _ => register::Input::CompareAndSet { key, expected: one, value: other },
        }
    }

    fn random_output(&self, random: &mut Random, input: &Self::Input) -> Self::Output {
        let value = u8::try_from(random.below(4)).unwrap();
        match input {
            register::Input::Read(_) => register::Output::Value(value),
            register::Input::Write(..) if random.one_in(50) => register::Output::Swapped,
            register::Input::Write(..) => register::Output::Written,
            register::Input::CompareAndSet { .. } => match random.below(3) {
                0 => register::Output::Swapped,
                1 => register::Output::NotSwapped,
                _ => register::Output::Held(value),
            },
        }
    }

    fn recorded(&self, random: &mut Random, output: Self::Output) -> Self::Output {
        match output {
            register::Output::Held(_) if random.one_in(2) => register::Output::NotSwapped,
            output => output,
        }
    }
}

/// Registers to which no value is written twice.
pub(crate) type UniqueRegisters = register::Registers<u8, u64>;

impl Workload for UniqueRegisters {
    fn all_keys(&self) -> Vec<u8> {
        vec![0]
    }

    fn random_input(&self, random: &mut Random, number: u64) -> Self::Input {
        match random.below(8) {
            0..3 => register::Input::Read(0),
            3..6 => register::Input::Write(0, number + 1),
            _ => register::Input::CompareAndSet {
                key: 0,
                expected: random.below(number + 1),
                value: number + 1,
            },
        }
    }

    fn random_output(&self, random: &mut Random, input: &Self::Input) -> Self::Output {
        let value = random.below(8);
        match input {
            register::Input::Read(_) => register::Output::Value(value),
            register::Input::Write(..) => register::Output::Written,
            register::Input::CompareAndSet { .. } => match random.below(3) {
                0 => register::Output::Swapped,
                1 => register::Output::NotSwapped,
                _ => register::Output::Held(value),
            },
        }
    }
}

/// A key-value map, without or with operations on several keys.
impl Workload for key_value::KeyValue {
    fn all_keys(&self) -> Vec<String> {
        vec!["x".into(), "y".into()]
    }

    fn random_input(&self, random: &mut Random, _number: u64) -> Self::Input {
        use key_value::Command;
        let key = (*random.pick(&["x", "x", "x", "y"])).to_owned();
        let value = (*random.pick(&["1", "2"])).to_owned();
        match random.below(80) {
            0..30 => Command::Get { key },
            30..45 => Command::Put { key, value },
            45..55 => {
                let expected = random.pick(&[None, Some("1"), Some("2"), Some("12")]).map(str::to_owned);
                Command::Cas { key, expected, value }
            }
            55..78 => Command::Append { key, value },
            78 => Command::GetAll { keys: self.all_keys() },
            _ => Command::PutAll {
                values: self.all_keys().into_iter().map(|key| (key, value.clone())).collect(),
            },
        }
    }

    fn random_output(&self, random: &mut Random, input: &Self::Input) -> Self::Output {
        use key_value::{Command, Reply};
        let found = random.pick(&[None, Some("1"), Some("2"), Some("12"), Some("21")]).map(str::to_owned);
        match input {
            Command::Get { .. } => Reply::Value(found),
            Command::Put { .. } | Command::PutAll { .. } => Reply::Written,
            Command::Append { .. } => Reply::Appended,
            Command::Cas { .. } if random.one_in(4) => Reply::CasFailed,
            Command::Cas { expected, .. } if random.one_in(2) => {
                Reply::CasResult { ok: true, actual: expected.clone() }
            }
            Command::Cas { .. } => Reply::CasResult { ok: false, actual: found },
            Command::GetAll { keys } => {
                let value = found.unwrap_or_default();
                let values: BTreeMap<_, _> = keys.iter().map(|key| (key.clone(), value.clone())).collect();
                Reply::Values(values)
            }
        }
    }
}

impl Workload for set::Set<u8> {
    fn all_keys(&self) -> Vec<u8> {
        vec![0, 1]
    }

    fn random_input(&self, random: &mut Random, _number: u64) -> Self::Input {
        let element = u8::try_from(random.below(2)).unwrap();
        match random.below(20) {
            0..7 => set::Input::Add(element),
            7..12 => set::Input::Remove(element),
            12..18 => set::Input::Contains(element),
            _ => set::Input::Elements,
        }
    }

    fn random_output(&self, random: &mut Random, input: &Self::Input) -> Self::Output {
        match input {
            set::Input::Add(_) | set::Input::Remove(_) => set::Output::Done,
            set::Input::Contains(_) if random.one_in(2) => set::Output::Present,
            set::Input::Contains(_) => set::Output::Absent,
            set::Input::Elements => {
                let elements: BTreeSet<_> = (0..2).filter(|_| random.one_in(2)).collect();
                set::Output::Elements(elements)
            }
        }
    }
}

impl Workload for queue::Queues<u8, u8> {
    fn all_keys(&self) -> Vec<u8> {
        vec![0]
    }

    fn random_input(&self, random: &mut Random, _number: u64) -> Self::Input {
        if random.one_in(2) {
            queue::Input::Enqueue(0, u8::try_from(random.below(3)).unwrap())
        } else {
            queue::Input::Dequeue(0)
        }
    }

    fn random_output(&self, random: &mut Random, input: &Self::Input) -> Self::Output {
        match input {
            queue::Input::Enqueue(..) => queue::Output::Enqueued,
            queue::Input::Dequeue(_) if random.one_in(4) => queue::Output::Empty,
            queue::Input::Dequeue(_) => queue::Output::Dequeued(u8::try_from(random.below(3)).unwrap()),
        }
    }
}

impl Workload for lock::Locks<u8> {
    fn all_keys(&self) -> Vec<u8> {
        vec![0]
    }

    fn random_input(&self, random: &mut Random, _number: u64) -> Self::Input {
        let token = 1 + random.below(3);
        match random.below(4) {
            0..2 => lock::Input::Acquire(0),
            2 => lock::Input::Renew { key: 0, token },
            _ => lock::Input::Release { key: 0, token },
        }
    }

    fn random_output(&self, random: &mut Random, input: &Self::Input) -> Self::Output {
        let token = 1 + random.below(3);
        match input {
            lock::Input::Acquire(_) if random.one_in(3) => lock::Output::Refused,
            lock::Input::Acquire(_) => lock::Output::Acquired { token },
            lock::Input::Renew { .. } => *random.pick(&[lock::Output::Renewed, lock::Output::Expired]),
            lock::Input::Release { .. } => *random.pick(&[lock::Output::Released, lock::Output::Expired]),
        }
    }
}

/// Lists, of which some elements are appended twice.
impl Workload for append_list::AppendLists<u8, u8> {
    fn all_keys(&self) -> Vec<u8> {
        vec![0]
    }

    fn random_input(&self, random: &mut Random, number: u64) -> Self::Input {
        let element = if random.one_in(12) { 0 } else { number };
        match random.below(2) {
            0 => append_list::Input::Append(0, u8::try_from(element).unwrap()),
            _ => append_list::Input::Read(0),
        }
    }

    fn random_output(&self, random: &mut Random, input: &Self::Input) -> Self::Output {
        match input {
            append_list::Input::Append(..) => append_list::Output::Appended,
            append_list::Input::Read(_) => {
                let elements = (0..random.below(4)).map(|_| u8::try_from(random.below(5)).unwrap());
                append_list::Output::Elements(elements.collect())
            }
        }
    }
}

//! Generated histories of one hot key, for measuring the linearizability checker.

use linearizability::{
    ClientId, History, OperationId,
    specifications::register::{Input, Output},
};

/// A history of registers that hold numbers.
pub type Registers = History<Input<u64, u64>, Output<u64>>;

/// A stream of numbers (SplitMix64, Steele and others 2014).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// One of five.
    Five,
    /// No value twice.
    Unique,
}

/// How a history is made up.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many clients there are.
    pub clients: u64,
    /// How many operations, on how many keys.
    pub operations: u64,
    /// See there.
    pub keys: u64,
    /// What is written.
    pub values: Values,
    /// How many of a hundred writes and compare-and-sets are given up.
    pub abandoned_percent: u64,
    /// Which read is stale, counted from the end, if one is: it finds what was held a hundred operations before.
    pub stale_read_from_end: Option<u64>,
    /// How many of a hundred operations compare and set.
    pub swap_percent: u64,
}

/// An operation in progress.
struct Open {
    id: OperationId,
    input: Input<u64, u64>,
    output: Option<Output<u64>>,
}

/// Makes up a history: a client invokes an operation, at some later event it takes effect, and later still it is
/// answered. What was given up may take effect as well.
pub fn generate(seed: u64, shape: Shape) -> Registers {
    let mut random = Random(seed);
    let mut history = Registers::default();
    let mut held = vec![vec![0_u64]; usize::try_from(shape.keys).expect("keys are few")];
    let mut open: Vec<Option<Open>> = (0..shape.clients).map(|_| None).collect();
    // A client that gives up does not come back.
    let mut ids: Vec<u64> = (0..shape.clients).collect();
    let mut next_id = shape.clients;
    let mut late: Vec<Input<u64, u64>> = Vec::new();
    while (history.operations().len() as u64) < shape.operations || open.iter().any(Option::is_some) {
        let client = usize::try_from(random.below(shape.clients)).expect("clients are few");
        let number = history.operations().len() as u64;
        let Some(call) = &mut open[client] else {
            if number < shape.operations {
                let input = draw(&mut random, number, shape);
                let id = history.invoke(ClientId(ids[client]), input.clone(), 0).expect("the client is free");
                open[client] = Some(Open { id, input, output: None });
            }
            continue;
        };
        if !late.is_empty() && random.below(50) == 0 {
            apply(&mut held, &late.remove(0));
        }
        let gives_up = !matches!(call.input, Input::Read(_)) && random.below(100) < shape.abandoned_percent;
        match call.output.take() {
            None if gives_up => {
                late.push(call.input.clone());
                history.abandon(call.id).expect("it is open");
                ids[client] = next_id;
                next_id += 1;
                open[client] = None;
            }
            None => {
                let mut output = apply(&mut held, &call.input);
                let from_end = shape.operations - call.id.0;
                if shape.stale_read_from_end.is_some_and(|place| from_end <= place)
                    && let Output::Value(value) = &mut output
                {
                    let Input::Read(key) = call.input else { continue };
                    let past = &held[usize::try_from(key).expect("keys are few")];
                    *value = past[past.len().saturating_sub(100)];
                }
                call.output = Some(output);
            }
            Some(output) => {
                history.complete(call.id, output, 0).expect("it is open");
                open[client] = None;
            }
        }
    }
    history
}

fn draw(random: &mut Random, number: u64, shape: Shape) -> Input<u64, u64> {
    let key = random.below(shape.keys);
    let mut value = |ahead: u64| match shape.values {
        Values::Five => 1 + random.below(5),
        Values::Unique => 1 + 2 * number + ahead,
    };
    let (mut one, other) = (value(0), value(1));
    let kind = random.below(100);
    if kind < 50 {
        Input::Read(key)
    } else if kind < 100 - shape.swap_percent {
        Input::Write(key, one)
    } else {
        if shape.values == Values::Unique {
            // One of the last writes, so that some succeed.
            one = 1 + 2 * number.saturating_sub(1 + random.below(8));
        }
        Input::CompareAndSet { key, expected: one, value: other }
    }
}

fn apply(held: &mut [Vec<u64>], input: &Input<u64, u64>) -> Output<u64> {
    let (Input::Read(key) | Input::Write(key, _) | Input::CompareAndSet { key, .. }) = *input;
    let past = &mut held[usize::try_from(key).expect("keys are few")];
    let now = past.last().copied().unwrap_or(0);
    match *input {
        Input::Read(_) => Output::Value(now),
        Input::Write(_, value) => {
            past.push(value);
            Output::Written
        }
        Input::CompareAndSet { key: _, expected, value } if expected == now => {
            past.push(value);
            Output::Swapped
        }
        Input::CompareAndSet { .. } => Output::NotSwapped,
    }
}

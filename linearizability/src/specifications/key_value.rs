//! A map from keys to texts, with compare-and-set, append, and operations on several keys at once.

use std::{collections::BTreeMap, fmt};

use crate::specification::{Effect, Keys, Outcomes, Specification, View};

/// What is asked of the map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "formats", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "formats", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Command {
    /// Read a key.
    Get {
        /// Which.
        key: String,
    },
    /// Write a key, whatever it held.
    Put {
        /// Which.
        key: String,
        /// What it holds afterwards.
        value: String,
    },
    /// Compare and set: write a key if it holds what is expected.
    Cas {
        /// Which.
        key: String,
        /// What it must hold; `None`: the key must be missing.
        expected: Option<String>,
        /// What it holds afterwards.
        value: String,
    },
    /// Add to the end of what a key holds. A missing key counts as empty.
    Append {
        /// Which.
        key: String,
        /// What to add.
        value: String,
    },
    /// Read several keys at one moment.
    GetAll {
        /// Which. At least one.
        keys: Vec<String>,
    },
    /// Write several keys at one moment.
    PutAll {
        /// What each holds afterwards. At least one.
        values: BTreeMap<String, String>,
    },
}

/// What the map answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "formats", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "formats", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum Reply {
    /// To a get: what the key holds; `None` if it is missing.
    Value(Option<String>),
    /// To a put: done.
    Written,
    /// To a compare and set.
    CasResult {
        /// Whether it found what it expected, and so wrote.
        ok: bool,
        /// What it found.
        actual: Option<String>,
    },
    /// To a compare and set that did not find what it expected, where the record does not tell what it found instead.
    CasFailed,
    /// To an append: done.
    Appended,
    /// To a get of several keys: those that are not missing.
    Values(BTreeMap<String, String>),
    /// Something that no map answers. Whoever records it is told of a violation.
    Other(String),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get { key } => write!(f, "get {key}"),
            Self::Put { key, value } => write!(f, "put {key}={value}"),
            Self::Cas { key, expected, value } => {
                write!(f, "cas {key} {}→{value}", Shown(expected.as_deref()))
            }
            Self::Append { key, value } => write!(f, "append {key}+={value}"),
            Self::GetAll { keys } => write!(f, "get {}", keys.join(", ")),
            Self::PutAll { values } => write!(f, "put {}", Pairs(values)),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{}", Shown(value.as_deref())),
            Self::Written => f.write_str("written"),
            Self::CasResult { ok: true, actual: _ } => f.write_str("swapped"),
            Self::CasResult { ok: false, actual } => {
                write!(f, "not swapped, was {}", Shown(actual.as_deref()))
            }
            Self::CasFailed => f.write_str("not swapped"),
            Self::Appended => f.write_str("appended"),
            Self::Values(values) => write!(f, "{}", Pairs(values)),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// A value, or the sign that there is none.
struct Shown<'a>(Option<&'a str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.unwrap_or("∅"))
    }
}

/// Keys and what they hold.
struct Pairs<'a>(&'a BTreeMap<String, String>);

impl fmt::Display for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.write_str(&pairs.join(", "))
    }
}

/// A map whose keys all hold the same in the beginning: nothing, unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValue {
    initial: Option<String>,
}

impl KeyValue {
    /// For maps whose keys all hold this in the beginning.
    pub fn starting_with(initial: Option<&str>) -> Self {
        Self { initial: initial.map(str::to_owned) }
    }
}

/// What the keys of one part of a history hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// There is one key.
    One(Option<String>),
    /// There are several, and these are not missing.
    Several(BTreeMap<String, String>),
}

impl State {
    fn value(&self, key: &str) -> Option<&String> {
        match self {
            Self::One(value) => value.as_ref(),
            Self::Several(values) => values.get(key),
        }
    }

    fn with(&self, key: &str, value: String) -> Self {
        match self {
            Self::One(_) => Self::One(Some(value)),
            Self::Several(values) => {
                let mut values = values.clone();
                values.insert(key.to_owned(), value);
                Self::Several(values)
            }
        }
    }

    fn with_all(&self, new: &BTreeMap<String, String>) -> Self {
        new.iter().fold(self.clone(), |state, (key, value)| state.with(key, value.clone()))
    }
}

impl Specification for KeyValue {
    type Key = String;
    type Input = Command;
    type Output = Reply;
    type State = State;
    type Value = String;

    fn keys(&self, input: &Command) -> Keys<String> {
        match input {
            Command::Get { key }
            | Command::Put { key, .. }
            | Command::Cas { key, .. }
            | Command::Append { key, .. } => Keys::One(key.clone()),
            Command::GetAll { keys } => Keys::Several(keys.clone()),
            Command::PutAll { values } => Keys::Several(values.keys().cloned().collect()),
        }
    }

    fn initial(&self, keys: &[String]) -> State {
        match (keys, &self.initial) {
            ([_], value) => State::One(value.clone()),
            (_, None) => State::Several(BTreeMap::new()),
            (keys, Some(value)) => {
                State::Several(keys.iter().map(|key| (key.clone(), value.clone())).collect())
            }
        }
    }

    fn apply(&self, state: &State, input: &Command) -> Outcomes<Reply, State> {
        match input {
            Command::Get { key } => Outcomes::one(Reply::Value(state.value(key).cloned()), state.clone()),
            Command::Put { key, value } => Outcomes::one(Reply::Written, state.with(key, value.clone())),
            Command::Cas { key, expected, value } => {
                let actual = state.value(key).cloned();
                let ok = actual == *expected;
                let next = if ok { state.with(key, value.clone()) } else { state.clone() };
                Outcomes::one(Reply::CasResult { ok, actual }, next)
            }
            Command::Append { key, value } => {
                let longer = [state.value(key).map_or("", String::as_str), value].concat();
                Outcomes::one(Reply::Appended, state.with(key, longer))
            }
            Command::GetAll { keys } => {
                let found = keys.iter().filter_map(|key| Some((key.clone(), state.value(key)?.clone())));
                Outcomes::one(Reply::Values(found.collect()), state.clone())
            }
            Command::PutAll { values } => Outcomes::one(Reply::Written, state.with_all(values)),
        }
    }

    fn agrees(&self, foretold: &Reply, observed: &Reply) -> bool {
        let untold = matches!((foretold, observed), (Reply::CasResult { ok: false, .. }, Reply::CasFailed));
        untold || foretold == observed
    }

    fn effect(&self, input: &Command) -> Effect {
        match input {
            Command::Get { .. } | Command::GetAll { .. } => Effect::Read,
            Command::Append { .. } => Effect::Extend,
            Command::Put { .. } | Command::PutAll { .. } => Effect::Overwrite,
            Command::Cas { .. } => Effect::Update,
        }
    }

    fn is_pure(&self, input: &Command, output: &Reply) -> bool {
        matches!(input, Command::Get { .. } | Command::GetAll { .. })
            || matches!(output, Reply::CasResult { ok: false, .. } | Reply::CasFailed)
    }

    fn can_reach(&self, state: &State, input: &Command, output: &Reply) -> bool {
        let begins = |now: Option<&String>, then: Option<&String>| match (now, then) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(now), Some(then)) => then.starts_with(now.as_str()),
        };
        match (input, output) {
            (Command::Get { key }, Reply::Value(then)) => begins(state.value(key), then.as_ref()),
            (Command::GetAll { keys }, Reply::Values(then)) => {
                keys.iter().all(|key| begins(state.value(key), then.get(key)))
            }
            _ => true,
        }
    }

    fn view<'a>(&self, input: &'a Command, output: Option<&'a Reply>) -> View<'a, String> {
        match (input, output) {
            (Command::Put { key: _, value }, None | Some(Reply::Written)) => View::Write(value),
            (Command::Get { key: _ }, Some(Reply::Value(value))) => View::Read(value.as_ref()),
            (Command::Cas { key: _, expected, value }, None) => {
                View::Swap { from: expected.as_ref(), to: value }
            }
            (Command::Cas { key: _, expected, value }, Some(Reply::CasResult { ok: true, actual }))
                if actual == expected =>
            {
                View::Swap { from: expected.as_ref(), to: value }
            }
            (Command::Cas { key: _, expected, value: _ }, Some(Reply::CasResult { ok: false, actual }))
                if actual != expected =>
            {
                View::Read(actual.as_ref())
            }
            _ => View::Opaque,
        }
    }

    fn initial_value(&self, _key: &String) -> Option<String> {
        self.initial.clone()
    }

    fn state_bytes(&self, state: &State) -> u64 {
        let heap: usize = match state {
            State::One(value) => value.as_ref().map_or(0, String::capacity),
            // Nodes of the tree hold up to eleven pairs and are about half full.
            State::Several(values) => {
                values.iter().map(|(key, value)| key.len() + value.len() + 4 * size_of::<String>()).sum()
            }
        };
        (size_of::<State>() + heap) as u64
    }

    fn show_key(&self, key: &String) -> String {
        key.clone()
    }

    fn show_input(&self, input: &Command) -> String {
        input.to_string()
    }

    fn show_output(&self, output: &Reply) -> String {
        output.to_string()
    }

    fn show_state(&self, state: &State) -> String {
        match state {
            State::One(Some(value)) => format!("\"{value}\""),
            State::One(None) => "nothing".to_owned(),
            State::Several(values) if values.is_empty() => "nothing".to_owned(),
            State::Several(values) => Pairs(values).to_string(),
        }
    }
}

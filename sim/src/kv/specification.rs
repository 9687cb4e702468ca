//! What the store's commands mean, for the judge of histories: the same as those of a key-value map. How the
//! [store](super) does it is not looked at.

use linearizability::{
    Effect, Keys, Outcomes, Specification, View,
    specifications::key_value::{self, KeyValue, State},
};

use super::{Command, Reply};

/// The store, as its clients should see it: without any value in the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvSpecification(KeyValue);

fn general_command(command: &Command) -> key_value::Command {
    match command.clone() {
        Command::Get { key } => key_value::Command::Get { key },
        Command::Put { key, value } => key_value::Command::Put { key, value },
        Command::Cas { key, expected, value } => key_value::Command::Cas { key, expected, value },
        Command::Append { key, value } => key_value::Command::Append { key, value },
    }
}

fn general_reply(reply: &Reply) -> key_value::Reply {
    match reply.clone() {
        Reply::Value(value) => key_value::Reply::Value(value),
        Reply::Written => key_value::Reply::Written,
        Reply::CasResult { ok, actual } => key_value::Reply::CasResult { ok, actual },
        Reply::CasFailed => key_value::Reply::CasFailed,
        Reply::Appended => key_value::Reply::Appended,
        // No map answers so.
        Reply::Stale | Reply::Malformed => key_value::Reply::Other(reply.to_string()),
    }
}

/// The reply of a map to a command, in the store's words.
fn own_reply(reply: key_value::Reply) -> Reply {
    match reply {
        key_value::Reply::Value(value) => Reply::Value(value),
        key_value::Reply::Written => Reply::Written,
        key_value::Reply::CasResult { ok, actual } => Reply::CasResult { ok, actual },
        key_value::Reply::CasFailed => Reply::CasFailed,
        key_value::Reply::Appended => Reply::Appended,
        key_value::Reply::Values(_) | key_value::Reply::Other(_) => {
            panic!("no command of the store is answered {reply}")
        }
    }
}

impl Specification for KvSpecification {
    type Key = String;
    type Input = Command;
    type Output = Reply;
    type State = State;
    type Value = String;

    fn keys(&self, input: &Command) -> Keys<String> {
        Keys::One(input.key().to_owned())
    }

    fn initial(&self, keys: &[String]) -> State {
        self.0.initial(keys)
    }

    fn apply(&self, state: &State, input: &Command) -> Outcomes<Reply, State> {
        let outcomes = self.0.apply(state, &general_command(input)).into_iter();
        Outcomes::several(outcomes.map(|(reply, next)| (own_reply(reply), next)).collect())
    }

    fn agrees(&self, foretold: &Reply, observed: &Reply) -> bool {
        let untold = matches!((foretold, observed), (Reply::CasResult { ok: false, .. }, Reply::CasFailed));
        untold || foretold == observed
    }

    fn effect(&self, input: &Command) -> Effect {
        match input {
            Command::Get { .. } => Effect::Read,
            Command::Put { .. } => Effect::Overwrite,
            Command::Append { .. } => Effect::Extend,
            Command::Cas { .. } => Effect::Update,
        }
    }

    fn is_pure(&self, input: &Command, output: &Reply) -> bool {
        self.0.is_pure(&general_command(input), &general_reply(output))
    }

    fn can_reach(&self, state: &State, input: &Command, output: &Reply) -> bool {
        self.0.can_reach(state, &general_command(input), &general_reply(output))
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

    fn state_bytes(&self, state: &State) -> u64 {
        self.0.state_bytes(state)
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
        self.0.show_state(state)
    }
}

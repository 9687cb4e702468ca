//! What can be written down comes back as it was, and what no replica can have written down is refused.

use std::collections::BTreeSet;

use raft_core::{Configuration, Leave, LogSlice, Majority, NodeId, Voters};
use serde::{Serialize, de::DeserializeOwned};

use crate::cluster::{at, node, slice};

fn written<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("it has a form")
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn majority(numbers: [u64; 3]) -> Majority {
    numbers.map(node).into_iter().collect()
}

#[test]
fn configurations_come_back_and_are_checked() {
    let set = |numbers: &[u64]| numbers.iter().copied().map(node).collect::<BTreeSet<NodeId>>();
    let voters = Voters::joint(majority([1, 2, 3]), majority([3, 4, 5]));
    let joint = Configuration::new(voters, set(&[6]), set(&[4]), Some(Leave::Explicit)).expect("valid");
    for configuration in [Configuration::default(), Configuration::of_voters([1, 2].map(node)), joint] {
        let text = written(&configuration);
        assert_eq!(read(&text), Ok(configuration), "{text}");
    }
    let text = written(&Configuration::of_voters([1, 2].map(node)));
    let twice = text.replace("\"learners\":[]", "\"learners\":[2]");
    assert_ne!(text, twice);
    assert!(read::<Configuration>(&twice).is_err(), "a voter that is a learner: {twice}");
}

#[test]
fn entries_come_back_and_are_checked() {
    let entries = slice(at(2, 7), &[2, 3]);
    let text = written(&entries);
    assert_eq!(read(&text), Ok(entries), "{text}");
    let backwards = text.replace("\"term\":3", "\"term\":1");
    assert_ne!(text, backwards);
    assert!(read::<LogSlice>(&backwards).is_err(), "terms go back: {backwards}");
}

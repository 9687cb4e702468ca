//! The checker against recorded histories whose verdicts are known: the same verdict for every file, and the same
//! first violating event.
//!
//! The histories are not part of this repository. `LINEARIZABILITY_DIR` names a directory that holds them:
//!
//! - `verdicts.json`, a list of objects with `file`, `linearizable` and `first_violating_event` (or null);
//! - the files, `jepsen/*.log` and `kv/*.txt`, in the formats of [`jepsen`] and [`edn`].

#![cfg(feature = "formats")]

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use linearizability::{
    Budget, Precision, Report, Verdict, check,
    formats::{edn, jepsen},
    specifications::key_value::KeyValue,
};
use serde::Deserialize;

/// One line of the list of verdicts; what else it may tell is passed over.
#[derive(Debug, Deserialize)]
struct Known {
    file: String,
    linearizable: bool,
    first_violating_event: Option<u64>,
    /// How many nodes another checker of this kind took.
    jit_prototype_nodes: u64,
}

/// The directory with the histories. Without one the test is skipped, but never where it counts.
fn directory() -> Option<PathBuf> {
    if let Some(directory) = env::var_os("LINEARIZABILITY_DIR") {
        return Some(directory.into());
    }
    let in_ci = env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "LINEARIZABILITY_DIR is not set: the known histories must be checked in CI");
    // Not printed but written, or it would be kept back from who should read it.
    let told = writeln!(
        io::stderr(),
        "skipped the known histories: set LINEARIZABILITY_DIR to a directory with verdicts.json to judge them"
    );
    told.expect("standard error is open");
    None
}

fn known() -> Option<(PathBuf, Vec<Known>)> {
    let directory = directory()?;
    let path = directory.join("verdicts.json");
    let unusable = |error: &dyn Error| -> ! {
        panic!("LINEARIZABILITY_DIR is {}, and of {}: {error}", directory.display(), path.display())
    };
    let list = fs::read_to_string(&path).unwrap_or_else(|error| unusable(&error));
    let known = serde_json::from_str(&list).unwrap_or_else(|error| unusable(&error));
    Some((directory, known))
}

fn judge(name: &str, text: &str) -> Report {
    let (history, initial) = if name.starts_with("jepsen/") {
        (jepsen::read(text), jepsen::INITIAL)
    } else {
        (edn::read(text), edn::INITIAL)
    };
    let history = history.unwrap_or_else(|error| panic!("{name}: {error}"));
    check(&KeyValue::starting_with(initial), &history, Budget::default())
}

/// Whether the verdict is the known one; `Err` says how it differs.
fn compare(known: &Known, verdict: &Verdict) -> Result<(), String> {
    match verdict {
        Verdict::Linearizable { .. } if known.linearizable => Ok(()),
        Verdict::Violation(violation) if !known.linearizable => match known.first_violating_event {
            Some(event) if (event, &Precision::Exact) != (violation.first_bad.0, &violation.precision) => {
                Err(format!("{violation:?} instead of event {event}"))
            }
            Some(_) | None => Ok(()),
        },
        Verdict::Linearizable { .. } | Verdict::Violation(_) | Verdict::Unknown { .. } => {
            Err(format!("linearizable: {}, but the verdict is {verdict:?}", known.linearizable))
        }
    }
}

#[test]
fn every_known_history_gets_its_known_verdict() {
    let Some((directory, list)) = known() else { return };
    assert!(list.iter().any(|known| known.linearizable), "no history that is linearizable");
    assert!(list.iter().any(|known| !known.linearizable), "no history that is not");
    let (mut nodes, mut prototype_nodes) = (0, 0);
    for known in &list {
        let text = fs::read_to_string(directory.join(&known.file)).expect(&known.file);
        let Report { verdict, cost, merged_keys: _ } = judge(&known.file, &text);
        println!("{}: {} nodes, prototype {}", known.file, cost.nodes, known.jit_prototype_nodes);
        if known.file.starts_with("jepsen/") {
            nodes += cost.nodes;
            prototype_nodes += known.jit_prototype_nodes;
        }
        compare(known, &verdict).unwrap_or_else(|difference| panic!("{}: {difference}", known.file));
    }
    println!("registers: {nodes} nodes, prototype {prototype_nodes}");
    assert!(nodes <= 2 * prototype_nodes, "{nodes} nodes, where {prototype_nodes} were enough");
}

//! How each verb is written, for whoever has written it differently.

use super::Mistake;

/// One of each verb, to show how it is written.
const EXAMPLES: [(&str, &str); 37] = [
    ("campaign", "campaign(n1)"),
    ("transfer", "transfer(to: n2)"),
    ("change", "change(add: [n4], remove: [n1], transition: explicit)"),
    ("leave", "leave(leader)"),
    ("snapshot", "snapshot(n1)"),
    ("compact", "compact(n1)"),
    ("deliver", "deliver(kind: RequestVote, from: n1, to: n2)"),
    ("drop", "drop(kind: Heartbeat, from: n1)"),
    ("duplicate", "duplicate(kind: AppendEntries, to: n2)"),
    ("hold", "hold(kind: AppendEntriesReply, from: n2)"),
    ("release", "release(kind: AppendEntriesReply, from: n2)"),
    ("delay", "delay(kind: Heartbeat, by: \"1s\")"),
    ("partition", "partition([[n1, n2], [n3]])"),
    ("cut", "cut(from: n1, to: n2)"),
    ("heal", "heal"),
    ("crash", "crash(n1)"),
    ("lose_power", "lose_power(n1, lost)"),
    ("restart", "restart(n1)"),
    ("pause", "pause(n1)"),
    ("resume", "resume(n1)"),
    ("slow", "slow(n1, \"20ms\")"),
    ("skew", "skew(server: n2, ppm: 50000)"),
    ("fail", "fail(n1, sync)"),
    ("fill", "fill(n1)"),
    ("tear", "tear(n3, 40)"),
    ("rot", "rot(n1, bit(40))"),
    ("make_room", "make_room(n1)"),
    ("put", "put(key: \"x\", value: \"1\")"),
    ("get", "get(key: \"x\")"),
    ("cas", "cas(key: \"x\", expected: \"1\", value: \"2\")"),
    ("append", "append(key: \"x\", value: \"1\")"),
    ("retry", "retry(to: n2)"),
    ("together", "together([deliver(kind: Request, from: c1), deliver(kind: Request, from: c2)])"),
    ("run_for", "run_for(\"20ms\")"),
    ("run_until", "run_until(condition: leader(n1), within: \"1s\")"),
    ("settle", "settle"),
    ("expect", "expect(leader(n1))"),
];

/// Adds to a mistake in a step how its verb is written.
pub(super) fn add(step: &str, mistake: Mistake) -> Mistake {
    match example(step) {
        Some(example) => mistake.with(&format!("write it like `{example}`")),
        None => mistake,
    }
}

/// How the verb with which this step begins is written.
fn example(step: &str) -> Option<&'static str> {
    let verb: String = step.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    EXAMPLES.iter().find(|(name, _)| *name == verb).map(|(_, example)| *example)
}

#[cfg(test)]
mod tests {
    use ron::{Error, extensions::Extensions};

    use super::*;
    use crate::scenario::Step;

    fn read(step: &str) -> Result<Step, Error> {
        let options = ron::Options::default()
            .with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_VARIANT_NEWTYPES);
        options.from_str(step).map_err(|error| error.code)
    }

    #[test]
    fn every_verb_has_an_example_that_can_be_read() {
        let Err(Error::NoSuchEnumVariant { expected: verbs, .. }) = read("dance") else {
            panic!("`dance` is a verb");
        };
        assert_eq!(EXAMPLES.map(|(verb, _)| verb).as_slice(), verbs);
        for verb in verbs {
            let example = example(&format!("{verb}(")).expect("every verb has one");
            assert!(read(example).is_ok() && example.starts_with(verb), "{example}");
        }
        assert_eq!(example("dance(n1)"), None);
    }
}

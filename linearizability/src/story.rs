//! A violation in words: what cannot be explained, what it could have been, and what proves it.

use std::fmt::Write as _;

use crate::{
    history::EventNumber,
    partition::{End, Part, PartOperation},
    specification::Specification,
};

/// The most operations that a story tells of.
const MOST_OPERATIONS: usize = 16;
/// The most states that are named.
const MOST_STATES: usize = 8;

/// Tells of a violation whose first bad event is `last`. The states are those that were possible before it.
pub(crate) fn tell<S: Specification>(
    spec: &S,
    part: &Part<'_, S>,
    last: u32,
    states: &[&S::State],
    core: &[u32],
) -> String {
    let keys: Vec<_> = part.keys.iter().map(|key| spec.show_key(key)).collect();
    let event = EventNumber(u64::from(last));
    let mut story =
        format!("key {}: no order of operations explains everything up to {event}.\n", keys.join(", "));
    let in_question = part.operations.iter().find(|operation| operation.ended() == Some(last));
    if let Some(operation) = in_question {
        let held = match states {
            [] => String::new(),
            states => format!("; before it there may have been, for example, {}", name_states(spec, states)),
        };
        write_line(&mut story, &format!("{}{held}.", describe(spec, operation, last)));
    }
    write_line(&mut story, "These operations prove it, whatever the others did:");
    let hidden = core.len().saturating_sub(MOST_OPERATIONS);
    if 0 < hidden {
        write_line(&mut story, &format!("  ({hidden} earlier operations)"));
    }
    for &position in &core[hidden..] {
        write_line(&mut story, &format!("  {}", describe(spec, &part.operations[position as usize], last)));
    }
    story
}

fn write_line(story: &mut String, line: &str) {
    writeln!(story, "{line}").expect("a string takes everything");
}

/// An operation in one line, as far as it was known at the event `last`.
fn describe<S: Specification>(spec: &S, operation: &PartOperation<'_, S>, last: u32) -> String {
    let PartOperation { id: _, client, input, invoked, end } = operation;
    let input = spec.show_input(input);
    match end {
        End::Answered { event, output } if *event <= last => {
            let output = spec.show_output(output);
            format!("events {invoked} to {event}: {client} asked `{input}` and was told `{output}`")
        }
        End::Failed { event } if *event <= last => {
            format!("events {invoked} to {event}: {client} asked `{input}`, which failed without effect")
        }
        End::Answered { .. } | End::Failed { .. } => {
            format!("event {invoked} on: {client} asked `{input}` and was not yet answered")
        }
        End::Never => format!("event {invoked} on: {client} asked `{input}` and was never answered"),
    }
}

/// The states that were possible, as a list.
fn name_states<S: Specification>(spec: &S, states: &[&S::State]) -> String {
    let mut names: Vec<_> = states.iter().take(MOST_STATES).map(|state| spec.show_state(state)).collect();
    if MOST_STATES < states.len() {
        names.push(format!("one of {} more", states.len() - MOST_STATES));
    }
    names.join(" or ")
}

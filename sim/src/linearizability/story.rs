//! A violation in words: the answer that cannot be explained, what it could have been, and what went on around it.

use std::fmt::Write as _;

use super::{
    Specification,
    search::{Call, KeyHistory, Stuck},
};
use crate::history::{EventNumber, OperationId};

/// The most operations that a story tells of.
const MOST_OPERATIONS: usize = 16;
/// How many operations that ended before the one in question are told of.
const OPERATIONS_BEFORE: usize = 4;
/// The most states that are named.
const MOST_STATES: usize = 8;

/// The operations that play a part in a violation at `event`, and the story.
pub(super) fn tell<S: Specification>(
    key: &KeyHistory<'_, S>,
    event: EventNumber,
    stuck: &Stuck<S::State>,
) -> (Vec<OperationId>, String) {
    let calls = calls_around(key, event, stuck.operation);
    let mut story =
        format!("key {}: no order of its operations explains all answers up to {event}.\n", key.key);
    for call in key.calls.iter().filter(|call| call.operation == stuck.operation) {
        let (told, held) = (describe(call, event), name_states(&stuck.states));
        write_line(&mut story, &format!("{told}; whatever the order, the key then held {held}."));
    }
    write_line(&mut story, "What went on around it:");
    for call in &calls {
        write_line(&mut story, &format!("  {}", describe(call, event)));
    }
    (calls.iter().map(|call| call.operation).collect(), story)
}

fn write_line(story: &mut String, line: &str) {
    writeln!(story, "{line}").expect("a string takes everything");
}

/// The operations in progress between the invocation of the one in question and the event, and the last ones that
/// ended before; by invocation.
fn calls_around<'k, 'h, S: Specification>(
    key: &'k KeyHistory<'h, S>,
    event: EventNumber,
    in_question: OperationId,
) -> Vec<&'k Call<'h, S>> {
    let (mut before, mut during) = (Vec::new(), Vec::new());
    let in_question = key.calls.iter().find(|call| call.operation == in_question);
    let start = in_question.map_or(event, |call| call.invoked);
    for call in key.calls.iter().filter(|call| call.invoked <= event) {
        match call.answer {
            Some((end, _)) if end < start => before.push((end, call)),
            Some(_) | None => during.push(call),
        }
    }
    before.sort_by_key(|&(end, _)| end);
    // Where there is no room for all, the answer at the event stays, and what began last: the unanswered may
    // reach far back.
    during.sort_by_key(|call| (call.answer.is_some_and(|(end, _)| end <= event), call.invoked));
    let during = during.into_iter().rev().take(MOST_OPERATIONS - OPERATIONS_BEFORE);
    let before = before.into_iter().rev().take(OPERATIONS_BEFORE).map(|(_, call)| call);
    let mut calls: Vec<_> = during.chain(before).collect();
    calls.sort_by_key(|call| call.invoked);
    calls
}

/// An operation in one line, as far as it was known at `event`.
fn describe<S: Specification>(call: &Call<'_, S>, event: EventNumber) -> String {
    let Call { operation: _, client, input, invoked, answer } = call;
    let beginning = invoked.0;
    match answer {
        Some((end, output)) if *end <= event => {
            format!(
                "events {beginning} to {}: client {} asked `{input}` and was told `{output}`",
                end.0, client.0
            )
        }
        Some(_) => {
            format!("event {beginning} on: client {} asked `{input}` and was not yet answered", client.0)
        }
        None => format!("event {beginning} on: client {} asked `{input}` and was never answered", client.0),
    }
}

/// The states that were possible, as a list.
fn name_states<State: std::fmt::Display>(states: &[State]) -> String {
    let mut names: Vec<_> = states.iter().take(MOST_STATES).map(State::to_string).collect();
    if MOST_STATES < states.len() {
        names.push(format!("one of {} more", states.len() - MOST_STATES));
    }
    names.join(" or ")
}

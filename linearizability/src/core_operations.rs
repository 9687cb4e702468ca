//! The core of a violation: a few operations that prove it.
//!
//! Operations are relaxed one group after the other: a relaxed one may take effect at any time after its invocation, with
//! any answer, or never. As long as what is left cannot be explained, the relaxed ones are not needed. (To *delete*
//! operations would be wrong: without a write, a correct read of it looks like a violation.)

use crate::{
    part_search::PartSearch,
    search::{Allowance, Outcome},
    specification::Specification,
};

/// The most steps to spend in all. A relaxed operation is tried in every configuration, and to try one in one is a step:
/// nodes would not do as a measure, because in long histories nearly all operations are relaxed.
const ALL_STEPS: u64 = 2_000_000;
/// The most steps to spend on one attempt.
const ATTEMPT_STEPS: u64 = ALL_STEPS / 6;
/// So many steps does it take to set out on an attempt, for each operation.
const STEPS_OF_SETTING_OUT: u64 = 8;
/// A violation is mostly proved by what came shortly before: so many of the last operations are tried first.
const LAST_OPERATIONS: [usize; 3] = [8, 32, 128];

/// Reduces what proves a violation at the event `last`, beginning with these operations of the part. Whatever time
/// there is for it, what is left does prove it. The result is ascending.
pub(crate) fn reduce<S: Specification>(
    search: &mut PartSearch<'_, '_, S>,
    last: u32,
    mut core: Vec<u32>,
    bytes: u64,
) -> Vec<u32> {
    let mut steps = ALL_STEPS;
    let operations = search.part.operations.len() as u64;
    let mut proves = |kept: &[u32]| {
        let steps_of_node = 1 + operations - kept.len() as u64;
        let allowance = Allowance { nodes: steps.min(ATTEMPT_STEPS) / steps_of_node, bytes };
        let (outcome, spending) = search.search(last, allowance, |name| kept.binary_search(&name).is_ok());
        steps = steps.saturating_sub(spending.nodes * steps_of_node + operations * STEPS_OF_SETTING_OUT);
        match outcome {
            Outcome::Stuck(_) => Attempt::Proves,
            Outcome::Order(_) | Outcome::Spent(_) if steps == 0 => Attempt::Last,
            Outcome::Order(_) | Outcome::Spent(_) => Attempt::Fails,
        }
    };
    for length in LAST_OPERATIONS.into_iter().filter(|&length| length < core.len()) {
        let rest = core[core.len() - length..].to_vec();
        if proves(&rest) == Attempt::Proves {
            core = rest;
            break;
        }
    }
    let mut group = core.len().div_ceil(2);
    while 0 < group {
        let before = core.len();
        let mut start = 0;
        while start < core.len() {
            let rest = without(&core, start, group);
            match proves(&rest) {
                Attempt::Proves => core = rest,
                Attempt::Fails => start += group,
                Attempt::Last => return core,
            }
        }
        group = if group == 1 && core.len() < before { 1 } else { group / 2 };
    }
    core
}

/// What has come of an attempt to do with fewer operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Proves,
    Fails,
    /// It failed, and there is no time for another.
    Last,
}

fn without(core: &[u32], start: usize, length: usize) -> Vec<u32> {
    let end = (start + length).min(core.len());
    core[..start].iter().chain(&core[end..]).copied().collect()
}

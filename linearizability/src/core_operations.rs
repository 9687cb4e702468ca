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

/// The most nodes to spend on one attempt.
const ATTEMPT_NODES: u64 = 20_000;
/// The most nodes to spend in all.
const ALL_NODES: u64 = 400_000;

/// Reduces what proves a violation at the event `last`, beginning with these operations of the part. Whatever time
/// there is for it, what is left does prove it. The result is ascending.
pub(crate) fn reduce<S: Specification>(
    search: &mut PartSearch<'_, '_, S>,
    last: u32,
    mut core: Vec<u32>,
    bytes: u64,
) -> Vec<u32> {
    let mut nodes = ALL_NODES;
    let mut group = core.len().div_ceil(2);
    while 0 < group && 0 < nodes {
        let before = core.len();
        let mut start = 0;
        while start < core.len() && 0 < nodes {
            let rest: Vec<_> = without(&core, start, group);
            let allowance = Allowance { nodes: nodes.min(ATTEMPT_NODES), bytes };
            let is_kept = |name: u32| rest.binary_search(&name).is_ok();
            let (outcome, spending) = search.search(last, allowance, is_kept);
            // Every attempt costs something, so that this ends.
            nodes = nodes.saturating_sub(spending.nodes.max(1));
            match outcome {
                Outcome::Stuck(_) => core = rest,
                Outcome::Order(_) | Outcome::Spent(_) => start += group,
            }
        }
        group = if group == 1 && core.len() < before { 1 } else { group / 2 };
    }
    core
}

fn without(core: &[u32], start: usize, length: usize) -> Vec<u32> {
    let end = (start + length).min(core.len());
    core[..start].iter().chain(&core[end..]).copied().collect()
}

//! Judgement without a search, where a history tells enough by itself. Whether it does is looked at each time: a value
//! that is written twice, or an operation in no common [view](crate::specification::View), and the search is asked.
//!
//! What is found explained is replayed by the verifier like any other order. What is found refuted names operations that
//! prove it, and the search is asked about those.

mod unique_writes;
mod lists;

use crate::{
    partition::{Part, PartOperation},
    problem::NEVER,
    search::Step,
    specification::Specification,
};

/// What a fast path has come to.
#[derive(Debug)]
pub(crate) enum Decision {
    /// This order explains everything.
    Explained(Vec<Step>),
    /// This is the first event up to which there is no order, and these operations prove it.
    Refuted { event: u32, core: Vec<u32> },
    /// The search has to decide.
    NotApplicable,
}

/// What a fast path says about a history that ends with some event.
#[derive(Debug)]
enum Judgement {
    /// By position in the part.
    Explained(Vec<u32>),
    /// By position in the part, ascending.
    Refuted(Vec<u32>),
}

/// Decides a part, if one of the fast paths can.
pub(crate) fn decide<S: Specification>(spec: &S, part: &Part<'_, S>) -> Decision {
    if part.keys.len() != 1 {
        return Decision::NotApplicable;
    }
    if let Some(history) = unique_writes::History::read(spec, part) {
        return conclude(part, |last| history.judge(last));
    }
    if let Some(history) = lists::History::read(spec, part) {
        return conclude(part, |last| history.judge(last));
    }
    Decision::NotApplicable
}

fn conclude<S: Specification>(part: &Part<'_, S>, judge: impl Fn(u32) -> Judgement) -> Decision {
    match judge(NEVER) {
        Judgement::Explained(order) => Decision::Explained(with_events(part, &order)),
        Judgement::Refuted(core) => {
            let (event, core) = first_refuted(part, core, judge);
            Decision::Refuted { event, core }
        }
    }
}

/// Gives each operation an event at which it was in progress: the latest invocation so far.
fn with_events<S: Specification>(part: &Part<'_, S>, order: &[u32]) -> Vec<Step> {
    let mut latest = 0;
    let step = |&name: &u32| {
        latest = part.operations[name as usize].invoked.max(latest);
        Step { name, event: latest, state: None }
    };
    order.iter().map(step).collect()
}

/// The first end of an operation up to which a history is refuted, and by what.
///
/// A history that is refuted does not become explicable by going on, so the ends can be halved. But mostly it is refuted
/// for the first time when the last of those operations ended that prove it, so that end comes first.
fn first_refuted<S: Specification>(
    part: &Part<'_, S>,
    mut core: Vec<u32>,
    judge: impl Fn(u32) -> Judgement,
) -> (u32, Vec<u32>) {
    let mut ends: Vec<_> = part.operations.iter().filter_map(PartOperation::ended).collect();
    ends.sort_unstable();
    let proved = |core: &[u32]| {
        let last = core.iter().filter_map(|&position| part.operations[position as usize].ended()).max();
        last.map_or(ends.len() - 1, |last| ends.partition_point(|&end| end < last))
    };
    let (mut low, mut high, mut stride) = (0, ends.len() - 1, 1);
    let mut probe = proved(&core);
    while low < high {
        match judge(ends[probe]) {
            Judgement::Refuted(earlier) => {
                (high, core) = (probe, earlier);
                probe = proved(&core).min(high.saturating_sub(stride)).max(low);
                stride *= 2;
            }
            Judgement::Explained(_) => {
                low = probe + 1;
                probe = low.midpoint(high);
            }
        }
    }
    (ends[high], core)
}

//! Judgement without a search.

use crate::{partition::Part, search::Step, specification::Specification};

pub(crate) enum Decision {
    Explained(Vec<Step>),
    Refuted { event: u32, core: Vec<u32> },
    NotApplicable,
}

pub(crate) fn decide<S: Specification>(_spec: &S, _part: &Part<'_, S>) -> Decision {
    Decision::NotApplicable
}

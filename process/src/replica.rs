//! The ready-made process.
/// A process put together from three parts.
#[derive(Debug)]
pub struct Replica<A, L, S>(A, L, S);

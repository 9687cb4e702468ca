//! The checker against histories whose verdict is plain, against an oracle that tries every order, and against itself.

mod workloads;
mod meanings;
mod hints;
mod by_hand;
mod fuzz;
mod larger;
mod metamorphic;

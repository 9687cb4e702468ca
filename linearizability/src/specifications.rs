//! Specifications that come with this crate.

pub mod register;
pub mod key_value;
pub mod set;
pub mod queue;
pub mod lock;
pub mod append_list;

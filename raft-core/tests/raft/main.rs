//! Tests of the core through its public face.

mod cluster;
mod paper;
mod durability;
mod flow;
mod quotas;
mod forwarding;
mod forget_leader;
mod refusals;
mod timers;
mod events;
mod etcd_preset;
mod told_in_elections;
mod hostile;
mod no_panic;
#[cfg(feature = "serde")]
mod serialization;
mod random_clusters;

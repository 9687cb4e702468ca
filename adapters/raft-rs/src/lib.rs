//! Plugs the [`raft`] crate of TiKV into the tank: [`RaftRs`].
//!
//! It is also the proof that a Raft implementation fits the seam without knowing of it. The crate is driven through
//! its asynchronous path: each `Ready` is stored in memory at once, handed on to be written, and reported back
//! with `on_persist_ready` when the write is durable. Messages that rest on a write wait for it here; those of a
//! leader leave at once, as the crate allows (§10.2.1).
//!
//! What the crate makes awkward here, and what is done about it:
//!
//! - **It draws its election timeouts from `thread_rng`**, inside `reset`, with no way to supply another source.
//!   Only `tick` reads them, so before every tick the adapter puts back the timeout that it was given, through a
//!   setter that the crate hides from its documentation. No draw ever acts, and none is shown.
//! - **Time passes tick by tick**, and the crate does not tell when something will happen next. The adapter reads
//!   its counters.
//! - **Broadcasts follow the order of a hash map.** It is not seeded, but it is not specified either: messages are
//!   sorted by receiver.
//! - **Refusals are silence.** A read is forwarded, or dropped when nothing of the term is committed; a transfer
//!   that cannot be is ignored. The adapter asks first, and forwards nothing.
//! - **Reads are lost silently** with the leadership, and known by a context that must be unique for ever: a late
//!   heartbeat reply to an earlier read of the same context would confirm the later one. Retries keep their
//!   request id, so the context is a count of our own.
//! - **An entry without data is a no-op**, and so an empty command cannot be told from one: it is refused.
//! - **Zero means none** for nodes, and a message of term zero is taken for one of our own, without a check of its
//!   term. Such messages, and types that no peer has a reason to send, are refused at the door. So are changes
//!   of members in the crate's older form.
//! - **A change of members that does not fit becomes an empty entry**, or fails when it is applied. The adapter looks at it
//!   first.
//! - **A leader that was removed goes on leading**, and drops every command. Its application is to destroy it; here it steps
//!   down.
//! - **One that has no vote campaigns if it is told to.** It is not told.
//! - **Snapshots are made by the storage when they are asked for**, inside `send`. Ours is the description of the latest one
//!   that the replica has; the crate's message with it travels along with the bytes.
//! - **A late answer to a survey is counted in the next one**, so that a server may stand for election that no majority
//!   would have. It does no harm but to whoever leads, and the check of surveys finds it; it is refused at the door.
//! - **A reply from a later term looks like an acknowledgement** of index 0; it is described as one.
//! - **Nonsense may panic.** A heartbeat that commits more than the follower holds ends the process, and an empty
//!   append behind an entry of term 0 beyond the log is acknowledged. Both are left as they are: the tank is to
//!   see the crate, not a better one.

mod storage;
mod members;
mod log;
mod changes;
mod snapshot;
mod message;
mod observation;
mod timers;
mod start;
mod writes;
mod adapter;

pub use adapter::RaftRs;

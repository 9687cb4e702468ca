//! Locks with leases, one for each key. Whoever acquires a lock holds it until it is released or the lease runs out,
//! which may happen at any time and is seen by nobody at first: so the specification leaves a choice. Each lease has a
//! token, one greater than that of the lease before, with which a resource can tell a late holder from the present one.

use std::{fmt::Debug, hash::Hash, marker::PhantomData};

use crate::specification::{Keys, Outcomes, Specification};

/// What is asked of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input<K> {
    /// Hold it.
    Acquire(K),
    /// Hold it for longer.
    Renew {
        /// Which lock.
        key: K,
        /// Under this lease.
        token: u64,
    },
    /// Hold it no longer.
    Release {
        /// Which lock.
        key: K,
        /// Under this lease.
        token: u64,
    },
}

/// What a lock answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// It is held under this lease now.
    Acquired {
        /// The lease's token.
        token: u64,
    },
    /// Somebody else holds it.
    Refused,
    /// The lease goes on.
    Renewed,
    /// The lock is free.
    Released,
    /// The lease had run out.
    Expired,
}

/// What is known of a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lock {
    /// The token of the last lease; zero if there was none.
    pub last_token: u64,
    /// Whether that lease goes on, as far as anybody was told.
    pub state: LeaseState,
}

/// Whether a lease goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LeaseState {
    /// It was released or ran out.
    #[default]
    Over,
    /// It may go on, or have run out unseen.
    MayGoOn,
}

/// Locks that are free in the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locks<K> {
    keys: PhantomData<fn(K)>,
}

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Self { keys: PhantomData }
    }
}

impl<K: Clone + Ord + Hash + Debug + Send + Sync> Specification for Locks<K> {
    type Key = K;
    type Input = Input<K>;
    type Output = Output;
    type State = Lock;
    type Value = ();

    fn keys(&self, input: &Input<K>) -> Keys<K> {
        let (Input::Acquire(key) | Input::Renew { key, .. } | Input::Release { key, .. }) = input;
        Keys::One(key.clone())
    }

    fn initial(&self, _keys: &[K]) -> Lock {
        Lock::default()
    }

    fn apply(&self, lock: &Lock, input: &Input<K>) -> Outcomes<Output, Lock> {
        let Lock { last_token, state } = *lock;
        let over = Lock { last_token, state: LeaseState::Over };
        let holds = |token: u64| state == LeaseState::MayGoOn && token == last_token;
        match input {
            Input::Acquire(_) => {
                let token = last_token + 1;
                let next = Lock { last_token: token, state: LeaseState::MayGoOn };
                match state {
                    LeaseState::Over => Outcomes::one(Output::Acquired { token }, next),
                    LeaseState::MayGoOn => {
                        Outcomes::several(vec![(Output::Refused, *lock), (Output::Acquired { token }, next)])
                    }
                }
            }
            Input::Renew { key: _, token } if holds(*token) => {
                Outcomes::several(vec![(Output::Renewed, *lock), (Output::Expired, over)])
            }
            Input::Release { key: _, token } if holds(*token) => {
                Outcomes::several(vec![(Output::Released, over), (Output::Expired, over)])
            }
            Input::Renew { .. } | Input::Release { .. } => Outcomes::one(Output::Expired, *lock),
        }
    }

    fn is_pure(&self, _input: &Input<K>, output: &Output) -> bool {
        matches!(output, Output::Refused | Output::Renewed)
    }
}

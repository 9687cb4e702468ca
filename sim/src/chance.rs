//! The one door for chance.
//!
//! Everything that the outside world leaves open (which of two events comes first, how long a message
//! travels, which sector survives a crash) is asked of the [`Door`] as a number below a bound. Behind the
//! door stands a [`Decider`]: [`Random`] draws, [`Recorded`] repeats. So one run is its configuration and its
//! decisions, and nothing else.
//!
//! Two rules make runs comparable, and let a failing one shrink:
//!
//! - **The less, the calmer**, at every site: 0 stands for the least that can happen. A run whose choices are all 0
//!   is the quietest there is.
//! - **A choice has an address**: its [`Site`] (what kind of choice, about whom) and how many choices that
//!   site has seen before, its *ordinal*. One more choice at one site moves no choice of another.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use wavetank_process::Label;

use crate::time::Span;

mod random;
mod recorded;

pub use random::{MAPPING_VERSION, Random};
pub use recorded::{DecisionLog, ParseDecisionLogError, Recorded};

/// What a choice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The kind of choice.
    pub label: Label,
    /// Which process, or the two ends of which link. What is not used is 0.
    pub subject: [u64; 2],
}

impl Site {
    /// A kind of choice that concerns the run as a whole.
    pub const fn global(label: Label) -> Self {
        Self { label, subject: [0, 0] }
    }

    /// A choice about one process or client.
    pub const fn of(label: Label, subject: u64) -> Self {
        Self { label, subject: [subject, 0] }
    }
}

impl fmt::Display for Site {
    /// The label, by name when it is one of the tank's, and the subject: `NET_LATENCY 1 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label, subject: [first, second] } = self;
        match labels::name(*label) {
            Some(name) => write!(f, "{name} {first} {second}"),
            None => write!(f, "{} {first} {second}", label.0),
        }
    }
}

/// Declares the tank's labels, and the table of their names along with them.
macro_rules! labels {
    ($($(#[$doc:meta])+ $name:ident = $number:literal;)+) => {
        $($(#[$doc])+ pub const $name: Label = Label($number);)+

        /// Every label of the tank, by name.
        pub const ALL: &[(Label, &str)] = &[$(($name, stringify!($name))),+];
    };
}

/// The tank's kinds of choices. Their numbers are part of what a seed means, and their names of how decisions
/// are written down: neither is ever given to something else.
pub mod labels {
    use super::Label;

    labels! {
        /// Which of the events that are due at the same moment happens first. Subject is what happens: 2 and the
        /// machine for a disk's answer, 3 and the machine for a timer, 4 and the client for a client's turn.
        EVENT_TIE = 256;
        /// The same for messages: subject is sender and receiver.
        ARRIVAL_TIE = 257;

        /// How long a message travels. This and the next four: subject is sender and receiver.
        NET_LATENCY = 272;
        /// Whether a message takes exceptionally long.
        NET_TAIL = 273;
        /// How many times longer it then takes.
        NET_TAIL_FACTOR = 274;
        /// Whether a message is lost.
        NET_LOSS = 275;
        /// Whether a message arrives twice.
        NET_DUPLICATE = 276;

        /// How long the disk takes for a request. This and the next three: subject is the machine.
        DISK_LATENCY = 288;
        /// What becomes of a sector that was written but not synced when the power failed.
        DISK_UNSYNCED = 289;
        /// What becomes of a sector whose write was under way when the power failed.
        DISK_IN_FLIGHT = 290;
        /// After how many bytes a torn sector was torn.
        DISK_TEAR = 291;

        /// How long a client rests before its next operation. This and the next: subject is the client.
        CLIENT_PAUSE = 304;
        /// Which server a client turns to.
        CLIENT_TARGET = 305;
        /// What a client does next.
        CLIENT_OPERATION = 306;
        /// On which key.
        CLIENT_KEY = 307;
        /// With which value.
        CLIENT_VALUE = 308;

        /// Before which event of the run, or at which phase of the protocol, a fault strikes.
        FAULT_PLACE = 321;
        /// Whom a fault strikes.
        FAULT_VICTIM = 322;
        /// How long a fault lasts.
        FAULT_LENGTH = 323;
        /// The shape of a partition.
        FAULT_PARTITION = 324;
        /// Which messages are kept back, and whether a copy arrives in time.
        FAULT_HOLD = 325;
        /// Which change of members is asked for, and which faults wait for a joint configuration.
        FAULT_CHANGE = 326;

        /// Which features of the fault model take part in the run, and how strongly.
        SWARM = 336;
    }

    /// The name of one of the tank's labels.
    pub fn name(label: Label) -> Option<&'static str> {
        ALL.iter().find(|(known, _)| *known == label).map(|(_, name)| *name)
    }

    /// The label of this name.
    pub fn by_name(name: &str) -> Option<Label> {
        ALL.iter().find(|(_, known)| *known == name).map(|(label, _)| *label)
    }
}

/// Answers what is asked at the [`Door`].
pub trait Decider {
    /// A number below `bound` for the choice number `ordinal` (from 0) at this site. The door asks for the
    /// ordinals of a site in rising order, and leaves out those whose bound was 1.
    fn decide(&mut self, site: Site, ordinal: u64, bound: u64) -> u64;
}

/// The one door for chance; see the [module's page](self).
pub struct Door {
    decider: Box<dyn Decider + Send>,
    /// How many choices each site has seen.
    ordinals: BTreeMap<Site, u64>,
    log: Option<DecisionLog>,
}

impl Door {
    /// A door that keeps no log.
    pub fn new(decider: impl Decider + Send + 'static) -> Self {
        Self { decider: Box::new(decider), ordinals: BTreeMap::new(), log: None }
    }

    /// A door that writes down every decision.
    pub fn recording(decider: impl Decider + Send + 'static) -> Self {
        Self { log: Some(DecisionLog::default()), ..Self::new(decider) }
    }

    /// A number below `bound`; 0 is the mildest.
    ///
    /// # Panics
    /// When `bound` is 0, or when the decider's answer is not below it.
    pub fn choose(&mut self, site: Site, bound: u64) -> u64 {
        assert!(1 <= bound, "a choice at {site} among nothing");
        let ordinal = self.next_ordinal(site);
        if bound == 1 {
            return 0;
        }
        let choice = self.decider.decide(site, ordinal, bound);
        assert!(choice < bound, "choice {choice} of {bound} at {site}, number {ordinal}");
        if let Some(log) = &mut self.log {
            log.set(site, ordinal, choice);
        }
        choice
    }

    /// Whether something happens that has this chance. The mildest answer is that it does not.
    ///
    /// What is certain either way is no choice: nothing is asked when the numerator is 0 or reaches the
    /// denominator.
    pub fn chance(&mut self, site: Site, numerator: u64, denominator: u64) -> bool {
        if numerator == 0 || denominator <= numerator {
            return numerator != 0;
        }
        denominator - numerator <= self.choose(site, denominator)
    }

    /// A number from `lo` to `hi`, both included. The mildest is `lo`.
    ///
    /// # Panics
    /// When `hi` is less than `lo`, or when there are more numbers between them than a `u64` can count.
    pub fn range(&mut self, site: Site, lo: u64, hi: u64) -> u64 {
        assert!(lo <= hi, "a choice at {site} from {lo} to {hi}");
        assert!(hi - lo < u64::MAX, "a choice at {site} among 2^64 numbers");
        lo + self.choose(site, hi - lo + 1)
    }

    /// One of `options`. The mildest is the first.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, site: Site, options: &'a [T]) -> &'a T {
        &options[self.choose(site, options.len() as u64) as usize]
    }

    /// A length of time of at least `min`, and `mean` on average: the rest, by which it exceeds `min`, is
    /// distributed almost exponentially, up to eleven times its own mean. The mildest is `min`, which is also
    /// the answer, without a choice, when `mean` is no longer.
    pub fn latency(&mut self, site: Site, min: Span, mean: Span) -> Span {
        if mean <= min {
            return min;
        }
        min + exponential(mean - min, self.choose(site, EXPONENTIAL_BOUND))
    }

    /// The decisions so far; empty when the door keeps no log.
    pub fn log(&self) -> DecisionLog {
        self.log.clone().unwrap_or_default()
    }

    /// The decisions so far, without a copy; empty when the door keeps no log.
    pub fn into_log(self) -> DecisionLog {
        self.log.unwrap_or_default()
    }

    fn next_ordinal(&mut self, site: Site) -> u64 {
        match self.ordinals.entry(site) {
            Entry::Vacant(entry) => {
                entry.insert(1);
                0
            }
            Entry::Occupied(mut entry) => {
                let ordinal = *entry.get();
                *entry.get_mut() += 1;
                ordinal
            }
        }
    }
}

/// How many choices [`exponential`] distinguishes.
const EXPONENTIAL_BOUND: u64 = 1 << 16;

/// The length of time, of this mean, that a uniform choice below [`EXPONENTIAL_BOUND`] stands for: 0 for 0,
/// and longer for larger choices.
///
/// The exponential distribution is `-ln(u)` of a uniform `u`. Logarithms differ between machines, integers do
/// not, so this takes the logarithm to base 2 and draws it straight between powers of two: the time is a
/// geometric number of half-lives (1 on average) and a uniform part of one (1/2 on average). With 3/2 in all,
/// a half-life is 2/3 of the mean.
fn exponential(mean: Span, choice: u64) -> Span {
    let left = EXPONENTIAL_BOUND - choice;
    let power = left.ilog2();
    let part_above_power = (left - (1 << power)) << (EXPONENTIAL_BOUND.ilog2() - power);
    let logarithm = u64::from(power) * EXPONENTIAL_BOUND + part_above_power;
    let half_lives = u64::from(EXPONENTIAL_BOUND.ilog2()) * EXPONENTIAL_BOUND - logarithm;
    let nanoseconds = u128::from(mean.0) * u128::from(half_lives) * 2 / (3 * u128::from(EXPONENTIAL_BOUND));
    Span(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decider: _, ordinals, log } = self;
        f.debug_struct("Door").field("ordinals", ordinals).field("log", log).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{Arc, Mutex},
    };

    use super::*;

    const SITE: Site = Site::global(labels::EVENT_TIE);
    const OTHER: Site = Site { label: labels::NET_LOSS, subject: [1, 2] };

    /// Answers with the largest number there is, and tells what it was asked.
    #[derive(Clone, Default)]
    struct Largest(Arc<Mutex<Vec<(Site, u64, u64)>>>);

    impl Decider for Largest {
        fn decide(&mut self, site: Site, ordinal: u64, bound: u64) -> u64 {
            self.0.lock().unwrap().push((site, ordinal, bound));
            bound - 1
        }
    }

    #[test]
    fn labels_are_unique_and_belong_to_the_tank() {
        let numbers = labels::ALL.iter().map(|(label, _)| *label).collect::<BTreeSet<_>>();
        assert_eq!(numbers.len(), labels::ALL.len(), "two labels share a number");
        for (label, name) in labels::ALL {
            assert!(Label(256) <= *label, "{name} is one of the processes' numbers");
            assert_eq!(labels::name(*label), Some(*name));
            assert_eq!(labels::by_name(name), Some(*label));
        }
    }

    #[test]
    fn ordinals_count_per_site_and_a_choice_of_one_counts_unasked() {
        let asked = Largest::default();
        let mut door = Door::new(asked.clone());
        assert_eq!(door.choose(SITE, 5), 4);
        assert_eq!(door.choose(SITE, 1), 0);
        assert_eq!(door.choose(OTHER, u64::MAX), u64::MAX - 1);
        assert_eq!(door.choose(SITE, 2), 1);
        assert_eq!(*asked.0.lock().unwrap(), [(SITE, 0, 5), (OTHER, 0, u64::MAX), (SITE, 2, 2)]);
    }

    #[test]
    #[should_panic(expected = "among nothing")]
    fn a_choice_needs_an_option() {
        Door::new(Largest::default()).choose(SITE, 0);
    }

    #[test]
    #[should_panic(expected = "choice 3 of 3 at EVENT_TIE 0 0, number 0")]
    fn a_decider_keeps_below_the_bound() {
        struct Bound;
        impl Decider for Bound {
            fn decide(&mut self, _: Site, _: u64, bound: u64) -> u64 {
                bound
            }
        }
        Door::new(Bound).choose(SITE, 3);
    }

    #[test]
    fn the_mildest_answers_come_from_0() {
        let mut door = Door::new(Recorded::quiet());
        assert!(!door.chance(SITE, 999, 1_000));
        assert_eq!(door.range(SITE, 7, 9), 7);
        assert_eq!(door.pick(SITE, &["first", "second"]), &"first");
    }

    #[test]
    fn the_wildest_answers_come_from_the_largest_choice() {
        let mut door = Door::new(Largest::default());
        assert!(door.chance(SITE, 1, 1_000));
        assert_eq!(door.range(SITE, 7, 9), 9);
        assert_eq!(door.range(SITE, 1, u64::MAX), u64::MAX);
        assert_eq!(door.pick(SITE, &["first", "second"]), &"second");
    }

    #[test]
    fn a_chance_is_as_large_as_it_says() {
        /// Answers 0, 1, 2 and so on.
        struct Counting;
        impl Decider for Counting {
            fn decide(&mut self, _: Site, ordinal: u64, bound: u64) -> u64 {
                ordinal % bound
            }
        }
        let mut door = Door::new(Counting);
        let hits = (0..1_000).filter(|_| door.chance(SITE, 37, 1_000)).count();
        assert_eq!(hits, 37);
    }

    #[test]
    fn a_certainty_is_no_choice() {
        let asked = Largest::default();
        let mut door = Door::new(asked.clone());
        assert!(!door.chance(SITE, 0, 1_000));
        assert!(door.chance(SITE, 1_000, 1_000));
        assert!(door.chance(SITE, 2_000, 1_000));
        assert!(asked.0.lock().unwrap().is_empty());
    }

    #[test]
    fn latencies_grow_with_the_choice_and_keep_their_mean() {
        let mean = Span::from_millis(10);
        let spans = (0..EXPONENTIAL_BOUND).map(|choice| exponential(mean, choice)).collect::<Vec<_>>();
        assert_eq!(spans[0], Span::ZERO);
        assert!(spans.is_sorted());
        assert!(spans.last() < Some(&(mean * 11)), "{:?}", spans.last());
        let average = spans.iter().map(|span| span.0).sum::<u64>() / EXPONENTIAL_BOUND;
        assert!((9_990_000..10_010_000).contains(&average), "{average}");
        let half_life = spans[EXPONENTIAL_BOUND as usize / 2];
        assert_eq!(half_life, Span(mean.0 * 2 / 3));
        assert_eq!(exponential(Span::MAX, EXPONENTIAL_BOUND - 1), Span::MAX);
    }

    #[test]
    fn a_latency_without_spread_is_no_choice() {
        let asked = Largest::default();
        let mut door = Door::new(asked.clone());
        assert_eq!(door.latency(SITE, Span(5), Span(5)), Span(5));
        assert_eq!(door.latency(SITE, Span(5), Span(4)), Span(5));
        assert!(asked.0.lock().unwrap().is_empty());
        assert!(Span(5) < door.latency(SITE, Span(5), Span(6_000)));
    }

    #[test]
    fn a_recorded_run_repeats() {
        let run = |mut door: Door| {
            let answers = (0..500)
                .map(|i| {
                    let site = Site { label: labels::NET_LATENCY, subject: [i % 3, i % 5] };
                    door.choose(site, 1 + i * i)
                })
                .collect::<Vec<_>>();
            (answers, door.into_log())
        };
        let (drawn, log) = run(Door::recording(Random::new(7)));
        assert_ne!(log.len(), 0);
        let (repeated, log_again) = run(Door::recording(Recorded::new(log.clone())));
        assert_eq!(drawn, repeated);
        assert_eq!(log, log_again);
    }
}

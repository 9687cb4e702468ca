//! Scenario files: scripted histories, one claim each.
//!
//! A file says what it is about (`story`), what [cluster](Cluster) it needs (`cluster`), what its servers have
//! [behind them](Given) when it begins (`given`, if anything), and what happens (`script`). Nothing happens
//! that is not scripted: every choice is the mildest, disks answer at once, and messages wait in their mailboxes until
//! they are delivered by name, or until a step lets time pass. What is claimed is said by `expect`.
//!
//! ```
//! # let programs = [wavetank::program::built_in().remove(0)];
//! let file = r#"
//! Scenario(
//!     story: "A server that campaigns and hears from a majority leads.",
//!     cluster: (voters: 3, pre_vote: false),
//!     script: [
//!         campaign(n1),
//!         deliver(kind: RequestVote, to: n2),
//!         deliver(kind: RequestVoteReply, from: n2),
//!         expect(leader(n1)),
//!         expect(role(n3, follower)),
//!     ],
//! )
//! "#;
//! let scenario = wavetank::scenario::parse("election.ron", file).map_err(|mistake| println!("{mistake}")).unwrap();
//! let outcome = wavetank::scenario::play(&scenario, &programs);
//! assert_eq!(outcome.verdict, Ok(wavetank::run::Verdict::Pass));
//! ```
//!
//! # The language
//!
//! A file is written in [RON](https://docs.rs/ron). Verbs, claims, settings and names are in `snake_case`; only the
//! [kinds](Kind) of messages are spelt as in the paper, `RequestVote`. Servers are `n1` to `n9`, or `leader`, `follower`
//! and `last_crashed`, which mean whoever is that when the step is taken; clients are `c1` to `c9`. Lengths of time are
//! texts: `"150ms"`. A comment before a step becomes a remark in the trace.
//!
//! [`Step`] lists the verbs and [`Condition`] what can be expected. What is good to know:
//!
//! - `deliver`, `drop`, `duplicate`, `hold`, `release` and `delay` act on *all* messages that fit, in the order in which
//!   they were sent; `nth` picks one. What they bring about is not among them, so a conversation takes several steps.
//! - No time passes in a step, except in `run_for` and `run_until`. Disks answer at once, within the step; after `slow`
//!   they take as long as it says for each request, and making something durable takes two, a write and a sync.
//! - A cluster may have `learners` and `spares` beside its `voters`: servers that get the log and have no vote, and servers
//!   that wait to be added. `change` changes who is what; who was removed goes on running.
//! - `settle` delivers everything, and all that comes of it. `run_for("0s")` does nothing.
//! - A client has one request open. The next `put` gives up the one before, whose outcome stays unknown.
//! - A step that would have no effect (a `heal` with nothing cut, a message that cannot arrive, a wait for what holds
//!   already) is refused, as a [`Mistake`] in the script. So a script never passes by accident.
//!
//! To add a verb, add a [`Step`], play it in a chapter of `scenario/play.rs`, and show it in `scenario/examples.rs`; to add
//! an expectation, add a [`Condition`] and judge it in `scenario/scene.rs`.

mod names;
mod scene;
mod condition;
mod step;
mod examples;
mod given;
mod validate;
mod play;

use std::{fs, path::Path};

use ron::{extensions::Extensions, value::RawValue};
use serde::Deserialize;
use wavetank_process::SnapshotOptions;

pub use crate::mistake::Mistake;
pub use condition::Condition;
pub use given::Given;
pub use names::{ClientName, Fate, Kind, Messages, Party, RoleName, Server, TransitionName};
pub use play::{Outcome, play, play_claiming, play_negated};
pub use step::{Call, Change, Step};

use crate::{mistake::Place, network::NetworkOptions, tank::TankOptions, time::Span};

/// A scenario, read and checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    name: String,
    path: String,
    source: String,
    story: String,
    cluster: Cluster,
    given: Vec<(Given, Place)>,
    script: Vec<Scripted>,
}

/// A step, and where it stands.
#[derive(Clone, Debug)]
struct Scripted {
    step: Step,
    place: Place,
    /// The comment before it, for the trace.
    remark: String,
}

/// The cluster that a scenario plays in. Everything has a default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// How many servers vote when it begins: n1 and up. There are 9 servers at most.
    pub voters: u64,
    /// How many more are learners when it begins.
    pub learners: u64,
    /// How many more there are that wait to be added.
    pub spares: u64,
    /// How many clients there are, up to 9.
    pub clients: u64,
    /// Whether an election begins with a survey.
    pub pre_vote: bool,
    /// Whether a leader steps down when it does not hear from a quorum.
    pub check_quorum: bool,
    /// The base T of the election timeout, in ticks.
    pub election_timeout_ticks: u64,
    /// The time between two heartbeats, in ticks.
    pub heartbeat_ticks: u64,
    /// The most payload bytes in one `AppendEntries`; with 0 each entry travels alone.
    pub max_message_bytes: u64,
    /// The most unanswered `AppendEntries` to one follower.
    pub max_inflight_messages: usize,
    /// When servers take snapshots, and how these travel.
    pub snapshots: SnapshotOptions,
    /// What a tick is worth.
    pub tick: Span,
    /// How long a message travels, where a step lets time pass.
    pub latency: Span,
    /// How long a client waits for an answer before it gives up.
    pub client_timeout: Span,
}

impl Default for Cluster {
    fn default() -> Self {
        let tank = TankOptions::default();
        Self {
            voters: tank.voters,
            learners: tank.learners,
            spares: tank.spares,
            clients: 1,
            pre_vote: tank.raft.pre_vote,
            check_quorum: tank.raft.check_quorum,
            election_timeout_ticks: tank.raft.election_timeout_ticks,
            heartbeat_ticks: tank.raft.heartbeat_ticks,
            max_message_bytes: tank.raft.max_message_bytes,
            max_inflight_messages: tank.raft.max_inflight_messages,
            snapshots: tank.raft.snapshots,
            tick: tank.tick,
            latency: NetworkOptions::default().latency_mean,
            client_timeout: Span::from_secs(2),
        }
    }
}

/// A file as it is written, its parts still unread: each is read by itself, so that a mistake is found where it is.
#[derive(Deserialize)]
#[serde(rename = "Scenario", deny_unknown_fields)]
struct File<'a> {
    story: String,
    #[serde(default)]
    cluster: Cluster,
    #[serde(default, borrow)]
    given: Vec<&'a RawValue>,
    #[serde(borrow)]
    script: Vec<&'a RawValue>,
}

impl Scenario {
    /// Its name: that of its file, without the ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is about.
    pub fn story(&self) -> &str {
        &self.story
    }

    /// The steps of its script.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.script.iter().map(|scripted| &scripted.step)
    }
}

/// Reads a scenario file.
///
/// # Errors
/// When it cannot be read or contains a mistake; the mistake says where.
pub fn load(path: &Path) -> Result<Scenario, Mistake> {
    let shown = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(source) => parse(&shown, &source),
        Err(error) => Err(Mistake::unreadable(shown, &error)),
    }
}

/// Reads a scenario from text; `path` is what its mistakes are reported under.
///
/// # Errors
/// When it contains a mistake.
pub fn parse(path: &str, source: &str) -> Result<Scenario, Mistake> {
    let options = ron::Options::default()
        .with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_VARIANT_NEWTYPES);
    let whole = Place::whole(source);
    let mistake =
        |place, error| Mistake::syntax(path, source, place, "this cannot be read as a scenario", &error);
    let file: File<'_> = options.from_str(source).map_err(|error| mistake(whole, error))?;
    let mut given = Vec::with_capacity(file.given.len());
    for raw in file.given {
        let (place, _) = Place::of(source, raw.get_ron());
        let past = options.from_str(place.text(source)).map_err(|error| mistake(place, error))?;
        given.push((past, place));
    }
    let mut script = Vec::with_capacity(file.script.len());
    for raw in file.script {
        let (place, remark) = Place::of(source, raw.get_ron());
        let text = place.text(source);
        let step = options.from_str(text).map_err(|error| examples::add(text, mistake(place, error)))?;
        script.push(Scripted { step, place, remark });
    }
    let name =
        Path::new(path).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let scenario = Scenario {
        name,
        path: path.to_owned(),
        source: source.to_owned(),
        story: file.story,
        cluster: file.cluster,
        given,
        script,
    };
    validate::validate(&scenario)?;
    Ok(scenario)
}

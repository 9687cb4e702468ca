//! What a file says must make sense before it is played: settings that can run, names that stand for something, and
//! something to expect.

use super::{
    Cluster, Mistake, Scenario, Scripted, Server, Step,
    names::{ClientName, MOST_NAMED, Party},
};
use crate::{mistake::Place, tank::MOST_TICKS, time::Span};

/// Whether everything makes sense.
pub(super) fn validate(scenario: &Scenario) -> Result<(), Mistake> {
    scenario.validate_story()?;
    scenario.validate_cluster()?;
    scenario.validate_given()?;
    for Scripted { step, place, remark: _ } in &scenario.script {
        scenario.validate_parties(step.parties(), *place)?;
        for step in step.all() {
            scenario.validate_call(step, *place)?;
            scenario.validate_change(step, *place)?;
            scenario.validate_together(step, *place)?;
        }
    }
    scenario.validate_claims()
}

impl Scenario {
    fn mistake(&self, place: Place, title: impl Into<String>, expected: impl Into<String>) -> Mistake {
        Mistake::new(&self.path, &self.source, place, title, expected)
    }

    /// Where a word of the file stands first.
    fn place_of(&self, word: &str) -> Place {
        Place::find(&self.source, Place::whole(&self.source), word)
    }

    fn validate_story(&self) -> Result<(), Mistake> {
        if self.story.trim().is_empty() {
            let expected = "expected what the scenario shows, in a sentence";
            return Err(self.mistake(self.place_of("story"), "no story", expected));
        }
        Ok(())
    }

    fn validate_cluster(&self) -> Result<(), Mistake> {
        let Cluster { voters, learners, spares, clients, .. } = self.cluster;
        if !(1..=MOST_NAMED).contains(&voters) {
            let (title, expected) = (format!("a cluster of {voters}"), "expected 1 to 9 voters");
            return Err(self.mistake(self.place_of("voters"), title, expected));
        }
        let servers = self.cluster.servers();
        if MOST_NAMED < servers {
            let title =
                format!("a cluster of {voters} voters, {learners} learners and {spares} spare servers");
            let word = if MOST_NAMED < voters.saturating_add(learners) { "learners" } else { "spares" };
            return Err(self.mistake(self.place_of(word), title, "expected at most 9 servers"));
        }
        if MOST_NAMED < clients {
            let (title, expected) = (format!("{clients} clients"), "expected at most 9 clients");
            return Err(self.mistake(self.place_of("clients"), title, expected));
        }
        if !self.cluster.can_run() {
            let expected = "expected heartbeat_ticks of at least 1, a longer election_timeout_ticks up to 2^32, \
                            and nothing else of zero";
            return Err(self.mistake(self.place_of("cluster"), "these settings make no sense", expected));
        }
        Ok(())
    }

    /// Whether what the servers are said to have behind them is possible.
    fn validate_given(&self) -> Result<(), Mistake> {
        for (position, (given, place)) in self.given.iter().enumerate() {
            self.validate_parties(given.parties(), *place)?;
            let mistake = |expected| Err(self.mistake(*place, "no server can have this behind it", expected));
            if !matches!(given.server, Server::Number(_)) {
                return mistake("expected a server named by number");
            }
            if self.given[..position].iter().any(|(other, _)| other.server == given.server) {
                return mistake("expected one past for each server");
            }
            if let Err(expected) = given.past() {
                return mistake(expected);
            }
        }
        Ok(())
    }

    /// Whether the servers and clients that something names exist.
    fn validate_parties(&self, parties: Vec<Party>, place: Place) -> Result<(), Mistake> {
        let (servers, clients) = (self.cluster.servers(), self.cluster.clients);
        for party in parties {
            let (name, expected) = match party {
                Party::Server(Server::Number(number)) if servers < number => {
                    (format!("n{number}"), format!("expected a server from n1 to n{servers}"))
                }
                Party::Client(ClientName(number)) if clients < number => {
                    (format!("c{number}"), expected_client(clients))
                }
                Party::Server(_) | Party::Client(_) => continue,
            };
            let place = Place::find(&self.source, place, &name);
            return Err(self.mistake(place, format!("there is no {name}"), expected));
        }
        Ok(())
    }

    /// Whether a client's request has the fields that it needs, and no others.
    fn validate_call(&self, step: &Step, place: Place) -> Result<(), Mistake> {
        let Some((_, Err(_))) = step.call() else { return Ok(()) };
        let expected = "expected a `value` for `put` and `append`, none for `get`, and for `cas` a `value` and, if \
                        something must be there, what is `expected`";
        Err(self.mistake(place, "these are not the fields of this request", expected))
    }

    /// Whether a change of members changes something, and says once what is to become of a server.
    fn validate_change(&self, step: &Step, place: Place) -> Result<(), Mistake> {
        let Step::Change(change) = step else { return Ok(()) };
        let concerned = change.concerned();
        if concerned.is_empty() {
            let expected = "expected somebody to `add`, to `learn` or to `remove`; a joint configuration is left by `leave`";
            return Err(self.mistake(place, "this changes nothing", expected));
        }
        let repeated =
            concerned.iter().enumerate().any(|(position, server)| concerned[..position].contains(server));
        if repeated {
            let expected = "expected each server once";
            return Err(self.mistake(place, "a server cannot become two things at once", expected));
        }
        Ok(())
    }

    fn validate_together(&self, step: &Step, place: Place) -> Result<(), Mistake> {
        let Step::Together(steps) = step else { return Ok(()) };
        if !steps.is_empty() && steps.iter().all(Step::is_momentary) {
            return Ok(());
        }
        let expected = "expected steps in which no time passes and nothing is claimed, at least one";
        Err(self.mistake(place, "these cannot be taken together", expected))
    }

    fn validate_claims(&self) -> Result<(), Mistake> {
        if self.steps().any(|step| matches!(step, Step::Expect(_) | Step::RunUntil { .. })) {
            return Ok(());
        }
        let expected = "expected at least one `expect(..)`";
        Err(self.mistake(self.place_of("script"), "nothing is expected", expected))
    }
}

fn expected_client(clients: u64) -> String {
    match clients {
        0 => "the cluster has no clients; set `clients` in `cluster`".to_owned(),
        _ => format!("expected a client from c1 to c{clients}; `clients` in `cluster` sets how many"),
    }
}

impl Cluster {
    /// How many servers there are.
    pub(super) fn servers(&self) -> u64 {
        self.voters.saturating_add(self.learners).saturating_add(self.spares)
    }

    /// Whether its settings, apart from its size, are such that something can happen.
    fn can_run(&self) -> bool {
        0 < self.heartbeat_ticks
            && self.heartbeat_ticks < self.election_timeout_ticks
            && self.election_timeout_ticks <= MOST_TICKS
            && self.tick != Span::ZERO
            && self.client_timeout != Span::ZERO
            && self.max_inflight_messages != 0
            && self.snapshots.snapshot_chunk_bytes != 0
            && self.snapshots.snapshot_every_entries != Some(0)
    }
}

//! The files about quorums: what is committed, and who has won, for a majority or for two of them.

use std::{collections::BTreeMap, fmt::Write as _};

use raft_core::{LogIndex, Majority, NodeId, VoteResult, Voters};

use crate::datadriven::Directive;

/// Answers one directive. Nothing is remembered from one to the next.
pub(crate) fn run(directive: &Directive) -> Result<String, String> {
    let question = Question::read(directive)?;
    let given = match directive.command.as_str() {
        "committed" => question.values("idx", directive, |value| match value {
            "_" => Ok(None),
            index => index.parse().map(|index| Some(LogIndex(index))).map_err(|_| index.to_owned()),
        })?,
        "vote" => question.values("votes", directive, |value| match value {
            "y" => Ok(Some(LogIndex(2))),
            "n" => Ok(Some(LogIndex(1))),
            "_" => Ok(None),
            other => Err(other.to_owned()),
        })?,
        command => return Err(format!("unknown command {command}")),
    };
    let voters = question.voters();
    let members = voters.iter().collect::<Vec<_>>();
    if members.len() != given.len() {
        let numbers = given.iter().map(|value| value.unwrap_or_default().to_string());
        return Ok(format!(
            "error: mismatched input (explicit or _) for voters [{}]: [{}]\n",
            joined(members.iter().map(|id| id.number().to_string())),
            joined(numbers),
        ));
    }
    let by_member = question.assign(&given);
    let mut output = String::new();
    if directive.command == "committed" {
        output.push_str(&chart(&members, &by_member));
        let index = |voters: &Voters| voters.agreed(|id| by_member.get(&id).copied().unwrap_or_default());
        question.answer(&mut output, index, |index: Option<LogIndex>| {
            index.map_or("∞".to_owned(), |index| index.to_string())
        });
    } else {
        let verdict = |voters: &Voters| {
            voters.vote_result(|id| by_member.get(&id).map(|answer| *answer == LogIndex(2)))
        };
        question.answer(&mut output, verdict, |verdict| {
            match verdict {
                VoteResult::Won => "VoteWon",
                VoteResult::Lost => "VoteLost",
                VoteResult::Pending => "VotePending",
            }
            .to_owned()
        });
    }
    Ok(output)
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// Whose answer is asked for.
struct Question {
    first: Vec<NodeId>,
    /// A second majority, if the quorum is joint. It may be empty.
    second: Option<Vec<NodeId>>,
}

impl Question {
    fn read(directive: &Directive) -> Result<Self, String> {
        let ids = |values: &[String]| values.iter().map(|value| parse_id(value)).collect();
        let first = directive.values("cfg").map_or(Ok(Vec::new()), ids)?;
        let second = match directive.values("cfgj") {
            None => None,
            Some([zero]) if zero == "zero" => Some(Vec::new()),
            Some(values) => Some(ids(values)?),
        };
        Ok(Self { first, second })
    }

    fn halves(&self) -> (Majority, Option<Majority>) {
        let majority = |ids: &Vec<NodeId>| ids.iter().copied().collect();
        (majority(&self.first), self.second.as_ref().map(majority))
    }

    fn voters(&self) -> Voters {
        match self.halves() {
            (first, None) => first.into(),
            (first, Some(second)) => Voters::joint(first, second),
        }
    }

    fn values<T>(
        &self,
        key: &str,
        directive: &Directive,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let values = directive.values(key).unwrap_or_default();
        values.iter().map(|value| read(value)).collect::<Result<_, _>>()
    }

    /// Gives the values to the voters in the order in which they are named, to each the first time.
    fn assign(&self, given: &[Option<LogIndex>]) -> BTreeMap<NodeId, LogIndex> {
        let mut named = Vec::new();
        for &id in self.first.iter().chain(self.second.iter().flatten()) {
            if !named.contains(&id) {
                named.push(id);
            }
        }
        named.into_iter().zip(given).filter_map(|(id, value)| Some((id, (*value)?))).collect()
    }

    /// Prints the answer, and whatever answer differs from it that should not: with the halves exchanged, and for a
    /// single majority joined with nothing or with itself.
    fn answer<A: PartialEq>(
        &self,
        output: &mut String,
        ask: impl Fn(&Voters) -> A,
        describe: impl Fn(A) -> String,
    ) {
        let answer = ask(&self.voters());
        let same = match self.halves() {
            (first, None) => vec![
                ("zero-joint quorum", Voters::joint(first.clone(), Majority::default())),
                ("self-joint quorum", Voters::joint(first.clone(), first)),
            ],
            (first, Some(second)) => vec![("symmetry", Voters::joint(second, first))],
        };
        for (name, voters) in same {
            let other = ask(&voters);
            if other != answer {
                writeln!(output, "{} <-- via {name}", describe(other)).expect("strings take everything");
            }
        }
        writeln!(output, "{}", describe(answer)).expect("strings take everything");
    }
}

fn parse_id(text: &str) -> Result<NodeId, String> {
    text.parse().ok().and_then(NodeId::new).ok_or_else(|| format!("{text} is no id"))
}

/// Every voter with its index, and a bar as long as its rank.
fn chart(members: &[NodeId], indexes: &BTreeMap<NodeId, LogIndex>) -> String {
    if members.is_empty() {
        return "<empty majority quorum>".to_owned();
    }
    let mut ranked: Vec<(LogIndex, NodeId)> =
        members.iter().map(|id| (indexes.get(id).copied().unwrap_or_default(), *id)).collect();
    ranked.sort_unstable();
    let mut bars = BTreeMap::new();
    let mut bar = 0;
    for (rank, (index, id)) in ranked.iter().enumerate() {
        if 0 < rank && ranked[rank - 1].0 < *index {
            bar = rank;
        }
        bars.insert(*id, bar);
    }
    let width = members.len();
    let mut chart = format!("{:width$}    idx\n", "");
    for id in members {
        let bar = match indexes.get(id) {
            None => format!("?{:width$}", ""),
            Some(_) => format!("{}>{:rest$}", "x".repeat(bars[id]), "", rest = width - bars[id]),
        };
        let index = indexes.get(id).copied().unwrap_or_default().0;
        writeln!(chart, "{bar} {index:5}    (id={:x})", id.number()).expect("strings take everything");
    }
    chart
}

//! Decisions written down, and the decider that repeats them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeSeq};
use wavetank_process::Label;

use super::{Decider, Site, labels};

/// The decisions of a run, by site and ordinal.
///
/// What is not in the log is 0, the mildest choice, and 0 is never stored: so equal logs mean equal runs, and
/// a log shrinks by forgetting.
///
/// In files it is a list of texts, one a site: the site, a colon, and its decisions in order, where `0*7`
/// stands for seven zeros: `NET_LATENCY 1 2: 812 0*7 40`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionLog {
    /// Per site the decisions other than 0 with their ordinals, which rise. No list is empty.
    sites: BTreeMap<Site, Vec<Decision>>,
}

/// One decision other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decision {
    ordinal: u64,
    choice: u64,
}

impl DecisionLog {
    /// How many decisions are not the mildest.
    pub fn len(&self) -> usize {
        self.sites.values().map(Vec::len).sum()
    }

    /// Whether every decision is the mildest.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// The decision at a site.
    pub fn decision(&self, site: Site, ordinal: u64) -> u64 {
        let Some(decisions) = self.sites.get(&site) else { return 0 };
        match decisions.binary_search_by_key(&ordinal, |decision| decision.ordinal) {
            Ok(found) => decisions[found].choice,
            Err(_) => 0,
        }
    }

    /// Writes down a decision, or another in its place. Cheap when it is the site's last.
    pub fn set(&mut self, site: Site, ordinal: u64, choice: u64) {
        if choice == 0 {
            return self.forget(site, ordinal);
        }
        let decisions = self.sites.entry(site).or_default();
        let decision = Decision { ordinal, choice };
        if decisions.last().is_none_or(|last| last.ordinal < ordinal) {
            return decisions.push(decision);
        }
        match decisions.binary_search_by_key(&ordinal, |decision| decision.ordinal) {
            Ok(found) => decisions[found] = decision,
            Err(place) => decisions.insert(place, decision),
        }
    }

    /// Makes a decision the mildest.
    fn forget(&mut self, site: Site, ordinal: u64) {
        let Some(decisions) = self.sites.get_mut(&site) else { return };
        if decisions.last().is_none_or(|last| last.ordinal < ordinal) {
            return;
        }
        if let Ok(found) = decisions.binary_search_by_key(&ordinal, |decision| decision.ordinal) {
            decisions.remove(found);
        }
        if decisions.is_empty() {
            self.sites.remove(&site);
        }
    }

    /// The decisions that are not the mildest: site, ordinal and choice, in the order of sites and ordinals.
    pub fn iter(&self) -> impl Iterator<Item = (Site, u64, u64)> + '_ {
        self.sites.iter().flat_map(|(site, decisions)| {
            decisions.iter().map(|Decision { ordinal, choice }| (*site, *ordinal, *choice))
        })
    }
}

/// One site's line of a log, in the form in which it is written down.
struct Line<'a> {
    site: Site,
    decisions: &'a [Decision],
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.site)?;
        let mut next = 0;
        for Decision { ordinal, choice } in self.decisions {
            match ordinal - next {
                0 => (),
                1 => f.write_str(" 0")?,
                zeros => write!(f, " 0*{zeros}")?,
            }
            write!(f, " {choice}")?;
            next = ordinal + 1;
        }
        Ok(())
    }
}

/// Why a text is no line of a [`DecisionLog`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecisionLogError {
    /// It does not begin with a site and a colon.
    #[error("`{line}` does not begin with a site and a colon, such as `NET_LATENCY 1 2:`")]
    Site {
        /// The line.
        line: String,
    },
    /// There is no kind of choice of this name or number.
    #[error("`{label}` is not a kind of choice")]
    Label {
        /// The name.
        label: String,
    },
    /// A word is neither a decision nor a run of zeros.
    #[error("`{word}` is not a decision: write a number, or `0*7` for seven zeros")]
    Decision {
        /// The word.
        word: String,
    },
    /// A site has two lines.
    #[error("the decisions at {site} are given twice")]
    Twice {
        /// The site.
        site: Site,
    },
}

/// Reads a site as [`Site`] is displayed.
fn parse_site(text: &str) -> Result<Option<Site>, ParseDecisionLogError> {
    let words = text.split_whitespace().collect::<Vec<_>>();
    let [label, first, second] = words[..] else { return Ok(None) };
    let (Ok(first), Ok(second)) = (first.parse(), second.parse()) else { return Ok(None) };
    let number = label.parse().ok().map(Label);
    match number.or_else(|| labels::by_name(label)) {
        Some(label) => Ok(Some(Site { label, subject: [first, second] })),
        None => Err(ParseDecisionLogError::Label { label: label.to_owned() }),
    }
}

/// Reads the decisions behind the colon.
fn parse_decisions(text: &str) -> Result<Vec<Decision>, ParseDecisionLogError> {
    let mut decisions = Vec::new();
    let mut next = 0_u64;
    for word in text.split_whitespace() {
        let refused = || ParseDecisionLogError::Decision { word: word.to_owned() };
        let (choice, count) = match word.strip_prefix("0*") {
            Some(zeros) => (0, u64::from_str(zeros).map_err(|_| refused())?),
            None => (u64::from_str(word).map_err(|_| refused())?, 1),
        };
        if choice != 0 {
            decisions.push(Decision { ordinal: next, choice });
        }
        next = next.checked_add(count).ok_or_else(refused)?;
    }
    Ok(decisions)
}

impl DecisionLog {
    /// The log with these lines; see the type's page.
    ///
    /// # Errors
    /// At the first line that is none.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, ParseDecisionLogError> {
        let mut log = Self::default();
        for line in lines {
            log.add_line(line)?;
        }
        Ok(log)
    }

    fn add_line(&mut self, line: &str) -> Result<(), ParseDecisionLogError> {
        let malformed = || ParseDecisionLogError::Site { line: line.to_owned() };
        let (site, decisions) = line.split_once(':').ok_or_else(malformed)?;
        let site = parse_site(site)?.ok_or_else(malformed)?;
        let decisions = parse_decisions(decisions)?;
        if !decisions.is_empty() && self.sites.insert(site, decisions).is_some() {
            return Err(ParseDecisionLogError::Twice { site });
        }
        Ok(())
    }

    /// The log as text, one line a site; see the type's page.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.sites.iter().map(|(site, decisions)| Line { site: *site, decisions }.to_string())
    }
}

impl Serialize for DecisionLog {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut lines = serializer.serialize_seq(Some(self.sites.len()))?;
        for line in self.lines() {
            lines.serialize_element(&line)?;
        }
        lines.end()
    }
}

impl<'de> Deserialize<'de> for DecisionLog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(LinesVisitor)
    }
}

/// Takes each line as it is read, so that a mistake is found where it stands.
struct LinesVisitor;

impl<'de> de::Visitor<'de> for LinesVisitor {
    type Value = DecisionLog;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of decisions")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut lines: A) -> Result<DecisionLog, A::Error> {
        let mut log = DecisionLog::default();
        while lines.next_element_seed(NextLine(&mut log))?.is_some() {}
        Ok(log)
    }
}

/// Adds the next line to a log.
struct NextLine<'a>(&'a mut DecisionLog);

impl<'de> de::DeserializeSeed<'de> for NextLine<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let line = String::deserialize(deserializer)?;
        self.0.add_line(&line).map_err(de::Error::custom)
    }
}

/// Repeats the decisions of a log. A decision that the log does not have is 0, and one that is too large for
/// what is asked now is the largest possible: so every log is a run, also one made by hand or by shrinking.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    log: DecisionLog,
}

impl Recorded {
    /// Repeats this log.
    pub fn new(log: DecisionLog) -> Self {
        Self { log }
    }

    /// Decides everything the mildest way.
    pub fn quiet() -> Self {
        Self::default()
    }
}

impl Decider for Recorded {
    fn decide(&mut self, site: Site, ordinal: u64, bound: u64) -> u64 {
        self.log.decision(site, ordinal).min(bound - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Site = Site { label: labels::NET_LATENCY, subject: [1, 2] };
    const TIMEOUT: Site = Site { label: Label::ELECTION_TIMEOUT, subject: [3, 0] };

    fn log() -> DecisionLog {
        let mut log = DecisionLog::default();
        for (site, ordinal, choice) in [(LINK, 0, 812), (LINK, 8, 40), (LINK, 10, 7), (TIMEOUT, 1, u64::MAX)]
        {
            log.set(site, ordinal, choice);
        }
        log
    }

    #[test]
    fn a_log_is_repeated_and_quiet_beyond_its_end() {
        let mut recorded = Recorded::new(log());
        assert_eq!(recorded.decide(LINK, 0, 1_000), 812);
        assert_eq!(recorded.decide(LINK, 1, 1_000), 0);
        assert_eq!(recorded.decide(LINK, 8, 1_000), 40);
        assert_eq!(recorded.decide(LINK, 9_999, 1_000), 0);
        assert_eq!(recorded.decide(Site { subject: [2, 1], ..LINK }, 0, 1_000), 0);
    }

    #[test]
    fn a_decision_too_large_is_cut_to_the_bound() {
        let mut recorded = Recorded::new(log());
        assert_eq!(recorded.decide(LINK, 0, 812), 811);
        assert_eq!(recorded.decide(LINK, 0, 813), 812);
        assert_eq!(recorded.decide(TIMEOUT, 1, u64::MAX), u64::MAX - 1);
    }

    #[test]
    fn zeros_leave_no_trace() {
        let mut log = log();
        assert_eq!(log.len(), 4);
        log.set(LINK, 500, 0);
        log.set(Site::global(labels::EVENT_TIE), 0, 0);
        assert_eq!(log, self::log());
        log.set(TIMEOUT, 1, 0);
        log.set(LINK, 8, 0);
        assert_eq!(log.iter().collect::<Vec<_>>(), [(LINK, 0, 812), (LINK, 10, 7)]);
        log.set(LINK, 10, 0);
        log.set(LINK, 0, 0);
        assert_eq!(log, DecisionLog::default());
        assert!(log.is_empty());
    }

    #[test]
    fn decisions_may_come_in_any_order() {
        let mut log = DecisionLog::default();
        log.set(LINK, 10, 7);
        log.set(TIMEOUT, 1, u64::MAX);
        log.set(LINK, 0, 1);
        log.set(LINK, 8, 40);
        log.set(LINK, 0, 812);
        assert_eq!(log, self::log());
    }

    #[test]
    fn a_log_is_a_few_lines_of_text() {
        let text = serde_json::to_string(&log()).unwrap();
        assert_eq!(text, r#"["1 3 0: 0 18446744073709551615","NET_LATENCY 1 2: 812 0*7 40 0 7"]"#);
        assert_eq!(serde_json::from_str::<DecisionLog>(&text).unwrap(), log());
        let text = ron::to_string(&log()).unwrap();
        assert_eq!(ron::from_str::<DecisionLog>(&text).unwrap(), log());
        assert_eq!(
            DecisionLog::from_lines(["1 3 0: 0 18446744073709551615 0*9", "272 1 2: 812 0*7 40 0*1 7"]),
            Ok(log())
        );
    }

    #[test]
    fn a_wrong_line_is_refused_with_its_reason() {
        use ParseDecisionLogError::{Decision, Label, Site, Twice};
        let refused = |line: &str| DecisionLog::from_lines([line]).unwrap_err();
        for line in
            ["", "NET_LATENCY 1 2", "NET_LATENCY 1: 5", "NET_LATENCY 1 2 3: 5", "NET_LATENCY 1 -2: 5", ": 5"]
        {
            assert_eq!(refused(line), Site { line: line.to_owned() });
        }
        for label in ["NET_LATENCIES", "65536", "-1"] {
            assert_eq!(refused(&format!("{label} 1 2: 5")), Label { label: label.to_owned() });
        }
        let max = u64::MAX;
        for word in ["x", "-5", "1*5", "0*", "18446744073709551616"] {
            assert_eq!(refused(&format!("NET_LOSS 1 2: 1 {word}")), Decision { word: word.to_owned() });
        }
        assert_eq!(refused(&format!("NET_LOSS 1 2: 1 0*{max}")), Decision { word: format!("0*{max}") });
        let twice = DecisionLog::from_lines(["NET_LATENCY 1 2: 5", "NET_LATENCY 1 2: 6"]);
        assert_eq!(twice, Err(Twice { site: LINK }));
    }

    #[test]
    fn the_last_ordinal_of_all_can_be_written() {
        let line = format!("NET_LATENCY 1 2: 0*{} 5", u64::MAX - 1);
        let log = DecisionLog::from_lines([line.as_str()]).unwrap();
        assert_eq!(log.decision(LINK, u64::MAX - 1), 5);
        assert_eq!(log.lines().collect::<Vec<_>>(), [line]);
    }
}

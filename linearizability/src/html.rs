//! A history drawn as a page: operations as bars, one lane for each client, time from left to right. The page holds all it
//! needs, and works without a network.
//!
//! If the history is linearizable, a line runs through all bars and has a dot where each operation took effect, in the
//! order that was found. If it is not, the page opens at the answer that cannot be explained, in the first lane, and the
//! operations that prove it are marked. What is known about an operation shows when the pointer is over its bar, or when
//! its number is in the address, as in `page.html#op-7`; operations on other keys fade meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    history::{ClientId, Ending, EventNumber, History, Operation, OperationId, OutcomeCounts},
    specification::{Keys, Specification},
    verdict::{Report, Verdict},
};

/// The least distance between two events, in pixels.
const EVENT_WIDTH: u64 = 24;
/// The height of a lane, in pixels.
const LANE_HEIGHT: u64 = 32;
/// The height of a bar, in pixels.
const BAR_HEIGHT: u64 = 24;
/// The height of what stands above the lanes, in pixels.
const AXIS_HEIGHT: u64 = 28;
/// The least distance between two numbers of events above the lanes, in pixels.
const NUMBERS_APART: u64 = 72;
/// How many letters a bar has room for at most.
const MOST_LETTERS: usize = 36;
/// The most operations that a page shows: more are too many for a browser, and for a reader.
const MOST_OPERATIONS: usize = 4_000;

/// Draws a history that was judged.
pub fn page<S: Specification>(
    title: &str,
    spec: &S,
    history: &History<S::Input, S::Output>,
    report: &Report,
) -> String {
    let drawing = Drawing::new(spec, history, report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("html/page.css"))) }
            }
            body {
                header {
                    h1 { (title) }
                    (drawing.verdict())
                }
                (drawing.story())
                (drawing.legend())
                (drawing.lanes())
                div #detail { "Point at an operation to see what is known about it." }
                script { (PreEscaped(include_str!("html/page.js"))) }
            }
        }
    };
    page.into_string()
}

/// An operation, and what is written on its bar.
type Labelled<'a, S> = (&'a Operation<<S as Specification>::Input, <S as Specification>::Output>, String);

/// What a page is drawn from.
struct Drawing<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    verdict: &'a Verdict,
    /// The operations to show.
    shown: Vec<Labelled<'a, S>>,
    axis: Axis,
    /// The client of each lane: first those that have to do with the violation.
    lanes: Vec<ClientId>,
    core: BTreeSet<OperationId>,
    /// By operation: its place in the order, and where it is drawn.
    places: BTreeMap<OperationId, (u64, u64)>,
}

impl<'a, S: Specification> Drawing<'a, S> {
    fn new(spec: &'a S, history: &'a History<S::Input, S::Output>, report: &'a Report) -> Self {
        let verdict = &report.verdict;
        let core = match verdict {
            Verdict::Violation(violation) => violation.core.iter().copied().collect(),
            Verdict::Linearizable { .. } | Verdict::Unknown { .. } => BTreeSet::new(),
        };
        let shown = shown(history, verdict, &core).into_iter();
        let shown: Vec<_> = shown.map(|operation| (operation, label(spec, operation))).collect();
        let axis = Axis::new(shown.iter().map(|(operation, label)| (*operation, label.as_str())));
        let places = match verdict {
            Verdict::Linearizable { witness } => places(&axis, history, witness),
            Verdict::Violation(_) | Verdict::Unknown { .. } => BTreeMap::new(),
        };
        let mut drawing = Self { spec, history, verdict, shown, axis, lanes: Vec::new(), core, places };
        drawing.share_out_lanes();
        drawing
    }

    fn share_out_lanes(&mut self) {
        let distance = |operation: &Operation<S::Input, S::Output>| {
            let distance = match (self.is_culprit(operation), self.core.contains(&operation.id)) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => 2,
            };
            (distance, operation.client)
        };
        let mut lanes: Vec<_> = self.shown.iter().map(|(operation, _)| distance(operation)).collect();
        lanes.sort_unstable();
        let mut seen = BTreeSet::new();
        self.lanes =
            lanes.into_iter().map(|(_, client)| client).filter(|client| seen.insert(*client)).collect();
    }

    /// Where the lane of a client begins.
    fn top(&self, client: ClientId) -> u64 {
        let lane = self.lanes.iter().position(|&other| other == client);
        top(lane.expect("every client that is shown has a lane") as u64)
    }

    fn verdict(&self) -> Markup {
        let (class, text) = match self.verdict {
            Verdict::Linearizable { .. } => ("linearizable", "linearizable".to_owned()),
            Verdict::Violation(violation) => ("violation", format!("violation at {}", violation.first_bad)),
            Verdict::Unknown { .. } => ("unknown", self.verdict.to_string()),
        };
        let OutcomeCounts { completed, failed, abandoned, open } = self.history.counts();
        let all = self.history.operations().len();
        html! {
            p {
                span .verdict .(class) { (text) }
                span .counts {
                    (format!("{all} operations: {completed} answered, {} without an answer, {failed} failed", abandoned + open))
                    @if self.shown.len() < all { (format!("; {} are shown", self.shown.len())) }
                }
            }
        }
    }

    /// Why there is a violation, with links to the operations that prove it.
    fn story(&self) -> Markup {
        let Verdict::Violation(violation) = self.verdict else { return html! {} };
        html! {
            pre .story { (violation.story) }
            nav {
                "Show "
                @for id in &violation.core { a href=(format!("#op-{}", id.0)) { (id) } " " }
            }
        }
    }

    fn legend(&self) -> Markup {
        html! {
            p .legend {
                span { span .key {} "answered" }
                span { span .key .unanswered {} "never answered" }
                span { span .key .failed {} "failed" }
                @match self.verdict {
                    Verdict::Linearizable { .. } => span { span .key .place {} "took effect here, in the order found" },
                    Verdict::Violation(_) => {
                        span { span .key .core {} "proves the violation" }
                        span { span .key .culprit {} "cannot be explained" }
                    }
                    Verdict::Unknown { .. } => {}
                }
            }
        }
    }

    fn lanes(&self) -> Markup {
        let (width, height) = (self.axis.width, AXIS_HEIGHT + LANE_HEIGHT * self.lanes.len() as u64);
        html! {
            div .history {
                div .clients {
                    @for client in &self.lanes { div .client { (client) } }
                }
                div .lanes {
                    svg width=(width) height=(height) xmlns="http://www.w3.org/2000/svg" {
                        (self.axis.numbers(height))
                        @for lane in 0..self.lanes.len() as u64 {
                            line .lane x1="0" x2=(width) y1=(top(lane)) y2=(top(lane)) {}
                        }
                        @if !self.places.is_empty() { polyline .order points=(self.order()) {} }
                        @for (operation, label) in &self.shown { (self.operation(operation, label)) }
                        (self.first_bad(height))
                    }
                }
            }
        }
    }

    /// The event that cannot be explained, and a veil over what came later.
    fn first_bad(&self, height: u64) -> Markup {
        let Verdict::Violation(violation) = self.verdict else { return html! {} };
        let x = self.axis.x(violation.first_bad.0);
        html! {
            rect .later x=(x) y="0" width=(self.axis.width - x) height=(height) {}
            line .first-bad x1=(x) x2=(x) y1="0" y2=(height) {}
            text .first-bad-label x=(x + 4) y="18" { (violation.first_bad.0) ": no order explains this answer" }
        }
    }

    /// The places of all operations in the order, from one to the next.
    fn order(&self) -> String {
        let mut dots: Vec<_> = self.shown.iter().filter_map(|(operation, _)| self.dot(operation)).collect();
        dots.sort_unstable();
        dots.into_iter().map(|(_, x, y)| format!("{x},{y} ")).collect()
    }

    /// The place of an operation in the order, and where its dot is.
    fn dot(&self, operation: &Operation<S::Input, S::Output>) -> Option<(u64, u64, u64)> {
        let (place, x) = *self.places.get(&operation.id)?;
        Some((place, x, self.top(operation.client) + LANE_HEIGHT - 4))
    }

    fn operation(&self, operation: &Operation<S::Input, S::Output>, label: &str) -> Markup {
        let y = self.top(operation.client) + 4;
        let left = self.axis.x(operation.invoked.0);
        let right = end(operation).map_or(self.axis.width, |event| self.axis.x(event));
        let ending = match operation.ending {
            Ending::Completed { .. } => "answered",
            Ending::Open | Ending::Abandoned { .. } => "unanswered",
            Ending::Failed { .. } => "failed",
        };
        let is_core = self.core.contains(&operation.id);
        let is_culprit = self.is_culprit(operation);
        html! {
            g .operation .in-core[is_core] .culprit[is_culprit] id=(format!("op-{}", operation.id.0))
                data-detail=(self.detail(operation)) data-key=(self.key(operation)) tabindex="0" {
                rect .bar .(ending) .core[is_core] x=(left) y=(y) width=(right - left) height=(BAR_HEIGHT) rx="5" {}
                text x=(left + 7) y=(y + 16) { (label) }
                @if let Some((_, x, y)) = self.dot(operation) { circle .place cx=(x) cy=(y) r="3.5" {} }
            }
        }
    }

    /// Whether its end is the event that cannot be explained.
    fn is_culprit(&self, operation: &Operation<S::Input, S::Output>) -> bool {
        match self.verdict {
            Verdict::Violation(violation) => end(operation) == Some(violation.first_bad.0),
            Verdict::Linearizable { .. } | Verdict::Unknown { .. } => false,
        }
    }

    /// The key of an operation, if it has only one.
    fn key(&self, operation: &Operation<S::Input, S::Output>) -> String {
        match self.spec.keys(&operation.input) {
            Keys::One(key) => self.spec.show_key(&key),
            Keys::Several(_) | Keys::All => String::new(),
        }
    }

    fn detail(&self, operation: &Operation<S::Input, S::Output>) -> String {
        let Operation { id, client, input, invoked, invoked_at_ns, ending } = operation;
        let mut lines = vec![
            format!("{id}, {client}: {}", self.spec.show_input(input)),
            format!("invoked at {invoked}, {invoked_at_ns} ns"),
        ];
        lines.push(match ending {
            Ending::Open => "never answered".to_owned(),
            Ending::Abandoned { event } => format!("given up at {event}; the outcome is unknown"),
            Ending::Failed { event } => format!("failed at {event}, without effect"),
            Ending::Completed { event, at_ns, output } => {
                format!("answered at {event}, {at_ns} ns: {}", self.spec.show_output(output))
            }
        });
        if let Some((place, _)) = self.places.get(id) {
            lines.push(format!("number {place} in the order found"));
        }
        if self.is_culprit(operation) {
            lines.push("no order of operations explains this".to_owned());
        } else if self.core.contains(id) {
            lines.push("one of the operations that prove the violation".to_owned());
        }
        lines.join("\n")
    }
}

/// Where a lane begins.
const fn top(lane: u64) -> u64 {
    AXIS_HEIGHT + LANE_HEIGHT * lane
}

/// Where events are drawn: those of the operations that are shown, so far apart that what is written on a bar has room.
struct Axis {
    columns: BTreeMap<u64, u64>,
    width: u64,
}

impl Axis {
    fn new<'o, I: 'o, O: 'o>(shown: impl Iterator<Item = (&'o Operation<I, O>, &'o str)>) -> Self {
        // By event: the operations that end there, as their invocations and the room they need.
        let mut ending_at = BTreeMap::<u64, Vec<(u64, u64)>>::new();
        for (operation, label) in shown {
            let (invoked, room) = (operation.invoked.0, room(label));
            ending_at.entry(invoked).or_default();
            ending_at.entry(end(operation).unwrap_or(u64::MAX)).or_default().push((invoked, room));
        }
        let never = ending_at.remove(&u64::MAX).unwrap_or_default();
        let mut axis = Self { columns: BTreeMap::new(), width: 0 };
        for (event, operations) in ending_at {
            axis.widen(&operations);
            axis.columns.insert(event, axis.width);
        }
        axis.widen(&never);
        axis
    }

    /// Makes room for one more event, at which operations end.
    fn widen(&mut self, operations: &[(u64, u64)]) {
        let ends = operations.iter().map(|&(invoked, room)| self.x(invoked) + room);
        self.width = ends.max().unwrap_or(0).max(self.width + EVENT_WIDTH);
    }

    /// Where an event is drawn, or if it is not, the last one before.
    fn x(&self, event: u64) -> u64 {
        self.columns.range(..=event).next_back().map_or(0, |(_, &x)| x)
    }

    /// The numbers of events, as far as there is room for them.
    fn numbers(&self, height: u64) -> Markup {
        let mut next = 0;
        let apart = self.columns.iter().filter(|&(_, &x)| {
            let has_room = next <= x;
            if has_room {
                next = x + NUMBERS_APART;
            }
            has_room
        });
        html! {
            @for (event, x) in apart {
                line .tick x1=(x) x2=(x) y1=(AXIS_HEIGHT - 6) y2=(height) {}
                text .number x=(x + 4) y="18" { (event) }
            }
        }
    }
}

/// The width that a text needs on a bar, in pixels: letters are about six and a half wide.
fn room(label: &str) -> u64 {
    14 + label.chars().count() as u64 * 13 / 2
}

/// What is written on a bar.
fn label<S: Specification>(spec: &S, operation: &Operation<S::Input, S::Output>) -> String {
    let input = spec.show_input(&operation.input);
    let text = match &operation.ending {
        Ending::Completed { output, .. } => format!("{input} → {}", spec.show_output(output)),
        Ending::Open | Ending::Abandoned { .. } => format!("{input} → ?"),
        Ending::Failed { .. } => format!("{input} ✗"),
    };
    if text.chars().count() <= MOST_LETTERS {
        return text;
    }
    text.chars().take(MOST_LETTERS - 1).chain(['…']).collect()
}

/// The operations to show: all, or if they are too many, the last of those up to the violation, and what proves it.
fn shown<'a, I, O>(
    history: &'a History<I, O>,
    verdict: &Verdict,
    core: &BTreeSet<OperationId>,
) -> Vec<&'a Operation<I, O>> {
    let last = match verdict {
        Verdict::Violation(violation) => violation.first_bad,
        Verdict::Linearizable { .. } | Verdict::Unknown { .. } => EventNumber(u64::MAX),
    };
    let all = history.operations();
    if all.len() <= MOST_OPERATIONS {
        return all.iter().collect();
    }
    let begun = all.partition_point(|operation| operation.invoked <= last);
    let recent = begun.saturating_sub(MOST_OPERATIONS)..begun;
    let earlier = all[..recent.start].iter().filter(|operation| core.contains(&operation.id));
    earlier.chain(&all[recent.clone()]).collect()
}

fn end<I, O>(operation: &Operation<I, O>) -> Option<u64> {
    match operation.ending {
        Ending::Open | Ending::Abandoned { .. } => None,
        Ending::Completed { event, .. } | Ending::Failed { event } => Some(event.0),
    }
}

/// The place of each operation in an order, and where it is drawn: at the latest invocation so far, and a little behind
/// the one before.
fn places<I, O>(
    axis: &Axis,
    history: &History<I, O>,
    witness: &[OperationId],
) -> BTreeMap<OperationId, (u64, u64)> {
    let (mut latest, mut least) = (0, 0);
    let operations = (1..).zip(witness.iter().filter_map(|&id| history.operation(id)));
    let place = |(place, operation): (u64, &Operation<I, O>)| {
        latest = operation.invoked.0.max(latest);
        let right = end(operation).map_or(axis.width, |event| axis.x(event));
        let x = axis.x(latest).max(least).min(right.saturating_sub(4)).max(axis.x(operation.invoked.0) + 4);
        least = x + 5;
        (operation.id, (place, x))
    };
    operations.map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::check,
        specifications::register::{Input, Output, Registers},
        verdict::Budget,
    };

    fn drawn(read: &str) -> String {
        let mut history = History::default();
        let write = history.invoke(ClientId(1), Input::Write("x", "<b>"), 0).unwrap();
        history.complete(write, Output::Written, 5).unwrap();
        let read_id = history.invoke(ClientId(2), Input::Read("x"), 7).unwrap();
        history.complete(read_id, Output::Value(read.to_owned().leak() as &str), 9).unwrap();
        history.invoke(ClientId(3), Input::Write("x", "late"), 9).unwrap();
        let spec = Registers::holding("nothing");
        let report = check(&spec, &history, Budget::default());
        page("a & b", &spec, &history, &report)
    }

    #[test]
    fn a_violation_is_marked_and_what_the_history_holds_is_escaped() {
        let page = drawn("nothing");
        for text in [
            "a &amp; b",
            "violation at event 4",
            "class=\"operation in-core\" id=\"op-1\"",
            "class=\"operation in-core culprit\" id=\"op-2\"",
            "href=\"#op-2\"",
            "4: no order explains this answer",
            // Who was told something wrong comes first.
            "<div class=\"client\">client 2</div><div class=\"client\">client 1</div><div class=\"client\">client 3</div>",
            "&lt;b&gt;",
        ] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(!page.contains("<b>") && !page.contains("class=\"place\""), "{page}");
    }

    #[test]
    fn events_stand_in_order_and_so_far_apart_that_there_is_room_for_what_is_written() {
        let mut history = History::default();
        let mut ids = Vec::new();
        for client in 1..=3 {
            ids.push(history.invoke(ClientId(client), Input::Write("x", client), 0).unwrap());
        }
        for &id in &ids[..2] {
            history.complete(id, Output::<u64>::Written, 0).unwrap();
        }
        // The second is not shown.
        let shown =
            [(&history.operations()[0], "a long text"), (&history.operations()[2], "a very long text")];
        let axis = Axis::new(shown.into_iter());
        let drawn: Vec<_> = (1..=5).map(|event| axis.x(event)).collect();
        assert_eq!(axis.columns.keys().copied().collect::<Vec<_>>(), [1, 3, 4]);
        assert!(drawn[0] + room("a long text") <= drawn[3], "{drawn:?}");
        assert!(drawn[2] + room("a very long text") <= axis.width, "{drawn:?}");
        assert!(drawn.is_sorted() && drawn[1] == drawn[0] && drawn[4] == drawn[3], "{drawn:?}");
    }

    #[test]
    fn an_order_is_marked_and_nothing_is_loaded_from_elsewhere() {
        let page = drawn("<b>");
        assert_eq!(page.matches("<circle").count(), 2, "{page}");
        assert!(!page.contains("in-core\" id") && !page.contains("no order"), "{page}");
        let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
        for text in ["http:", "https:", "src=", "@import", "<link"] {
            assert!(!elsewhere.contains(text), "{text}: {page}");
        }
    }
}

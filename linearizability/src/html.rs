//! A history drawn as a page: operations as bars, one lane for each client, time from left to right. The page holds all it
//! needs, and works without a network.
//!
//! If the history is linearizable, a dot on each bar shows when the operation took effect in the order that was found.
//! If it is not, the operations that prove it are marked. What is known about an operation shows when the pointer is
//! over its bar, or when its number is in the address, as in `page.html#op-7`.

use std::collections::{BTreeMap, BTreeSet};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    history::{ClientId, Ending, EventNumber, History, Operation, OperationId},
    specification::Specification,
    verdict::{Report, Verdict},
};

/// The width of an event, in pixels.
const EVENT_WIDTH: u64 = 26;
/// The height of a lane, in pixels.
const LANE_HEIGHT: u64 = 34;
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
                title { (title) }
                style { (PreEscaped(include_str!("html/page.css"))) }
            }
            body {
                h1 { (title) }
                (drawing.verdict())
                (legend())
                (drawing.lanes())
                div #detail { "Point at an operation to see what is known about it." }
                script { (PreEscaped(include_str!("html/page.js"))) }
            }
        }
    };
    page.into_string()
}

fn legend() -> Markup {
    html! {
        p .legend {
            span { span .key {} "answered" }
            span { span .key .unanswered {} "never answered, or failed" }
            span { span .key .core {} "proves the violation" }
            span { span .key .place {} "took effect here, in the order found" }
        }
    }
}

/// What a page is drawn from.
struct Drawing<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    verdict: &'a Verdict,
    /// The operations to show.
    shown: Vec<&'a Operation<S::Input, S::Output>>,
    /// The first and the last event to show.
    first: u64,
    last: u64,
    /// The lane of each client.
    lanes: BTreeMap<ClientId, u64>,
    core: BTreeSet<OperationId>,
    /// By operation: its place in the order, and an event at which it was in progress then.
    places: BTreeMap<OperationId, (u64, u64)>,
}

impl<'a, S: Specification> Drawing<'a, S> {
    fn new(spec: &'a S, history: &'a History<S::Input, S::Output>, report: &'a Report) -> Self {
        let (core, places) = match &report.verdict {
            Verdict::Linearizable { witness } => (BTreeSet::new(), places(history, witness)),
            Verdict::Violation(violation) => (violation.core.iter().copied().collect(), BTreeMap::new()),
            Verdict::Unknown { .. } => (BTreeSet::new(), BTreeMap::new()),
        };
        let shown = shown(history, &report.verdict, &core);
        let first = shown.iter().map(|operation| operation.invoked.0).min().unwrap_or(1);
        let last = shown.iter().map(|operation| end(operation).unwrap_or(operation.invoked.0)).max();
        let clients: BTreeSet<_> = shown.iter().map(|operation| operation.client).collect();
        let lanes = clients.into_iter().zip(0..).collect();
        let last = last.unwrap_or(1) + 1;
        Self { spec, history, verdict: &report.verdict, shown, first, last, lanes, core, places }
    }

    fn verdict(&self) -> Markup {
        let (class, text) = match self.verdict {
            Verdict::Linearizable { .. } => ("linearizable", "linearizable".to_owned()),
            Verdict::Violation(violation) => ("violation", format!("violation at {}", violation.first_bad)),
            Verdict::Unknown { .. } => ("unknown", self.verdict.to_string()),
        };
        let (shown, all) = (self.shown.len(), self.history.operations().len());
        html! {
            p .verdict .(class) { (text) }
            @if let Verdict::Violation(violation) = self.verdict {
                pre { (violation.story) }
            }
            @if shown < all {
                p { (format!("{shown} of {all} operations are shown.")) }
            }
        }
    }

    fn lanes(&self) -> Markup {
        let (width, height) = (self.x(self.last) + EVENT_WIDTH, LANE_HEIGHT * self.lanes.len() as u64);
        html! {
            div .history {
                div .clients {
                    @for client in self.lanes.keys() { div .client { (client) } }
                }
                div .lanes {
                    svg width=(width) height=(height) xmlns="http://www.w3.org/2000/svg" {
                        @for lane in self.lanes.values() {
                            line .lane x1="0" x2=(width) y1=(lane * LANE_HEIGHT + LANE_HEIGHT) y2=(lane * LANE_HEIGHT + LANE_HEIGHT) {}
                        }
                        @for operation in &self.shown { (self.operation(operation)) }
                        @if let Verdict::Violation(violation) = self.verdict {
                            line .first-bad x1=(self.x(violation.first_bad.0)) x2=(self.x(violation.first_bad.0)) y1="0" y2=(height) {}
                        }
                    }
                }
            }
        }
    }

    /// Where an event is drawn.
    fn x(&self, event: u64) -> u64 {
        EVENT_WIDTH * (event.saturating_sub(self.first)) + EVENT_WIDTH / 2
    }

    fn operation(&self, operation: &Operation<S::Input, S::Output>) -> Markup {
        let y = LANE_HEIGHT * self.lanes[&operation.client] + 4;
        let left = self.x(operation.invoked.0);
        let right = self.x(end(operation).unwrap_or(self.last));
        let ending = match operation.ending {
            Ending::Completed { .. } => "answered",
            Ending::Open | Ending::Abandoned { .. } => "unanswered",
            Ending::Failed { .. } => "failed",
        };
        let is_core = self.core.contains(&operation.id);
        let label = self.label(operation, right - left);
        html! {
            g .operation .in-core[is_core] id=(format!("op-{}", operation.id.0)) data-detail=(self.detail(operation)) tabindex="0" {
                rect .bar .(ending) .core[is_core] x=(left) y=(y) width=(right - left) height=(LANE_HEIGHT - 8) rx="4" {}
                text x=(left + 5) y=(y + 17) { (label) }
                @if let Some((_, event)) = self.places.get(&operation.id) {
                    circle .place cx=(self.x(*event).clamp(left + 4, right.max(left + 8) - 4)) cy=(y + 22) r="3" {}
                }
            }
        }
    }

    /// As much of what was asked as there is room for.
    fn label(&self, operation: &Operation<S::Input, S::Output>, width: u64) -> String {
        let input = self.spec.show_input(&operation.input);
        let text = match &operation.ending {
            Ending::Completed { output, .. } => format!("{input} → {}", self.spec.show_output(output)),
            Ending::Open | Ending::Abandoned { .. } => format!("{input} → ?"),
            Ending::Failed { .. } => format!("{input} ✗"),
        };
        // Letters are about six pixels wide.
        let room = usize::try_from(width.saturating_sub(8) / 6).unwrap_or(usize::MAX);
        if text.chars().count() <= room { text } else { text.chars().take(room).collect() }
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
        if self.core.contains(id) {
            lines.push("one of the operations that prove the violation".to_owned());
        }
        lines.join("\n")
    }
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

/// The place of each operation in an order, and when it may have taken effect: at the latest invocation so far.
fn places<I, O>(history: &History<I, O>, witness: &[OperationId]) -> BTreeMap<OperationId, (u64, u64)> {
    let mut latest = 0;
    let operations = (1..).zip(witness.iter().filter_map(|&id| history.operation(id)));
    let place = |(place, operation): (u64, &Operation<I, O>)| {
        latest = operation.invoked.0.max(latest);
        (operation.id, (place, latest))
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
        for text in
            ["a &amp; b", "violation at event 4", "class=\"operation in-core\" id=\"op-1\"", "&lt;b&gt;"]
        {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(!page.contains("<b>") && !page.contains("class=\"place\""), "{page}");
    }

    #[test]
    fn an_order_is_marked_and_nothing_is_loaded_from_elsewhere() {
        let page = drawn("<b>");
        assert_eq!(page.matches("<circle").count(), 2, "{page}");
        assert!(!page.contains("in-core\" id"), "{page}");
        let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
        for text in ["http:", "https:", "src=", "@import", "<link"] {
            assert!(!elsewhere.contains(text), "{text}: {page}");
        }
    }
}

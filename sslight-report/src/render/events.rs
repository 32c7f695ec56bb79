//! What happened in the runs, as a table.

use super::facts::run_name;
use super::html::Html;
use super::number::shown;
use crate::metrics::{EventLine, Fields};
use crate::page::RunPage;

/// Events of a run that are shown. More say the same again.
pub(super) const MOST: usize = 200;

/// The name of an event as words.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// The table; empty if nothing happened.
pub(super) fn table(runs: &[RunPage]) -> Html {
    let mut html = Html::default();
    if runs.iter().all(|run| run.history.events().is_empty()) {
        return html;
    }
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Events\"><table class=\"events\"><thead><tr><th scope=\"col\" class=\"number\">Step</th>");
    if runs.len() > 1 {
        html.raw("<th scope=\"col\">Run</th>");
    }
    html.raw("<th scope=\"col\">What</th><th scope=\"col\">Why</th><th scope=\"col\">What to do</th></tr></thead><tbody>");
    for (index, run) in runs.iter().enumerate() {
        for event in run.history.events().iter().take(MOST) {
            row(
                &mut html,
                event,
                (runs.len() > 1).then_some((index, &run.name)),
            );
        }
    }
    html.raw("</tbody></table></div>");
    for run in runs {
        let more = run.history.events().len().saturating_sub(MOST);
        if more > 0 {
            html.raw("<p class=\"hint\">").text(&run.name).raw(": ");
            html.text(&shown(more as f64));
            html.raw(" later events are not shown; metrics.jsonl has them all.</p>");
        }
    }
    html
}

fn row(html: &mut Html, event: &EventLine, run: Option<(usize, &String)>) {
    html.raw("<tr><td class=\"number\">")
        .text(&shown(event.step as f64));
    html.raw("</td>");
    if let Some((index, name)) = run {
        html.raw("<td>");
        run_name(html, index, name);
        html.raw("</td>");
    }
    html.element("td", &words(&event.name)).raw("<td>");
    html.text(event.reason.as_deref().unwrap_or("\u{2013}"));
    let rest = rest(&event.fields);
    if !rest.is_empty() {
        html.raw("<small>").text(&rest).raw("</small>");
    }
    html.raw("</td>");
    html.element("td", event.advice.as_deref().unwrap_or("\u{2013}"));
    html.raw("</tr>");
}

/// The measurements and words of an event that have no column.
fn rest(fields: &Fields) -> String {
    let numbers = fields
        .numbers()
        .filter(|(key, _)| *key != "step")
        .map(|(key, value)| format!("{key} {}", shown(value)));
    let texts = fields
        .texts()
        .filter(|(key, _)| !matches!(*key, "name" | "reason" | "advice"))
        .map(|(key, value)| format!("{key} {value}"));
    numbers.chain(texts).collect::<Vec<_>>().join(", ")
}

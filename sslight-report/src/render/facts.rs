//! What is said at the top: how a run stands, and its key facts.

use super::html::Html;
use super::number::{duration, percent, shown};
use crate::history::History;
use crate::page::{Fact, RunPage};

/// How a run stands: a word for its looks, and the words for people.
pub(super) fn state(history: &History) -> (&'static str, String) {
    let Some(summary) = history.summary() else {
        return if history.steps_taken().is_some() {
            ("open", "running, or ended without a word".to_owned())
        } else {
            ("open", "no metrics yet".to_owned())
        };
    };
    match summary.end.as_str() {
        "completed" => ("good", "completed".to_owned()),
        "max_steps" => ("good", "ended at max_steps".to_owned()),
        "interrupted" => ("open", "interrupted".to_owned()),
        other => (
            "bad",
            format!("stopped itself: {}", other.replace('_', " ")),
        ),
    }
}

/// The facts of a run, those that are known: what it is, what the caller adds, what came of it. What the caller says of
/// one holds, as it can know more than the metrics.
pub(super) fn facts(run: &RunPage) -> Vec<Fact> {
    let what = what(run);
    let became = became(&run.history);
    let names = what.iter().chain(&became).map(|fact| fact.0);
    let names: Vec<&str> = names.collect();
    let given = |name: &str| run.facts.iter().find(|fact| fact.name == name);
    let held = |(name, value): &(&str, Option<String>)| {
        let value = given(name).map(|fact| &fact.value).or(value.as_ref())?;
        Some(Fact {
            name: (*name).to_owned(),
            value: value.clone(),
        })
    };
    let mut facts: Vec<Fact> = what.iter().filter_map(held).collect();
    let added = run.facts.iter();
    facts.extend(added.filter(|fact| !names.contains(&&*fact.name)).cloned());
    facts.extend(became.iter().filter_map(held));
    facts
}

fn what(run: &RunPage) -> [(&'static str, Option<String>); 4] {
    let config = |key: &str| {
        let row = run.config.iter().find(|row| row.key == key)?;
        Some(row.value.trim_matches('"').to_owned())
    };
    [
        ("Method", config("method")),
        ("Backbone", config("backbone")),
        ("Recipe", config("recipe")),
        ("Data", config("data")),
    ]
}

fn became(history: &History) -> [(&'static str, Option<String>); 11] {
    let last = |key: &str| history.last(key);
    let summary = history.summary();
    let of_summary = |key: &str| summary.and_then(|line| line.fields.number(key));
    let epochs = summary
        .and_then(|line| line.epochs)
        .map(|epochs| epochs as f64);
    let end = history.epoch_ends().last();
    // That of the summary holds even if it is not finite: the last finite one would hide that the run diverged.
    let loss = of_summary("loss").or_else(|| last("loss"));
    let protocol = summary.and_then(|line| line.fields.text("knn_protocol"));
    // The summary of a resumed run leaves out its earlier parts, and the epochs leave out the last piece.
    let time = [end.and_then(|end| end.seconds), of_summary("seconds")];
    let time = time.into_iter().flatten().reduce(f64::max);
    [
        ("Steps", history.steps_taken().map(shown)),
        ("Epochs", epochs.or(end.map(|end| end.epochs)).map(shown)),
        ("Last loss", loss.map(shown)),
        ("kNN, now", last("knn_top1").map(percent)),
        ("kNN before training", last("knn_before").map(percent)),
        ("kNN of raw pixels", last("knn_pixels").map(percent)),
        ("Online probe", last("probe_top1").map(percent)),
        ("Box AP", last("box_ap").map(percent)),
        ("Mask AP", last("mask_ap").map(percent)),
        ("kNN protocol", protocol.map(str::to_owned)),
        ("Time", time.map(duration)),
    ]
}

/// The table of facts: a list for one run, a column for each of several.
pub(super) fn table(runs: &[RunPage]) -> Html {
    let mut html = Html::default();
    let all: Vec<Vec<Fact>> = runs.iter().map(facts).collect();
    if let [run] = &all[..] {
        html.raw("<dl class=\"facts\">");
        for fact in run {
            let long = fact.value.chars().count() > 24;
            html.raw(if long {
                "<div class=\"long\">"
            } else {
                "<div>"
            });
            html.element("dt", &fact.name);
            html.element("dd", &fact.value).raw("</div>");
        }
        html.raw("</dl>");
        return html;
    }
    let mut names: Vec<&str> = Vec::new();
    for (place, fact) in all.iter().flat_map(|run| run.iter().enumerate()) {
        if !names.contains(&fact.name.as_str()) {
            names.insert(place.min(names.len()), &fact.name);
        }
    }
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The runs side by side\">");
    html.raw("<table class=\"side\"><thead><tr><td></td>");
    column_heads(&mut html, runs);
    html.raw("</tr></thead><tbody><tr><th scope=\"row\">State</th>");
    for run in runs {
        html.raw("<td>");
        badge(&mut html, &run.history);
        html.raw("</td>");
    }
    html.raw("</tr>");
    for name in names {
        html.raw("<tr><th scope=\"row\">").text(name).raw("</th>");
        for run in &all {
            let value = run.iter().find(|fact| fact.name == name);
            html.element("td", value.map_or("\u{2013}", |fact| &fact.value));
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div>");
    html
}

/// The state of a run in a small frame.
pub(super) fn badge(html: &mut Html, history: &History) {
    let (looks, words) = state(history);
    html.raw("<span class=\"badge ").raw(looks).raw("\">");
    html.text(&words).raw("</span>");
}

/// A head cell for each run, with its colour.
pub(super) fn column_heads(html: &mut Html, runs: &[RunPage]) {
    for (index, run) in runs.iter().enumerate() {
        html.raw("<th scope=\"col\">");
        run_name(html, index, &run.name);
        html.raw("</th>");
    }
}

/// The name of a run behind its colour.
pub(super) fn run_name(html: &mut Html, index: usize, name: &str) {
    html.raw("<span class=\"run\"><i class=\"swatch\" data-run=\"");
    html.text(&(index % super::COLOURS).to_string());
    html.raw("\"></i><bdi>").text(name).raw("</bdi></span>");
}

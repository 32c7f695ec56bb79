//! The configurations, with where each value came from.

use std::collections::HashMap;

use super::facts::column_heads;
use super::html::Html;
use crate::page::{ConfigRow, RunPage};

/// The table with its search; empty if no run has a configuration.
pub(super) fn table(runs: &[RunPage]) -> Html {
    let mut html = Html::default();
    let keys = keys(runs);
    if keys.is_empty() {
        return html;
    }
    let of_runs: Vec<HashMap<&str, &ConfigRow>> = runs
        .iter()
        .map(|run| run.config.iter().map(|row| (&*row.key, row)).collect())
        .collect();
    let several = runs.len() > 1;
    html.raw("<div class=\"table-tools\"><label class=\"needs-script\">Search <input type=\"search\" id=\"config-search\" placeholder=\"key, value or origin\" autocomplete=\"off\" spellcheck=\"false\"></label>");
    if several {
        html.raw("<label><input type=\"checkbox\" id=\"only-differences\" checked> Only differences</label>");
    }
    html.raw("<output id=\"config-count\" class=\"hint\" aria-live=\"polite\"></output></div>");
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Configuration\"><table class=\"config\"><thead><tr><th scope=\"col\">Key</th>");
    if several {
        column_heads(&mut html, runs);
    } else {
        html.raw("<th scope=\"col\">Value</th><th scope=\"col\">From</th>");
    }
    html.raw("</tr></thead><tbody>");
    for key in keys {
        let rows: Vec<Option<&ConfigRow>> =
            of_runs.iter().map(|run| run.get(key).copied()).collect();
        let first = rows[0].map(|row| &row.value);
        let same = rows.iter().all(|row| row.map(|row| &row.value) == first);
        html.raw(if several && same {
            "<tr class=\"same\">"
        } else {
            "<tr>"
        });
        html.raw("<th scope=\"row\"><code>")
            .text(key)
            .raw("</code></th>");
        for row in rows {
            cell(&mut html, row, several);
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div>");
    html
}

fn cell(html: &mut Html, row: Option<&ConfigRow>, several: bool) {
    let Some(row) = row else {
        html.raw("<td>\u{2013}</td>");
        return;
    };
    html.raw("<td><code>").text(&row.value).raw("</code>");
    if several {
        html.raw("<small>").text(&row.origin).raw("</small></td>");
    } else {
        html.raw("</td>").element("td", &row.origin);
    }
}

/// The keys of all runs; one that only a later run has stands behind the key that it follows there.
fn keys(runs: &[RunPage]) -> Vec<&str> {
    let mut keys: Vec<&str> = Vec::new();
    for run in runs {
        let mut after = 0;
        for row in &run.config {
            match keys.iter().position(|key| *key == row.key) {
                Some(at) => after = at + 1,
                None => {
                    keys.insert(after, &row.key);
                    after += 1;
                }
            }
        }
    }
    keys
}

//! What the runs were evaluated at, beside what papers report.

use super::facts::column_heads;
use super::html::Html;
use super::number::{percent, shown};
use crate::page::{PaperRow, ResultRow, RunPage, Score};

/// A line of the table: what is comparable.
struct Row<'a> {
    result: &'a ResultRow,
    score: &'a Score,
    paper: Option<&'a PaperRow>,
    /// The score of each run.
    values: Vec<Option<f64>>,
}

/// The table; empty if no run has results.
pub(super) fn table(runs: &[RunPage]) -> Html {
    let mut html = Html::default();
    let rows = rows(runs);
    if rows.is_empty() {
        return html;
    }
    let has_paper = rows.iter().any(|row| row.paper.is_some());
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Results\"><table class=\"results\"><thead><tr>");
    html.raw("<th scope=\"col\">Evaluation</th><th scope=\"col\">Score</th>");
    if runs.len() > 1 {
        column_heads(&mut html, runs);
    } else {
        html.raw("<th scope=\"col\">This run</th>");
    }
    if has_paper {
        html.raw("<th scope=\"col\">Paper</th>");
    }
    html.raw("</tr></thead><tbody>");
    for row in &rows {
        html.raw("<tr><th scope=\"row\">")
            .text(&row.result.evaluation);
        html.raw("<small>").text(&row.result.protocol);
        html.raw("</small></th>").element("td", &row.score.name);
        for value in &row.values {
            html.raw("<td class=\"number\">");
            match value {
                Some(value) => html.text(&with_unit(*value, &row.score.unit)),
                None => html.raw("\u{2013}"),
            };
            html.raw("</td>");
        }
        if has_paper {
            html.raw("<td>");
            match row.paper {
                Some(paper) => {
                    html.text(&paper.score).raw("<small>");
                    html.text(&paper.source).raw("</small>")
                }
                None => html.raw("\u{2013}"),
            };
            html.raw("</td>");
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div>");
    html
}

fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        "" => shown(value),
        "%" if value.is_finite() => percent(value),
        unit => format!("{} {unit}", shown(value)),
    }
}

fn rows(runs: &[RunPage]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        for result in &run.results {
            for score in &result.scores {
                let same = |row: &&mut Row| {
                    row.result.evaluation == result.evaluation
                        && row.result.protocol == result.protocol
                        && row.score.name == score.name
                        && row.score.unit == score.unit
                        && row.paper == result.paper.as_ref()
                        && row.values[index].is_none()
                };
                match rows.iter_mut().find(same) {
                    Some(row) => row.values[index] = Some(score.value),
                    None => {
                        let mut values = vec![None; runs.len()];
                        values[index] = Some(score.value);
                        rows.push(Row {
                            result,
                            score,
                            paper: result.paper.as_ref(),
                            values,
                        });
                    }
                }
            }
        }
    }
    rows
}

//! `sslight results`: the evaluations of runs in a table.

use std::path::Path;

use serde::Serialize;
use sslight_core::run::{
    EvaluationRecord, ResultRow, results, results_csv, results_markdown, results_table,
};

use crate::args::{ResultsArgs, TableFormat};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    results: Vec<Line<'a>>,
}

/// A result; the paper's scores are absent where it has none for it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    run: &'a Path,
    #[serde(flatten)]
    record: &'a EvaluationRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    paper_top1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paper_top5: Option<f64>,
}

impl<'a> From<&'a ResultRow> for Line<'a> {
    fn from(row: &'a ResultRow) -> Self {
        Self {
            run: &row.run,
            record: &row.record,
            paper_top1: row.paper.map(|(top1, _)| top1),
            paper_top5: row.paper.and_then(|(_, top5)| top5),
        }
    }
}

/// Prints the results of the runs, beside the paper's where a run repeats one of its rows.
pub fn run(args: &ResultsArgs) -> Result<Outcome, CliError> {
    let rows = results(&args.runs)?;
    let report = Report {
        results: rows.iter().map(Line::from).collect(),
    };
    ui::show(args.output.json, &report, || match args.format {
        TableFormat::Table => results_table(&rows),
        TableFormat::Markdown => results_markdown(&rows),
        TableFormat::Csv => results_csv(&rows),
    })?;
    Ok(Outcome::Done)
}

//! `sslight results`: the evaluations of runs in a table.

use std::path::Path;

use serde::Serialize;
use sslight_core::run::{DetectionRecord, DetectionRow, EvaluationRecord, ResultRow, results};

use crate::args::{ResultsArgs, TableFormat};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    results: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    detections: Vec<DetectionLine<'a>>,
}

/// A measurement of a detector.
#[derive(Debug, Serialize)]
struct DetectionLine<'a> {
    run: &'a Path,
    #[serde(flatten)]
    record: &'a DetectionRecord,
}

impl<'a> From<&'a DetectionRow> for DetectionLine<'a> {
    fn from(row: &'a DetectionRow) -> Self {
        Self {
            run: &row.run,
            record: &row.record,
        }
    }
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
    let found = results(&args.runs)?;
    let report = Report {
        results: found.evaluations.iter().map(Line::from).collect(),
        detections: found.detections.iter().map(DetectionLine::from).collect(),
    };
    ui::show(args.output.json, &report, || match args.format {
        TableFormat::Table => found.table(),
        TableFormat::Markdown => found.markdown(),
        TableFormat::Csv => found.csv(),
    })?;
    Ok(Outcome::Done)
}

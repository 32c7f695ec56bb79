//! What a run folder tells: its configuration, metrics, results, machine.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sslight_core::config::read_annotated;
use sslight_core::run::{
    DetectionRow, RESULTS_FILE, ResultRow, Results, RunFiles, is_trained, results,
};
use sslight_report::{ConfigRow, Fact, History, PaperRow, RunPage, Score};

use crate::exit::CliError;
use crate::ui;

/// A page without pictures.
pub fn run_page(run: &Path, name: String) -> Result<RunPage, CliError> {
    let files = RunFiles::of(run)?;
    let config = read_annotated(&files.config)?.into_iter();
    let history = History::read(&files.metrics)
        .map_err(|error| CliError::Usage(format!("report: {error}")))?;
    let log = fs::read_to_string(&files.log).unwrap_or_default();
    let found = match run.join(RESULTS_FILE).is_file() {
        true => results(&[run.to_path_buf()])?,
        false => Results::default(),
    };
    let mut notes = Vec::new();
    if is_trained(run)? {
        notes.push("The run was being trained when this page was made.".to_owned());
    }
    Ok(RunPage {
        name,
        facts: facts(&log),
        config: config
            .map(|row| ConfigRow {
                key: row.key,
                value: row.value,
                origin: row.origin,
            })
            .collect(),
        history,
        results: (found.evaluations.iter().map(result_row))
            .chain(found.detections.iter().map(detection_row))
            .collect(),
        pictures: Vec::new(),
        machine: machine(&log),
        notes,
    })
}

/// Names that tell runs from each other: their folders', or as much of their paths as differs.
pub fn names(runs: &[PathBuf]) -> Vec<String> {
    let last = |run: &PathBuf| {
        let whole = fs::canonicalize(run).unwrap_or_else(|_| run.clone());
        let name = whole.file_name().unwrap_or(whole.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let short: Vec<String> = runs.iter().map(last).collect();
    let mut unlike = short.clone();
    unlike.sort();
    unlike.dedup();
    if unlike.len() == runs.len() {
        return short;
    }
    runs.iter().map(|run| run.display().to_string()).collect()
}

/// What the start of the newest part of the run said.
fn facts(log: &str) -> Vec<Fact> {
    let lines = log.lines().rev();
    let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let Some(start) = lines.find(|line| line["kind"] == "start") else {
        return Vec::new();
    };
    let count = |key: &str| Some(ui::grouped(usize::try_from(start[key].as_u64()?).ok()?));
    let text = |key: &str| start[key].as_str().map(str::to_owned);
    [
        ("Images", count("images")),
        ("Data", text("data")),
        ("Parameters", count("parameters")),
        ("Engine", text("backend")),
    ]
    .into_iter()
    .filter_map(|(name, value)| {
        Some(Fact {
            name: name.to_owned(),
            value: value?,
        })
    })
    .collect()
}

/// The lines of the log about program and machine, each once.
fn machine(log: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in log.lines().filter(|line| line.starts_with("sslight ")) {
        if !lines.iter().any(|known| known == line) {
            lines.push(line.to_owned());
        }
    }
    lines
}

fn result_row(row: &ResultRow) -> sslight_report::ResultRow {
    let record = &row.record;
    let evaluation = match row.network() {
        "trained" => row.evaluation(),
        floor => format!("{}, {floor}", row.evaluation()),
    };
    let percent = |name: &str, value: f64| Score {
        name: name.to_owned(),
        value,
        unit: "%".to_owned(),
    };
    sslight_report::ResultRow {
        evaluation,
        protocol: record.protocol.clone(),
        scores: vec![percent("top-1", record.top1), percent("top-5", record.top5)],
        paper: row.paper.map(|(top1, top5)| PaperRow {
            score: match top5 {
                Some(top5) => format!("{top1:.1} % (top-5 {top5:.1} %)"),
                None => format!("{top1:.1} %"),
            },
            source: "the paper's row of this method, network and recipe".to_owned(),
        }),
    }
}

fn detection_row(row: &DetectionRow) -> sslight_report::ResultRow {
    let record = &row.record;
    let names = [
        ("box AP", "box_ap"),
        ("box AP50", "box_ap50"),
        ("mask AP", "mask_ap"),
        ("mask AP50", "mask_ap50"),
    ];
    let score = |(name, key): (&str, &str)| {
        Some(Score {
            name: name.to_owned(),
            value: record.scores.get(key)?.as_f64()?,
            unit: "%".to_owned(),
        })
    };
    let paper = record.paper.as_ref().map(|paper| {
        let of = |key: &str| paper.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
        PaperRow {
            score: format!("{:.1} % boxes, {:.1} % masks", of("box_ap"), of("mask_ap")),
            source: "the paper's row of this pre-training, network and length".to_owned(),
        }
    });
    sslight_report::ResultRow {
        evaluation: "detection".to_owned(),
        protocol: record.protocol.clone(),
        scores: names.into_iter().filter_map(score).collect(),
        paper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_called_by_their_folders_unless_two_are_called_alike() {
        let of = |runs: &[&str]| names(&runs.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(of(&["no/a", "no/b"]), ["a", "b"]);
        assert_eq!(of(&["no/a", "other/a"]), ["no/a", "other/a"]);
    }

    #[test]
    fn the_newest_start_counts_and_machines_are_named_once() {
        let log = "sslight 1 on x\n{\"kind\":\"start\",\"images\":5}\nsslight 1 on x\n\
                   {\"kind\":\"start\",\"images\":4000,\"backend\":\"flex\"}\nwarning: {\n";
        let found = facts(log);
        assert_eq!(found[0].value, "4,000");
        assert_eq!(found[1].value, "flex");
        assert_eq!(machine(log), ["sslight 1 on x"]);
    }
}

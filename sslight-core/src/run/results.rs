//! The results of evaluations beside the paper's: `sslight results`.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::RunError;
use super::detection::{DETECTION, DetectionRecord};
use super::evaluation::{EvaluationRecord, RESULTS_FILE, shown_settings};
use super::published::{IMAGENET_TRAIN, Published, published};
use super::results_table::{Table, joined, lines};
use crate::config::{FinetuneSettings, ProbeSettings, RunConfig, VerbKeys, resolve};
use crate::fsio::WithPath;

/// The configuration in a run folder.
const CONFIG_FILE: &str = "config.toml";
/// ImageNet-1k, on which the paper measures.
const IMAGENET_CLASSES: usize = 1000;
const IMAGENET_VALIDATION: usize = 50_000;
/// The shares of labels in the paper, and the lengths of its lists of images (those of SimCLR).
const SHARES: [f64; 2] = [0.01, 0.1];
const IMAGENET_LISTS: [usize; 2] = [12_811, 128_116];

/// One evaluation of a run, and what the paper has for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// The run folder, or the folder of results that belong to no run.
    pub run: PathBuf,
    /// What was measured.
    pub record: EvaluationRecord,
    /// The paper's top-1 and top-5, where run and evaluation are those of a published row.
    pub paper: Option<(f64, Option<f64>)>,
}

/// A measurement of a detector.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionRow {
    /// The run folder.
    pub run: PathBuf,
    /// What was measured; the paper's numbers are in it.
    pub record: DetectionRecord,
}

/// What was measured, by kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// Features and classifiers.
    pub evaluations: Vec<ResultRow>,
    /// Detectors.
    pub detections: Vec<DetectionRow>,
}

/// The evaluations of run folders, in the order in which they were made.
///
/// # Errors
/// If a folder has no results, or they cannot be read.
pub fn results(runs: &[PathBuf]) -> Result<Results, RunError> {
    let mut results = Results::default();
    for run in runs {
        let path = run.join(RESULTS_FILE);
        if !path.is_file() {
            return Err(RunError::State {
                path,
                reason: "there are no results; make some with `sslight knn`, `sslight probe`, `sslight finetune` or `sslight \
                         detect eval`"
                    .to_owned(),
            });
        }
        let text = std::fs::read_to_string(&path).on(&path, "read")?;
        let mut records = Vec::new();
        for (line, text) in text.lines().enumerate() {
            let no_result = |error: serde_json::Error| RunError::State {
                path: path.clone(),
                reason: format!("line {} is no result: {error}; remove the line", line + 1),
            };
            let value: Value = serde_json::from_str(text).map_err(no_result)?;
            if value["kind"] == DETECTION {
                let record = serde_json::from_value(value).map_err(no_result)?;
                let run = run.clone();
                results.detections.push(DetectionRow { run, record });
            } else {
                // From the text, whose place an error names.
                records.push(serde_json::from_str(text).map_err(no_result)?);
            }
        }
        if records.is_empty() {
            continue;
        }
        let config = run_config(run)?;
        let row = config.as_ref().and_then(published);
        for record in records {
            let both = row.zip(config.as_ref());
            let paper = both.and_then(|(row, config)| in_paper(row, config, &record));
            results.evaluations.push(ResultRow {
                run: run.clone(),
                record,
                paper,
            });
        }
    }
    Ok(results)
}

fn run_config(run: &Path) -> Result<Option<RunConfig>, RunError> {
    let path = run.join(CONFIG_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    Ok(Some(resolve(&[path.display().to_string()])?.config))
}

/// The paper's score for an evaluation, if that is the paper's: of the student at the end of its training, on ImageNet,
/// with its settings.
fn in_paper(
    row: &Published,
    config: &RunConfig,
    record: &EvaluationRecord,
) -> Option<(f64, Option<f64>)> {
    let on_imagenet =
        record.classes == IMAGENET_CLASSES && record.validation_images == IMAGENET_VALIDATION;
    let last_step = config.total_steps(IMAGENET_TRAIN);
    let of_student = record.role.as_deref().is_none_or(|role| role == "student");
    let shows = |(key, value): (String, _)| record.settings.get(&key) == Some(&value);
    if !on_imagenet
        || record.step != Some(last_step)
        || !of_student
        || !shown_settings(config).into_iter().all(shows)
    {
        return None;
    }
    let number = |key: &str| record.settings.get(key)?.as_f64();
    // Only where results go, and which labels, may differ from the defaults, which are the paper's.
    let has_defaults = |defaults: &[(String, Value)], free: &[&str]| {
        defaults.iter().all(|(key, value)| {
            free.contains(&key.as_str()) || record.settings.get(key) == Some(value)
        })
    };
    match record.kind.as_str() {
        "probe" => {
            let family = record
                .backbone
                .parse::<crate::config::Backbone>()
                .ok()?
                .family();
            let defaults = flat(&ProbeSettings::of(family))?;
            has_defaults(&defaults, &["probe.out"]).then_some((row.probe_top1, row.probe_top5))
        }
        "finetune" => {
            let defaults = flat(&FinetuneSettings::semi_supervised())?;
            let free = ["finetune.out", "finetune.fraction", "finetune.subset"];
            let fraction = number("finetune.fraction")?;
            let listed = record.settings.get("finetune.subset")? != "";
            let column = (0..2).find(|column| {
                if listed {
                    record.train_images == IMAGENET_LISTS[*column]
                } else {
                    fraction == SHARES[*column]
                }
            })?;
            if record.head.as_deref() != Some("dino") {
                return None;
            }
            let top1 = row.semi_top1?[column];
            has_defaults(&defaults, &free).then_some((top1, None))
        }
        _ => None,
    }
}

fn flat<T: VerbKeys>(settings: &T) -> Option<Vec<(String, Value)>> {
    let entry = |(key, value): (&crate::config::Key, toml::Value)| {
        let value = serde_json::to_value(value).ok()?;
        Some((key.name.to_owned(), value))
    };
    settings.values().ok()?.into_iter().map(entry).collect()
}

impl ResultRow {
    /// Ours less the paper's top-1, in percentage points.
    pub fn difference(&self) -> Option<f64> {
        Some(self.record.top1 - self.paper?.0)
    }

    /// The evaluation in a few words: `kNN k=20`, `probe, cached`, `fine-tuning`.
    pub fn evaluation(&self) -> String {
        let setting = |key: &str| self.record.settings.get(key);
        let text = |key: &str| setting(key).map(ToString::to_string).unwrap_or_default();
        match self.record.kind.as_str() {
            "knn" => format!("kNN k={}", text("eval.knn_k")),
            "probe" if setting("probe.cache") == Some(&true.into()) => "probe, cached".to_owned(),
            "finetune" => "fine-tuning".to_owned(),
            other => other.to_owned(),
        }
    }

    /// What the features or weights are of: `trained`, `random` or `pixels`.
    pub fn network(&self) -> &str {
        match self.record.subject.as_str() {
            floor @ ("random" | "pixels") => floor,
            _ => "trained",
        }
    }

    fn cells(&self) -> [String; 11] {
        let record = &self.record;
        let number = |number: Option<f64>| number.map_or(String::new(), |n| format!("{n:.2}"));
        [
            self.run.display().to_string(),
            self.evaluation(),
            self.network().to_owned(),
            record.backbone.clone(),
            record.train_images.to_string(),
            format!("{:.2}", record.top1),
            format!("{:.2}", record.top5),
            number(self.paper.map(|(top1, _)| top1)),
            self.difference()
                .map_or(String::new(), |d| format!("{d:+.2}")),
            record.seed.to_string(),
            format!("{:.1}", record.seconds),
        ]
    }
}

const COLUMNS: [&str; 11] = [
    "run",
    "evaluation",
    "network",
    "backbone",
    "labels",
    "top-1 %",
    "top-5 %",
    "paper",
    "difference",
    "seed",
    "seconds",
];

impl DetectionRow {
    /// Ours less the paper's average precision of boxes, in percentage points.
    pub fn difference(&self) -> Option<f64> {
        let of = |numbers: &serde_json::Map<String, Value>| numbers.get("box_ap")?.as_f64();
        Some(of(&self.record.scores)? - of(self.record.paper.as_ref()?)?)
    }

    fn cells(&self) -> [String; DETECTION_COLUMNS.len()] {
        let record = &self.record;
        let number = |number: Option<f64>| number.map_or(String::new(), |n| format!("{n:.2}"));
        let score = |name: &str| number(record.scores.get(name).and_then(Value::as_f64));
        let paper = |name: &str| {
            let numbers = record.paper.as_ref();
            number(numbers.and_then(|numbers| numbers.get(name)?.as_f64()))
        };
        [
            self.run.display().to_string(),
            record.backbone.clone(),
            match (&record.pretraining, record.init.as_str()) {
                (Some(published), _) => published.clone(),
                (None, "") => "random".to_owned(),
                (None, init) => init.to_owned(),
            },
            record.step.map_or(String::new(), |step| step.to_string()),
            score("box_ap"),
            score("box_ap50"),
            score("box_ap75"),
            score("mask_ap"),
            score("mask_ap50"),
            score("mask_ap75"),
            paper("box_ap"),
            paper("mask_ap"),
            self.difference()
                .map_or(String::new(), |d| format!("{d:+.2}")),
            record.seed.to_string(),
        ]
    }
}

const DETECTION_COLUMNS: [&str; 14] = [
    "run",
    "backbone",
    "weights",
    "steps",
    "box AP",
    "AP50",
    "AP75",
    "mask AP",
    "AP50",
    "AP75",
    "paper box",
    "paper mask",
    "difference",
    "seed",
];

impl Results {
    /// Those that have a row, each with its head.
    fn tables(&self) -> Vec<Table> {
        let evaluations = Table {
            lines: lines(
                &COLUMNS,
                self.evaluations.iter().map(|row| row.cells().to_vec()),
            ),
            numbers: 4,
            protocols: (self.evaluations.iter())
                .map(|row| row.record.protocol.clone())
                .collect(),
        };
        let detections = Table {
            lines: lines(
                &DETECTION_COLUMNS,
                self.detections.iter().map(|row| row.cells().to_vec()),
            ),
            numbers: 3,
            protocols: (self.detections.iter())
                .map(|row| row.record.protocol.clone())
                .collect(),
        };
        let both = [evaluations, detections].into_iter();
        both.filter(|table| table.lines.len() > 1).collect()
    }

    /// Tables for the terminal, one a kind.
    pub fn table(&self) -> String {
        joined(&self.tables(), Table::text)
    }

    /// Markdown tables.
    pub fn markdown(&self) -> String {
        joined(&self.tables(), Table::markdown)
    }

    /// Comma-separated values (RFC 4180), with the protocol as a last column; two kinds have a line between them.
    pub fn csv(&self) -> String {
        joined(&self.tables(), Table::csv)
    }
}

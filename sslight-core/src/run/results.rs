//! The results of evaluations beside the paper's: `sslight results`.

use std::path::{Path, PathBuf};

use super::RunError;
use super::evaluation::{EvaluationRecord, RESULTS_FILE, shown_settings};
use super::published::{Published, published};
use crate::config::{FinetuneSettings, ProbeSettings, RunConfig, VerbKeys, resolve};
use crate::fsio::WithPath;
use crate::text::csv_cell;

/// The configuration in a run folder.
const CONFIG_FILE: &str = "config.toml";
/// ImageNet-1k, on which the paper measures.
const IMAGENET_CLASSES: usize = 1000;
const IMAGENET_VALIDATION: usize = 50_000;
const IMAGENET_TRAIN: usize = 1_281_167;
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

/// The evaluations of run folders, in the order in which they were made.
///
/// # Errors
/// If a folder has no results, or they cannot be read.
pub fn results(runs: &[PathBuf]) -> Result<Vec<ResultRow>, RunError> {
    let mut rows = Vec::new();
    for run in runs {
        let path = run.join(RESULTS_FILE);
        if !path.is_file() {
            return Err(RunError::State {
                path,
                reason: "there are no results; make some with `sslight knn`, `sslight probe` or `sslight finetune`"
                    .to_owned(),
            });
        }
        let text = std::fs::read_to_string(&path).on(&path, "read")?;
        let config = run_config(run)?;
        let row = config.as_ref().and_then(published);
        for (line, text) in text.lines().enumerate() {
            let record: EvaluationRecord =
                serde_json::from_str(text).map_err(|error| RunError::State {
                    path: path.clone(),
                    reason: format!("line {} is no result: {error}; remove the line", line + 1),
                })?;
            let both = row.zip(config.as_ref());
            let paper = both.and_then(|(row, config)| in_paper(row, config, &record));
            rows.push(ResultRow {
                run: run.clone(),
                record,
                paper,
            });
        }
    }
    Ok(rows)
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
    let has_defaults = |defaults: &[(String, serde_json::Value)], free: &[&str]| {
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

fn flat<T: VerbKeys>(settings: &T) -> Option<Vec<(String, serde_json::Value)>> {
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
/// Columns of numbers, which stand right.
const NUMBERS: std::ops::Range<usize> = 4..11;

/// Rows as a table for the terminal.
pub fn table(rows: &[ResultRow]) -> String {
    let lines = lines(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..COLUMNS.len()).map(|c| width(c).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if NUMBERS.contains(&column) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
        let cells: Vec<String> = cells.collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Rows as a Markdown table.
pub fn markdown(rows: &[ResultRow]) -> String {
    let mut text = String::new();
    for (index, line) in lines(rows).iter().enumerate() {
        let cells: Vec<String> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
        if index == 0 {
            let rule = |column| {
                if NUMBERS.contains(&column) {
                    "---:"
                } else {
                    "---"
                }
            };
            let rules: Vec<&str> = (0..COLUMNS.len()).map(rule).collect();
            text.push_str(&format!("| {} |\n", rules.join(" | ")));
        }
    }
    text
}

/// Rows as comma-separated values (RFC 4180), with the protocol as a last column.
pub fn csv(rows: &[ResultRow]) -> String {
    let mut text = String::new();
    for (index, line) in lines(rows).iter().enumerate() {
        let last = match index {
            0 => "protocol",
            row => rows[row - 1].record.protocol.as_str(),
        };
        let cells: Vec<String> = line
            .iter()
            .map(String::as_str)
            .chain([last])
            .map(csv_cell)
            .collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

/// The head and a line a row.
fn lines(rows: &[ResultRow]) -> Vec<[String; 11]> {
    let head = COLUMNS.map(str::to_owned);
    std::iter::once(head)
        .chain(rows.iter().map(ResultRow::cells))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LAST_STEP: usize = 200 * 1251;

    fn record(kind: &str, settings: serde_json::Value, top1: f64) -> String {
        line(kind, settings, top1, &serde_json::json!({}))
    }

    /// A line of results whose fields are those of a repetition but for `other`.
    fn line(
        kind: &str,
        settings: serde_json::Value,
        top1: f64,
        other: &serde_json::Value,
    ) -> String {
        let config = resolve(&["paper/dino-resnet18-sslight", "data=/imagenet"]).unwrap();
        let mut all = shown_settings(&config.config);
        all.extend(settings.as_object().unwrap().clone());
        let mut record = serde_json::json!({
            "kind": kind, "subject": "runs/a/backbone.safetensors", "backbone": "resnet18", "protocol": "p, q",
            "settings": all, "step": LAST_STEP, "head": "dino", "train_images": 12811, "validation_images": 50000, "classes": 1000, "seed": 0,
            "top1": top1, "top5": 80.0, "seconds": 1.25, "finished": 1, "backend": "flex", "version": "0"
        });
        for (key, value) in other.as_object().unwrap() {
            match value {
                serde_json::Value::Object(inner) => {
                    for (name, value) in inner {
                        record[key][name] = value.clone();
                    }
                }
                value => record[key] = value.clone(),
            }
        }
        record.to_string()
    }

    fn settings<T: VerbKeys>(settings: &T) -> serde_json::Value {
        flat(settings)
            .unwrap()
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    #[test]
    fn another_network_step_image_or_list_is_not_the_papers() {
        let folder = tempfile::tempdir().unwrap();
        let config = resolve(&["paper/dino-resnet18-sslight", "data=/imagenet"]).unwrap();
        let config = config.config.to_toml().unwrap();
        std::fs::write(folder.path().join(CONFIG_FILE), config).unwrap();
        let probe = settings(&ProbeSettings::of(crate::config::Family::Cnn));
        let mut listed = FinetuneSettings::semi_supervised();
        listed.finetune.fraction = 1.0;
        listed.finetune.subset = "1percent.txt".to_owned();
        let listed = settings(&listed);
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let cases = [
            ("probe", &probe, "{}", true),
            ("probe", &probe, r#"{"step": 6255}"#, false),
            ("probe", &probe, r#"{"step": null}"#, false),
            ("probe", &probe, r#"{"role": "student"}"#, true),
            ("probe", &probe, r#"{"role": "teacher"}"#, false),
            ("probe", &probe, r#"{"validation_images": 49990}"#, false),
            (
                "probe",
                &probe,
                r#"{"settings": {"eval.resize": 224}}"#,
                false,
            ),
            (
                "probe",
                &probe,
                r#"{"settings": {"eval.interpolation": "bilinear"}}"#,
                false,
            ),
            (
                "probe",
                &probe,
                r#"{"settings": {"views.flip": 0.0}}"#,
                false,
            ),
            ("finetune", &listed, "{}", true),
            ("finetune", &listed, r#"{"train_images": 12812}"#, false),
            ("finetune", &listed, r#"{"head": "linear"}"#, false),
        ];
        let lines = cases
            .map(|(kind, settings, other, _)| line(kind, settings.clone(), 50.0, &json(other)));
        std::fs::write(folder.path().join(RESULTS_FILE), lines.join("\n")).unwrap();
        let rows = results(&[folder.path().to_path_buf()]).unwrap();
        for (row, (kind, _, other, is_papers)) in rows.iter().zip(cases) {
            assert_eq!(row.paper.is_some(), is_papers, "{kind} {other}");
        }
        assert_eq!(rows[9].paper, Some((49.8, None)));
    }

    #[test]
    fn a_repetition_of_the_paper_stands_beside_its_row_and_anything_else_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let config = resolve(&["paper/dino-resnet18-sslight", "data=/imagenet"]).unwrap();
        std::fs::write(
            folder.path().join("config.toml"),
            config.config.to_toml().unwrap(),
        )
        .unwrap();
        let probe = ProbeSettings::of(crate::config::Family::Cnn);
        let mut semi = FinetuneSettings::semi_supervised();
        semi.finetune.fraction = 0.01;
        let mut quick = probe.clone();
        quick.probe.cache = true;
        let text = [
            record("probe", settings(&probe), 65.0),
            record("finetune", settings(&semi), 50.0),
            record("probe", settings(&quick), 60.0),
            record("knn", serde_json::json!({"eval.knn_k": 20}), 40.0),
        ];
        std::fs::write(folder.path().join(RESULTS_FILE), text.join("\n")).unwrap();
        let rows = results(&[folder.path().to_path_buf()]).unwrap();
        let papers: Vec<_> = rows.iter().map(|row| row.paper).collect();
        assert_eq!(
            papers,
            [Some((65.7, Some(86.6))), Some((49.8, None)), None, None]
        );
        assert!((rows[0].difference().unwrap() + 0.7).abs() < 1e-9);
        let names: Vec<_> = rows.iter().map(ResultRow::evaluation).collect();
        assert_eq!(names, ["probe", "fine-tuning", "probe, cached", "kNN k=20"]);
        let csv = csv(&rows);
        assert!(
            csv.lines()
                .nth(2)
                .unwrap()
                .ends_with(",50.00,80.00,49.80,+0.20,0,1.2,\"p, q\""),
            "{csv}"
        );
        assert_eq!(markdown(&rows).lines().count(), 6);
        assert!(table(&rows).contains("-0.70"));
    }

    #[test]
    fn no_results_and_damaged_ones_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let runs = [folder.path().to_path_buf()];
        assert!(
            results(&runs)
                .unwrap_err()
                .to_string()
                .contains("there are no results")
        );
        std::fs::write(folder.path().join(RESULTS_FILE), "{}\n").unwrap();
        assert!(
            results(&runs)
                .unwrap_err()
                .to_string()
                .contains("line 1 is no result")
        );
    }
}

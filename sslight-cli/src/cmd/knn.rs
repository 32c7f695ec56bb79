//! `sslight knn`: the kNN score of a run, a checkpoint or a weights file, or of a floor.

use std::path::{Path, PathBuf};

use burn::tensor::backend::AutodiffBackend;
use serde::Serialize;
use sslight_core::observe::StopHandle;
use sslight_core::run::{self, EvaluationOptions, KnnEvaluated, Progress};

use crate::args::KnnArgs;
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::subject::Measured;
use crate::ui;

/// What `--json` prints; a score is absent when images or labels are missing.
#[derive(Debug, Serialize)]
struct Score {
    weights: PathBuf,
    backend: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    knn_top1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    knn_top5: Option<f64>,
    /// Of each k, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    each_k: Vec<OfK>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature_std: Option<f64>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct OfK {
    k: usize,
    top1: f64,
    top5: f64,
}

/// Scores the weights under the configuration of their run, changed by the words.
pub fn run(args: &KnnArgs) -> Result<Outcome, CliError> {
    let measured = Measured::at(&args.weights)?;
    let resolved = measured.resolve(&args.words)?;
    let engine = backend::choose(resolved.config.backend)?;
    let (name, stop) = (engine.choice().to_string(), StopHandle::new());
    let mut tell = |progress: Progress| {
        if let Progress::Note(text) = progress {
            ui::note(&text);
        }
    };
    let options = EvaluationOptions {
        subject: measured.core(),
        run: measured.run(&args.words),
        backend_name: &name,
        stop: &stop,
        tell: &mut tell,
    };
    let evaluated = with_engine!(engine, |B, device| {
        // Without gradients: a tape would cost memory, and rounding that a run's own score does not have.
        run::knn::<<B as AutodiffBackend>::InnerBackend>(
            &resolved.config,
            &args.k,
            options,
            &device,
        )
    })?;
    if args.output.json {
        let weights = match &measured {
            Measured::Weights { subject, .. } => subject.weights.clone(),
            Measured::Random | Measured::Pixels => args.weights.clone(),
        };
        ui::say_json(&score(weights, name, &evaluated))?;
    } else {
        ui::say(&text(&evaluated));
    }
    if let Some(folder) = evaluated.results.as_deref().and_then(Path::parent) {
        ui::hint(ui::Done::Evaluated { folder });
    }
    Ok(Outcome::Done)
}

fn score(weights: PathBuf, backend: String, evaluated: &KnnEvaluated) -> Score {
    let first = evaluated.scores.first();
    let each = evaluated.scores.iter().map(|score| OfK {
        k: score.k,
        top1: score.top1,
        top5: score.top5,
    });
    Score {
        weights,
        backend,
        protocol: evaluated.protocol.clone(),
        knn_top1: first.map(|score| score.top1),
        knn_top5: first.map(|score| score.top5),
        each_k: each.filter(|_| evaluated.scores.len() > 1).collect(),
        feature_std: evaluated.spread.map(|spread| spread.std),
        seconds: evaluated.seconds,
    }
}

fn text(evaluated: &KnnEvaluated) -> String {
    let spread = evaluated
        .spread
        .map(|spread| format!("\nfeature std {:.4}", spread.std))
        .unwrap_or_default();
    let added = evaluated.results.as_ref();
    let added = added.map_or(String::new(), |path| {
        format!("\nresult added to {}", path.display())
    });
    match (&evaluated.scores[..], &evaluated.protocol) {
        ([score], Some(protocol)) => format!(
            "kNN top-1 {:.2} %, top-5 {:.2} % ({protocol}){spread}{added}",
            score.top1, score.top5
        ),
        ([_, _, ..], Some(protocol)) => {
            let line = |score: &sslight_core::eval::knn::KnnScore| {
                format!(
                    "k = {:<5} top-1 {:.2} %, top-5 {:.2} %",
                    score.k, score.top1, score.top5
                )
            };
            let lines: Vec<String> = evaluated.scores.iter().map(line).collect();
            format!("kNN ({protocol})\n{}{spread}{added}", lines.join("\n"))
        }
        _ => format!("no kNN score: the data have no labels or no validation images{spread}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sslight_core::eval::FeatureSpread;

    #[test]
    fn a_missing_score_says_what_it_would_take() {
        let evaluated = KnnEvaluated {
            scores: Vec::new(),
            protocol: None,
            spread: Some(FeatureSpread {
                std: 0.02,
                relative: 0.5,
            }),
            seconds: 1.0,
            results: None,
        };
        assert_eq!(
            text(&evaluated),
            "no kNN score: the data have no labels or no validation images\nfeature std 0.0200"
        );
    }
}

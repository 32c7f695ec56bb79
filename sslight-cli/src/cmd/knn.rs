//! `sslight knn`: the kNN score of a run, a checkpoint or a weights file.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use serde::Serialize;
use sslight_core::run::evaluate_weights;

use crate::args::KnnArgs;
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::subject::Subject;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    feature_std: Option<f64>,
}

/// Scores the weights under the configuration of their run, changed by the words.
pub fn run(args: &KnnArgs) -> Result<Outcome, CliError> {
    let subject = Subject::at(&args.weights);
    let resolved = subject.resolve(&args.words)?;
    resolved.require_data()?;
    let weights = subject.read()?;
    let engine = backend::choose(resolved.config.backend)?;
    let scored = with_engine!(engine, |B, device| {
        // Without gradients: a tape would cost memory, and rounding that a run's own score does not have.
        evaluate_weights::<<B as AutodiffBackend>::InnerBackend>(
            &resolved.config,
            &subject.weights,
            &weights,
            &device,
        )
    })?;
    if let Some(left_out) = &scored.left_out {
        ui::note(left_out);
    }
    let report = scored.knn;
    let score = Score {
        weights: subject.weights,
        backend: engine.choice().to_string(),
        protocol: scored.protocol,
        knn_top1: report.top1,
        knn_top5: report.top5,
        feature_std: report.spread.map(|spread| spread.std),
    };
    if args.json {
        let text = serde_json::to_string_pretty(&score)
            .map_err(|error| CliError::Usage(format!("knn: {error}")))?;
        ui::say(&text);
    } else {
        ui::say(&text(&score));
    }
    Ok(Outcome::Done)
}

fn text(score: &Score) -> String {
    let spread = score
        .feature_std
        .map(|std| format!("\nfeature std {std:.4}"))
        .unwrap_or_default();
    match (score.knn_top1, score.knn_top5, &score.protocol) {
        (Some(top1), Some(top5), Some(protocol)) => {
            format!("kNN top-1 {top1:.2} %, top-5 {top5:.2} % ({protocol}){spread}")
        }
        _ => format!("no kNN score: the data have no labels or no validation images{spread}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_score_says_what_it_would_take() {
        let score = Score {
            weights: PathBuf::from("a"),
            backend: "flex".to_owned(),
            protocol: None,
            knn_top1: None,
            knn_top5: None,
            feature_std: Some(0.02),
        };
        assert_eq!(
            text(&score),
            "no kNN score: the data have no labels or no validation images\nfeature std 0.0200"
        );
    }
}

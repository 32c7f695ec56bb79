//! `sslight knn`: the kNN score of weights, of the network before training or of pixels.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};
use sslight_models::backend::Backend;

use super::evaluation::{EvaluationOptions, EvaluationRecord, Place, Progress, Subject, left_out};
use super::{Evaluator, RunError};
use crate::config::RunConfig;
use crate::eval::knn::KnnScore;
use crate::eval::{Extractor, FeatureSpread};

/// What a kNN evaluation came to.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnEvaluated {
    /// A score for each k, in the order in which they were asked for; none without labels or validation images.
    pub scores: Vec<KnnScore>,
    /// How it was measured, in a sentence, if it was.
    pub protocol: Option<String>,
    /// How much the features differ.
    pub spread: Option<FeatureSpread>,
    /// Duration in seconds.
    pub seconds: f64,
    /// The file of results that has the scores.
    pub results: Option<PathBuf>,
}

/// Scores the features of `options.subject` for each of `ks`; without any, for the configuration's.
///
/// # Errors
/// If data or weights cannot be used.
pub fn knn<B: Backend>(
    config: &RunConfig,
    ks: &[usize],
    options: EvaluationOptions<'_>,
    device: &B::Device,
) -> Result<KnnEvaluated, RunError> {
    let started = Instant::now();
    let data = super::open_data(config)?;
    let evaluator = Evaluator::new(config, &data.train, data.validation.as_ref());
    let extractor = match options.subject {
        Subject::Pixels => Extractor::Pixels,
        _ => {
            let (backbone, left_out) = options.subject.backbone::<B>(config, device)?;
            if let Some(left_out) = left_out {
                (options.tell)(Progress::Note(left_out));
            }
            Extractor::Network {
                backbone,
                blocks: None,
            }
        }
    };
    let ks = match ks {
        [] => &[config.eval.knn_k],
        ks => ks,
    };
    let found = evaluator.search::<B>(&extractor, ks, device)?;
    if let Some(note) = left_out(&found.unreadable) {
        (options.tell)(Progress::Note(note));
    }
    let (spread, scores, protocol) = (found.queries.spread(), found.scores, found.protocol);
    let seconds = started.elapsed().as_secs_f64();
    let mut results = None;
    if let (Some(first), Some(protocol)) = (scores.first(), &protocol) {
        let mut record = EvaluationRecord::new("knn", config, &options, seconds);
        record.protocol.clone_from(protocol);
        let eval = &config.eval;
        record.settings.extend([
            ("eval.knn_k".to_owned(), Value::from(first.k)),
            (
                "eval.knn_temperature".to_owned(),
                eval.knn_temperature.into(),
            ),
            (
                "eval.knn_protocol".to_owned(),
                eval.knn_protocol.to_string().into(),
            ),
        ]);
        (record.train_images, record.validation_images) = (found.bank, found.queries.len());
        record.classes = data.facts.classes;
        (record.top1, record.top5) = (first.top1, first.top5);
        if scores.len() > 1 {
            let each = scores
                .iter()
                .map(|score| json!({"k": score.k, "top1": score.top1, "top5": score.top5}));
            record.more.insert("each_k".to_owned(), each.collect());
        }
        if let Some(spread) = spread {
            record
                .more
                .insert("feature_std".to_owned(), spread.std.into());
        }
        let place = Place::new(options.run, None, "knn", "");
        place.add(&record)?;
        results = Some(place.results);
    }
    Ok(KnnEvaluated {
        scores,
        protocol,
        spread,
        seconds,
        results,
    })
}

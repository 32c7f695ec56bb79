//! The evaluation of a run: kNN and feature spread over fixed sets of images.

use std::path::Path;
use std::sync::Arc;

use sslight_data::loader::{EvalConfig, eval_subset};
use sslight_data::{BatchStream, DataError, ImageSource};
use sslight_models::Backbone;
use sslight_models::backend::Backend;
use sslight_models::nn::Linear;

use super::RunError;
use super::assemble;
use crate::config::{KnnProtocol, RunConfig};
use crate::eval::knn::{self, KnnConfig};
use crate::eval::{
    FeatureSet, FeatureSpread, backbone_features, classifier_accuracy, pixel_features,
};

/// Images of a batch in evaluation.
const EVAL_BATCH: usize = 64;
/// Images whose features are looked at where there is no validation set.
const SPREAD_SAMPLE: usize = 1000;

/// A kNN score, or why there is none, and the spread of the features.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnReport {
    /// Top-1 accuracy in percent.
    pub top1: Option<f64>,
    /// Top-5 accuracy in percent.
    pub top5: Option<f64>,
    /// How much the features differ.
    pub spread: Option<FeatureSpread>,
    /// Accuracy in percent of the classifier that is trained along, if there is one.
    pub probe_top1: Option<f64>,
}

/// The images of an evaluation and its protocol.
#[derive(Clone)]
pub struct Evaluator {
    bank: Option<Images>,
    queries: Images,
    knn: KnnConfig,
    labelled: bool,
    config: EvalConfig,
}

#[derive(Clone)]
struct Images {
    source: Arc<dyn ImageSource>,
    indices: Vec<usize>,
}

impl Images {
    /// At most `most` images, evenly over the set (whose order often is by class).
    fn spread_over(source: &Arc<dyn ImageSource>, most: usize) -> Self {
        let len = source.len();
        let count = len.min(most);
        Self {
            source: Arc::clone(source),
            indices: (0..count).map(|i| i * len / count.max(1)).collect(),
        }
    }
}

impl Evaluator {
    /// The evaluation that a configuration asks for, as far as its data allow.
    pub fn new(
        config: &RunConfig,
        train: &Arc<dyn ImageSource>,
        validation: Option<&Arc<dyn ImageSource>>,
    ) -> Self {
        let labelled = |source: &Arc<dyn ImageSource>| !source.class_names().is_empty();
        let bank = match config.eval.knn_protocol {
            KnnProtocol::Bank => Some(Images::spread_over(
                train,
                config.eval.bank_size.unwrap_or(usize::MAX),
            )),
            KnnProtocol::LeaveOneOut => None,
        };
        let scored = validation.is_some_and(labelled) && (bank.is_none() || labelled(train));
        Self {
            bank: bank.filter(|_| scored),
            queries: match validation {
                Some(source) => Images::spread_over(source, usize::MAX),
                None => Images::spread_over(train, SPREAD_SAMPLE),
            },
            knn: KnnConfig {
                k: config.eval.knn_k,
                temperature: config.eval.knn_temperature,
            },
            labelled: scored,
            config: assemble::eval_config(config, EVAL_BATCH),
        }
    }

    /// The protocol in words; `None` if there is no score because labels or validation images are missing.
    pub fn protocol(&self) -> Option<String> {
        self.labelled.then(|| {
            let queries = self.queries.indices.len();
            let neighbours = match &self.bank {
                Some(bank) => format!("neighbours among {} training images", bank.indices.len()),
                None => {
                    "neighbours among the others of the same images (leave one out)".to_string()
                }
            };
            format!(
                "{}-NN, T = {}, on {queries} validation images, {neighbours}",
                self.knn.k, self.knn.temperature
            )
        })
    }

    /// Scores the features of a backbone, and a classifier on them.
    ///
    /// # Errors
    /// If images cannot be read, or there are too few of them.
    pub fn backbone<B: Backend>(
        &self,
        backbone: &Backbone<B>,
        classifier: Option<&Linear<B>>,
        device: &B::Device,
    ) -> Result<KnnReport, RunError> {
        self.score::<B>(classifier, device, |images| {
            let batches = self.batches(images, self.config.clone())?;
            backbone_features(backbone, batches, device)
        })
    }

    /// Scores the pixels themselves, in 0 to 1.
    ///
    /// # Errors
    /// If images cannot be read, or there are too few of them.
    pub fn pixels<B: Backend>(&self, device: &B::Device) -> Result<KnnReport, RunError> {
        let config = EvalConfig {
            mean: [0.0; 3],
            std: [1.0; 3],
            ..self.config.clone()
        };
        self.score::<B>(None, device, |images| {
            pixel_features(self.batches(images, config.clone())?)
        })
    }

    fn batches(&self, images: &Images, config: EvalConfig) -> Result<BatchStream, DataError> {
        eval_subset(Arc::clone(&images.source), images.indices.clone(), config)
    }

    fn score<B: Backend>(
        &self,
        classifier: Option<&Linear<B>>,
        device: &B::Device,
        features: impl Fn(&Images) -> Result<FeatureSet, DataError>,
    ) -> Result<KnnReport, RunError> {
        let queries = features(&self.queries)?;
        let spread = queries.spread();
        if !self.labelled {
            return Ok(KnnReport {
                top1: None,
                top5: None,
                spread,
                probe_top1: None,
            });
        }
        let probe_top1 =
            classifier.and_then(|classifier| classifier_accuracy(&queries, classifier, device));
        let score = match &self.bank {
            Some(bank) => knn::with_bank::<B>(&features(bank)?, &queries, self.knn, device)?,
            None => knn::leave_one_out::<B>(&queries, self.knn, device)?,
        };
        Ok(KnnReport {
            top1: Some(score.top1),
            top5: Some(score.top5),
            spread,
            probe_top1,
        })
    }
}

/// The score of saved weights.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightsScore {
    /// The score.
    pub knn: KnnReport,
    /// The [protocol](Evaluator::protocol) in words.
    pub protocol: Option<String>,
    /// What was loaded and what was left out, if the file holds more than the backbone.
    pub left_out: Option<String>,
}

/// Scores saved weights, the content of the file at `path`, under a configuration: the verb `knn`.
///
/// # Errors
/// If data or weights cannot be used.
pub fn evaluate_weights<B: Backend>(
    config: &RunConfig,
    path: &Path,
    weights: &[u8],
    device: &B::Device,
) -> Result<WeightsScore, RunError> {
    let data = super::open_data(config)?;
    let evaluator = Evaluator::new(config, &data.train, data.validation.as_ref());
    let (backbone, left_out) = assemble::backbone_from::<B>(config, path, weights, device)?;
    Ok(WeightsScore {
        knn: evaluator.backbone(&backbone, None, device)?,
        protocol: evaluator.protocol(),
        left_out,
    })
}

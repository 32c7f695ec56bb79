//! The evaluation of a run: kNN and feature spread over fixed sets of images.

use std::sync::Arc;

use sslight_data::loader::{EvalConfig, eval_subset};
use sslight_data::{BatchStream, DataError, ImageSource};
use sslight_models::Backbone;
use sslight_models::backend::Backend;
use sslight_models::nn::Linear;

use super::RunError;
use super::assemble;
use crate::config::{KnnProtocol, RunConfig};
use crate::eval::knn::{self, KnnConfig, KnnScore};
use crate::eval::{Extractor, FeatureSet, FeatureSpread, classifier_accuracy, features};

/// Images of a batch in evaluation.
pub(super) const EVAL_BATCH: usize = 64;
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

    /// The [protocol](Self::protocol) for several k.
    pub(super) fn protocol_of(&self, ks: &[usize]) -> Option<String> {
        let ks: Vec<String> = ks.iter().map(usize::to_string).collect();
        self.protocol_with(&ks.join(", "))
    }

    /// The protocol in words; `None` if there is no score because labels or validation images are missing.
    pub fn protocol(&self) -> Option<String> {
        self.protocol_with(&self.knn.k.to_string())
    }

    fn protocol_with(&self, k: &str) -> Option<String> {
        self.labelled.then(|| {
            let queries = self.queries.indices.len();
            let neighbours = match &self.bank {
                Some(bank) => format!("neighbours among {} training images", bank.indices.len()),
                None => {
                    "neighbours among the others of the same images (leave one out)".to_string()
                }
            };
            format!(
                "{k}-NN, T = {}, on {queries} validation images, {neighbours}",
                self.knn.temperature
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
        let network = Extractor::Network {
            backbone: backbone.clone(),
            blocks: None,
        };
        self.score::<B>(classifier, device, |images| {
            self.features_of(&network, images, device)
        })
    }

    /// Scores the pixels themselves, in 0 to 1.
    ///
    /// # Errors
    /// If images cannot be read, or there are too few of them.
    pub fn pixels<B: Backend>(&self, device: &B::Device) -> Result<KnnReport, RunError> {
        self.score::<B>(None, device, |images| {
            self.features_of(&Extractor::<B>::Pixels, images, device)
        })
    }

    /// Features of images; pixels are taken in 0 to 1, as they are.
    fn features_of<B: Backend>(
        &self,
        extractor: &Extractor<B>,
        images: &Images,
        device: &B::Device,
    ) -> Result<FeatureSet, DataError> {
        let config = match extractor {
            Extractor::Network { .. } => self.config.clone(),
            Extractor::Pixels => EvalConfig {
                mean: [0.0; 3],
                std: [1.0; 3],
                ..self.config.clone()
            },
        };
        features(extractor, self.batches(images, config)?, device)
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
        let (queries, scores) = self.search::<B>(&[self.knn.k], device, features)?;
        let best = scores.first();
        Ok(KnnReport {
            top1: best.map(|score| score.top1),
            top5: best.map(|score| score.top5),
            spread: queries.spread(),
            probe_top1: classifier
                .filter(|_| self.labelled)
                .and_then(|classifier| classifier_accuracy(&queries, classifier, device)),
        })
    }

    /// The features of the queries and the score for each of several k; no scores without labels.
    fn search<B: Backend>(
        &self,
        ks: &[usize],
        device: &B::Device,
        features: impl Fn(&Images) -> Result<FeatureSet, DataError>,
    ) -> Result<(FeatureSet, Vec<KnnScore>), RunError> {
        let queries = features(&self.queries)?;
        if !self.labelled {
            return Ok((queries, Vec::new()));
        }
        let temperature = self.knn.temperature;
        let scores = match &self.bank {
            Some(bank) => {
                knn::with_bank_each::<B>(&features(bank)?, &queries, ks, temperature, device)?
            }
            None => knn::leave_one_out_each::<B>(&queries, ks, temperature, device)?,
        };
        Ok((queries, scores))
    }

    /// The spread of an extractor's features and the score for each of several k; no scores without labels or
    /// validation images.
    ///
    /// # Errors
    /// If images cannot be read, or there are too few of them.
    pub(super) fn extractor<B: Backend>(
        &self,
        extractor: &Extractor<B>,
        ks: &[usize],
        device: &B::Device,
    ) -> Result<(Option<FeatureSpread>, Vec<KnnScore>), RunError> {
        let (queries, scores) = self.search::<B>(ks, device, |images| {
            self.features_of(extractor, images, device)
        })?;
        Ok((queries.spread(), scores))
    }

    /// Number of images in the bank and of queries.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let queries = self.queries.indices.len();
        let bank = self.bank.as_ref();
        (bank.map_or(queries, |bank| bank.indices.len()), queries)
    }
}

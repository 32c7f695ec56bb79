//! The evaluation of a run: kNN and feature spread over fixed sets of images.

use std::sync::Arc;
use std::time::Instant;

use sslight_data::loader::{EvalConfig, eval_subset};
use sslight_data::progress::Work;
use sslight_data::{BadImage, HostBatch, ImageSource};
use sslight_models::Backbone;
use sslight_models::backend::Backend;
use sslight_models::nn::Linear;

use super::RunError;
use super::assemble;
use crate::config::{KnnProtocol, RunConfig};
use crate::eval::knn::{self, KnnConfig, KnnScore};
use crate::eval::{
    EvalError, Extractor, FeatureSet, FeatureSpectrum, FeatureSpread, classifier_accuracy, features,
};
use crate::observe::StopHandle;

/// Images of a batch in evaluation.
pub(super) const EVAL_BATCH: usize = 64;
/// Images whose features are looked at where there is no validation set.
const SPREAD_SAMPLE: usize = 1000;

/// Memory that raw pixels may take when they are scored before training.
const MOST_PIXEL_BYTES: u64 = 4 << 30;

/// A kNN score, or why there is none, and the spread of the features.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnReport {
    /// Top-1 accuracy in percent.
    pub top1: Option<f64>,
    /// Top-5 accuracy in percent.
    pub top5: Option<f64>,
    /// How much the features differ.
    pub spread: Option<FeatureSpread>,
    /// How many directions they differ in.
    pub spectrum: Option<FeatureSpectrum>,
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
    stop: StopHandle,
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
            stop: StopHandle::new(),
        }
    }

    /// The same evaluation, which ends with [`EvalError::Interrupted`] soon after a stop is asked for on `stop`.
    pub fn with_stop(self, stop: StopHandle) -> Self {
        Self { stop, ..self }
    }

    /// The protocol in words; `None` if there is no score because labels or validation images are missing.
    pub fn protocol(&self) -> Option<String> {
        let bank = self.bank.as_ref().map(|bank| bank.indices.len());
        self.protocol_of(&[self.knn.k], [bank, Some(self.queries.indices.len())])
    }

    /// The [protocol](Self::protocol) for several k and so many images in the bank and queries.
    fn protocol_of(&self, ks: &[usize], [bank, queries]: [Option<usize>; 2]) -> Option<String> {
        self.labelled.then(|| {
            let ks: Vec<String> = ks.iter().map(usize::to_string).collect();
            let (k, queries) = (ks.join(", "), queries.unwrap_or(0));
            let neighbours = match bank {
                Some(bank) => format!("neighbours among {bank} training images"),
                None => {
                    "neighbours among the others of the same images (leave one out)".to_string()
                }
            };
            format!(
                "{k}-NN, T = {}, on {queries} validation images, {neighbours}, {}",
                self.knn.temperature, self.config.view
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
        self.score(&network, classifier, device)
    }

    /// Scores the pixels themselves, in 0 to 1.
    ///
    /// # Errors
    /// If images cannot be read, or there are too few of them.
    pub fn pixels<B: Backend>(&self, device: &B::Device) -> Result<KnnReport, RunError> {
        self.score(&Extractor::<B>::Pixels, None, device)
    }

    /// Features of images, and the images that cannot be read; pixels are taken in 0 to 1, as they are.
    fn features_of<B: Backend>(
        &self,
        extractor: &Extractor<B>,
        images: &Images,
        device: &B::Device,
    ) -> Result<(FeatureSet, Vec<BadImage>), RunError> {
        let config = match extractor {
            Extractor::Network { .. } => self.config.clone(),
            Extractor::Pixels => EvalConfig {
                mean: [0.0; 3],
                std: [1.0; 3],
                ..self.config.clone()
            },
        };
        let source = Arc::clone(&images.source);
        let mut batches = eval_subset(source, images.indices.clone(), config)?;
        let what = match extractor {
            Extractor::Network { .. } => "features",
            Extractor::Pixels => "raw pixels",
        };
        let work = Work::begin(what, "images", Some(images.indices.len()));
        let counted = batches
            .by_ref()
            .take_while(|_| !self.stop.is_requested())
            .inspect(|batch| work.add(batch.as_ref().map_or(0, HostBatch::len)));
        let features = features(extractor, counted, device)?;
        drop(work);
        if self.stop.is_requested() {
            return Err(EvalError::Interrupted.into());
        }
        Ok((features, batches.bad_images()))
    }

    /// Images that are scored or looked at, and those that neighbours are searched among; 0 if nothing is searched, or
    /// among the same ones.
    pub(super) fn sizes(&self) -> [usize; 2] {
        let bank = self.bank.as_ref().map_or(0, |bank| bank.indices.len());
        [self.queries.indices.len(), bank]
    }

    /// Bytes of the features of all images, `dim` numbers each; those of queries are there once more at unit length.
    pub(super) fn feature_bytes(&self, dim: usize) -> u64 {
        let [queries, bank] = self.sizes();
        (size_of::<f32>() * dim * (2 * queries + bank)) as u64
    }

    /// Whether the pixels of all images are scored before training: that needs them all in memory, which those of ImageNet
    /// are too many for.
    pub fn scores_pixels(&self) -> bool {
        self.labelled && self.feature_bytes(self.pixels_dim()) <= MOST_PIXEL_BYTES
    }

    /// Numbers of an image.
    pub(super) fn pixels_dim(&self) -> usize {
        3 * self.config.view.crop * self.config.view.crop
    }

    /// How many features were made of at most `most` images, and the seconds that this took.
    ///
    /// # Errors
    /// If images cannot be read.
    pub(super) fn time_features<B: Backend>(
        &self,
        backbone: &Backbone<B>,
        most: usize,
        device: &B::Device,
    ) -> Result<(usize, f64), RunError> {
        let network = Extractor::Network {
            backbone: backbone.clone(),
            blocks: None,
        };
        let all = &self.queries.indices;
        let count = all.len().min(most);
        let sample = Images {
            source: Arc::clone(&self.queries.source),
            indices: (0..count).map(|i| all[i * all.len() / count]).collect(),
        };
        let started = Instant::now();
        let (features, _) = self.features_of(&network, &sample, device)?;
        Ok((features.len(), started.elapsed().as_secs_f64()))
    }

    fn score<B: Backend>(
        &self,
        extractor: &Extractor<B>,
        classifier: Option<&Linear<B>>,
        device: &B::Device,
    ) -> Result<KnnReport, RunError> {
        let found = self.search::<B>(extractor, &[self.knn.k], device)?;
        let best = found.scores.first();
        Ok(KnnReport {
            top1: best.map(|score| score.top1),
            top5: best.map(|score| score.top5),
            spread: found.queries.spread(),
            // Of the pixels nobody asks for it, and they have many dimensions.
            spectrum: match extractor {
                Extractor::Network { .. } => FeatureSpectrum::of(&found.queries),
                Extractor::Pixels => None,
            },
            probe_top1: classifier
                .filter(|_| self.labelled)
                .and_then(|classifier| classifier_accuracy(&found.queries, classifier, device)),
        })
    }

    /// The features of the queries and the score for each of several k; no scores without labels or validation images.
    ///
    /// # Errors
    /// If images cannot be read, or there are too few of them.
    pub(super) fn search<B: Backend>(
        &self,
        extractor: &Extractor<B>,
        ks: &[usize],
        device: &B::Device,
    ) -> Result<Searched, RunError> {
        let (queries, mut unreadable) = self.features_of(extractor, &self.queries, device)?;
        let mut bank_len = None;
        let temperature = self.knn.temperature;
        let scores = match &self.bank {
            _ if !self.labelled => Vec::new(),
            Some(images) => {
                let (bank, bad) = self.features_of(extractor, images, device)?;
                unreadable.extend(bad);
                bank_len = Some(bank.len());
                knn::with_bank_each::<B>(&bank, &queries, ks, temperature, device)?
            }
            None => knn::leave_one_out_each::<B>(&queries, ks, temperature, device)?,
        };
        Ok(Searched {
            protocol: self.protocol_of(ks, [bank_len, Some(queries.len())]),
            bank: bank_len.unwrap_or(queries.len()),
            queries,
            unreadable,
            scores,
        })
    }
}

/// What a search among features came to.
pub(super) struct Searched {
    /// Features of the images that were scored.
    pub(super) queries: FeatureSet,
    /// Images that neighbours were searched among.
    pub(super) bank: usize,
    /// Images of either that cannot be read and were left out.
    pub(super) unreadable: Vec<BadImage>,
    /// A score for each k.
    pub(super) scores: Vec<KnnScore>,
    /// The protocol in words, with the numbers of images that were there.
    pub(super) protocol: Option<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::resolve;
    use crate::run::open_both;

    fn scores_pixels(words: &[&str]) -> bool {
        let words = [&["data=embedded"][..], words].concat();
        let config = resolve(&words).unwrap().config;
        let (train, validation) = open_both(&config).unwrap();
        Evaluator::new(&config, &train, validation.as_ref()).scores_pixels()
    }

    #[test]
    fn pixels_are_scored_unless_they_are_too_many() {
        // 7,000 images' worth (1,000 are held twice) of 3 x 224 x 224 numbers are 3.9 GiB, of 384 px 11.5 GiB, and 2,100 of
        // these 3.5 GiB.
        assert!(scores_pixels(&["eval.crop=224"]));
        assert!(!scores_pixels(&["eval.crop=384", "eval.resize=448"]));
        assert!(scores_pixels(&[
            "eval.crop=384",
            "eval.resize=448",
            "eval.bank_size=10"
        ]));
        assert!(!scores_pixels(&["eval.crop=224", "use_labels=false"]));
    }
}

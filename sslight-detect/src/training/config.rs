//! What a detector is trained with: the keys of `sslight detect train`.
//!
//! Defaults are the paper's evaluation (detectron2's standard recipe for COCO): 16 images a step, 90,000 steps (1x).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sslight_core::config::{Backbone, BackendChoice, Resume, words};

use crate::geometry::Sampler;
use crate::loading::LoadingConfig;
use crate::model::{DetectionLimits, Layout, MaskRcnnConfig, NoStages};

/// Images for which the learning rate is stated.
const LR_BATCH: f64 = 16.0;
/// Largest number of warm-up steps that `auto` takes.
const WARMUP_STEPS: usize = 1000;

/// The complete configuration of a detector's training; every field is a key of the same name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectConfig {
    /// Annotations of the training images: COCO JSON, or a Pascal VOC folder; empty when not given.
    pub data: String,
    /// Folder of the training images; `None` (auto) looks in the usual places beside the annotations.
    #[serde(with = "words::auto")]
    pub images: Option<String>,
    /// Annotations to measure on; `None` does not measure.
    #[serde(with = "words::none")]
    pub val_data: Option<String>,
    /// Folder of the images to measure on.
    #[serde(with = "words::auto")]
    pub val_images: Option<String>,
    /// The run folder; `None` (auto) is `runs/detect-BACKBONE`.
    #[serde(with = "words::auto")]
    pub out: Option<String>,
    /// The backbone.
    pub backbone: Backbone,
    /// Weights that the backbone starts from; empty starts from random ones.
    pub init: String,
    /// Whether these may be incomplete.
    pub init_partial: bool,
    /// Whether masks are found beside boxes; `None` (auto) if the training annotations have masks.
    #[serde(with = "words::auto")]
    pub masks: Option<bool>,
    /// What the backbone's normalisation does.
    pub norm: Norm,
    /// The engine.
    pub backend: BackendChoice,
    /// Images an optimizer step.
    pub batch_size: usize,
    /// Length of the training, and of its schedule, in steps.
    pub steps: usize,
    /// Stop after this many steps, with the schedule of all.
    #[serde(with = "words::none")]
    pub max_steps: Option<usize>,
    /// Epochs between measurements; 0 measures at the end alone, `None` (auto) about ten times.
    #[serde(with = "words::auto")]
    pub eval_every: Option<usize>,
    /// Seed of fresh weights, order, augmentation and sampling.
    pub seed: u64,
    /// Threads that prepare images; `None` (auto) is one a core.
    #[serde(with = "words::auto")]
    pub workers: Option<usize>,
    /// Whether an earlier run is continued.
    pub resume: Resume,
    /// Steps between progress reports.
    pub log_every: usize,
    /// Optimizer and schedule.
    pub optim: DetectOptim,
    /// How images are shown.
    pub input: Input,
    /// What the losses are taken over.
    pub sampling: Sampling,
    /// What is kept of what is found.
    pub test: Test,
    /// Checkpoints.
    pub checkpoint: Checkpoints,
}

/// What the backbone's batch normalisation does while a detector is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Norm {
    /// It normalises with the batch, and its statistics, scales and shifts move: the paper's setting, for large batches.
    #[serde(rename = "batch")]
    Batch,
    /// It stays as it is: for batches of a few images, on a pre-trained backbone.
    #[serde(rename = "frozen")]
    Frozen,
}

impl Norm {
    /// The words that users write.
    pub const WORDS: &'static [&'static str] = &["batch", "frozen"];
}

/// Keys `optim.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectOptim {
    /// Learning rate for 16 images.
    pub base_lr: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay of all but normalisation.
    pub weight_decay: f64,
    /// Steps of linear warm-up; `None` (auto) is 1000, and at most a tenth of the training.
    #[serde(with = "words::auto")]
    pub warmup_steps: Option<usize>,
    /// The learning rate of the first step, as a part of the full one.
    pub warmup_factor: f64,
    /// Steps at which the learning rate is divided by 10; `None` (auto) is after 6/9 and 8/9 of the training, as in 1x and 2x.
    #[serde(with = "words::auto")]
    pub milestones: Option<Vec<usize>>,
    /// Largest norm of a parameter's gradient; 0 does not clip.
    pub clip_grad: f64,
}

/// Keys `input.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Pixels that the shorter side may get in training, each as likely.
    pub short_sides: Vec<usize>,
    /// Pixels of the shorter side when a detector is measured or used.
    pub test_side: usize,
    /// Pixels of the longer side at most.
    pub longest_side: usize,
    /// Probability of a mirror image in training.
    pub flip: f64,
    /// Channel means taken off, for pixels in 0..1.
    pub mean: [f64; 3],
    /// Channel standard deviations divided by, for pixels in 0..1.
    pub std: [f64; 3],
}

/// Keys `sampling.*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Anchors of an image that the proposals' losses are taken over.
    pub anchors: usize,
    /// Proposals of an image that the heads' losses are taken over.
    pub proposals: usize,
}

/// Keys `test.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// Lower scores are dropped.
    pub score_above: f64,
    /// Detections of a class that overlap a better one by more are dropped.
    pub overlap: f64,
    /// Detections of an image at most.
    pub most: usize,
    /// Proposals of an image that are looked at; `None` (auto) is 1000.
    #[serde(with = "words::auto")]
    pub proposals: Option<usize>,
    /// Images at once.
    pub batch_size: usize,
}

/// Keys `checkpoint.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoints {
    /// Steps between checkpoints.
    pub every_steps: usize,
    /// Minutes after the last checkpoint, or the start, after which a step gets one.
    #[serde(with = "words::none")]
    pub every_minutes: Option<f64>,
    /// Number of newest checkpoints that are kept.
    pub keep_last: usize,
}

impl Default for DetectConfig {
    fn default() -> Self {
        let images = LoadingConfig::default();
        let of =
            |values: [f32; 3]| values.map(|value| (f64::from(value) / 255.0 * 1e6).round() / 1e6);
        let limits = DetectionLimits::default();
        Self {
            data: String::new(),
            images: None,
            val_data: None,
            val_images: None,
            out: None,
            backbone: Backbone::Resnet18,
            init: String::new(),
            init_partial: false,
            masks: None,
            norm: Norm::Batch,
            backend: BackendChoice::Auto,
            batch_size: images.batch_size,
            steps: 90_000,
            max_steps: None,
            eval_every: None,
            seed: 0,
            workers: None,
            resume: Resume::Auto,
            log_every: 20,
            optim: DetectOptim {
                base_lr: 0.02,
                momentum: 0.9,
                weight_decay: 1e-4,
                warmup_steps: None,
                warmup_factor: 0.001,
                milestones: None,
                clip_grad: 0.0,
            },
            input: Input {
                short_sides: images.short_sides,
                test_side: images.test_side,
                longest_side: images.longest_side,
                flip: images.flip,
                mean: of(images.mean),
                std: of(images.std),
            },
            sampling: Sampling {
                anchors: 256,
                proposals: 512,
            },
            test: Test {
                score_above: decimal(limits.score_above),
                overlap: decimal(limits.overlap),
                most: limits.most,
                proposals: limits.proposals,
                batch_size: 1,
            },
            checkpoint: Checkpoints {
                every_steps: 5000,
                every_minutes: Some(30.0),
                keep_last: 2,
            },
        }
    }
}

/// A single number as the decimal that it was written as.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

impl DetectConfig {
    /// The run folder.
    pub fn out_dir(&self) -> PathBuf {
        match &self.out {
            Some(out) => PathBuf::from(out),
            None => PathBuf::from(format!("runs/detect-{}", self.backbone)),
        }
    }

    /// The full learning rate: `optim.base_lr * batch_size / 16`.
    pub fn peak_lr(&self) -> f64 {
        self.optim.base_lr * self.batch_size as f64 / LR_BATCH
    }

    /// Steps of warm-up.
    pub fn warmup_steps(&self) -> usize {
        let auto = WARMUP_STEPS.min(self.steps / 10);
        self.optim.warmup_steps.unwrap_or(auto)
    }

    /// Steps at which the learning rate is divided by 10.
    pub fn milestones(&self) -> Vec<usize> {
        let auto = || {
            let mut steps = vec![self.steps * 6 / 9, self.steps * 8 / 9];
            // Of a training of a few steps they would be its first, or one.
            steps.retain(|step| *step > 0);
            steps.dedup();
            steps
        };
        self.optim.milestones.clone().unwrap_or_else(auto)
    }

    /// Steps in an epoch: those in which each of `images` is shown once, about.
    pub fn steps_per_epoch(&self, images: usize) -> usize {
        images.div_ceil(self.batch_size).max(1)
    }

    /// The step before which the run ends.
    pub fn last_step(&self) -> usize {
        self.max_steps
            .map_or(self.steps, |most| most.min(self.steps))
    }

    /// Epochs between measurements; 0 is none before the end.
    pub fn eval_every(&self, images: usize) -> usize {
        let epochs = self.steps / self.steps_per_epoch(images);
        self.eval_every.unwrap_or(epochs.div_ceil(10))
    }

    /// Threads that prepare images.
    pub fn worker_count(&self) -> usize {
        self.workers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// The network, for so many classes.
    pub fn network(&self, classes: usize, masks: bool) -> MaskRcnnConfig {
        MaskRcnnConfig {
            backbone: self.backbone.into(),
            classes,
            masks,
        }
    }

    /// Its layout, with the sizes of samples that are configured.
    ///
    /// # Errors
    /// If the backbone is a vision transformer.
    pub fn layout(&self) -> Result<Layout, NoStages> {
        let mut layout = Layout::of(self.backbone.into())?;
        // At most half of the anchors and a quarter of the proposals are of objects, whatever their number.
        layout.anchor_sampler = Sampler {
            boxes: self.sampling.anchors,
            most_objects: self.sampling.anchors / 2,
        };
        layout.proposal_sampler = Sampler {
            boxes: self.sampling.proposals,
            most_objects: (self.sampling.proposals / 4).max(1),
        };
        Ok(layout)
    }

    /// How images are prepared, for a network whose sides are to be multiples of `multiple`.
    pub fn loading(&self, multiple: usize, masks: bool) -> LoadingConfig {
        let of_bytes = |values: [f64; 3]| values.map(|value| (value * 255.0) as f32);
        LoadingConfig {
            batch_size: self.batch_size,
            seed: self.seed,
            short_sides: self.input.short_sides.clone(),
            test_side: self.input.test_side,
            longest_side: self.input.longest_side,
            flip: self.input.flip,
            mean: of_bytes(self.input.mean),
            std: of_bytes(self.input.std),
            multiple,
            masks,
            workers: self.worker_count(),
            prefetch: 2,
        }
    }

    /// What is kept of what is found.
    pub fn limits(&self) -> DetectionLimits {
        DetectionLimits {
            score_above: self.test.score_above as f32,
            overlap: self.test.overlap as f32,
            most: self.test.most,
            proposals: self.test.proposals,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sslight_core::config::VerbKeys;

    use super::*;

    #[test]
    fn keys_and_fields_are_the_same() {
        assert!(DetectConfig::default().has_a_key_for_each_field());
    }

    #[test]
    fn both_published_schedules_follow_from_their_lengths() {
        let of = |word: &str| DetectConfig::default().with_words(&[word]).unwrap();
        let (once, twice) = (of("steps=90000"), of("steps=180000"));
        assert_eq!(once.milestones(), [60_000, 80_000]);
        assert_eq!(twice.milestones(), [120_000, 160_000]);
        assert_eq!((once.warmup_steps(), once.peak_lr()), (1000, 0.02));
        assert!(of("steps=1").milestones().is_empty());
        assert_eq!(of("steps=3").milestones(), [2]);
        assert_eq!(of("batch_size=2").peak_lr(), 0.0025);
        assert_eq!(of("optim.milestones=[5,9]").milestones(), [5, 9]);
    }

    #[test]
    fn the_default_samples_are_those_of_the_reference() {
        let config = DetectConfig::default();
        assert_eq!(
            config.layout().ok(),
            Layout::of(config.backbone.into()).ok()
        );
    }

    #[test]
    fn pixels_are_normalised_as_in_the_reference() {
        let loading = DetectConfig::default().loading(32, true);
        let reference = LoadingConfig::default();
        for (ours, theirs) in [(loading.mean, reference.mean), (loading.std, reference.std)] {
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!((ours - theirs).abs() < 2e-4, "{ours} {theirs}");
            }
        }
    }
}

//! A measurement as a line of the results, beside the paper's row.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use sslight_core::config::VerbKeys;
use sslight_core::run::{DETECTION, DetectedClassScore, pretraining_of, published_detection};

pub use sslight_core::run::DetectionRecord;

use super::measure::percent;
use super::{DetectConfig, Scores};
use crate::annotations::DetectionSet;

/// COCO 2017, on which the paper measures: classes, training images with objects, validation images.
const COCO_CLASSES: usize = 80;
const COCO_TRAIN: usize = 117_266;
const COCO_VALIDATION: usize = 5000;

/// Keys that say nothing of how a detector is trained and measured, and groups of such.
const BESIDE_THE_POINT: &[&str] = &[
    "data",
    "images",
    "val_data",
    "val_images",
    "out",
    "backbone",
    "init",
    "masks",
    "backend",
    "steps",
    "eval_every",
    "seed",
    "workers",
    "resume",
    "log_every",
    "test.batch_size",
    "checkpoint.every_steps",
    "checkpoint.every_minutes",
    "checkpoint.keep_last",
];

/// What was measured, and on what.
pub struct Measured<'a> {
    /// The weights.
    pub subject: String,
    /// Steps of training behind them.
    pub step: Option<usize>,
    /// How they were trained; `None` if that is not known.
    pub config: Option<&'a DetectConfig>,
    /// Images that were trained on, if that is known.
    pub train_images: Option<usize>,
    /// The backbone.
    pub backbone: String,
    /// What was measured on.
    pub set: &'a DetectionSet,
    /// The scores.
    pub scores: &'a Scores,
    /// Pixels of the shorter side, and of the longer one at most.
    pub sides: [usize; 2],
    /// Duration in seconds.
    pub seconds: f64,
    /// The engine.
    pub backend: String,
}

impl Measured<'_> {
    /// The line.
    pub fn record(&self) -> DetectionRecord {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let init = self.config.map_or("", |config| config.init.as_str());
        let pretraining = (!init.is_empty()).then(|| pretraining_of(Path::new(init)));
        let mut record = DetectionRecord {
            kind: DETECTION.to_owned(),
            subject: self.subject.clone(),
            step: self.step,
            backbone: self.backbone.clone(),
            init: init.to_owned(),
            pretraining: pretraining.flatten().map(str::to_owned),
            protocol: self.protocol(),
            settings: self.config.map(settings).unwrap_or_default(),
            train_images: self.train_images,
            validation_images: self.set.images.len(),
            classes: self.set.classes.len(),
            seed: self.config.map_or(0, |config| config.seed),
            scores: self.scores.named(),
            per_class: self.per_class(),
            paper: None,
            seconds: self.seconds,
            finished: now.map_or(0, |now| now.as_secs()),
            backend: self.backend.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        record.paper = self.config.and_then(|config| in_paper(&record, config));
        record
    }

    fn protocol(&self) -> String {
        let [short, long] = self.sides;
        let measured = format!(
            "shorter side {short}, longer at most {long}, COCO's average precision with 100 detections"
        );
        match self.config {
            Some(config) => format!(
                "{} steps of {} images, learning rate {}, {} normalisation, from {}; {measured}",
                self.step.unwrap_or(config.steps),
                config.batch_size,
                config.peak_lr(),
                match config.norm {
                    super::Norm::Batch => "batch",
                    super::Norm::Frozen => "frozen",
                },
                if config.init.is_empty() {
                    "random weights"
                } else {
                    &config.init
                },
            ),
            None => measured,
        }
    }

    fn per_class(&self) -> Vec<DetectedClassScore> {
        let of = |scores: &Option<crate::annotations::AveragePrecision>, class: usize| {
            let scores = scores.as_ref()?;
            scores.per_class.get(class).copied().flatten().map(percent)
        };
        let classes = self.set.classes.iter().enumerate();
        classes
            .map(|(index, class)| DetectedClassScore {
                name: class.name.clone(),
                box_ap: of(&self.scores.boxes, index),
                mask_ap: of(&self.scores.masks, index),
            })
            .collect()
    }
}

fn settings(config: &DetectConfig) -> Map<String, Value> {
    let values = config.values().unwrap_or_default().into_iter();
    values
        .filter_map(|(key, value)| Some((key.name.to_owned(), serde_json::to_value(value).ok()?)))
        .collect()
}

/// The paper's numbers, if the record is of a repetition of one of its rows.
fn in_paper(record: &DetectionRecord, config: &DetectConfig) -> Option<Map<String, Value>> {
    let row = published_detection(record.pretraining.as_deref()?, config.steps)?;
    let on_coco = record.classes == COCO_CLASSES
        && record.validation_images == COCO_VALIDATION
        && record.train_images == Some(COCO_TRAIN);
    let differences = config.differences(&DetectConfig::default()).ok()?;
    let as_published = differences
        .iter()
        .all(|difference| BESIDE_THE_POINT.contains(&difference.key));
    let same_network = row.pretraining.contains(&record.backbone);
    let finished = record.step == Some(config.steps);
    (on_coco && as_published && same_network && finished).then(|| row.named())
}

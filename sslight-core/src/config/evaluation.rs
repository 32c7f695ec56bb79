//! Settings of the evaluations that train something: the linear probe and fine-tuning.
//!
//! Defaults are those of the paper's code for ImageNet; `auto` values depend on the data, so that small sets get small
//! batches.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Range};
use super::{Family, FinetuneHead, Key, LrUpdate, OptimizerKind, VerbKeys, words};

/// Smallest batch that `auto` chooses.
const LEAST_BATCH: usize = 16;
/// Images per step for which learning rates are stated.
const LR_BATCH: f64 = 256.0;

/// The settings of `sslight probe`, keys `probe.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeSettings {
    /// The group of keys.
    pub probe: Probe,
}

/// Keys `probe.*`: a linear classifier on a frozen backbone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// Learning rates for a batch of 256 images; one classifier is trained with each, in one pass.
    pub base_lr: Vec<f64>,
    /// Learning rate at the end, not scaled by the batch.
    pub min_lr: f64,
    /// When the learning rate is set.
    pub lr_update: LrUpdate,
    /// Length of the training.
    pub epochs: usize,
    /// Images a step; `None` (auto) is [`Probe::batch`].
    #[serde(with = "words::auto")]
    pub batch_size: Option<usize>,
    /// Weight decay of the classifier's weights.
    pub weight_decay: f64,
    /// Momentum of the optimizer.
    pub momentum: f64,
    /// Last blocks of a vision transformer whose class tokens are the features; convolutional networks have one vector.
    pub blocks: usize,
    /// Whether features are computed once, of unaugmented images, and kept: a quick estimate.
    pub cache: bool,
    /// Share of the image's area in a training crop.
    pub crop_scale: [f64; 2],
    /// Share of the labelled images of each class that are used.
    pub fraction: f64,
    /// Folder for the files of the evaluation; `None` (auto) is in the run folder.
    #[serde(with = "words::auto")]
    pub out: Option<String>,
}

/// The settings of `sslight finetune`, keys `finetune.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinetuneSettings {
    /// The group of keys.
    pub finetune: Finetune,
}

/// Keys `finetune.*`: a backbone and a classifier, both trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finetune {
    /// Share of the labelled images of each class that are used.
    pub fraction: f64,
    /// A list of images to use instead of a share; empty for none.
    pub subset: String,
    /// What stands between backbone and classes.
    pub head: FinetuneHead,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// Learning rate for a batch of 256 images.
    pub base_lr: f64,
    /// Learning rate at the end, not scaled by the batch.
    pub min_lr: f64,
    /// When the learning rate is set.
    pub lr_update: LrUpdate,
    /// Length of the training; `None` (auto) is [`Finetune::epochs`].
    #[serde(with = "words::auto")]
    pub epochs: Option<usize>,
    /// Images a step; `None` (auto) is [`Finetune::batch`].
    #[serde(with = "words::auto")]
    pub batch_size: Option<usize>,
    /// Weight decay of weights with two and more dimensions.
    pub weight_decay: f64,
    /// Momentum of the optimizer.
    pub momentum: f64,
    /// Whether SGD looks ahead.
    pub nesterov: bool,
    /// Factor on the learning rate of the classifier.
    pub classifier_lr_factor: f64,
    /// Factor on the learning rate from each block of the backbone to the one before it; 1 trains all alike.
    pub layer_decay: f64,
    /// Share of the image's area in a training crop.
    pub crop_scale: [f64; 2],
    /// Folder for the files of the evaluation; `None` (auto) is in the run folder.
    #[serde(with = "words::auto")]
    pub out: Option<String>,
}

impl ProbeSettings {
    /// The paper's: LARS for convolutional networks, SGD and the last four blocks for vision transformers.
    pub fn of(family: Family) -> Self {
        let (optimizer, base_lr) = match family {
            Family::Cnn => (OptimizerKind::Lars, 0.05),
            Family::Vit => (OptimizerKind::Sgd, 0.01),
        };
        Self {
            probe: Probe {
                optimizer,
                base_lr: vec![base_lr],
                min_lr: 1e-6,
                lr_update: LrUpdate::Epoch,
                epochs: 100,
                batch_size: None,
                weight_decay: 0.0,
                momentum: 0.9,
                blocks: 4,
                cache: false,
                crop_scale: [0.08, 1.0],
                fraction: 1.0,
                out: None,
            },
        }
    }
}

impl Probe {
    /// Images a step: as written, or what the paper's code takes on ImageNet (4096 with LARS, 1024 with SGD), and fewer
    /// where an epoch would have less than 64 steps.
    pub fn batch(&self, images: usize) -> usize {
        let most = match self.optimizer {
            OptimizerKind::Lars => 4096,
            OptimizerKind::Sgd | OptimizerKind::Adamw => 1024,
        };
        self.batch_size.unwrap_or_else(|| batch(images, most, 64))
    }
}

impl FinetuneSettings {
    /// The paper's semi-supervised setting.
    pub fn semi_supervised() -> Self {
        Self {
            finetune: Finetune {
                fraction: 1.0,
                subset: String::new(),
                head: FinetuneHead::Auto,
                optimizer: OptimizerKind::Sgd,
                base_lr: 0.03,
                min_lr: 1e-6,
                lr_update: LrUpdate::Epoch,
                epochs: None,
                batch_size: None,
                weight_decay: 0.0,
                momentum: 0.9,
                nesterov: true,
                classifier_lr_factor: 1.0,
                layer_decay: 1.0,
                crop_scale: [0.08, 1.0],
                out: None,
            },
        }
    }
}

impl Finetune {
    /// Images a step: as written, or the 1024 of the paper's code, and fewer where an epoch would have less than 12 steps
    /// (13 on 1 % of ImageNet).
    pub fn batch(&self, images: usize) -> usize {
        self.batch_size.unwrap_or_else(|| batch(images, 1024, 12))
    }

    /// Length of the training: as written, or the paper's 60 epochs on up to 2 % of the images and 30 on more.
    pub fn epochs(&self, images: usize, of: usize) -> usize {
        let few = images * 50 <= of;
        self.epochs.unwrap_or(if few { 60 } else { 30 })
    }
}

/// The largest power of two up to `most` with which an epoch has `steps` steps; not below [`LEAST_BATCH`].
fn batch(images: usize, most: usize, steps: usize) -> usize {
    let fitting = (images / steps).max(1);
    let power = 1 << fitting.ilog2();
    power.clamp(LEAST_BATCH, most)
}

/// The learning rate of a step with this many images: `base * batch / 256`.
pub fn scaled_lr(base: f64, batch: usize) -> f64 {
    base * batch as f64 / LR_BATCH
}

const COUNT: Kind = Kind::Integer(1);
const POSITIVE: Kind = Kind::Number(Range::Positive);
const FACTOR: Kind = Kind::Number(Range::NotNegative);
const AUTO_COUNT: Kind = Kind::Or("auto", &COUNT);
const AUTO_PATH: Kind = Kind::Or("auto", &Kind::Text("path"));

macro_rules! keys {
    ($($name:literal: $kind:expr, $help:literal;)+) => {
        &[$(Key { name: $name, kind: $kind, help: $help }),+]
    };
}

impl VerbKeys for ProbeSettings {
    fn keys() -> &'static [Key] {
        keys! {
            "probe.optimizer": Kind::Word(OptimizerKind::WORDS), "lars for convolutional networks, sgd for transformers";
            "probe.base_lr": Kind::List(Range::Positive), "learning rate for 256 images; of a list each trains a classifier of its own";
            "probe.min_lr": FACTOR, "learning rate at the end";
            "probe.lr_update": Kind::Word(LrUpdate::WORDS), "set the learning rate once an epoch, as the paper's code, or every step";
            "probe.epochs": COUNT, "length of the training";
            "probe.batch_size": AUTO_COUNT, "images per step; auto is 4096 (lars) or 1024, less on small data";
            "probe.weight_decay": FACTOR, "weight decay of the classifier";
            "probe.momentum": Kind::Number(Range::BelowOne), "momentum of the optimizer";
            "probe.blocks": COUNT, "last blocks of a vision transformer that give features";
            "probe.cache": Kind::Switch, "compute features once, without augmentation: quick, and an estimate";
            "probe.crop_scale": Kind::Scale, "share of the image's area in a training crop";
            "probe.fraction": Kind::Number(Range::Unit), "share of the labelled images of each class";
            "probe.out": AUTO_PATH, "folder for classifier, per-class accuracy and confusion matrix; auto is in the run folder";
        }
    }
}

impl VerbKeys for FinetuneSettings {
    fn keys() -> &'static [Key] {
        keys! {
            "finetune.fraction": Kind::Number(Range::Unit), "share of the labelled images of each class: 0.01 and 0.1 are the paper's";
            "finetune.subset": Kind::Text("path"), "a list of images instead of a share, a file name a line";
            "finetune.head": Kind::Word(FinetuneHead::WORDS), "what stands before the classes; auto is dino where the weights have its head";
            "finetune.optimizer": Kind::Word(OptimizerKind::WORDS), "the optimizer";
            "finetune.base_lr": POSITIVE, "learning rate for 256 images";
            "finetune.min_lr": FACTOR, "learning rate at the end";
            "finetune.lr_update": Kind::Word(LrUpdate::WORDS), "set the learning rate once an epoch, as the paper's code, or every step";
            "finetune.epochs": AUTO_COUNT, "length of the training; auto is 60 on up to 2 % of the images, 30 on more";
            "finetune.batch_size": AUTO_COUNT, "images per step; auto is 1024, less on small data";
            "finetune.weight_decay": FACTOR, "weight decay of weights that are no bias";
            "finetune.momentum": Kind::Number(Range::BelowOne), "momentum of the optimizer";
            "finetune.nesterov": Kind::Switch, "whether SGD looks ahead";
            "finetune.classifier_lr_factor": FACTOR, "factor on the classifier's learning rate";
            "finetune.layer_decay": POSITIVE, "factor on the learning rate from each block to the one before it; 1 is none";
            "finetune.crop_scale": Kind::Scale, "share of the image's area in a training crop";
            "finetune.out": AUTO_PATH, "folder for weights, per-class accuracy and confusion matrix; auto is in the run folder";
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_key() {
        assert!(ProbeSettings::of(Family::Cnn).has_a_key_for_each_field());
        assert!(FinetuneSettings::semi_supervised().has_a_key_for_each_field());
    }

    #[test]
    fn on_imagenet_the_sizes_are_the_papers() {
        let images = 1_281_167;
        let cnn = ProbeSettings::of(Family::Cnn).probe;
        assert_eq!(cnn.batch(images), 4096);
        assert_eq!(images.div_ceil(4096), 313);
        assert_eq!(ProbeSettings::of(Family::Vit).probe.batch(images), 1024);
        let semi = FinetuneSettings::semi_supervised().finetune;
        assert_eq!(
            (semi.batch(12_811), semi.epochs(12_811, images)),
            (1024, 60)
        );
        assert_eq!(12_811usize.div_ceil(1024), 13);
        assert_eq!(
            (semi.batch(128_116), semi.epochs(128_116, images)),
            (1024, 30)
        );
        assert_eq!(scaled_lr(0.05, 4096), 0.8);
        assert_eq!(semi.batch(10), 16);
    }

    #[test]
    fn words_replace_values_and_a_single_rate_is_a_list_of_one() {
        let words = [
            "probe.base_lr=0.1",
            "probe.cache=true",
            "probe.batch_size=32",
        ];
        let probe = ProbeSettings::of(Family::Vit)
            .with_words(&words)
            .unwrap()
            .probe;
        assert_eq!((probe.base_lr, probe.cache), (vec![0.1], true));
        assert_eq!(probe.batch_size, Some(32));
        let grid = ["probe.base_lr=[0.01, 1]"];
        let probe = ProbeSettings::of(Family::Vit)
            .with_words(&grid)
            .unwrap()
            .probe;
        assert_eq!(probe.base_lr, [0.01, 1.0]);
    }

    #[test]
    fn a_wrong_key_names_the_right_one_and_a_wrong_value_what_is_allowed() {
        let words = ["probe.epoch=3", "probe.cache=maybe", "probe.base_lr=[]"];
        let error = ProbeSettings::of(Family::Cnn)
            .with_words(&words)
            .unwrap_err();
        let text = error.to_string();
        for part in [
            "unknown key probe.epoch; did you mean probe.epochs",
            "probe.cache must be true or false",
            "probe.base_lr is [], but must be one or more numbers above 0",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}

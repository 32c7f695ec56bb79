//! The registry of keys of `sslight detect train`.

use sslight_core::config::{Backbone, BackendChoice, Key, Kind, Range, VerbKeys};

use super::{DetectConfig, Norm};

const COUNT: Kind = Kind::Integer(1);
const UNIT: Kind = Kind::Number(Range::Unit);
const FACTOR: Kind = Kind::Number(Range::NotNegative);
const POSITIVE: Kind = Kind::Number(Range::Positive);
const AUTO_PATH: Kind = Kind::Or("auto", &Kind::Text("path"));

macro_rules! keys {
    ($($name:literal: $kind:expr, $help:literal;)+) => {
        &[$(Key { name: $name, kind: $kind, help: $help }),+]
    };
}

impl VerbKeys for DetectConfig {
    fn keys() -> &'static [Key] {
        keys! {
            "data": Kind::Text("path"), "annotations to train on: COCO .json, a folder with one, a Pascal VOC folder";
            "images": AUTO_PATH, "folder of these images; auto looks beside the annotations";
            "val_data": Kind::Or("none", &Kind::Text("path")), "annotations to measure on";
            "val_images": AUTO_PATH, "folder of these images";
            "out": AUTO_PATH, "run folder; auto is runs/detect-BACKBONE";
            "backbone": Kind::Word(Backbone::WORDS), "the backbone: a ResNet or mobilenet_v2";
            "init": Kind::Text("path"), "weights the backbone starts from: a run, a checkpoint, a safetensors or PyTorch file";
            "init_partial": Kind::Switch, "load what fits of init, and leave the rest random";
            "masks": Kind::Or("auto", &Kind::Switch), "find masks beside boxes; auto if the annotations have masks";
            "norm": Kind::Word(Norm::WORDS), "normalise the backbone by the batch, or leave its statistics frozen (small batches)";
            "backend": Kind::Word(BackendChoice::WORDS), "the engine";
            "batch_size": COUNT, "images an optimizer step";
            "steps": COUNT, "length of training and schedule: 90000 is 1x for 16 images, 180000 is 2x";
            "max_steps": Kind::Or("none", &COUNT), "stop after so many steps, with the schedule of all";
            "eval_every": Kind::Or("auto", &Kind::Integer(0)), "epochs between measurements; 0 only at the end, auto about ten times";
            "seed": Kind::Integer(0), "seed of fresh weights, order, augmentation and sampling";
            "workers": Kind::Or("auto", &COUNT), "threads that prepare images; auto is one a core";
            "resume": Kind::Text("auto|never|path"), "continue the run in `out`, refuse to, or continue from a checkpoint";
            "log_every": COUNT, "steps between progress reports";
            "optim.base_lr": FACTOR, "learning rate per 16 images";
            "optim.momentum": Kind::Number(Range::BelowOne), "momentum of SGD";
            "optim.weight_decay": FACTOR, "weight decay of all but normalisation";
            "optim.warmup_steps": Kind::Or("auto", &Kind::Integer(0)), "steps of warm-up; auto is 1000, at most a tenth of all";
            "optim.warmup_factor": UNIT, "part of the learning rate at the first step";
            "optim.milestones": Kind::Or("auto", &Kind::Epochs), "steps at which the rate is divided by 10; auto is 6/9 and 8/9 of all";
            "optim.clip_grad": FACTOR, "largest norm of a parameter's gradient; 0 is off";
            "input.short_sides": Kind::Epochs, "pixels of the shorter side in training, drawn from these";
            "input.test_side": COUNT, "pixels of the shorter side when measured or used";
            "input.longest_side": COUNT, "pixels of the longer side at most";
            "input.flip": UNIT, "probability of a mirror image in training";
            "input.mean": Kind::Numbers(3, Range::Any), "channel means taken off, for pixels in 0..1";
            "input.std": Kind::Numbers(3, Range::Positive), "channel standard deviations divided by";
            "sampling.anchors": COUNT, "anchors of an image that losses are taken over";
            "sampling.proposals": COUNT, "proposals of an image that losses are taken over; fewer is faster";
            "test.score_above": UNIT, "lower scores are dropped";
            "test.overlap": UNIT, "detections of a class that overlap a better one by more are dropped";
            "test.most": COUNT, "detections of an image at most";
            "test.proposals": Kind::Or("auto", &COUNT), "proposals of an image that are looked at; auto is 1000, fewer is faster";
            "test.batch_size": COUNT, "images at once when measured or used";
            "checkpoint.every_steps": COUNT, "steps between checkpoints";
            "checkpoint.every_minutes": Kind::Or("none", &POSITIVE), "minutes after the last checkpoint when a step gets one";
            "checkpoint.keep_last": COUNT, "newest checkpoints kept";
        }
    }
}

//! The registry of keys: name, type with its range, and one line of help.
//!
//! Checks, `--help`, `--dry-run` and the search for the nearest key all read this one table; a test holds it
//! equal to the fields of [`super::RunConfig`].

use super::kind::{Kind, Range};
use super::{
    Backbone, BackendChoice, Cache, Interpolation, KnnProtocol, Method, OnCollapse, OptimizerKind,
    Recipe, ScheduleKind, nearest,
};

/// One key of a configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted name.
    pub name: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// What it means, in one line.
    pub help: &'static str,
}

/// All keys, in the order in which they are shown.
pub fn keys() -> &'static [Key] {
    KEYS
}

/// The key of this dotted name.
pub(crate) fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The valid keys nearest to a name that is none.
pub(super) fn nearest_keys(name: &str) -> Vec<&'static str> {
    nearest(name, KEYS.iter().map(|key| key.name))
}

const PROBABILITY: Kind = Kind::Number(Range::Unit);
const COUNT: Kind = Kind::Integer(1);
const FACTOR: Kind = Kind::Number(Range::NotNegative);
const POSITIVE: Kind = Kind::Number(Range::Positive);

macro_rules! keys {
    ($($name:literal: $kind:expr, $help:literal;)+) => {
        &[$(Key { name: $name, kind: $kind, help: $help }),+]
    };
}

const KEYS: &[Key] = keys! {
    "data": Kind::Text("path"), "training images: folder, list, .tar, .h5, .parquet, CIFAR, IDX, or `embedded`; several with commas";
    "val_data": Kind::Or("auto", &Kind::Text("path")), "validation images; auto looks beside the training images";
    "use_labels": Kind::Switch, "folders, label files and label columns are classes; false: no image has a label";
    "holdout_per_class": Kind::Or("none", &COUNT), "images of each class held out of `data` to measure on; the paper's is 50";
    "holdout_fraction": Kind::Or("none", &PROBABILITY), "share of each class held out of `data` to measure on";
    "holdout_seed": Kind::Integer(0), "draws what is held out, and what train_fraction keeps";
    "train_fraction": PROBABILITY, "share of each class that is trained on";
    "cache": Kind::Word(Cache::WORDS), "what is kept in memory of images that were read";
    "cache_gb": POSITIVE, "gigabytes that are kept at most";
    "exif_orientation": Kind::Switch, "turn images as their EXIF data say; the paper's code does not";
    "max_pixels": COUNT, "images of more pixels count as unreadable";
    "u8_batches": Kind::Switch, "make batches of bytes and normalise them on the device: a quarter of memory and upload";
    "scaled_decoding": Kind::Switch, "decode large JPEG files smaller where all views allow it; other pixels, less time";
    "out": Kind::Or("auto", &Kind::Text("path")), "run folder; auto names it after the run, below runs/";
    "method": Kind::Word(Method::WORDS), "what is learned";
    "recipe": Kind::Word(Recipe::WORDS), "crop scales, local size and loss weights";
    "backbone": Kind::Word(Backbone::WORDS), "the network";
    "backend": Kind::Word(BackendChoice::WORDS), "the engine; auto takes the best there is";
    "epochs": COUNT, "length of the run and of its schedules";
    "max_steps": Kind::Or("none", &COUNT), "stop early after this many steps";
    "batch_size": COUNT, "images per step";
    "accumulate": COUNT, "parts that a batch is taken in, one after the other; must divide batch_size";
    "seed": Kind::Integer(0), "seed of weights, data order and views";
    "workers": Kind::Or("auto", &COUNT), "threads that prepare views; auto is one per core";
    "resume": Kind::Text("auto|never|path"), "continue the run in `out`, start anew, or continue another";
    "init": Kind::Text("path"), "weights to start from: safetensors, PyTorch file, or run folder";
    "init_partial": Kind::Switch, "load what fits of init, and leave the rest random";
    "log_every": COUNT, "steps between progress reports";
    "probe": Kind::Switch, "train a linear classifier on the features along; needs labels";
    "max_bad_images": PROBABILITY, "largest share of undecodable images passed over";
    "model.small_input": Kind::Or("auto", &Kind::Switch), "stem for small images; auto: global views of at most 64 px";
    "model.drop_path": Kind::Number(Range::BelowOne), "stochastic depth of a vision transformer's last block";
    "model.grad_checkpointing": Kind::Switch, "keep no activations, repeat the forward pass: less memory, more time";
    "views.global.scale": Kind::Scale, "share of the image's area in a global crop";
    "views.global.size": COUNT, "side of a global view in pixels";
    "views.local.scale": Kind::Scale, "share of the image's area in a local crop";
    "views.local.size": COUNT, "side of a local view in pixels";
    "views.locals": Kind::Integer(0), "number of local views";
    "views.flip": PROBABILITY, "probability of a horizontal flip";
    "views.jitter.probability": PROBABILITY, "probability of colour jitter";
    "views.jitter.brightness": FACTOR, "brightness factor 1 - b to 1 + b";
    "views.jitter.contrast": FACTOR, "contrast factor 1 - c to 1 + c";
    "views.jitter.saturation": FACTOR, "saturation factor 1 - s to 1 + s";
    "views.jitter.hue": Kind::Number(Range::HalfTurn), "hue shift -h to h, in turns";
    "views.grayscale": PROBABILITY, "probability of grey";
    "views.blur": Kind::Numbers(3, Range::Unit), "probability of blur: first global, second global, local";
    "views.solarize": PROBABILITY, "probability of solarising the second global view";
    "views.mean": Kind::Numbers(3, Range::Any), "channel means, pixels in 0..1";
    "views.std": Kind::Numbers(3, Range::Positive), "channel standard deviations, pixels in 0..1";
    "loss.alpha": Kind::Or("auto", &PROBABILITY), "weight of global-global pairs; auto weighs all pairs alike";
    "loss.beta": Kind::Or("auto", &FACTOR), "weight of global-local pairs; auto is 1 - alpha";
    "dino.out_dim": Kind::Or("auto", &COUNT), "outputs of the head; auto depends on the number of images";
    "dino.hidden_dim": COUNT, "width of the head's hidden layers";
    "dino.bottleneck_dim": COUNT, "width of the normalised layer before the outputs";
    "dino.layers": COUNT, "linear layers before the outputs";
    "dino.use_bn": Kind::Switch, "batch normalisation in the head";
    "dino.norm_last_layer": Kind::Switch, "rows of the last layer keep unit length";
    "dino.freeze_last_layer_epochs": Kind::Integer(0), "first epochs without an update of the last layer";
    "dino.student_temp": POSITIVE, "temperature of the student";
    "dino.warmup_teacher_temp": POSITIVE, "temperature of the teacher in the first epoch";
    "dino.teacher_temp": POSITIVE, "temperature of the teacher after its warm-up";
    "dino.warmup_teacher_temp_epochs": Kind::Or("auto", &Kind::Integer(0)), "length of the temperature's warm-up in epochs; auto is at most 30 % of the run";
    "dino.center_momentum": PROBABILITY, "momentum of the centre";
    "dino.ema_momentum": PROBABILITY, "momentum of the teacher at the first step";
    "dino.ema_momentum_end": PROBABILITY, "momentum of the teacher at the last step";
    "dino.global_only": Kind::Switch, "only global-global pairs enter the loss";
    "swav.out_dim": COUNT, "length of an embedding";
    "swav.hidden_dim": COUNT, "width of the head's hidden layers";
    "swav.layers": COUNT, "linear layers of the head";
    "swav.use_bn": Kind::Switch, "batch normalisation in the head";
    "swav.prototypes": Kind::Or("auto", &Kind::Integer(2)), "number of prototypes; auto depends on the number of images";
    "swav.freeze_prototypes_epochs": Kind::Integer(0), "first epochs without an update of the prototypes";
    "swav.temperature": POSITIVE, "temperature of the softmax over scores";
    "swav.epsilon": POSITIVE, "regularisation of the codes; the smaller, the harder";
    "swav.sinkhorn_iterations": COUNT, "iterations that make the codes";
    "swav.queue_length": Kind::Or("auto", &Kind::Integer(0)), "past embeddings per view, whole batches; 0 is none, auto depends on the images";
    "swav.queue_start_epoch": Kind::Or("auto", &Kind::Integer(0)), "first epoch of the queue; auto is at most 15 % of the run";
    "moco.out_dim": COUNT, "length of queries and keys";
    "moco.hidden_dim": COUNT, "width of the head's hidden layers";
    "moco.layers": COUNT, "linear layers of the head";
    "moco.use_bn": Kind::Switch, "batch normalisation in the head";
    "moco.queue_length": Kind::Or("auto", &COUNT), "past keys, need be no multiple of batch_size (the pointer wraps); auto depends on the number of images";
    "moco.temperature": POSITIVE, "temperature of the softmax over similarities";
    "moco.ema_momentum": PROBABILITY, "momentum of the key encoder";
    "moco.global_only": Kind::Switch, "the two global views alone, as MoCo v2 was published";
    "simclr.out_dim": COUNT, "length of an embedding";
    "simclr.hidden_dim": COUNT, "width of the head's hidden layers";
    "simclr.layers": COUNT, "linear layers of the head";
    "simclr.use_bn": Kind::Switch, "batch normalisation in the head";
    "simclr.temperature": POSITIVE, "temperature of the softmax over similarities";
    "optim.kind": Kind::Word(OptimizerKind::WORDS), "the optimizer";
    "optim.base_lr": FACTOR, "learning rate per 256 images";
    "optim.min_lr": FACTOR, "learning rate at the end";
    "optim.start_warmup_lr": FACTOR, "learning rate at the first step";
    "optim.warmup_epochs": Kind::Or("auto", &FACTOR), "length of the warm-up in epochs, may be a fraction; auto is at most 10 % of the run";
    "optim.weight_decay": FACTOR, "weight decay at the first step";
    "optim.weight_decay_end": FACTOR, "weight decay at the last step";
    "optim.momentum": Kind::Number(Range::BelowOne), "momentum of LARS and SGD";
    "optim.lars_eta": POSITIVE, "trust coefficient of LARS";
    "optim.lars_exclude_bias": Kind::Switch, "no LARS adaptation of biases and normalisation";
    "optim.lars_exclude_depthwise": Kind::Switch, "no LARS adaptation of depthwise convolutions";
    "optim.wd_factor_bias": FACTOR, "factor on the weight decay of biases and normalisation";
    "optim.wd_factor_depthwise": FACTOR, "factor on the weight decay of depthwise convolutions";
    "optim.clip_grad": FACTOR, "largest norm of a parameter's gradient; 0 is off";
    "optim.schedule": Kind::Word(ScheduleKind::WORDS), "learning rate after the warm-up";
    "optim.milestones": Kind::Epochs, "epochs at which multistep divides the rate by 10";
    "optim.betas": Kind::Numbers(2, Range::BelowOne), "moment decays of AdamW";
    "optim.eps": POSITIVE, "AdamW's term against division by zero";
    "eval.knn_every": Kind::Integer(0), "epochs between kNN evaluations; 0 only at the end";
    "eval.knn_k": COUNT, "number of neighbours";
    "eval.knn_temperature": POSITIVE, "temperature of the neighbours' weights";
    "eval.knn_protocol": Kind::Word(KnnProtocol::WORDS), "neighbours among training or among validation images";
    "eval.resize": COUNT, "shorter side after resizing, in pixels; follows views.global.size";
    "eval.crop": COUNT, "side of the centre crop, in pixels; follows views.global.size";
    "eval.interpolation": Kind::Word(Interpolation::WORDS), "how images are resized; torchvision's own weights were made for bilinear";
    "eval.bank_size": Kind::Or("all", &COUNT), "largest number of training images in the kNN bank";
    "checkpoint.every": COUNT, "epochs between checkpoints";
    "checkpoint.every_steps": Kind::Or("none", &COUNT), "steps between checkpoints, beside those at the end of epochs";
    "checkpoint.every_minutes": Kind::Or("none", &POSITIVE), "minutes after the last checkpoint when a step gets one";
    "checkpoint.keep_last": COUNT, "newest checkpoints kept";
    "checkpoint.keep_every": Kind::Or("none", &COUNT), "epochs between checkpoints that are kept for good";
    "health.on_collapse": Kind::Word(OnCollapse::WORDS), "what to do when features collapse";
};

//! The lowest layers: the published settings of each method and family of backbones, and the recipes.
//!
//! Values are those of the paper's released code, with its configuration files for DINO on convolutional
//! networks, DINO on vision transformers, SwAV and MoCo. Combinations that were not published (SwAV or MoCo on
//! vision transformers, supervised) take the views of the method and the optimizer of the family.

use toml::Value;

use super::{
    Backbone, BackendChoice, Cache, Checkpoint, Crop, Dino, Eval, Family, Health, Interpolation,
    Jitter, KnnProtocol, Loss, Method, Moco, Model, OnCollapse, Optim, OptimizerKind, Recipe,
    Resume, RunConfig, ScheduleKind, Simclr, Swav, Views,
};

/// The side of global views for which the recipes' local sizes are published.
const PUBLISHED_GLOBAL_SIZE: usize = 224;
/// The shorter side that images are resized to in evaluation before the centre crop.
const PUBLISHED_RESIZE: usize = 256;

/// The published setting of a method on a backbone, with the `baseline` recipe's views.
pub fn paper_defaults(method: Method, backbone: Backbone) -> RunConfig {
    RunConfig {
        data: String::new(),
        val_data: None,
        use_labels: true,
        holdout_per_class: None,
        holdout_fraction: None,
        holdout_seed: 0,
        train_fraction: 1.0,
        cache: Cache::Nothing,
        cache_gb: 4.0,
        exif_orientation: false,
        max_pixels: sslight_data::decode::MAX_PIXELS,
        u8_batches: false,
        scaled_decoding: false,
        out: None,
        method,
        recipe: Recipe::Sslight,
        backbone,
        backend: BackendChoice::Auto,
        epochs: 200,
        max_steps: None,
        batch_size: match backbone {
            // The paper's batch for its two largest networks: 8 devices of 80 images.
            Backbone::Resnet50 | Backbone::VitSmall16 => 640,
            _ => 1024,
        },
        accumulate: 1,
        seed: 0,
        workers: None,
        resume: Resume::Auto,
        init: String::new(),
        init_partial: false,
        log_every: 20,
        probe: false,
        max_bad_images: 0.001,
        model: Model {
            small_input: None,
            drop_path: match backbone.family() {
                Family::Cnn => 0.0,
                Family::Vit => 0.1,
            },
            grad_checkpointing: false,
        },
        views: views(method, backbone.family()),
        loss: Loss {
            alpha: None,
            beta: None,
        },
        dino: dino(backbone.family()),
        swav: swav(),
        moco: moco(),
        simclr: simclr(),
        optim: optim(method, backbone.family()),
        eval: Eval {
            knn_every: 1,
            knn_k: 20,
            knn_temperature: 0.07,
            knn_protocol: KnnProtocol::Bank,
            resize: PUBLISHED_RESIZE,
            crop: PUBLISHED_GLOBAL_SIZE,
            interpolation: Interpolation::Bicubic,
            bank_size: None,
        },
        checkpoint: Checkpoint {
            every: 1,
            every_steps: None,
            every_minutes: Some(30.0),
            keep_last: 2,
            keep_every: None,
        },
        health: Health {
            on_collapse: OnCollapse::Warn,
        },
    }
}

fn views(method: Method, family: Family) -> Views {
    let swav = method == Method::Swav;
    let strength = if swav { 2.0 } else { 1.0 };
    // Supervised training has the views of a linear probe: crops and flips.
    let learned_from_views = method != Method::Supervised;
    let if_views = |value: f64| if learned_from_views { value } else { 0.0 };
    Views {
        global: Crop {
            scale: [0.14, 1.0],
            size: PUBLISHED_GLOBAL_SIZE,
        },
        local: Crop {
            scale: [0.05, 0.14],
            size: 96,
        },
        locals: match (method, family) {
            (method, _) if !method.looks_at_locals() => 0,
            (Method::Dino, Family::Vit) => 10,
            _ => 6,
        },
        flip: 0.5,
        jitter: Jitter {
            probability: if_views(0.8),
            brightness: 0.4 * strength,
            contrast: 0.4 * strength,
            saturation: if swav { 0.8 } else { 0.2 },
            hue: 0.1 * strength,
        },
        grayscale: if_views(0.2),
        blur: match method {
            Method::Supervised => [0.0; 3],
            Method::Swav => [0.5; 3],
            _ => [1.0, 0.1, 0.5],
        },
        solarize: if swav { 0.0 } else { if_views(0.2) },
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    }
}

fn dino(family: Family) -> Dino {
    let cnn = family == Family::Cnn;
    Dino {
        out_dim: None,
        hidden_dim: 2048,
        bottleneck_dim: 256,
        layers: 3,
        use_bn: cnn,
        norm_last_layer: cnn,
        freeze_last_layer_epochs: 1,
        student_temp: 0.1,
        warmup_teacher_temp: 0.04,
        teacher_temp: 0.07,
        warmup_teacher_temp_epochs: None,
        center_momentum: 0.9,
        ema_momentum: 0.996,
        ema_momentum_end: 1.0,
        global_only: false,
    }
}

/// SwAV's head and queue; on vision transformers, which were not published, the same.
fn swav() -> Swav {
    Swav {
        out_dim: 128,
        hidden_dim: 4096,
        layers: 2,
        use_bn: true,
        prototypes: None,
        freeze_prototypes_epochs: 1,
        temperature: 0.1,
        epsilon: 0.05,
        sinkhorn_iterations: 3,
        queue_length: None,
        queue_start_epoch: None,
    }
}

/// MoCo's head and queue; on vision transformers, which were not published, the same.
fn moco() -> Moco {
    Moco {
        out_dim: 128,
        hidden_dim: 2048,
        layers: 2,
        use_bn: false,
        queue_length: None,
        temperature: 0.2,
        ema_momentum: 0.999,
        global_only: false,
    }
}

/// SimCLR's head, and the temperature of its runs on ImageNet; 0.5 is that of its runs on small images with small
/// batches. Views and optimizer are those of this paper, so that methods differ by their loss alone.
fn simclr() -> Simclr {
    Simclr {
        out_dim: 128,
        hidden_dim: 2048,
        layers: 2,
        use_bn: false,
        temperature: 0.1,
    }
}

fn optim(method: Method, family: Family) -> Optim {
    let lars = Optim {
        kind: OptimizerKind::Lars,
        base_lr: 0.48,
        min_lr: 0.0048,
        start_warmup_lr: 0.0,
        warmup_epochs: None,
        weight_decay: 1e-6,
        weight_decay_end: 1e-6,
        momentum: 0.9,
        lars_eta: 0.001,
        lars_exclude_bias: true,
        // The paper's text leaves depthwise convolutions out; the code behind its weights does not.
        lars_exclude_depthwise: false,
        wd_factor_bias: 0.0,
        wd_factor_depthwise: 0.0,
        clip_grad: 0.0,
        schedule: ScheduleKind::Cosine,
        milestones: vec![60, 80],
        betas: [0.9, 0.999],
        eps: 1e-8,
    };
    match (family, method) {
        (Family::Vit, _) => Optim {
            kind: OptimizerKind::Adamw,
            base_lr: 5e-4,
            min_lr: 1e-5,
            weight_decay: 0.04,
            weight_decay_end: 0.4,
            ..lars
        },
        (Family::Cnn, Method::Swav) => Optim {
            base_lr: 0.3,
            start_warmup_lr: 0.075,
            ..lars
        },
        (Family::Cnn, _) => lars,
    }
}

/// Rates and decays of an optimizer where another one is published: those that are published with it for the other
/// family of networks, and customary ones for SGD, with which nothing is.
pub(super) fn optimizer(
    kind: OptimizerKind,
    method: Method,
    family: Family,
) -> Option<[(&'static str, Value); 5]> {
    if kind == optim(method, family).kind {
        return None;
    }
    let values = match kind {
        OptimizerKind::Lars => optim(method, Family::Cnn),
        OptimizerKind::Adamw => optim(method, Family::Vit),
        OptimizerKind::Sgd => Optim {
            base_lr: if method == Method::Supervised {
                0.1
            } else {
                0.03
            },
            min_lr: 0.0,
            start_warmup_lr: 0.0,
            weight_decay: 1e-4,
            weight_decay_end: 1e-4,
            ..optim(method, family)
        },
    };
    Some([
        ("optim.base_lr", Value::Float(values.base_lr)),
        ("optim.min_lr", Value::Float(values.min_lr)),
        (
            "optim.start_warmup_lr",
            Value::Float(values.start_warmup_lr),
        ),
        ("optim.weight_decay", Value::Float(values.weight_decay)),
        (
            "optim.weight_decay_end",
            Value::Float(values.weight_decay_end),
        ),
    ])
}

/// The sizes of images in evaluation: as large as global views, after resizing in the published ratio of 256 to 224.
pub(super) fn evaluation_sizes(global_size: usize) -> [(&'static str, Value); 2] {
    let resize = (global_size * PUBLISHED_RESIZE) as f64 / PUBLISHED_GLOBAL_SIZE as f64;
    [
        ("eval.resize", Value::Integer(resize.round() as i64)),
        ("eval.crop", Value::Integer(global_size as i64)),
    ]
}

/// What a recipe sets: crop scales, local size and loss weights, and nothing else.
///
/// Local sizes are published for global views of 224 pixels (96, and 128 with `sslight`); other global sizes
/// keep the ratio, since it is the ratio that sets the pixel scales of the two kinds of view against each other,
/// to the nearest multiple of a vision transformer's patch.
pub(super) fn recipe(
    recipe: Recipe,
    method: Method,
    family: Family,
    global_size: usize,
    patch: Option<usize>,
) -> [(&'static str, Value); 5] {
    let pair = |scale: [f64; 2]| Value::Array(scale.map(Value::Float).to_vec());
    let word = || Value::String("auto".to_owned());
    let (boundary, local_low, published_local, alpha, beta) = match (recipe, method, family) {
        (Recipe::Sslight, _, _) => (0.3, 0.05, 128, Value::Float(0.4), Value::Float(0.6)),
        (Recipe::Baseline, Method::Dino, Family::Vit) => (0.25, 0.05, 96, word(), word()),
        (Recipe::Baseline, _, _) => (0.14, 0.05, 96, word(), word()),
    };
    let unit = patch.unwrap_or(1);
    let units = (global_size * published_local) as f64 / (PUBLISHED_GLOBAL_SIZE * unit) as f64;
    let local_size = unit * units.round().max(1.0) as usize;
    [
        ("views.global.scale", pair([boundary, 1.0])),
        ("views.local.scale", pair([local_low, boundary])),
        ("views.local.size", Value::Integer(local_size as i64)),
        ("loss.alpha", alpha),
        ("loss.beta", beta),
    ]
}

//! The parts of a run, made from its configuration.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use sslight_data::loader::EvalConfig;
use sslight_data::{LoaderConfig, SampleType};
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::ParamInit;
use sslight_models::weights::{Import, WeightsFile, load_named};
use sslight_models::{Backbone, BackboneKind, params};

use super::RunError;
use super::keeper::CheckpointsDue;
use crate::config::{Method, OptimizerKind, RunConfig, ScheduleKind};
use crate::optim::{GroupRules, PretrainingRules, Rule};
use crate::schedule::{LearningRate, Schedule, WarmupCosine, WarmupMultistep};

/// Factor on the learning rate at each milestone of a multistep schedule.
const MULTISTEP_GAMMA: f64 = 0.1;
/// Batches that the loader prepares ahead.
const PREFETCH: usize = 2;

pub fn schedule(config: &RunConfig, images: usize) -> Schedule {
    let steps_per_epoch = config.steps_per_epoch(images);
    let total_steps = config.total_steps(images);
    let warmup_steps = config.warmup_steps(images);
    let optim = &config.optim;
    let lr = match optim.schedule {
        ScheduleKind::Cosine => LearningRate::Cosine(WarmupCosine {
            start: optim.start_warmup_lr,
            peak: config.peak_lr(),
            end: optim.min_lr,
            warmup_steps,
            total_steps,
        }),
        ScheduleKind::Multistep => LearningRate::Multistep(WarmupMultistep {
            start: optim.start_warmup_lr,
            peak: config.peak_lr(),
            warmup_steps,
            milestones: optim
                .milestones
                .iter()
                .map(|epoch| epoch * steps_per_epoch)
                .collect(),
            gamma: MULTISTEP_GAMMA,
        }),
    };
    Schedule {
        steps_per_epoch,
        lr,
        weight_decay: WarmupCosine::cosine(optim.weight_decay, optim.weight_decay_end, total_steps),
        ema_momentum: match config.method {
            Method::Moco => {
                let constant = config.moco.ema_momentum;
                WarmupCosine::cosine(constant, constant, total_steps)
            }
            _ => WarmupCosine::cosine(
                config.dino.ema_momentum,
                config.dino.ema_momentum_end,
                total_steps,
            ),
        },
        warmup_teacher_temp: config.dino.warmup_teacher_temp,
        teacher_temp: config.dino.teacher_temp,
        warmup_teacher_temp_epochs: config.teacher_temp_warmup_epochs(),
        freeze_last_layer_epochs: config.freeze_last_layer_epochs(),
    }
}

/// When a run is saved: at the end of epochs, after steps, and after a time.
pub fn checkpoints_due(config: &RunConfig, steps_per_epoch: usize) -> CheckpointsDue {
    let checkpoint = &config.checkpoint;
    let epochs = [Some(checkpoint.every.max(1)), checkpoint.keep_every];
    let of_epochs = epochs
        .into_iter()
        .flatten()
        .map(|every| every.saturating_mul(steps_per_epoch.max(1)));
    CheckpointsDue::new(
        of_epochs.chain(checkpoint.every_steps),
        checkpoint.every_minutes,
    )
}

pub fn rule(config: &RunConfig) -> Rule {
    let optim = &config.optim;
    match optim.kind {
        OptimizerKind::Lars => Rule::Lars {
            momentum: optim.momentum,
            eta: optim.lars_eta,
        },
        OptimizerKind::Sgd => Rule::Sgd {
            momentum: optim.momentum,
            nesterov: false,
        },
        OptimizerKind::Adamw => Rule::AdamW {
            betas: optim.betas,
            eps: optim.eps,
        },
    }
}

pub fn groups(config: &RunConfig) -> GroupRules {
    let optim = &config.optim;
    GroupRules::Pretraining(PretrainingRules {
        wd_factor_bias: optim.wd_factor_bias,
        wd_factor_depthwise: optim.wd_factor_depthwise,
        lars_exclude_bias: optim.lars_exclude_bias,
        lars_exclude_depthwise: optim.lars_exclude_depthwise,
    })
}

/// The backbone of a configuration with random weights.
pub fn backbone<B: Backend>(
    config: &RunConfig,
    device: &B::Device,
) -> Result<Backbone<B>, RunError> {
    let mut init = ParamInit::new(config.seed, device);
    BackboneKind::from(config.backbone)
        .init(config.small_input(), &mut init)
        .map_err(RunError::Backbone)
}

/// The backbone of a configuration with the weights of a file, all of them, and what was loaded if the file holds more.
/// `path` is for messages.
pub fn backbone_from<B: Backend>(
    config: &RunConfig,
    path: &Path,
    file: &[u8],
    device: &B::Device,
) -> Result<(Backbone<B>, Option<String>), RunError> {
    let backbone = backbone(config, device)?;
    let load = || {
        let file = WeightsFile::open(file)?;
        let import = Import::of(&backbone, config.backbone.into(), &file)?;
        let loaded = load_named(backbone.clone(), &import.weights(false)?)?;
        let told = || format!("{import}; from {} ({})", path.display(), origin(&file));
        Ok((loaded, import.leaves_out().then(told)))
    };
    load().map_err(|source| RunError::Weights {
        path: path.to_owned(),
        source,
    })
}

/// What a file with the backbone of a configuration says of it, and of the images that it is shown.
pub fn backbone_metadata(config: &RunConfig) -> BTreeMap<String, String> {
    let list = |values: [f64; 3]| values.map(|v| v.to_string()).join(",");
    let facts = [
        ("format", "pt".to_owned()),
        ("backbone", config.backbone.to_string()),
        ("small_input", config.small_input().to_string()),
        ("input_size", config.eval.crop.to_string()),
        ("mean", list(config.views.mean)),
        ("std", list(config.views.std)),
    ];
    facts
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
}

/// The format of a file of weights and where in it the weights are.
pub fn origin(file: &WeightsFile<'_>) -> String {
    match file.part() {
        Some(part) => format!("{}, its {part}", file.format()),
        None => file.format().to_string(),
    }
}

pub fn trainable_parameters<B: AutodiffBackend, M: Module<B>>(method: &M) -> usize {
    params::parameters::<B, M>(method)
        .iter()
        .filter(|info| info.trainable)
        .map(|info| info.shape.iter().product::<usize>())
        .sum()
}

pub fn loader_config(config: &RunConfig) -> LoaderConfig {
    LoaderConfig {
        batch_size: config.batch_size,
        seed: config.seed,
        workers: config.worker_count(),
        prefetch: PREFETCH,
        mean: config.views.mean.map(|v| v as f32),
        std: config.views.std.map(|v| v as f32),
        max_bad_images: config.max_bad_images,
        samples: match config.u8_batches {
            true => SampleType::U8,
            false => SampleType::F32,
        },
        keep_remainder: false,
    }
}

pub fn eval_config(config: &RunConfig, batch_size: usize) -> EvalConfig {
    EvalConfig {
        view: config.eval.view(),
        mean: config.views.mean.map(|v| v as f32),
        std: config.views.std.map(|v| v as f32),
        batch_size,
        workers: config.worker_count(),
        max_bad_images: config.max_bad_images,
        samples: SampleType::F32,
    }
}

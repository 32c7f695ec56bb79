//! The parts of a run, made from its configuration.

use sslight_core::optim::{DetectionRules, GroupRules, GroupedOptimizer, Rule};
use sslight_core::run::{Init, InitialWeights};
use sslight_core::schedule::{Clock, LearningRate, Schedule, WarmupCosine, WarmupMultistep};
use sslight_models::BackboneKind;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::ParamInit;
use sslight_models::params;

use super::detector::{self, Detector};
use super::{DetectConfig, DetectError};
use crate::model::{DetectorError, MaskRcnn};

/// Factor on the learning rate at each milestone.
const GAMMA: f64 = 0.1;

/// Checks that the weights that `init` names can be read and fit, without a run; what they are, `None` if the key is not set.
///
/// # Errors
/// As a run would end with.
pub fn check_init<B: Backend>(config: &DetectConfig) -> Result<Option<String>, DetectError> {
    let mut init = ParamInit::new(config.seed, &B::Device::default());
    let backbone = BackboneKind::from(config.backbone).init::<B>(false, &mut init);
    let backbone = backbone.map_err(DetectorError::from)?;
    let weights = InitialWeights::read_for(init_of(config), &backbone)?;
    Ok(weights.map(|weights| weights.text().to_owned()))
}

/// The weights that the backbone starts from.
pub(super) fn init_of(config: &DetectConfig) -> Init<'_> {
    Init {
        path: &config.init,
        partial: config.init_partial,
        backbone: config.backbone.into(),
    }
}

/// The network of a configuration, with fresh weights.
///
/// # Errors
/// If the backbone has no stages.
pub fn network<B: AutodiffBackend>(
    config: &DetectConfig,
    classes: usize,
    masks: bool,
    device: &B::Device,
) -> Result<MaskRcnn<B>, DetectError> {
    let mut init = ParamInit::new(config.seed, device);
    let layout = config.layout().map_err(DetectorError::from)?;
    let network = config.network(classes, masks).init(&mut init)?;
    Ok(network.with_layout(layout))
}

pub(super) fn schedule(config: &DetectConfig, steps_per_epoch: usize) -> Schedule {
    let constant = |value| WarmupCosine::cosine(value, value, config.steps);
    Schedule {
        steps_per_epoch,
        lr: LearningRate::Multistep(WarmupMultistep {
            start: config.optim.warmup_factor * config.peak_lr(),
            peak: config.peak_lr(),
            // The full rate is that of the first step after the warm-up, not of its last one.
            warmup_steps: match config.warmup_steps() {
                0 => 0,
                steps => steps + 1,
            },
            milestones: config.milestones(),
            gamma: GAMMA,
        }),
        weight_decay: constant(config.optim.weight_decay),
        ema_momentum: constant(0.0),
        warmup_teacher_temp: 0.0,
        teacher_temp: 0.0,
        warmup_teacher_temp_epochs: 0,
        freeze_last_layer_epochs: 0,
    }
}

pub(super) fn trainable<B: AutodiffBackend>(detector: &Detector<B>) -> usize {
    let parameters = params::parameters::<B, _>(detector);
    let sizes = parameters.iter().filter(|info| info.trainable);
    sizes.map(|info| info.shape.iter().product::<usize>()).sum()
}

/// SGD with the groups of detection.
pub(super) fn optimizer<B: AutodiffBackend>(
    config: &DetectConfig,
    clock: Clock,
) -> GroupedOptimizer<B> {
    let rule = Rule::Sgd {
        momentum: config.optim.momentum,
        nesterov: false,
    };
    let groups = GroupRules::Detection(DetectionRules {
        normalised: detector::BACKBONE,
    });
    GroupedOptimizer::new(rule, groups, clock)
}

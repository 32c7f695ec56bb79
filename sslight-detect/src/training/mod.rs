//! Training a detector: data, network, losses, schedule and reports, through the loop, clock, checkpoints and run folder that
//! pre-training has.

mod config;
mod data;
mod detector;
mod error;
mod measure;
mod named;
mod plan;
mod predictions;
mod record;
mod saved;
mod session;
mod supply;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sslight_core::checkpoint::{CheckpointStore, Keep};
use sslight_core::config::{OnCollapse, ResolvedVerb};
use sslight_core::learner::{BoxedRenderer, Feed, Launch, Pacer, Read, SilentRenderer, register};
use sslight_core::observe::{Level, Notice, RunEvent, StartInfo, Summary};
use sslight_core::optim::{DetectionRules, GroupRules, GroupedOptimizer, Rule, grads};
use sslight_core::run::health::PaceWatch;
use sslight_core::run::keeper::{CheckpointsDue, Keeper};
use sslight_core::run::{Init, InitialWeights, RunError, RunFolder, RunOptions, Stopwatch};
use sslight_core::schedule::{Clock, LearningRate, Schedule, WarmupCosine, WarmupMultistep};
use sslight_models::BackboneKind;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::ParamInit;
use sslight_models::params;

pub use config::{Checkpoints, DetectConfig, DetectOptim, Input, Norm, Sampling, Test};
pub use data::{DetectionData, open};
pub use detector::{DetectionOutput, DetectionStats, Detector, Scores};
pub use error::DetectError;
pub use measure::{Use, find, scores};
pub use named::configs;
pub use plan::{DataThere, DetectPlan, DetectState, trained_on};
pub use predictions::{IMAGES_JSON, PredictedObject, Prediction, Predictor, RESULTS_JSON};
pub use record::{DetectionRecord, Measured};
pub use saved::{FoundObject, SavedDetector, detector_there};
pub use supply::{DetectionSupply, DeviceBatch, Waited};

use crate::loading::DetectionLoader;
use crate::model::{DetectorError, MaskRcnn};
use session::DetectSession;

/// The trained detector, in the run folder and in each checkpoint, under torchvision's names.
pub const DETECTOR_FILE: &str = "detector.safetensors";

/// Factor on the learning rate at each milestone.
const GAMMA: f64 = 0.1;

/// Trains a detector, measures and saves it; continues the run that the run folder holds if there is one.
///
/// # Errors
/// Everything that ends a run before its end, but for a requested stop, which is a [`Summary`] too.
pub fn train<B: AutodiffBackend>(
    resolved: &ResolvedVerb<DetectConfig>,
    device: &B::Device,
    options: RunOptions,
) -> Result<Summary, DetectError> {
    let config = &resolved.settings;
    config.check(|key| resolved.provenance.of(key).clone())?;
    let data = DetectionData::open(config)?;
    let images = data.train.images.len();
    let network = network::<B>(config, data.train.classes.len(), data.masks, device)?;
    let plan = DetectPlan {
        resolved,
        data: DataThere {
            images,
            classes: data
                .train
                .classes
                .iter()
                .map(|class| class.name.clone())
                .collect(),
            category_ids: (data.train.classes.iter().enumerate())
                .map(|(index, class)| class.id.unwrap_or(index as u64 + 1))
                .collect(),
            masks: data.masks,
        },
    };
    let init = init_of(config);
    // Before the folder is made: settings and files that do not fit must not leave a run behind.
    let multiple = network.layout().size_divisor();
    let loading = config.loading(multiple, data.masks);
    let loader = DetectionLoader::new(data.train.clone(), loading.clone())?;
    let mut initial = match RunFolder::has_checkpoints(&config.out_dir())? {
        true => None,
        false => InitialWeights::read_for(init, network.backbone())?,
    };
    let store_of = |folder: &Path| {
        let keep = Keep::last(config.checkpoint.keep_last);
        CheckpointStore::new(RunFolder::checkpoints_of(folder), keep)
            .with_copy(DETECTOR_FILE, folder.join(DETECTOR_FILE))
    };
    let (folder, resumed) = RunFolder::open(&plan, &store_of)?;
    let (state, warnings) = match resumed {
        Some(resumed) => (resumed.state, resumed.warnings),
        None => (DetectState::default(), Vec::new()),
    };
    let first_step = state.step;
    if first_step == 0 && initial.is_none() {
        // The checkpoints that were there are all damaged.
        initial = InitialWeights::read_for(init, network.backbone())?;
    }
    let network = match &initial {
        Some(initial) => {
            let backbone = initial.of_backbone(network.backbone().clone());
            network.with_backbone(backbone)
        }
        None => network,
    };

    let steps_per_epoch = config.steps_per_epoch(images);
    let total_steps = config.last_step().max(first_step);
    let epochs = config.steps.div_ceil(steps_per_epoch);
    let clock = Clock::new(schedule(config, steps_per_epoch));
    let metadata = saved::metadata(config, &plan.data);
    let detector = Detector::new(network, config, clock.clone());
    let start = StartInfo {
        title: format!(
            "{} {}",
            if data.masks {
                "mask r-cnn"
            } else {
                "faster r-cnn"
            },
            config.backbone
        ),
        backend: options.backend_name.clone(),
        data: data.describe(),
        images,
        parameters: trainable::<B>(&detector),
        out: folder.path().to_path_buf(),
        first_step,
        steps_per_epoch,
        total_steps,
        epochs,
    };
    let waited = Waited::default();
    let store = Arc::new(store_of(folder.path()));
    let mut keeper = Keeper {
        folder,
        store: Arc::clone(&store),
        observer: options.observer,
        stop: options.stop,
        save: options.save,
        stopwatch: Stopwatch::new(total_steps, {
            let waited = waited.clone();
            move || waited.so_far()
        }),
        pace: PaceWatch::default(),
        due: CheckpointsDue::new(
            [config.checkpoint.every_steps],
            config.checkpoint.every_minutes,
        ),
        on_collapse: OnCollapse::Warn,
        error: None,
    };
    keeper.folder.log_machine(&options.backend_name)?;
    begin(
        &mut keeper,
        start,
        warnings,
        &data,
        initial.as_ref(),
        config,
    )?;

    let supply = DetectionSupply {
        loader,
        batch_size: config.batch_size,
        steps_per_epoch,
        waited,
        stream: Mutex::new(None),
    };
    let feed = Feed::<B, _>::new(supply, device.clone());
    let outcome = Arc::new(Mutex::new(None));
    let session = DetectSession::<B> {
        config: config.clone(),
        keeper,
        feed: feed.clone(),
        validation: data.validation,
        how: Use {
            loading: crate::loading::LoadingConfig {
                batch_size: config.test.batch_size,
                ..loading
            },
            limits: config.limits(),
        },
        masks: data.masks,
        device: device.clone(),
        outcome: Arc::clone(&outcome),
        state: DetectState {
            data: Some(plan.data.clone()),
            ..state
        },
        pending: Vec::new(),
        layers: grads::names::<B, _>(&detector),
        metadata,
        backend_name: options.backend_name,
        steps_per_epoch,
        eval_every: config.eval_every(images),
    };
    let rule = Rule::Sgd {
        momentum: config.optim.momentum,
        nesterov: false,
    };
    let groups = GroupRules::Detection(DetectionRules {
        normalised: detector::BACKBONE,
    });
    let launch = Launch {
        optimizer: GroupedOptimizer::<B>::new(rule, groups, clock.clone()),
        model: detector,
        clock,
        pacer: Pacer {
            first_step,
            steps_per_epoch,
            last_step: total_steps,
            epochs,
            restore: first_step > 0,
        },
        feed,
        store,
        hooks: Box::new(session),
    };
    let renderer = options.renderer;
    launch.run(&config.out_dir(), device, |training| match renderer {
        Some(renderer) => {
            register(training, OF_STEPS, OF_EVALUATIONS).renderer(BoxedRenderer(renderer))
        }
        None => training.renderer(SilentRenderer),
    });
    let outcome = outcome
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    Ok(outcome.unwrap_or(Err(RunError::Vanished))?)
}

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

fn init_of(config: &DetectConfig) -> Init<'_> {
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

fn schedule(config: &DetectConfig, steps_per_epoch: usize) -> Schedule {
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

fn trainable<B: AutodiffBackend>(detector: &Detector<B>) -> usize {
    let parameters = params::parameters::<B, _>(detector);
    let sizes = parameters.iter().filter(|info| info.trainable);
    sizes.map(|info| info.shape.iter().product::<usize>()).sum()
}

/// Tells what the run is.
fn begin(
    keeper: &mut Keeper,
    start: StartInfo,
    warnings: Vec<String>,
    data: &DetectionData,
    initial: Option<&InitialWeights>,
    config: &DetectConfig,
) -> Result<(), RunError> {
    let first_step = start.first_step;
    for text in warnings {
        keeper.notice(Level::Warning, text)?;
    }
    for Notice { level, text } in &data.notices {
        keeper.notice(*level, text.clone())?;
    }
    keeper.tell(RunEvent::Start(start))?;
    match initial {
        Some(initial) => initial
            .events()
            .into_iter()
            .try_for_each(|event| keeper.tell(event)),
        None if !config.init.is_empty() => keeper.notice(
            Level::Info,
            format!(
                "init={} is not read again: the checkpoint of step {first_step} has the weights",
                config.init
            ),
        ),
        None => Ok(()),
    }
}

/// The numbers of a training step, by their keys in `metrics.jsonl`.
const OF_STEPS: &[(&str, Read<DetectionStats>)] = &[
    ("loss", |s| Some(s.loss)),
    ("loss_objectness", |s| Some(s.objectness)),
    ("loss_rpn_box_reg", |s| Some(s.proposal_boxes)),
    ("loss_classifier", |s| Some(s.classes)),
    ("loss_box_reg", |s| Some(s.boxes)),
    ("loss_mask", |s| s.masks),
    ("lr", |s| Some(s.values.lr)),
    ("grad_norm", |s| Some(s.gradients.norm)),
];

/// The numbers of a measurement, in percent.
const OF_EVALUATIONS: &[(&str, Read<Scores>)] = &[
    ("box_ap", |s| s.boxes.as_ref()?.ap.map(measure::percent)),
    ("box_ap50", |s| s.boxes.as_ref()?.ap50.map(measure::percent)),
    ("mask_ap", |s| s.masks.as_ref()?.ap.map(measure::percent)),
    ("mask_ap50", |s| {
        s.masks.as_ref()?.ap50.map(measure::percent)
    }),
];

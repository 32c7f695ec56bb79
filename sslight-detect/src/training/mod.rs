//! Training a detector: data, network, losses, schedule and reports, through the loop, clock, checkpoints and run folder that
//! pre-training has.

mod assemble;
mod begin;
mod checks;
mod config;
mod data;
mod detector;
mod error;
mod keys;
mod measure;
mod named;
mod plan;
mod predictions;
mod record;
mod saved;
mod session;
mod supply;

use std::sync::{Arc, Mutex, PoisonError};

use sslight_core::config::ResolvedVerb;
use sslight_core::learner::{BoxedRenderer, Feed, Launch, Read, SilentRenderer, register};
use sslight_core::observe::{StartInfo, Summary};
use sslight_core::optim::grads;
use sslight_core::run::{RunError, RunOptions};
use sslight_core::schedule::Clock;
use sslight_models::backend::AutodiffBackend;

pub use assemble::{check_init, network};
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

use crate::loading::{DetectionLoader, LoadingConfig};
use assemble::{optimizer, schedule, trainable};
use begin::{Begun, Shown};
use session::DetectSession;

/// The trained detector, in the run folder and in each checkpoint, under torchvision's names.
pub const DETECTOR_FILE: &str = "detector.safetensors";

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
    // Before the folder is made: settings that do not fit must not leave a run behind.
    let loading = config.loading(network.layout().size_divisor(), data.masks);
    let loader = DetectionLoader::new(data.train.clone(), loading.clone())?;
    let plan = DetectPlan {
        resolved,
        data: data.there(),
    };
    let (begun, network) = Begun::at(&plan, network)?;

    let steps_per_epoch = config.steps_per_epoch(images);
    let pacer = begun.pacer(config, steps_per_epoch);
    let clock = Clock::new(schedule(config, steps_per_epoch));
    let detector = Detector::new(network, config, clock.clone());
    let supply = DetectionSupply {
        loader,
        batch_size: config.batch_size,
        steps_per_epoch,
        waited: Waited::default(),
        stream: Mutex::new(None),
    };
    let start = StartInfo {
        title: plan.title(),
        backend: options.backend_name.clone(),
        data: data.describe(),
        images,
        parameters: trainable::<B>(&detector),
        out: begun.folder.path().to_path_buf(),
        first_step: pacer.first_step,
        steps_per_epoch,
        total_steps: pacer.last_step,
        epochs: pacer.epochs,
    };
    let (store, renderer) = (Arc::clone(&begun.store), options.renderer);
    let shown = Shown {
        observer: options.observer,
        stop: options.stop,
        save: options.save,
    };
    let (keeper, state) = begun.tell(&plan, &data, start, &supply.waited, shown)?;
    let feed = Feed::<B, _>::new(supply, device.clone());
    let outcome = Arc::new(Mutex::new(None));
    let session = DetectSession::<B> {
        config: config.clone(),
        keeper,
        feed: feed.clone(),
        validation: data.validation,
        how: Use {
            loading: LoadingConfig {
                batch_size: config.test.batch_size,
                ..loading
            },
            limits: config.limits(),
        },
        masks: data.masks,
        device: device.clone(),
        outcome: Arc::clone(&outcome),
        state,
        pending: Vec::new(),
        layers: grads::names::<B, _>(&detector),
        metadata: saved::metadata(config, &plan.data),
        backend_name: options.backend_name,
        steps_per_epoch,
        eval_every: config.eval_every(images),
    };
    let launch = Launch {
        optimizer: optimizer(config, clock.clone()),
        model: detector,
        clock,
        pacer,
        feed,
        store,
        hooks: Box::new(session),
    };
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

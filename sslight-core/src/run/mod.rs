//! A pre-training run from configuration to summary.

pub(crate) mod assemble;
mod bench;
mod bench_knn;
mod bench_ops;
mod bench_views;
mod classify;
mod detection;
mod drift;
mod error;
mod evaluation;
mod evaluation_files;
mod evaluator;
mod exact;
mod finetune;
mod floors;
mod folder;
mod head;
pub mod health;
mod init;
pub mod keeper;
mod knn;
mod live;
mod machine;
mod preflight;
mod probe;
mod published;
mod record;
mod results;
mod results_table;
mod saved;
mod session;
mod sources;
mod state;
mod stopwatch;
mod trial;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn_train::renderer::MetricsRenderer;
use sslight_data::{ImageSource, Loader};
use sslight_models::backend::AutodiffBackend;

pub use bench::{
    BenchOptions, InferenceTimes, OperationTime, StepPart, StepTimes, bench_inference, bench_step,
};
pub use bench_knn::{KnnSizes, bench_knn};
pub use bench_ops::{OperationCase, bench_operations};
pub use bench_views::{ViewTimes, bench_views};
pub use classify::{ClassScore, Classified, ClassifyOptions, ImageClasses, classify_weights};
pub use detection::{
    ClassScore as DetectedClassScore, DETECTION, DetectionRecord, PUBLISHED_DETECTION,
    PUBLISHED_NUMBERS, PublishedDetection, pretraining_of, published_detection,
};
pub use error::RunError;
pub use evaluation::{
    Evaluated, EvaluationOptions, EvaluationRecord, Progress, RESULTS_FILE, Subject,
};
pub use evaluator::{Evaluator, KnnReport};
pub use finetune::finetune;
pub(crate) use folder::lock;
pub use folder::{Course, FolderPlan, OpenedFolder, Pretraining, Resumed, RunFolder};
pub use init::{Init, InitialWeights, check_init};
pub use knn::{KnnEvaluated, knn};
pub use live::{RunFiles, is_trained};
pub use machine::{Memory, free_space, peak_memory};
pub use preflight::{Outlook, Preflight};
pub use probe::probe;
pub use published::{PUBLISHED, Published, published};
pub use record::{RunRecord, Standing, standing};
pub use results::{DetectionRow, ResultRow, Results, results};
pub use saved::{SavedNetwork, SavedNetworks};
pub use sources::{open_both, open_options, open_train, open_validation};
pub use sslight_kernels::roofline::Roofline;
pub use sslight_models::weights::Role;
pub use state::{RunState, STATE_FILE};
pub use stopwatch::Stopwatch;
pub use trial::{
    EvaluationTrial, MemoryPoint, Shortened, Trial, TrialDisk, TrialMemory, TrialOptions,
    TrialStage, trial,
};

use crate::checkpoint::{CheckpointStore, Keep};
use crate::config::{DataFacts, KnnProtocol, Method, ResolvedConfig, RunConfig};
use crate::learner::{
    BoxedRenderer, Feed, Launch, Pacer, SilentRenderer, ViewSupply, register_method,
};
use crate::method::{AnyMethod, MethodSetup};
use crate::observe::{
    Level, Notice, Observer, RunEvent, SaveHandle, StartInfo, StopHandle, Summary,
};
use crate::optim::{GroupedOptimizer, grads};
use crate::schedule::Clock;
use floors::Floors;
use keeper::Keeper;
use session::{BACKBONE_FILE, Session};

/// What a run is given beside its configuration.
pub struct RunOptions {
    /// Receives the run's events.
    pub observer: Box<dyn Observer + Send>,
    /// Asks for a clean stop.
    pub stop: StopHandle,
    /// Asks for a checkpoint.
    pub save: SaveHandle,
    /// Shows the metrics of every step; the observer should print nothing while it holds the terminal. Without one, nothing
    /// but the observer's events is shown.
    pub renderer: Option<Box<dyn MetricsRenderer>>,
    /// The engine, for the log.
    pub backend_name: String,
}

/// Trains, evaluates, saves; continues the run that the run folder holds if there is one.
///
/// # Errors
/// Everything that ends a run before its end, but for a requested stop, which is a [`Summary`] too.
pub fn pretrain<B: AutodiffBackend>(
    resolved: &ResolvedConfig,
    device: &B::Device,
    options: RunOptions,
) -> Result<Summary, RunError> {
    let config = &resolved.config;
    let data = open_data(config)?;
    let facts = data.facts;
    let warnings = resolved.fit(facts)?;
    let clock = Clock::new(assemble::schedule(config, facts.images));
    let setup = MethodSetup {
        config,
        images: facts.images,
        classes: facts.classes,
    };
    let method = AnyMethod::<B>::init(&setup, clock.clone(), device).map_err(RunError::Backbone)?;
    run(resolved, device, options, data, clock, method, warnings)
}

/// The sources of a run.
struct Data {
    train: Arc<dyn ImageSource>,
    validation: Option<Arc<dyn ImageSource>>,
    loader: Loader,
    facts: DataFacts,
}

fn open_data(config: &RunConfig) -> Result<Data, RunError> {
    let (train, validation) = open_both(config)?;
    check_classes(config, &*train, validation.as_deref())?;
    Ok(Data {
        validation,
        loader: loader(config, Arc::clone(&train))?,
        facts: DataFacts {
            images: train.len(),
            classes: train.class_names().len(),
        },
        train,
    })
}

/// Refuses validation images of other classes, where they are compared with training images or shown to a classifier that was
/// trained on those.
fn check_classes(
    config: &RunConfig,
    train: &dyn ImageSource,
    validation: Option<&dyn ImageSource>,
) -> Result<(), RunError> {
    let compares = config.eval.knn_protocol == KnnProtocol::Bank
        || config.probe
        || config.method == Method::Supervised;
    match validation {
        Some(validation) if compares => Ok(evaluation::same_classes(train, validation)?),
        _ => Ok(()),
    }
}

fn loader(config: &RunConfig, train: Arc<dyn ImageSource>) -> Result<Loader, RunError> {
    let settings = assemble::loader_config(config);
    Ok(Loader::new(train, config.view_recipe(), settings)?)
}

fn run<B: AutodiffBackend>(
    resolved: &ResolvedConfig,
    device: &B::Device,
    mut options: RunOptions,
    data: Data,
    clock: Clock,
    mut method: AnyMethod<B>,
    warnings: Vec<String>,
) -> Result<Summary, RunError> {
    let config = &resolved.config;
    let (facts, images) = (data.facts, data.facts.images);
    let store_of = |folder: &Path| {
        let steps_per_epoch = config.steps_per_epoch(images);
        let keep = Keep {
            last: config.checkpoint.keep_last,
            every_steps: (config.checkpoint.keep_every)
                .map(|epochs| epochs.saturating_mul(steps_per_epoch)),
        };
        CheckpointStore::new(RunFolder::checkpoints_of(folder), keep)
            .with_copy(BACKBONE_FILE, folder.join(BACKBONE_FILE))
    };
    // Before the folder is made: a file that does not fit must not leave a run behind.
    let mut initial = match RunFolder::has_checkpoints(&config.out_dir())? {
        true => None,
        false => InitialWeights::read(config, method.backbone())?,
    };
    let plan = Pretraining {
        resolved,
        data: facts,
    };
    let (mut folder, resumed) = RunFolder::open(&plan, &store_of)?;
    let store = Arc::new(store_of(folder.path()));
    let first_step = resumed.as_ref().map_or(0, |resumed| resumed.state.step);
    if first_step == 0 && initial.is_none() {
        // The checkpoints that were there are all damaged.
        initial = InitialWeights::read(config, method.backbone())?;
    }
    if let Some(initial) = &initial {
        method = initial.apply(method);
    }

    let start = StartInfo {
        title: format!("{} {} {}", config.method, config.backbone, config.recipe),
        backend: options.backend_name.clone(),
        data: data.train.describe(),
        images,
        parameters: assemble::trainable_parameters::<B, _>(&method),
        out: folder.path().to_path_buf(),
        first_step,
        steps_per_epoch: config.steps_per_epoch(images),
        total_steps: config.last_step(images),
        epochs: config.epochs,
    };
    folder.log_machine(&options.backend_name)?;
    let mut tell = |event: RunEvent| -> Result<(), RunError> {
        folder.record(&event)?;
        options.observer.on_event(&event);
        Ok(())
    };
    let of_resume = resumed.iter().flat_map(|resumed| &resumed.warnings);
    for warning in of_resume.chain(&warnings) {
        tell(RunEvent::Notice(Notice {
            level: Level::Warning,
            text: warning.clone(),
        }))?;
    }
    tell(RunEvent::Start(start.clone()))?;
    if let Some(initial) = initial {
        initial.events().into_iter().try_for_each(&mut tell)?;
    } else if !config.init.is_empty() {
        tell(RunEvent::Notice(Notice {
            level: Level::Info,
            text: format!(
                "init={} is not read again: the checkpoint of step {first_step} has the weights",
                config.init
            ),
        }))?;
    }

    let evaluator = Evaluator::new(config, &data.train, data.validation.as_ref())
        .with_stop(options.stop.clone());
    let state = match resumed {
        Some(resumed) if first_step > 0 => RunState {
            data: Some(facts),
            ..resumed.state
        },
        _ => {
            if evaluator.protocol().is_some() {
                tell(RunEvent::Notice(Notice {
                    level: Level::Info,
                    text: match evaluator.scores_pixels() {
                        true => "scoring raw pixels and the network before training first",
                        false => {
                            "scoring the network before training first; raw pixels are left out, as they would take more \
                             than 4 GiB (eval.bank_size, eval.crop)"
                        }
                    }
                    .to_string(),
                }))?;
            }
            RunState {
                floors: Floors::measure::<B>(&evaluator, &method, device)?,
                data: Some(facts),
                epochs_told: Some(0),
                ..RunState::default()
            }
        }
    };

    let pacer = Pacer {
        first_step,
        steps_per_epoch: start.steps_per_epoch,
        last_step: start.total_steps.max(first_step),
        epochs: config.epochs,
        restore: first_step > 0,
    };
    let supply = ViewSupply {
        loader: data.loader.clone(),
        batch_size: config.batch_size,
    };
    let feed = Feed::<B, _>::new(supply, device.clone());
    let outcome = Arc::new(Mutex::new(None));
    let session = Session::<B> {
        config: config.clone(),
        keeper: Keeper {
            folder,
            store: Arc::clone(&store),
            observer: options.observer,
            stop: options.stop,
            save: options.save,
            stopwatch: Stopwatch::new(start.total_steps, {
                let loader = data.loader.clone();
                move || loader.waited()
            }),
            pace: health::PaceWatch::default(),
            due: assemble::checkpoints_due(config, start.steps_per_epoch),
            on_collapse: config.health.on_collapse,
            error: None,
        },
        feed: feed.clone(),
        evaluator,
        device: device.clone(),
        outcome: Arc::clone(&outcome),
        state,
        pending: Vec::new(),
        layers: grads::names::<B, _>(&method),
    };
    let optimizer = GroupedOptimizer::<B>::new(
        assemble::rule(config),
        assemble::groups(config),
        clock.clone(),
    );
    let launch = Launch {
        model: method,
        optimizer,
        clock,
        pacer,
        feed,
        store,
        hooks: Box::new(session),
    };
    launch.run(&config.out_dir(), device, |training| {
        match options.renderer {
            Some(renderer) => register_method(training).renderer(BoxedRenderer(renderer)),
            None => training.renderer(SilentRenderer),
        }
    });

    let outcome = outcome
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    outcome.unwrap_or(Err(RunError::Vanished))
}

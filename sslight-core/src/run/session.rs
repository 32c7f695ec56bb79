//! What a run does beside training: reports, metrics, evaluation, health, checkpoints.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use burn::module::AutodiffModule;
use burn_train::ItemLazy;
use serde::{Deserialize, Serialize};
use sslight_data::Loader;
use sslight_models::backend::AutodiffBackend;
use sslight_models::params::is_buffer;
use sslight_models::{Backbone, weights};

use super::evaluator::{Evaluator, KnnReport};
use super::folder::{CONFIG_FILE, RunFolder};
use super::health::{self, CollapseWatch, Finding, Pace, PaceWatch};
use super::state::{RunState, STATE_FILE};
use super::{RunError, assemble};
use crate::checkpoint::{CheckpointError, CheckpointStore};
use crate::config::{Method, OnCollapse, RunConfig};
use crate::eval::FeatureSpectrum;
use crate::learner::{Feed, RunHooks, StepReady, Stop};
use crate::method::{AnyMethod, StepOutput, StepStats, ValidationStats};
use crate::observe::{
    End, EpochReport, HealthEvent, Level, Notice, Observer, RunEvent, SaveHandle, StepReport,
    StopHandle, Summary,
};

/// The exported backbone, in the run folder and in each checkpoint.
pub const BACKBONE_FILE: &str = "backbone.safetensors";

/// Singular values that are told at the end of an epoch.
const TOLD_VALUES: usize = 64;

/// The kNN scores that training has to beat, in percent; absent without labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// Of the pixels.
    pub pixels: Option<f64>,
    /// Of the network before training.
    pub before: Option<f64>,
}

impl Floors {
    /// Measures both, if there is a score at all.
    ///
    /// # Errors
    /// If images cannot be read.
    pub fn measure<B: AutodiffBackend>(
        evaluator: &Evaluator,
        method: &AnyMethod<B>,
        device: &B::Device,
    ) -> Result<Self, RunError> {
        if evaluator.protocol().is_none() {
            return Ok(Self::default());
        }
        Ok(Self {
            pixels: evaluator.pixels::<B::InnerBackend>(device)?.top1,
            before: evaluator
                .backbone(&method.backbone().valid(), None, device)?
                .top1,
        })
    }
}

/// Speed and wait for data since the last report.
pub struct Progress {
    loader: Loader,
    total_steps: usize,
    run_started: Instant,
    epoch_started: Instant,
    reported: Instant,
    waited: Duration,
    images: usize,
}

impl Progress {
    pub fn new(loader: &Loader, total_steps: usize) -> Self {
        let now = Instant::now();
        Self {
            loader: loader.clone(),
            total_steps,
            run_started: now,
            epoch_started: now,
            reported: now,
            waited: loader.waited(),
            images: 0,
        }
    }

    /// The pace since the last call.
    fn take(&mut self) -> Pace {
        let waited = self.loader.waited().saturating_sub(self.waited);
        let pace = Pace {
            images: self.images,
            seconds: self.reported.elapsed().as_secs_f64(),
            waited: waited.as_secs_f64(),
        };
        self.restart();
        pace
    }

    /// Leaves out the time since the last report, which was not training.
    fn restart(&mut self) {
        self.reported = Instant::now();
        self.waited = self.loader.waited();
        self.images = 0;
    }
}

/// What of a step is no number, in words.
fn not_finite(stats: &StepStats, layers: &[String]) -> Option<String> {
    let broken = stats.gradients.and_then(|gradients| gradients.broken);
    let of_gradients = broken.map(|broken| {
        let layer = layers
            .get(broken.first)
            .map_or("a parameter", String::as_str);
        let others = match broken.count {
            1 => "no other is".to_string(),
            count => format!(
                "{count} of {} are, this one first on the way back",
                layers.len()
            ),
        };
        format!("the gradient of {layer} is not a number ({others})")
    });
    match (stats.loss.is_finite(), of_gradients) {
        (true, gradients) => gradients,
        (false, None) => Some(format!("the loss is {}", stats.loss)),
        (false, Some(gradients)) => Some(format!("the loss is {}, {gradients}", stats.loss)),
    }
}

/// The distance between the parameters of two networks of one kind, in units of the length of `to`.
fn distance<B: AutodiffBackend>(from: &Backbone<B>, to: &Backbone<B>) -> f64 {
    let values = |network: &Backbone<B>| weights::named_tensors(&network.valid());
    let (mut apart, mut length) = (0.0, 0.0);
    for (from, to) in values(from).iter().zip(values(to)) {
        if is_buffer(&to.name) {
            continue;
        }
        for (from, to) in from.values.iter().zip(to.values) {
            apart += f64::from(from - to).powi(2);
            length += f64::from(to).powi(2);
        }
    }
    (apart / length).sqrt()
}

/// The hooks of a run.
pub struct Session<B: AutodiffBackend> {
    pub config: RunConfig,
    pub folder: RunFolder,
    pub store: Arc<CheckpointStore>,
    pub feed: Feed<B>,
    pub evaluator: Evaluator,
    pub device: B::Device,
    pub observer: Box<dyn Observer + Send>,
    pub stop: StopHandle,
    pub save: SaveHandle,
    pub saved_at: Instant,
    pub outcome: Arc<Mutex<Option<Result<Summary, RunError>>>>,
    pub state: RunState,
    pub progress: Progress,
    pub pending: Vec<StepOutput<B>>,
    /// Names of the parameters, as [`grads::names`](crate::optim::grads::names) has them.
    pub layers: Vec<String>,
    pub pace: PaceWatch,
    pub error: Option<RunError>,
}

impl<B: AutodiffBackend> Session<B> {
    fn tell(&mut self, event: RunEvent) -> Result<(), RunError> {
        self.folder.record(&event)?;
        self.observer.on_event(&event);
        Ok(())
    }

    fn notice(&mut self, level: Level, text: String) -> Result<(), RunError> {
        self.tell(RunEvent::Notice(Notice { level, text }))
    }

    /// Keeps an error for the end and ends the loop. That someone asked for the end is no error.
    fn keep<T>(&mut self, result: Result<T, RunError>) -> Result<T, Stop> {
        result.map_err(|error| {
            if error.is_interruption() {
                return Stop::Interrupted;
            }
            self.error.get_or_insert(error);
            Stop::Failed
        })
    }

    /// Reads the losses of the steps since the last time; the device runs ahead until then.
    fn settle(&mut self) -> Result<Option<StepStats>, RunError> {
        let mut last = None;
        for output in std::mem::take(&mut self.pending) {
            let stats = output.sync();
            if let Some(what) = not_finite(&stats, &self.layers) {
                return Err(self.broken(stats.values.step, what));
            }
            self.state.epoch_loss_sum += stats.loss;
            self.state.epoch_losses += 1;
            self.state.last_loss = stats.loss;
            for finding in self.state.watch.after_step(&stats) {
                self.found(stats.values.step + 1, finding)?;
            }
            last = Some(stats);
        }
        Ok(last)
    }

    fn step(&mut self, ready: StepReady<B>) -> Result<(), RunError> {
        let taken = ready.output.values.step;
        self.state.step = ready.steps_done;
        self.pending.push(ready.output);
        self.progress.images += self.config.batch_size;
        let due = taken.is_multiple_of(self.config.log_every.max(1));
        let last = ready.steps_done == self.progress.total_steps;
        if (due || last)
            && let Some(stats) = self.settle()?
        {
            self.report_step(&stats)?;
        }
        match self.store.take_error() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn report_step(&mut self, stats: &StepStats) -> Result<(), RunError> {
        let pace = self.progress.take();
        let seconds = pace.seconds.max(1e-9);
        let values = stats.values;
        self.tell(RunEvent::Step(StepReport {
            step: values.step,
            epoch: values.epoch,
            loss: stats.loss,
            loss_global: stats.loss_global,
            loss_local: stats.loss_local,
            lr: values.lr,
            weight_decay: values.weight_decay,
            ema_momentum: stats.ema_momentum,
            teacher_temp: stats.teacher_temp,
            target_entropy: stats.targets.map(|targets| targets.entropy),
            target_usage: stats.targets.map(|targets| targets.usage()),
            grad_norm: stats.gradients.map(|gradients| gradients.norm),
            feature_std: stats.features.map(|spread| spread.std),
            embedding_std: stats.embeddings.map(|embeddings| embeddings.spread.std),
            queue_age: self.queue_age(values.step),
            images_per_s: pace.images as f64 / seconds,
            data_wait: (pace.waited / seconds).min(1.0),
            total_steps: self.progress.total_steps,
        }))?;
        match self.pace.after_report(pace) {
            Some(finding) => self.found(values.step + 1, finding),
            None => Ok(()),
        }
    }

    /// The age of the oldest entry of the queue after a step, in epochs.
    fn queue_age(&self, step: usize) -> Option<f64> {
        let images = self.images();
        let (length, first_step) = match self.config.method {
            Method::Moco => (self.config.moco_queue_length(images), 0),
            Method::Swav => {
                let first_epoch = self.config.swav_queue_start_epoch();
                let per_epoch = self.config.steps_per_epoch(images);
                (
                    self.config.swav_queue_length(images),
                    first_epoch * per_epoch,
                )
            }
            Method::Dino | Method::Simclr | Method::Supervised => return None,
        };
        let entered = (step + 1).saturating_sub(first_step) * self.config.batch_size;
        (length > 0).then(|| entered.min(length) as f64 / images.max(1) as f64)
    }

    fn epoch(
        &mut self,
        model: &AnyMethod<B>,
        epoch: usize,
        steps_done: usize,
    ) -> Result<ValidationStats, RunError> {
        self.settle()?;
        let every = self.config.eval.knn_every;
        let last = steps_done >= self.progress.total_steps;
        let scored = last || (every > 0 && (epoch + 1).is_multiple_of(every));
        let report = if scored {
            Some(self.evaluate(model)?)
        } else {
            None
        };
        let spread = report.as_ref().and_then(|report| report.spread);
        let spectrum = report.as_ref().and_then(|report| report.spectrum.clone());
        let ema_distance = model
            .teacher_backbone()
            .map(|teacher| distance(teacher, model.backbone()));
        let measured = ValidationStats {
            knn_top1: report.as_ref().and_then(|report| report.top1),
            knn_top5: report.as_ref().and_then(|report| report.top5),
            feature_std: spread.map(|spread| spread.std),
            probe_top1: report.as_ref().and_then(|report| report.probe_top1),
            effective_rank: spectrum.as_ref().map(FeatureSpectrum::effective_rank),
        };
        let loss = self.state.epoch_loss_sum / self.state.epoch_losses.max(1) as f64;
        self.state.epoch_loss_sum = 0.0;
        self.state.epoch_losses = 0;
        self.tell(RunEvent::Epoch(EpochReport {
            epoch,
            step: steps_done,
            loss,
            knn_top1: measured.knn_top1,
            knn_top5: measured.knn_top5,
            feature_std: measured.feature_std,
            effective_rank: measured.effective_rank,
            spectrum: spectrum.map(|spectrum| spectrum.largest(TOLD_VALUES)),
            ema_distance,
            probe_top1: measured.probe_top1,
            seconds: self.progress.epoch_started.elapsed().as_secs_f64(),
        }))?;
        let of_features =
            spread.and_then(|s| CollapseWatch::after_epoch(steps_done, s.std, s.relative));
        let of_teacher = ema_distance.and_then(health::of_teacher);
        for finding in of_features.into_iter().chain(of_teacher) {
            self.found(steps_done, finding)?;
        }
        self.state.epochs_told = Some(epoch + 1);
        self.progress.epoch_started = Instant::now();
        self.progress.restart();
        Ok(measured)
    }

    fn evaluate(&mut self, model: &AnyMethod<B>) -> Result<KnnReport, RunError> {
        let classifier = model.classifier().map(AutodiffModule::valid);
        let report = self.evaluator.backbone(
            &model.backbone().valid(),
            classifier.as_ref(),
            &self.device,
        )?;
        self.state.knn = report.top1.zip(report.top5);
        Ok(report)
    }

    /// Tells of something that is not as it should be, or ends the run with it if it is a collapse and that was asked for.
    fn found(&mut self, step: usize, finding: Finding) -> Result<(), RunError> {
        let Finding {
            name,
            reason,
            advice,
            mut details,
        } = finding;
        let collapsed = advice.is_none();
        let advice = advice.unwrap_or_else(|| self.config.method.against_collapse());
        details.insert("advice".into(), advice.into());
        self.tell(RunEvent::Event(HealthEvent {
            step,
            name: name.into(),
            details,
        }))?;
        match self.config.health.on_collapse {
            OnCollapse::Stop if collapsed => Err(RunError::Collapsed {
                step,
                reason,
                advice,
            }),
            _ => self.notice(Level::Warning, format!("{reason}; {advice}")),
        }
    }

    /// The end of a run whose loss or gradients are no numbers, which is told before.
    fn broken(&mut self, step: usize, what: String) -> RunError {
        let mut details = serde_json::Map::new();
        details.insert("reason".into(), what.clone().into());
        let event = HealthEvent {
            step: step + 1,
            name: "not_finite".into(),
            details,
        };
        match self.tell(RunEvent::Event(event)) {
            Ok(()) => RunError::NotFinite { step, what },
            Err(error) => error,
        }
    }

    /// Begins a checkpoint: what training changes is read here, what takes time is done by the store.
    fn begin(&mut self, model: &AnyMethod<B>, steps_done: usize) -> Result<(), RunError> {
        // A loss or gradient that is not a number must not get into a checkpoint.
        self.settle()?;
        self.state.step = steps_done;
        let state = serde_json::to_vec_pretty(&self.state).map_err(|error| RunError::State {
            path: self.store.folder(steps_done).join(STATE_FILE),
            reason: error.to_string(),
        })?;
        let config = self.config.to_toml()?.into_bytes();
        let metadata = self.backbone_metadata();
        let tensors = weights::named_tensors(&model.backbone().valid());
        let telling = self.folder.telling_files()?;
        let unfit = move |reason| CheckpointError::Unfit {
            step: steps_done,
            reason,
        };
        let make = move || {
            telling.iter().try_for_each(|file| file.sync())?;
            if let Some(tensor) = tensors.iter().find(|tensor| !tensor.is_finite()) {
                return Err(unfit(format!(
                    "{} holds a value that is no number",
                    tensor.name
                )));
            }
            let backbone = weights::to_safetensors(&tensors, metadata)
                .map_err(|error| unfit(error.to_string()))?;
            Ok(vec![
                (STATE_FILE, state),
                (CONFIG_FILE, config),
                (BACKBONE_FILE, backbone),
            ])
        };
        self.store.begin(steps_done, Box::new(make))?;
        self.saved_at = Instant::now();
        Ok(())
    }

    fn backbone_metadata(&self) -> BTreeMap<String, String> {
        let config = &self.config;
        let mut metadata = assemble::backbone_metadata(config);
        metadata.extend([
            ("method".to_string(), config.method.to_string()),
            ("recipe".to_string(), config.recipe.to_string()),
            ("step".to_string(), self.state.step.to_string()),
        ]);
        metadata
    }

    /// Whether a checkpoint is due after so many steps.
    fn checkpoint_is_due(&self, steps_done: usize) -> bool {
        let checkpoint = &self.config.checkpoint;
        let per_epoch = self.config.steps_per_epoch(self.images()).max(1);
        let epochs = [Some(checkpoint.every.max(1)), checkpoint.keep_every];
        let of_epochs = epochs.into_iter().flatten().map(|every| every * per_epoch);
        let minutes = self.saved_at.elapsed().as_secs_f64() / 60.0;
        of_epochs
            .chain(checkpoint.every_steps)
            .any(|every| steps_done.is_multiple_of(every))
            || checkpoint.every_minutes.is_some_and(|most| minutes >= most)
    }

    fn conclude(
        &mut self,
        model: &AnyMethod<B>,
        steps_done: usize,
        stop: Option<Stop>,
    ) -> Result<Summary, RunError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if let Some(error) = self.feed.take_error() {
            return Err(error.into());
        }
        self.store.wait()?;
        if stop == Some(Stop::Failed) {
            return Err(RunError::Vanished);
        }
        let mut interrupted = stop == Some(Stop::Interrupted);
        // The score of the last epoch stands for the end; a run that ends between epochs has none yet.
        let ends_an_epoch =
            steps_done.is_multiple_of(self.config.steps_per_epoch(self.images()).max(1));
        if !interrupted && (!ends_an_epoch || self.state.knn.is_none()) {
            match self.evaluate(model) {
                // The same command evaluates again.
                Err(error) if error.is_interruption() => interrupted = true,
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        let summary = Summary {
            end: if interrupted {
                End::Interrupted
            } else if steps_done < self.config.total_steps(self.images()) {
                End::MaxSteps
            } else {
                End::Completed
            },
            steps: steps_done,
            epochs: steps_done / self.config.steps_per_epoch(self.images()).max(1),
            loss: self.state.last_loss,
            knn_top1: self.state.knn.map(|(top1, _)| top1),
            knn_top5: self.state.knn.map(|(_, top5)| top5),
            knn_before: self.state.floors.before,
            knn_pixels: self.state.floors.pixels,
            knn_protocol: self.evaluator.protocol(),
            seconds: self.progress.run_started.elapsed().as_secs_f64(),
            out: self.folder.path().to_path_buf(),
        };
        for bad in self.feed.loader().bad_images() {
            self.notice(Level::Warning, format!("left out: {bad}"))?;
        }
        self.tell(RunEvent::Finished(summary.clone()))?;
        Ok(summary)
    }

    fn images(&self) -> usize {
        self.feed.loader().source().len()
    }
}

impl<B: AutodiffBackend> RunHooks<B> for Session<B> {
    fn after_step(&mut self, ready: StepReady<B>) -> Result<(), Stop> {
        let result = self.step(ready);
        self.keep(result)?;
        if self.stop.is_requested() {
            return Err(Stop::Interrupted);
        }
        Ok(())
    }

    fn after_epoch(
        &mut self,
        model: &AnyMethod<B>,
        epoch: usize,
        steps_done: usize,
    ) -> Result<ValidationStats, Stop> {
        let result = self.epoch(model, epoch, steps_done);
        self.keep(result)
    }

    fn wants_checkpoint(&mut self, steps_done: usize) -> bool {
        // Asked for by someone, it is due in any case, and the request is answered either way.
        self.save.take() || self.checkpoint_is_due(steps_done)
    }

    fn owes_epoch(&self) -> bool {
        let per_epoch = self.config.steps_per_epoch(self.images()).max(1);
        let ended = self.state.step / per_epoch;
        self.state.step.is_multiple_of(per_epoch)
            && self.state.epochs_told.is_some_and(|told| told < ended)
    }

    fn begin_checkpoint(&mut self, model: &AnyMethod<B>, steps_done: usize) -> Result<(), Stop> {
        let result = self.begin(model, steps_done);
        self.keep(result)
    }

    fn finish(&mut self, model: &AnyMethod<B>, steps_done: usize, stop: Option<Stop>) {
        let result = self.conclude(model, steps_done, stop);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}

//! What a run does beside training: reports, average precision, health, checkpoints.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use burn::module::AutodiffModule;
use burn_train::ItemLazy;
use sslight_core::config::VerbKeys;
use sslight_core::learner::{Feed, RunHooks, StepReady, Stop};
use sslight_core::observe::{End, EpochReport, Level, RunEvent, StepReport, Summary};
use sslight_core::run::RunError;
use sslight_core::run::health::{first_broken_weights, not_finite};
use sslight_core::run::keeper::{CheckpointContents, Keeper};
use sslight_models::backend::AutodiffBackend;
use sslight_models::weights;

use super::detector::{DetectionOutput, DetectionStats, Detector, Scores};
use super::measure::{Use, find, scores};
use super::plan::DetectState;
use super::supply::DetectionSupply;
use super::{DETECTOR_FILE, DetectConfig, DetectError, Measured};
use crate::annotations::DetectionSet;

/// Advice where a run has a finding without one; detectors have no such finding.
const NO_ADVICE: &str = "lower optim.base_lr";

/// The hooks of a run.
pub struct DetectSession<B: AutodiffBackend> {
    pub config: DetectConfig,
    pub keeper: Keeper,
    pub feed: Feed<B, DetectionSupply>,
    pub validation: Option<DetectionSet>,
    pub how: Use,
    pub masks: bool,
    pub device: B::Device,
    pub outcome: Arc<Mutex<Option<Result<Summary, RunError>>>>,
    pub state: DetectState,
    pub pending: Vec<DetectionOutput<B>>,
    /// Names of the parameters, in the order of their gradients' norms.
    pub layers: Vec<String>,
    /// What the file of weights says of itself.
    pub metadata: BTreeMap<String, String>,
    pub backend_name: String,
    pub steps_per_epoch: usize,
    /// Epochs between measurements; 0 is none before the end.
    pub eval_every: usize,
}

impl<B: AutodiffBackend> DetectSession<B> {
    /// Reads the losses of the steps since the last time; the device runs ahead until then.
    fn settle(&mut self) -> Result<Option<DetectionStats>, RunError> {
        let mut last = None;
        for output in std::mem::take(&mut self.pending) {
            let stats = output.sync();
            if let Some(what) = not_finite(stats.loss, Some(stats.gradients), &self.layers) {
                return Err(self.keeper.broken(stats.values.step, what));
            }
            self.state.epoch_loss_sum += stats.loss;
            self.state.epoch_losses += 1;
            self.state.last_loss = stats.loss;
            if let Some(finding) = self.state.gradients.after_step(stats.gradients.norm) {
                self.keeper
                    .found(stats.values.step + 1, finding, NO_ADVICE)?;
            }
            last = Some(stats);
        }
        Ok(last)
    }

    fn step(&mut self, ready: StepReady<DetectionOutput<B>>) -> Result<(), RunError> {
        let taken = ready.output.values.step;
        self.state.step = ready.steps_done;
        self.pending.push(ready.output);
        self.keeper.stopwatch.images += self.config.batch_size;
        let due = taken.is_multiple_of(self.config.log_every);
        let last = ready.steps_done == self.keeper.stopwatch.total_steps;
        if (due || last)
            && let Some(stats) = self.settle()?
        {
            self.report_step(&stats)?;
        }
        match self.keeper.store.take_error() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn report_step(&mut self, stats: &DetectionStats) -> Result<(), RunError> {
        let speed = self.keeper.speed();
        let values = stats.values;
        self.keeper.tell(RunEvent::Step(StepReport {
            losses: stats.losses(),
            grad_norm: Some(stats.gradients.norm),
            images_per_s: speed.images_per_s,
            data_wait: speed.data_wait,
            total_steps: self.keeper.stopwatch.total_steps,
            step: values.step,
            epoch: values.epoch,
            loss: stats.loss,
            lr: values.lr,
            weight_decay: values.weight_decay,
            ..StepReport::default()
        }))?;
        self.keeper.watch_speed(values.step + 1, speed)
    }

    fn epoch(
        &mut self,
        model: &Detector<B>,
        epoch: usize,
        steps_done: usize,
    ) -> Result<Scores, RunError> {
        self.settle()?;
        let last = steps_done >= self.keeper.stopwatch.total_steps;
        let due = self.eval_every > 0 && (epoch + 1).is_multiple_of(self.eval_every);
        let measured = match last || due {
            true => self.measure(model, steps_done)?,
            false => Scores::default(),
        };
        let loss = self.state.epoch_loss_sum / self.state.epoch_losses.max(1) as f64;
        self.state.epoch_loss_sum = 0.0;
        self.state.epoch_losses = 0;
        self.keeper.tell(RunEvent::Epoch(EpochReport {
            epoch,
            step: steps_done,
            loss,
            scores: measured.named(),
            seconds: self.keeper.stopwatch.epoch_started.elapsed().as_secs_f64(),
            ..EpochReport::default()
        }))?;
        self.state.epochs_told = epoch + 1;
        self.keeper.stopwatch.begin_epoch();
        Ok(measured)
    }

    fn measure(&mut self, model: &Detector<B>, steps_done: usize) -> Result<Scores, RunError> {
        let Some(set) = &self.validation else {
            return Ok(Scores::default());
        };
        let started = Instant::now();
        let network = model.network.valid();
        let stop = &self.keeper.stop;
        let found = find(&network, set, &self.how, &self.device, stop);
        let measured = found
            .and_then(|found| scores(set, &found, self.masks))
            .map_err(DetectError::into_run)?;
        self.state.scores = measured.named();
        self.state.scored_at = Some(steps_done);
        if steps_done >= self.keeper.stopwatch.total_steps {
            let sides = &self.how.loading;
            let record = Measured {
                subject: self
                    .keeper
                    .folder
                    .path()
                    .join(DETECTOR_FILE)
                    .display()
                    .to_string(),
                step: Some(steps_done),
                config: Some(&self.config),
                train_images: self.state.data.as_ref().map(|data| data.images),
                backbone: self.config.backbone.to_string(),
                set,
                scores: &measured,
                sides: [sides.test_side, sides.longest_side],
                seconds: started.elapsed().as_secs_f64(),
                backend: self.backend_name.clone(),
            };
            // A run that is started again at its end measures once more, which is no other result.
            record.record().add_once_to(self.keeper.folder.path())?;
        }
        Ok(measured)
    }

    fn begin(&mut self, model: &Detector<B>, steps_done: usize) -> Result<(), RunError> {
        // A loss or gradient that is not a number must not get into a checkpoint.
        self.settle()?;
        self.state.step = steps_done;
        self.state.steps_per_epoch = self.steps_per_epoch;
        let mut metadata = self.metadata.clone();
        metadata.insert("step".to_owned(), steps_done.to_string());
        let contents = CheckpointContents {
            state: self.keeper.state_file(steps_done, &self.state)?,
            config: self.config.to_toml()?,
            weights_file: DETECTOR_FILE,
            weights: weights::named_tensors(&model.network.valid()),
            metadata,
        };
        self.keeper.begin_checkpoint(steps_done, contents)
    }

    fn conclude(
        &mut self,
        model: &Detector<B>,
        steps_done: usize,
        stop: Option<Stop>,
    ) -> Result<Summary, RunError> {
        let of_data = self.feed.take_error();
        let of_data = of_data.map(|error| DetectError::from(error).into_run());
        let broken = || first_broken_weights(model);
        let mut interrupted = self.keeper.ended(stop, of_data, broken)?;
        if !interrupted && self.state.scored_at != Some(steps_done) {
            match self.measure(model, steps_done) {
                // The same command measures again.
                Err(error) if error.is_interruption() => interrupted = true,
                measured => drop(measured?),
            }
        }
        let summary = Summary {
            end: if interrupted {
                End::Interrupted
            } else if steps_done < self.config.steps {
                End::MaxSteps
            } else {
                End::Completed
            },
            steps: steps_done,
            epochs: steps_done / self.steps_per_epoch,
            loss: self.state.last_loss,
            knn_top1: None,
            knn_top5: None,
            knn_before: None,
            knn_pixels: None,
            knn_protocol: None,
            scores: self.state.scores.clone(),
            seconds: self.keeper.stopwatch.run_started.elapsed().as_secs_f64(),
            out: self.keeper.folder.path().to_path_buf(),
        };
        if self.validation.is_none() {
            let text = "no val_data: average precision was not measured".to_owned();
            self.keeper.notice(Level::Info, text)?;
        }
        self.keeper.tell(RunEvent::Finished(summary.clone()))?;
        Ok(summary)
    }
}

impl<B: AutodiffBackend> RunHooks<B, Detector<B>> for DetectSession<B> {
    fn after_step(&mut self, ready: StepReady<DetectionOutput<B>>) -> Result<(), Stop> {
        let result = self.step(ready);
        self.keeper.keep(result)?;
        if self.keeper.stop.is_requested() {
            return Err(Stop::Interrupted);
        }
        Ok(())
    }

    fn after_epoch(
        &mut self,
        model: &Detector<B>,
        epoch: usize,
        steps_done: usize,
    ) -> Result<Scores, Stop> {
        let result = self.epoch(model, epoch, steps_done);
        self.keeper.keep(result)
    }

    fn wants_checkpoint(&mut self, steps_done: usize) -> bool {
        self.keeper.wants_checkpoint(steps_done)
    }

    fn owes_epoch(&self) -> bool {
        let ended = self.state.step / self.steps_per_epoch;
        // With other images epochs end elsewhere, and those before are done with.
        self.state.steps_per_epoch == self.steps_per_epoch
            && self.state.step.is_multiple_of(self.steps_per_epoch)
            && self.state.epochs_told < ended
    }

    fn begin_checkpoint(&mut self, model: &Detector<B>, steps_done: usize) -> Result<(), Stop> {
        let result = self.begin(model, steps_done);
        self.keeper.keep(result)
    }

    fn finish(&mut self, model: &Detector<B>, steps_done: usize, stop: Option<Stop>) {
        let result = self.conclude(model, steps_done, stop);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}

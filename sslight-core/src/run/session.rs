//! What a run does beside training: reports, metrics, evaluation, health, checkpoints.

mod saving;

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::AutodiffModule;
use burn_train::ItemLazy;
use serde_json::Map;
use sslight_models::backend::AutodiffBackend;

use super::RunError;
use super::drift::distance;
use super::evaluator::{Evaluator, KnnReport};
use super::health::{Finding, first_broken_weights, not_finite};
use super::keeper::Keeper;
use super::state::RunState;
use crate::config::{Method, RunConfig};
use crate::eval::FeatureSpectrum;
use crate::learner::{Feed, RunHooks, StepReady, Stop, ViewSupply};
use crate::method::{AnyMethod, StepOutput, StepStats, ValidationStats};
use crate::observe::{End, EpochReport, Level, RunEvent, StepReport, Summary};

/// The exported backbone, in the run folder and in each checkpoint.
pub const BACKBONE_FILE: &str = "backbone.safetensors";

/// Singular values that are told at the end of an epoch.
const TOLD_VALUES: usize = 64;

/// The hooks of a run.
pub struct Session<B: AutodiffBackend> {
    pub config: RunConfig,
    pub keeper: Keeper,
    pub feed: Feed<B, ViewSupply>,
    pub evaluator: Evaluator,
    pub device: B::Device,
    pub outcome: Arc<Mutex<Option<Result<Summary, RunError>>>>,
    pub state: RunState,
    pub pending: Vec<StepOutput<B>>,
    /// Names of the parameters, as [`grads::names`](crate::optim::grads::names) has them.
    pub layers: Vec<String>,
}

impl<B: AutodiffBackend> Session<B> {
    /// Reads the losses of the steps since the last time; the device runs ahead until then.
    fn settle(&mut self) -> Result<Option<StepStats>, RunError> {
        let mut last = None;
        for output in std::mem::take(&mut self.pending) {
            let stats = output.sync();
            if let Some(what) = not_finite(stats.loss, stats.gradients, &self.layers) {
                return Err(self.keeper.broken(stats.values.step, what));
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

    fn step(&mut self, ready: StepReady<StepOutput<B>>) -> Result<(), RunError> {
        let taken = ready.output.values.step;
        self.state.step = ready.steps_done;
        self.pending.push(ready.output);
        self.keeper.stopwatch.images += self.config.batch_size;
        let due = taken.is_multiple_of(self.config.log_every.max(1));
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

    fn report_step(&mut self, stats: &StepStats) -> Result<(), RunError> {
        let speed = self.keeper.speed();
        let values = stats.values;
        self.keeper.tell(RunEvent::Step(StepReport {
            step: values.step,
            epoch: values.epoch,
            loss: stats.loss,
            loss_global: stats.loss_global,
            loss_local: stats.loss_local,
            loss_probe: stats.loss_probe,
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
            losses: Map::new(),
            images_per_s: speed.images_per_s,
            data_wait: speed.data_wait,
            total_steps: self.keeper.stopwatch.total_steps,
        }))?;
        self.keeper.watch_speed(values.step + 1, speed)
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
        let last = steps_done >= self.keeper.stopwatch.total_steps;
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
        self.keeper.tell(RunEvent::Epoch(EpochReport {
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
            scores: Map::new(),
            seconds: self.keeper.stopwatch.epoch_started.elapsed().as_secs_f64(),
        }))?;
        let findings = (self.state.watch).after_epoch(steps_done, spread, ema_distance);
        for finding in findings {
            self.found(steps_done, finding)?;
        }
        self.state.epochs_told = Some(epoch + 1);
        self.keeper.stopwatch.begin_epoch();
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

    fn found(&mut self, step: usize, finding: Finding) -> Result<(), RunError> {
        let advice = self.config.method.against_collapse();
        self.keeper.found(step, finding, advice)
    }

    fn conclude(
        &mut self,
        model: &AnyMethod<B>,
        steps_done: usize,
        stop: Option<Stop>,
    ) -> Result<Summary, RunError> {
        let of_data = self.feed.take_error().map(RunError::from);
        let broken = || first_broken_weights(model);
        let mut interrupted = self.keeper.ended(stop, of_data, broken)?;
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
            scores: Map::new(),
            seconds: self.keeper.stopwatch.run_started.elapsed().as_secs_f64(),
            out: self.keeper.folder.path().to_path_buf(),
        };
        for bad in self.feed.supply().loader.bad_images() {
            self.keeper
                .notice(Level::Warning, format!("left out: {bad}"))?;
        }
        self.keeper.tell(RunEvent::Finished(summary.clone()))?;
        Ok(summary)
    }

    fn images(&self) -> usize {
        self.feed.supply().loader.source().len()
    }
}

impl<B: AutodiffBackend> RunHooks<B, AnyMethod<B>> for Session<B> {
    fn after_step(&mut self, ready: StepReady<StepOutput<B>>) -> Result<(), Stop> {
        let result = self.step(ready);
        self.keeper.keep(result)?;
        if self.keeper.stop.is_requested() {
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
        self.keeper.keep(result)
    }

    fn wants_checkpoint(&mut self, steps_done: usize) -> bool {
        self.keeper.wants_checkpoint(steps_done)
    }

    fn owes_epoch(&self) -> bool {
        let per_epoch = self.config.steps_per_epoch(self.images()).max(1);
        let ended = self.state.step / per_epoch;
        // With other images epochs end elsewhere, and those before are done with.
        self.state.steps_per_epoch == Some(per_epoch)
            && self.state.step.is_multiple_of(per_epoch)
            && self.state.epochs_told.is_some_and(|told| told < ended)
    }

    fn begin_checkpoint(&mut self, model: &AnyMethod<B>, steps_done: usize) -> Result<(), Stop> {
        let result = self.begin(model, steps_done);
        self.keeper.keep(result)
    }

    fn finish(&mut self, model: &AnyMethod<B>, steps_done: usize, stop: Option<Stop>) {
        let result = self.conclude(model, steps_done, stop);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}

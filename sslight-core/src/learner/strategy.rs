//! The training loop as a learning strategy of burn-train.

use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::{DataLoader, Progress};
use burn_train::checkpoint::{AsyncCheckpointer, CheckpointingAction, CheckpointingStrategy};

use burn_train::metric::store::EventStoreClient;
use burn_train::{
    EventProcessorTraining, InferenceStep, Interrupter, Learner, LearnerEvent,
    LearningCheckpointer, LearningResult, SupervisedLearningStrategy,
    SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, TrainingItem, ValidLoader,
};
use sslight_models::backend::AutodiffBackend;

use super::{Components, Feed, Supply, Trained};
use crate::checkpoint::{CheckpointStore, Part, PartCheckpointer};

/// Where a run stands and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Pacer {
    /// Steps taken before.
    pub first_step: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// The step before which the loop ends.
    pub last_step: usize,
    /// Epochs in all, for display.
    pub epochs: usize,
    /// Whether `first_step` steps are to be restored from the checkpoint store.
    pub restore: bool,
}

/// Why the loop ends before its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Someone asked for it; a checkpoint is saved.
    Interrupted,
    /// Something failed, and the hooks know what.
    Failed,
}

/// A step that has been taken.
pub struct StepReady<T> {
    /// What is told of it, still on the device.
    pub output: T,
    /// The number of steps taken, this one included.
    pub steps_done: usize,
}

/// What a run does beside training, in the order of the loop. An `Err` ends the loop.
pub trait RunHooks<B: AutodiffBackend, M: Trained<B>>: Send {
    /// After each step.
    ///
    /// # Errors
    /// The reason to end.
    fn after_step(&mut self, step: StepReady<M::Taken>) -> Result<(), Stop>;

    /// After the last step of an epoch.
    ///
    /// # Errors
    /// The reason to end.
    fn after_epoch(
        &mut self,
        model: &M,
        epoch: usize,
        steps_done: usize,
    ) -> Result<M::Measured, Stop>;

    /// Whether a checkpoint is due; asked once a step, at the end of an epoch after [`after_epoch`](Self::after_epoch).
    fn wants_checkpoint(&mut self, steps_done: usize) -> bool;

    /// Whether the last step that was taken before ended an epoch that was cut off before it had been told of.
    fn owes_epoch(&self) -> bool;

    /// Begins a checkpoint; the learner's records follow.
    ///
    /// # Errors
    /// The reason to end.
    fn begin_checkpoint(&mut self, model: &M, steps_done: usize) -> Result<(), Stop>;

    /// After the loop, whatever ended it; all checkpoints have been written or have failed.
    fn finish(&mut self, model: &M, steps_done: usize, stop: Option<Stop>);
}

/// The loop: steps, epochs, checkpoints, from any step to any step.
pub struct StepStrategy<B: AutodiffBackend, M: Trained<B>, S: Supply<B, Batch = M::Batch>> {
    pacer: Pacer,
    feed: Feed<B, S>,
    store: Arc<CheckpointStore>,
    device: B::Device,
    hooks: Mutex<Box<dyn RunHooks<B, M>>>,
}

impl<B: AutodiffBackend, M: Trained<B>, S: Supply<B, Batch = M::Batch>> StepStrategy<B, M, S> {
    /// A loop over `feed` with checkpoints in `store`.
    pub fn new(
        pacer: Pacer,
        feed: Feed<B, S>,
        store: Arc<CheckpointStore>,
        device: B::Device,
        hooks: Box<dyn RunHooks<B, M>>,
    ) -> Self {
        Self {
            pacer,
            feed,
            store,
            device,
            hooks: Mutex::new(hooks),
        }
    }

    fn checkpointer(&self, interrupter: &Interrupter) -> LearningCheckpointer<Components<B, M>> {
        let part = |part| PartCheckpointer::new(Arc::clone(&self.store), part);
        LearningCheckpointer::new(
            AsyncCheckpointer::new(part(Part::Model)).with_interrupter(interrupter.clone()),
            AsyncCheckpointer::new(part(Part::Optimizer)).with_interrupter(interrupter.clone()),
            AsyncCheckpointer::new(part(Part::Scheduler)).with_interrupter(interrupter.clone()),
            Box::new(WhenAsked),
        )
    }

    fn run_epoch(
        &self,
        run: &mut Running<'_, B, M>,
        loader: &dyn DataLoader<B, M::Batch>,
    ) -> Result<(), Stop> {
        let pacer = self.pacer;
        let epoch = run.steps_done / pacer.steps_per_epoch;
        let global_progress = Progress::new(epoch + 1, pacer.epochs);
        self.feed
            .seek(epoch, run.steps_done % pacer.steps_per_epoch);
        let mut batches = loader.iter();
        while run.steps_done < pacer.last_step {
            let Some(batch) = batches.next() else { break };
            run.learner.lr_step();
            let output = run.learner.train_step(batch);
            run.learner.optimizer_step(output.grads);
            run.steps_done += 1;
            let result = run.hooks.after_step(StepReady {
                output: output.item.clone(),
                steps_done: run.steps_done,
            });
            run.events
                .process_train(LearnerEvent::ProcessedItem(TrainingItem::new(
                    output.item,
                    batches.progress(),
                    global_progress.clone(),
                    Some(run.steps_done),
                    Some(run.learner.lr_current()),
                )));
            result?;
            if run.interrupter.should_stop() {
                return Err(Stop::Interrupted);
            }
            let ends_epoch = run.steps_done.is_multiple_of(pacer.steps_per_epoch);
            if !ends_epoch && run.hooks.wants_checkpoint(run.steps_done) {
                run.checkpoint()?;
            }
        }
        drop(batches);
        if run.steps_done < pacer.last_step && !run.steps_done.is_multiple_of(pacer.steps_per_epoch)
        {
            // The stream ended in the middle of the epoch: the feed knows why.
            return Err(Stop::Failed);
        }
        if run.steps_done.is_multiple_of(pacer.steps_per_epoch) {
            self.end_epoch(run, epoch)?;
            if run.hooks.wants_checkpoint(run.steps_done) {
                run.checkpoint()?;
            }
        }
        Ok(())
    }

    fn end_epoch(&self, run: &mut Running<'_, B, M>, epoch: usize) -> Result<(), Stop> {
        let model = run.learner.model();
        let measured = run.hooks.after_epoch(&model, epoch, run.steps_done)?;
        run.events.process_train(LearnerEvent::EndEpoch(epoch + 1));
        let measured = InferenceStep::step(&model.valid(), measured);
        run.events
            .process_valid(LearnerEvent::ProcessedItem(TrainingItem::new(
                measured,
                Progress::new(1, 1),
                Progress::new(epoch + 1, self.pacer.epochs),
                Some(run.steps_done),
                None,
            )));
        run.events.process_valid(LearnerEvent::EndEpoch(epoch + 1));
        Ok(())
    }
}

/// The moving parts of a loop.
struct Running<'a, B: AutodiffBackend, M: Trained<B>> {
    learner: Learner<Components<B, M>>,
    events: SupervisedTrainingEventProcessor<Components<B, M>>,
    event_store: Arc<EventStoreClient>,
    checkpointer: LearningCheckpointer<Components<B, M>>,
    hooks: &'a mut dyn RunHooks<B, M>,
    interrupter: Interrupter,
    steps_done: usize,
    saved: Option<usize>,
}

impl<B: AutodiffBackend, M: Trained<B>> Running<'_, B, M> {
    fn checkpoint(&mut self) -> Result<(), Stop> {
        if self.saved == Some(self.steps_done) {
            return Ok(());
        }
        self.hooks
            .begin_checkpoint(&self.learner.model(), self.steps_done)?;
        self.checkpointer
            .checkpoint(&self.learner, self.steps_done, &self.event_store);
        self.saved = Some(self.steps_done);
        Ok(())
    }
}

impl<B, M, S> SupervisedLearningStrategy<Components<B, M>> for StepStrategy<B, M, S>
where
    B: AutodiffBackend,
    M: Trained<B>,
    S: Supply<B, Batch = M::Batch>,
{
    fn train(
        &self,
        mut learner: Learner<Components<B, M>>,
        dataloader_train: TrainLoader<Components<B, M>>,
        dataloader_valid: ValidLoader<Components<B, M>>,
        mut training_components: TrainingComponents<Components<B, M>>,
    ) -> LearningResult<M::Valid> {
        if self.pacer.restore {
            let checkpointer = self.checkpointer(&training_components.interrupter);
            learner = checkpointer.load_checkpoint(learner, &self.device, self.pacer.first_step);
        }
        training_components
            .event_processor
            .process_train(LearnerEvent::Start);
        let first_epoch = self.pacer.first_step / self.pacer.steps_per_epoch + 1;
        let (model, mut events) = self.fit(
            training_components,
            learner,
            dataloader_train,
            dataloader_valid,
            first_epoch,
        );
        events.process_train(LearnerEvent::End(None));
        LearningResult {
            model: model.valid(),
            renderer: events.renderer(),
        }
    }

    fn fit(
        &self,
        training_components: TrainingComponents<Components<B, M>>,
        learner: Learner<Components<B, M>>,
        dataloader_train: TrainLoader<Components<B, M>>,
        _dataloader_valid: ValidLoader<Components<B, M>>,
        _starting_epoch: usize,
    ) -> (M, SupervisedTrainingEventProcessor<Components<B, M>>) {
        let interrupter = training_components.interrupter;
        let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut run = Running {
            learner,
            events: training_components.event_processor,
            event_store: training_components.event_store,
            checkpointer: self.checkpointer(&interrupter),
            hooks: hooks.as_mut(),
            interrupter,
            steps_done: self.pacer.first_step,
            saved: self.pacer.restore.then_some(self.pacer.first_step),
        };
        let mut stop = None;
        if self.pacer.first_step > 0 && run.hooks.owes_epoch() {
            let epoch = self.pacer.first_step / self.pacer.steps_per_epoch - 1;
            let ended = self.end_epoch(&mut run, epoch);
            // The checkpoint that was resumed from does not know of the epoch's end.
            run.saved = None;
            stop = ended.and_then(|()| run.checkpoint()).err();
        }
        while run.steps_done < self.pacer.last_step && stop.is_none() {
            stop = self.run_epoch(&mut run, dataloader_train.as_ref()).err();
        }
        if stop != Some(Stop::Failed)
            && run.steps_done > 0
            && let Err(failed) = run.checkpoint()
        {
            stop = Some(failed);
        }
        let model = run.learner.model();
        // Dropping it joins the threads that write checkpoints.
        drop(run.checkpointer);
        run.hooks.finish(&model, run.steps_done, stop);
        (model, run.events)
    }
}

/// Saves each time it is asked; when to ask is decided by the loop.
struct WhenAsked;

impl CheckpointingStrategy for WhenAsked {
    fn checkpointing(
        &mut self,
        _step: usize,
        _store: &EventStoreClient,
    ) -> Vec<CheckpointingAction> {
        vec![CheckpointingAction::Save]
    }
}

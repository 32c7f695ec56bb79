//! From the parts of a run to burn-train's learner, and through it.

use std::path::Path;
use std::sync::Arc;

use burn_train::{Interrupter, Learner, SupervisedTraining, TrainingStrategy};
use sslight_models::backend::AutodiffBackend;

use super::{
    ClockScheduler, Components, Feed, NoBatches, NoMetricFiles, Pacer, RunHooks, StepStrategy,
    Supply, Trained,
};
use crate::checkpoint::CheckpointStore;
use crate::optim::GroupedOptimizer;
use crate::schedule::Clock;

/// The parts of a run.
pub struct Launch<B: AutodiffBackend, M: Trained<B>, S: Supply<B, Batch = M::Batch>> {
    /// What is trained.
    pub model: M,
    /// Its optimizer.
    pub optimizer: GroupedOptimizer<B>,
    /// The schedules.
    pub clock: Clock,
    /// From where to where.
    pub pacer: Pacer,
    /// Its batches.
    pub feed: Feed<B, S>,
    /// Its checkpoints.
    pub store: Arc<CheckpointStore>,
    /// What it does beside training.
    pub hooks: Box<dyn RunHooks<B, M>>,
}

impl<B: AutodiffBackend, M: Trained<B>, S: Supply<B, Batch = M::Batch>> Launch<B, M, S> {
    /// Trains until the hooks or the pacer end it; how it went, the hooks know. `shown` adds a renderer and its metrics.
    pub fn run(
        self,
        folder: &Path,
        device: &B::Device,
        shown: impl FnOnce(SupervisedTraining<Components<B, M>>) -> SupervisedTraining<Components<B, M>>,
    ) {
        let (feed, epochs) = (self.feed, self.pacer.epochs);
        let strategy = StepStrategy::new(
            self.pacer,
            feed.clone(),
            self.store,
            device.clone(),
            self.hooks,
        );
        let training = SupervisedTraining::<Components<B, M>>::new(
            folder,
            Arc::new(feed),
            Arc::new(NoBatches),
        )
        .num_epochs(epochs)
        .with_metric_logger(NoMetricFiles)
        .with_application_logger(None)
        .with_interrupter(Interrupter::new())
        // The strategy is neither sent nor shared: burn asks for an Arc only to clone the reference.
        .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)));
        let scheduler = ClockScheduler::new(self.clock);
        shown(training).launch(Learner::new(self.model, self.optimizer, scheduler));
    }
}

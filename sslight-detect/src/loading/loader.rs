//! From a set and settings to streams of batches.

use std::sync::Arc;

use super::order::GroupedOrder;
use super::sample::PlannedSample;
use super::stream::{DetectionStream, Task};
use super::{LoadingConfig, LoadingError};
use crate::annotations::DetectionSet;

/// Makes batches of the images of a set.
#[derive(Clone)]
pub struct DetectionLoader {
    task: Arc<Task>,
}

impl DetectionLoader {
    /// A loader over all images of the set; for training, give it [`DetectionSet::for_training`].
    ///
    /// # Errors
    /// If a setting is outside its range, or the set has no image.
    pub fn new(set: DetectionSet, config: LoadingConfig) -> Result<Self, LoadingError> {
        config.validate()?;
        if set.images.is_empty() {
            return Err(LoadingError::Empty);
        }
        Ok(Self {
            task: Arc::new(Task::new(set, config)),
        })
    }

    /// The set.
    pub fn set(&self) -> &DetectionSet {
        &self.task.set
    }

    /// What the batches of training are made of, from a step on, without end.
    pub fn plan(
        &self,
        start_step: usize,
    ) -> impl Iterator<Item = Vec<PlannedSample>> + Send + use<> {
        let task = Arc::clone(&self.task);
        let wide = task.set.images.iter().map(|i| i.width > i.height).collect();
        let order = GroupedOrder::new(wide, task.config.batch_size, task.config.seed);
        order.starting_at(start_step).map(move |batch| {
            let planned = batch.iter().map(|&draw| {
                PlannedSample::training(&task.set.images[draw.index], draw, &task.config)
            });
            planned.collect()
        })
    }

    /// The batches of training from a step on, without end. Threads start at once and end with the stream.
    pub fn training(&self, start_step: usize) -> DetectionStream {
        let plan = Box::new(self.plan(start_step));
        DetectionStream::start(Arc::clone(&self.task), plan, start_step)
    }

    /// All images once, in the order of the set, as a detector is measured on them; the last batch may be shorter.
    pub fn testing(&self) -> DetectionStream {
        let task = Arc::clone(&self.task);
        let images = task.set.images.len();
        let size = task.config.batch_size;
        let plan = (0..images).step_by(size).map(move |first| {
            let indices = first..images.min(first + size);
            indices
                .map(|index| PlannedSample::test(&task.set.images[index], index, &task.config))
                .collect()
        });
        DetectionStream::start(Arc::clone(&self.task), Box::new(plan), 0)
    }
}

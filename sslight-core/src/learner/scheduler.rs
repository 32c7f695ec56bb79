//! The clock as burn's learning rate scheduler.

use burn::lr_scheduler::LrScheduler;
use burn::optim::LearningRate;
use burn::tensor::backend::Backend;

use crate::schedule::Clock;

/// Moves the [`Clock`] by one step each time the learner asks for a learning rate. Its record is the number of
/// steps taken, which restores every schedule at once.
#[derive(Debug, Clone)]
pub struct ClockScheduler {
    clock: Clock,
    next: usize,
}

impl ClockScheduler {
    /// A scheduler whose first step is 0.
    pub fn new(clock: Clock) -> Self {
        Self { clock, next: 0 }
    }
}

impl LrScheduler for ClockScheduler {
    type Record<B: Backend> = usize;

    fn step(&mut self) -> LearningRate {
        self.clock.set(self.next);
        self.next += 1;
        self.clock.now().lr
    }

    fn to_record<B: Backend>(&self) -> usize {
        self.next
    }

    fn load_record<B: Backend>(mut self, next: usize) -> Self {
        self.next = next;
        self
    }
}

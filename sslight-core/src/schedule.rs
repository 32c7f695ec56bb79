//! Schedules as pure functions of the step, and the one clock of a run.
//!
//! Everything that changes during training (learning rate, weight decay, EMA momentum, teacher
//! temperature, freezes) is read from [`Schedule::at`], so that a resumed run only needs its step.

use std::f64::consts::PI;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Linear warm-up, then half a cosine.
///
/// The warm-up is `linspace(start, peak, warmup_steps)` with both ends included; after it
/// `end + (peak - end) (1 + cos(pi i / n)) / 2` for `i = 0..n`, so that `peak` is taken twice and `end`
/// is never quite reached, as in the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmupCosine {
    /// First value of the warm-up.
    pub start: f64,
    /// Value at the end of the warm-up.
    pub peak: f64,
    /// Value that the cosine approaches.
    pub end: f64,
    /// Steps of warm-up.
    pub warmup_steps: usize,
    /// Steps in all.
    pub total_steps: usize,
}

impl WarmupCosine {
    /// A cosine without warm-up.
    pub fn cosine(start: f64, end: f64, total_steps: usize) -> Self {
        Self {
            start,
            peak: start,
            end,
            warmup_steps: 0,
            total_steps,
        }
    }

    /// The value at `step`; beyond the last step, `end`.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return linspace(self.start, self.peak, self.warmup_steps, step);
        }
        if step >= self.total_steps {
            return self.end;
        }
        let position = (step - self.warmup_steps) as f64;
        let length = (self.total_steps - self.warmup_steps) as f64;
        self.end + 0.5 * (self.peak - self.end) * (1.0 + (PI * position / length).cos())
    }
}

/// Linear warm-up, then the peak divided by 10 at each milestone.
#[derive(Debug, Clone, PartialEq)]
pub struct WarmupMultistep {
    /// First value of the warm-up.
    pub start: f64,
    /// Value at the end of the warm-up.
    pub peak: f64,
    /// Steps of warm-up.
    pub warmup_steps: usize,
    /// Steps at which the value falls.
    pub milestones: Vec<usize>,
    /// Factor at each milestone.
    pub gamma: f64,
}

impl WarmupMultistep {
    /// The value at `step`.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return linspace(self.start, self.peak, self.warmup_steps, step);
        }
        let passed = self.milestones.iter().filter(|m| **m <= step).count();
        self.peak * self.gamma.powi(passed as i32)
    }
}

/// Element `index` of `count` evenly spaced values from `start` to `end`, both included.
fn linspace(start: f64, end: f64, count: usize, index: usize) -> f64 {
    if count < 2 {
        return start;
    }
    if index + 1 == count {
        return end;
    }
    start + (end - start) * index as f64 / (count - 1) as f64
}

/// The teacher's temperature in `epoch`: linear over the first `warmup_epochs` epochs, whose last has
/// the final value, then constant.
pub fn teacher_temp(warmup: f64, last: f64, warmup_epochs: usize, epoch: usize) -> f64 {
    if epoch < warmup_epochs {
        linspace(warmup, last, warmup_epochs, epoch)
    } else {
        last
    }
}

/// The learning rate over steps.
#[derive(Debug, Clone, PartialEq)]
pub enum LearningRate {
    /// See [`WarmupCosine`].
    Cosine(WarmupCosine),
    /// See [`WarmupMultistep`].
    Multistep(WarmupMultistep),
}

impl LearningRate {
    /// The learning rate at `step`.
    pub fn at(&self, step: usize) -> f64 {
        match self {
            Self::Cosine(schedule) => schedule.at(step),
            Self::Multistep(schedule) => schedule.at(step),
        }
    }
}

/// Everything that is scheduled.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Optimizer steps in an epoch.
    pub steps_per_epoch: usize,
    /// Learning rate.
    pub lr: LearningRate,
    /// Weight decay of the group that has it in full.
    pub weight_decay: WarmupCosine,
    /// Momentum of the teacher's exponential moving average.
    pub ema_momentum: WarmupCosine,
    /// Teacher temperature in the first epoch.
    pub warmup_teacher_temp: f64,
    /// Teacher temperature after its warm-up.
    pub teacher_temp: f64,
    /// Epochs of teacher temperature warm-up.
    pub warmup_teacher_temp_epochs: usize,
    /// First epochs in which the head's last layer gets no update.
    pub freeze_last_layer_epochs: usize,
}

/// The values of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepValues {
    /// Optimizer step, from 0.
    pub step: usize,
    /// Its epoch, from 0.
    pub epoch: usize,
    /// Learning rate.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Momentum of the teacher.
    pub ema_momentum: f64,
    /// Temperature of the teacher's softmax.
    pub teacher_temp: f64,
    /// Whether the head's last layer gets no update.
    pub freeze_last_layer: bool,
}

impl Schedule {
    /// The values at `step`.
    pub fn at(&self, step: usize) -> StepValues {
        let epoch = step / self.steps_per_epoch.max(1);
        StepValues {
            step,
            epoch,
            lr: self.lr.at(step),
            weight_decay: self.weight_decay.at(step),
            ema_momentum: self.ema_momentum.at(step),
            teacher_temp: teacher_temp(
                self.warmup_teacher_temp,
                self.teacher_temp,
                self.warmup_teacher_temp_epochs,
                epoch,
            ),
            freeze_last_layer: epoch < self.freeze_last_layer_epochs,
        }
    }
}

/// The schedule and the current step, shared by method, optimizer and learner.
///
/// Only the learner's scheduler moves it; clones tell the same time.
#[derive(Debug, Clone)]
pub struct Clock(Arc<ClockState>);

#[derive(Debug)]
struct ClockState {
    schedule: Schedule,
    step: AtomicUsize,
}

impl Clock {
    /// A clock at step 0.
    pub fn new(schedule: Schedule) -> Self {
        Self(Arc::new(ClockState {
            schedule,
            step: AtomicUsize::new(0),
        }))
    }

    /// Moves to `step`.
    pub fn set(&self, step: usize) {
        self.0.step.store(step, Ordering::Relaxed);
    }

    /// The values of the current step.
    pub fn now(&self) -> StepValues {
        self.0.schedule.at(self.0.step.load(Ordering::Relaxed))
    }

    /// The schedule.
    pub fn schedule(&self) -> &Schedule {
        &self.0.schedule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_taken_at_the_last_step_of_the_warm_up_and_at_the_first_after_it() {
        let lr = WarmupCosine {
            start: 0.1,
            peak: 1.0,
            end: 0.0,
            warmup_steps: 4,
            total_steps: 10,
        };
        assert_eq!((lr.at(0), lr.at(3), lr.at(4)), (0.1, 1.0, 1.0));
        assert!((lr.at(7) - 0.5).abs() < 1e-12 && lr.at(9) > 0.0);
        assert_eq!(lr.at(10), 0.0);
    }

    #[test]
    fn the_teacher_temperature_reaches_its_end_in_the_last_epoch_of_the_warm_up() {
        let values = [0, 1, 2, 3].map(|epoch| teacher_temp(0.04, 0.07, 3, epoch));
        for (value, expected) in values.into_iter().zip([0.04, 0.055, 0.07, 0.07]) {
            assert!((value - expected).abs() < 1e-15, "{values:?}");
        }
        assert_eq!(teacher_temp(0.04, 0.07, 1, 0), 0.04);
        assert_eq!(teacher_temp(0.04, 0.07, 0, 0), 0.07);
    }

    #[test]
    fn a_milestone_counts_from_its_own_step_on() {
        let lr = WarmupMultistep {
            start: 0.0,
            peak: 1.0,
            warmup_steps: 0,
            milestones: vec![3, 5],
            gamma: 0.1,
        };
        assert_eq!((lr.at(2), lr.at(3)), (1.0, 0.1));
        assert!((lr.at(5) - 0.01).abs() < 1e-15);
    }

    #[test]
    fn clones_of_a_clock_tell_the_same_time() {
        let constant = WarmupCosine::cosine(1.0, 1.0, 10);
        let clock = Clock::new(Schedule {
            steps_per_epoch: 2,
            lr: LearningRate::Cosine(constant),
            weight_decay: constant,
            ema_momentum: constant,
            warmup_teacher_temp: 0.04,
            teacher_temp: 0.07,
            warmup_teacher_temp_epochs: 2,
            freeze_last_layer_epochs: 1,
        });
        let other = clock.clone();
        clock.set(3);
        assert_eq!(other.now().epoch, 1);
        assert!(!other.now().freeze_last_layer);
        other.set(1);
        assert!(clock.now().freeze_last_layer);
    }
}

//! The learning rate of an evaluation that trains: half a cosine, set every epoch or every step.

use crate::config::LrUpdate;
use crate::schedule::WarmupCosine;

/// A training of so many epochs of so many steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Course {
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// Epochs.
    pub epochs: usize,
    /// Learning rate at the start.
    pub lr: f64,
    /// Learning rate that the cosine approaches.
    pub min_lr: f64,
    /// When it is set.
    pub update: LrUpdate,
}

impl Course {
    /// The learning rate of a step. Set every epoch, it is the cosine's value at the epoch's first step, as in the
    /// paper's code.
    pub fn lr_at(&self, step: usize) -> f64 {
        let total = self.epochs * self.steps_per_epoch;
        let step = match self.update {
            LrUpdate::Epoch => step - step % self.steps_per_epoch.max(1),
            LrUpdate::Step => step,
        };
        WarmupCosine::cosine(self.lr, self.min_lr, total).at(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_every_epoch_it_stands_still_in_between_and_falls_to_the_published_values() {
        // The paper's code on ImageNet: 313 steps, 100 epochs (values of its own schedule).
        let course = Course {
            steps_per_epoch: 313,
            epochs: 100,
            lr: 0.8,
            min_lr: 1e-6,
            update: LrUpdate::Epoch,
        };
        for (epoch, expected) in [
            (0, 0.8),
            (1, 0.799803),
            (10, 0.780423),
            (50, 0.4),
            (90, 0.0195784),
        ] {
            for step in [0, 1, 312] {
                let lr = course.lr_at(epoch * 313 + step);
                assert!((lr - expected).abs() < 1e-6, "{epoch}: {lr}");
            }
        }
        let every_step = Course {
            update: LrUpdate::Step,
            ..course
        };
        assert_eq!(every_step.lr_at(313), course.lr_at(313));
        assert!(every_step.lr_at(400) < course.lr_at(400));
    }
}

//! Signs of collapse: every image gets the same answer.
//!
//! Targets tell at once. Features tell late or never where a backbone ends in batch normalisation, which spreads
//! whatever it is given.

use serde_json::{Map, Value};

use crate::method::{StepStats, TargetSummary};

/// Features whose standard deviation is below this share of an even spread have collapsed. Features after a
/// ReLU are all positive and have about half of an even spread when healthy; collapsed ones a hundredth.
const COLLAPSE_SPREAD: f64 = 0.05;
/// Steps after which running statistics, of which a tenth is replaced a step, hold nothing (3e-5) of the
/// variance 1 that they start from; before that they make all features small.
const SETTLED_STEPS: usize = 100;
/// Uniform are targets whose entropy is at least this share of the largest one, `ln k`, at a loss as near to it.
const NEARLY: f64 = 0.98;
/// Steps in a row that a sign has to hold: networks begin with nearly equal answers.
const PATIENCE: usize = 100;

/// A sign of collapse.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is seen, in words.
    pub reason: String,
    /// The measurements that show it, by name.
    pub details: Map<String, Value>,
}

impl Finding {
    fn new(reason: String, numbers: &[(&str, f64)]) -> Self {
        let details = numbers
            .iter()
            .map(|(name, number)| ((*name).to_owned(), (*number).into()))
            .chain([("reason".to_owned(), reason.clone().into())])
            .collect();
        Self { reason, details }
    }
}

/// Counts the steps in a row that show a sign. A resumed run counts anew.
#[derive(Debug, Clone, Default)]
pub struct CollapseWatch {
    uniform: usize,
    one_wins: usize,
}

impl CollapseWatch {
    /// Looks at a step; a sign that has held for long enough is told once, until it has gone and come back.
    pub fn after_step(&mut self, stats: &StepStats) -> Option<Finding> {
        let targets = stats.targets?;
        let most = targets.max_entropy();
        // The probe's loss is none of the method's.
        let loss = stats.loss_global.unwrap_or(stats.loss);
        let uniform =
            targets.entropy >= NEARLY * most && (loss - most).abs() <= (1.0 - NEARLY) * most;
        let held = |count: &mut usize, holds: bool| {
            *count = if holds { *count + 1 } else { 0 };
            *count == PATIENCE
        };
        let uniform = held(&mut self.uniform, uniform);
        let one_wins = held(&mut self.one_wins, one_wins(&targets));
        let numbers = [
            ("loss_global", loss),
            ("max_entropy", most),
            ("target_entropy", targets.entropy),
            ("winners", targets.winners),
        ];
        if uniform {
            let reason = format!(
                "the targets have been uniform for {PATIENCE} steps: loss {loss:.3} and target entropy {:.3}, both \
                 ln {} = {most:.3}",
                targets.entropy, targets.outputs
            );
            return Some(Finding::new(reason, &numbers));
        }
        one_wins.then(|| {
            let reason = format!(
                "for {PATIENCE} steps the targets of all images have had the same largest of {} outputs",
                targets.outputs
            );
            Finding::new(reason, &numbers)
        })
    }

    /// Looks at the spread of features at an epoch's end: `std` of a dimension, and in units of an even spread.
    pub fn after_epoch(steps_done: usize, std: f64, relative: f64) -> Option<Finding> {
        (steps_done >= SETTLED_STEPS && relative < COLLAPSE_SPREAD).then(|| {
            let reason = format!(
                "the features are nearly the same for all images (standard deviation {relative:.3} of an even \
                 spread)"
            );
            Finding::new(reason, &[("feature_std", std), ("relative", relative)])
        })
    }
}

/// Whether many rows agree on one of several outputs; of two rows or two outputs that says nothing.
fn one_wins(targets: &TargetSummary) -> bool {
    targets.rows >= 8 && targets.outputs >= 8 && targets.winners < 1.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::StepValues;

    fn step(loss: f64, entropy: f64, winners: f64) -> StepStats {
        StepStats {
            loss,
            loss_global: Some(loss),
            loss_local: None,
            loss_probe: None,
            ema_momentum: None,
            teacher_temp: None,
            targets: Some(TargetSummary {
                entropy,
                winners,
                rows: 16,
                outputs: 32,
            }),
            values: StepValues {
                step: 0,
                epoch: 0,
                lr: 0.0,
                weight_decay: 0.0,
                ema_momentum: 0.0,
                teacher_temp: 0.0,
                freeze_last_layer: false,
            },
        }
    }

    /// The steps, from 1, after which something was told.
    fn told(watch: &mut CollapseWatch, stats: &StepStats, steps: usize) -> Vec<(usize, String)> {
        (1..=steps)
            .filter_map(|i| Some((i, watch.after_step(stats)?.reason)))
            .collect()
    }

    #[test]
    fn uniform_targets_at_a_loss_of_ln_k_are_told_once_after_a_hundred_steps() {
        let most = 32f64.ln();
        let mut watch = CollapseWatch::default();
        let found = told(&mut watch, &step(most, 0.999 * most, 20.0), 300);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, 100);
        assert!(found[0].1.contains("ln 32 = 3.466"), "{}", found[0].1);
        // It goes and comes back.
        assert!(watch.after_step(&step(2.0, 1.0, 20.0)).is_none());
        assert_eq!(told(&mut watch, &step(most, most, 32.0), 100).len(), 1);
    }

    #[test]
    fn one_output_that_wins_everywhere_is_told() {
        let mut watch = CollapseWatch::default();
        let found = told(&mut watch, &step(0.01, 0.02, 1.0), 150);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains("same largest of 32 outputs"));
    }

    #[test]
    fn a_start_near_ln_k_and_targets_that_are_neither_uniform_nor_equal_are_not_told() {
        let most = 32f64.ln();
        let mut watch = CollapseWatch::default();
        assert_eq!(told(&mut watch, &step(most, most, 1.0), 99), []);
        assert_eq!(told(&mut watch, &step(most, 0.9 * most, 2.0), 300), []);
        assert_eq!(told(&mut watch, &step(0.8 * most, most, 9.0), 300), []);
    }

    #[test]
    fn small_features_are_told_only_when_running_statistics_have_settled() {
        assert!(CollapseWatch::after_epoch(99, 1e-4, 0.01).is_none());
        assert!(CollapseWatch::after_epoch(100, 1e-4, 0.01).is_some());
        assert!(CollapseWatch::after_epoch(100, 0.02, 0.5).is_none());
    }
}

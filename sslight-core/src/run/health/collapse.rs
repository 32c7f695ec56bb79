//! Signs of collapse: every image gets the same answer.
//!
//! Targets tell at once. Features tell late or never where a backbone ends in batch normalisation, which spreads
//! whatever it is given.

use serde::{Deserialize, Serialize};

use super::{Finding, InARow};
use crate::eval::FeatureSpread;
use crate::method::{EmbeddingSummary, StepStats, TargetSummary};

const NAME: &str = "collapse_warning";
/// Features whose standard deviation is below this share of an even spread have collapsed. Features after a
/// ReLU are all positive and have about half of an even spread when healthy; collapsed ones a hundredth.
const COLLAPSE_SPREAD: f64 = 0.05;
/// Steps after which running statistics, of which a tenth is replaced a step, hold nothing (3e-5) of the
/// variance 1 that they start from; before that they make all features small.
const SETTLED_STEPS: usize = 100;
/// Uniform are targets whose entropy is at least this share of the largest one, `ln k`, at a loss as near to it.
const NEARLY: f64 = 0.98;
/// Rows, or outputs, of which it says something that they agree.
const MANY: usize = 8;
/// Steps in a row that a sign has to hold: networks begin with nearly equal answers.
const PATIENCE: usize = 100;

/// Counts the steps in a row that show a sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollapseWatch {
    uniform: InARow,
    one_wins: InARow,
    alike: InARow,
    small: InARow,
}

impl CollapseWatch {
    /// Looks at a step; a sign that has held for long enough is told once, until it has gone and come back.
    pub fn after_step(&mut self, stats: &StepStats) -> Option<Finding> {
        // The probe's loss is none of the method's.
        let loss = stats.loss_global.unwrap_or(stats.loss);
        let of_targets = stats
            .targets
            .and_then(|targets| self.targets(loss, &targets));
        let of_embeddings = stats
            .embeddings
            .and_then(|embeddings| self.embeddings(loss, &embeddings));
        of_targets.or(of_embeddings)
    }

    fn targets(&mut self, loss: f64, targets: &TargetSummary) -> Option<Finding> {
        let most = targets.max_entropy();
        let uniform =
            targets.entropy >= NEARLY * most && (loss - most).abs() <= (1.0 - NEARLY) * most;
        let uniform = self.uniform.reaches(PATIENCE, uniform);
        let one_wins = self.one_wins.reaches(PATIENCE, one_wins(targets));
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
            return Some(Finding::new(NAME, reason, &numbers));
        }
        one_wins.then(|| {
            let reason = format!(
                "for {PATIENCE} steps the targets of all images have had the same largest of {} outputs",
                targets.outputs
            );
            Finding::new(NAME, reason, &numbers)
        })
    }

    fn embeddings(&mut self, loss: f64, embeddings: &EmbeddingSummary) -> Option<Finding> {
        let EmbeddingSummary {
            spread: FeatureSpread { std, relative },
            rows,
            chance_loss,
        } = *embeddings;
        let alike = rows >= MANY && relative < COLLAPSE_SPREAD;
        self.alike.reaches(PATIENCE, alike).then(|| {
            let reason = format!(
                "for {PATIENCE} steps the embeddings of all images have been nearly the same (standard deviation \
                 {relative:.3} of an even spread); the loss is {loss:.3}, that of equal ones {chance_loss:.3}"
            );
            let numbers = [
                ("loss_global", loss),
                ("chance_loss", chance_loss),
                ("embedding_std", std),
                ("relative", relative),
            ];
            Finding::new(NAME, reason, &numbers)
        })
    }

    /// Looks at the spread of features at an epoch's end.
    pub fn after_epoch(&mut self, steps_done: usize, spread: FeatureSpread) -> Option<Finding> {
        let FeatureSpread { std, relative } = spread;
        let small = steps_done >= SETTLED_STEPS && relative < COLLAPSE_SPREAD;
        self.small.reaches(1, small).then(|| {
            let reason = format!(
                "the features are nearly the same for all images (standard deviation {relative:.3} of an even \
                 spread)"
            );
            Finding::new(NAME, reason, &[("feature_std", std), ("relative", relative)])
        })
    }
}

/// Whether many rows agree on one of several outputs; of two rows or two outputs that says nothing.
fn one_wins(targets: &TargetSummary) -> bool {
    targets.rows >= MANY && targets.outputs >= MANY && targets.winners < 1.5
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::schedule::StepValues;

    pub fn step(loss: f64, entropy: f64, winners: f64) -> StepStats {
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
            embeddings: None,
            features: None,
            gradients: None,
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
    fn embeddings_that_are_all_alike_are_told_with_the_loss_that_they_have() {
        let stats = |relative| StepStats {
            targets: None,
            embeddings: Some(EmbeddingSummary {
                spread: FeatureSpread {
                    std: 0.1 * relative,
                    relative,
                },
                rows: 16,
                chance_loss: 5.55,
            }),
            ..step(5.5, 0.0, 0.0)
        };
        let mut watch = CollapseWatch::default();
        assert_eq!(told(&mut watch, &stats(0.4), 200), []);
        let found = told(&mut watch, &stats(0.01), 200);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].1.contains("that of equal ones 5.550"),
            "{}",
            found[0].1
        );
    }

    #[test]
    fn small_features_are_told_once_and_only_when_running_statistics_have_settled() {
        let mut watch = CollapseWatch::default();
        let small = FeatureSpread {
            std: 1e-4,
            relative: 0.01,
        };
        let large = FeatureSpread {
            std: 0.02,
            relative: 0.5,
        };
        let looks = [(99, small), (100, large), (100, small), (103, small)];
        let told = looks.map(|(steps, spread)| watch.after_epoch(steps, spread).is_some());
        assert_eq!(told, [false, false, true, false]);
    }
}

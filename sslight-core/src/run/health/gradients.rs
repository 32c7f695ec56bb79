//! Gradients that grow out of their usual size, or vanish.

use serde::{Deserialize, Serialize};

use super::{Finding, InARow};
use crate::run::exact;

/// Times the usual norm that is not usual any more.
const LARGE: f64 = 30.0;
/// Steps in a row of such norms; single ones are met in healthy runs.
const FEW: usize = 3;
/// Steps until there is something usual: a warm-up changes norms.
const SETTLED: usize = 50;
/// Part of the usual that a step replaces, and how far it counts at most: a jump must not become the usual at once.
const NEW: f64 = 0.02;
const MOST_STEP: f64 = 1.0;
/// Steps in a row without a gradient.
const MANY: usize = 50;

/// Compares the norm of the gradients with what it has been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientWatch {
    steps: usize,
    /// Moving average of the logarithm.
    #[serde(with = "exact")]
    usual: f64,
    large: InARow,
    none: InARow,
}

impl GradientWatch {
    /// Looks at the norm over all parameters, before clipping.
    pub fn after_step(&mut self, norm: f64) -> Option<Finding> {
        let none = norm == 0.0;
        if self.none.reaches(MANY, none) {
            let reason =
                format!("all gradients have been zero for {MANY} steps: nothing is learned");
            return Some(
                Finding::new("gradient_warning", reason, &[("grad_norm", norm)])
                    .advising("look for weights that are all zero or infinite, or for a learning rate that has broken them"),
            );
        }
        if none || !norm.is_finite() {
            return None;
        }
        let log = norm.ln();
        if self.steps == 0 {
            self.usual = log;
        }
        let usual = self.usual.exp();
        let large = self.steps >= SETTLED && norm > LARGE * usual;
        self.steps += 1;
        self.usual += NEW * (log - self.usual).clamp(-MOST_STEP, MOST_STEP);
        self.large.reaches(FEW, large).then(|| {
            let reason = format!(
                "the gradients have been more than {LARGE} times as large as usual for {FEW} steps: {norm:.3e}, and \
                 usually {usual:.3e}"
            );
            let numbers = [("grad_norm", norm), ("usual_grad_norm", usual)];
            Finding::new("gradient_warning", reason, &numbers).advising(
                "if losses do not come back by themselves, lower optim.base_lr, lengthen optim.warmup_epochs or set \
                 optim.clip_grad=3.0",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(watch: &mut GradientWatch, norms: impl Iterator<Item = f64>) -> Vec<usize> {
        norms
            .enumerate()
            .filter_map(|(step, norm)| watch.after_step(norm).map(|_| step))
            .collect()
    }

    #[test]
    fn a_jump_that_stays_is_told_once_and_a_single_one_is_not() {
        let mut watch = GradientWatch::default();
        let calm = (0..100).map(|step| 2.0 + (step % 7) as f64);
        assert_eq!(told(&mut watch, calm.clone()), [0usize; 0]);
        assert_eq!(
            told(&mut watch, [1e6, 3.0, 1e6, 1e6, 4.0].into_iter()),
            [0usize; 0]
        );
        assert_eq!(told(&mut watch, std::iter::repeat_n(1e4, 20)), [2]);
        assert_eq!(told(&mut watch, calm), [0usize; 0]);
    }

    #[test]
    fn norms_that_grow_slowly_are_no_jump() {
        let mut watch = GradientWatch::default();
        assert_eq!(
            told(&mut watch, (0..1000).map(|step| 1.01f64.powi(step))),
            [0usize; 0]
        );
    }

    #[test]
    fn gradients_that_are_zero_for_long_are_told() {
        let mut watch = GradientWatch::default();
        assert_eq!(told(&mut watch, std::iter::repeat_n(0.0, 120)), [49]);
    }
}

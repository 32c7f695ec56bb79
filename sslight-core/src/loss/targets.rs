//! What the targets of a step tell about collapse (Caron et al., 2021, section 5.3): a teacher that gives every
//! image the same answer has either uniform targets, of entropy `ln k`, or one output that wins everywhere.

use burn::tensor::Tensor;
use sslight_models::backend::Backend;

/// Keeps `0 ln 0` at 0; smaller than any probability that counts.
const TINY: f64 = 1e-30;

/// Two numbers on targets, still on the device.
#[derive(Debug, Clone)]
pub struct TargetStats<B: Backend> {
    /// Mean over rows of the entropy of a target, in nats, `[1]`.
    pub entropy: Tensor<B, 1>,
    /// Number of outputs that are some row's largest, `[1]`; equal largest outputs count all.
    pub winners: Tensor<B, 1>,
    /// Number of rows.
    pub rows: usize,
    /// Number of outputs `k`.
    pub outputs: usize,
}

/// Measures targets, which must carry no gradient.
///
/// # Shapes
/// probabilities `[rows, k]`.
pub fn target_stats<B: Backend>(targets: Tensor<B, 2>) -> TargetStats<B> {
    let [rows, outputs] = targets.dims();
    let logs = targets.clone().clamp_min(TINY).log();
    let largest = targets.clone().max_dim(1);
    let wins = (targets.clone() - largest).greater_equal_elem(0.0).float();
    TargetStats {
        entropy: (targets * logs).sum() / -(rows as f64),
        winners: wins.max_dim(0).sum(),
        rows,
        outputs,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{scalar, tensor};
    use super::*;

    #[test]
    fn uniform_targets_have_entropy_ln_of_the_outputs_and_all_outputs_win() {
        let stats = target_stats(tensor(&[0.25; 12], 3));
        assert!((scalar(stats.entropy) - 4f64.ln()).abs() < 1e-6);
        assert_eq!(scalar(stats.winners), 4.0);
        assert_eq!((stats.rows, stats.outputs), (3, 4));
    }

    #[test]
    fn certain_targets_have_no_entropy_and_their_winners_are_counted_once() {
        let rows = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let stats = target_stats(tensor(&rows, 3));
        assert_eq!(scalar(stats.entropy), 0.0);
        assert_eq!(scalar(stats.winners), 2.0);
    }

    #[test]
    fn the_entropy_is_the_mean_over_rows() {
        let stats = target_stats(tensor(&[0.5, 0.5, 1.0, 0.0], 2));
        assert!((scalar(stats.entropy) - 0.5 * 2f64.ln()).abs() < 1e-6);
    }
}

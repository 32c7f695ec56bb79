//! The Sinkhorn-Knopp iterations of SwAV (Caron et al., 2020, Eq. 3-5; Cuturi, 2013).
//!
//! ```text
//! Q <- exp(S / eps)^T, divided by its sum                 K prototypes x B samples
//! n times:  each prototype's row    <- row / sum(row) / K
//!           each sample's column    <- column / sum(column) / B
//! codes <- (Q B)^T                                        each sample's codes sum to 1
//! ```
//!
//! `exp(S / eps)` overflows f32 for scores above 88 eps, and with it everything that follows; scores far below
//! the largest vanish and may leave a prototype without any mass, which is 0 / 0. So the first iteration is
//! carried out on logarithms, where nothing over- or underflows. After it each sample holds mass `1 / B`,
//! spread such that every prototype has at least `1 / (K B)`, and that stays so: from there on plain products
//! are safe and cheaper. The result is the formula's, since both forms are the same numbers.

use burn::tensor::Tensor;
use sslight_models::backend::Backend;

/// The codes of samples: their soft assignment to prototypes of equal weight. The scores should carry no
/// gradient.
///
/// # Shapes
/// scores `[samples, prototypes]` to the same; every row sums to 1.
///
/// # Panics
/// If there is no iteration to do.
pub fn sinkhorn<B: Backend>(scores: Tensor<B, 2>, epsilon: f64, iterations: usize) -> Tensor<B, 2> {
    assert!(iterations > 0, "sinkhorn: 0 iterations");
    let [samples, prototypes] = scores.dims();
    let (per_prototype, per_sample) = (1.0 / prototypes as f64, 1.0 / samples as f64);

    let log = scores / epsilon;
    // The constants 1 / K and 1 / B cancel between the two halves of an iteration, but for the last one.
    let log = log.clone() - log_sum_exp(log, 0);
    let log = log.clone() - log_sum_exp(log, 1);
    let mut codes = log.exp() * per_sample;
    for _ in 1..iterations {
        let sums = codes.clone().sum_dim(0) / per_prototype;
        codes = codes / sums;
        let sums = codes.clone().sum_dim(1) / per_sample;
        codes = codes / sums;
    }
    codes * samples as f64
}

/// `log sum exp` along `dim`, which keeps size 1.
fn log_sum_exp<B: Backend>(x: Tensor<B, 2>, dim: usize) -> Tensor<B, 2> {
    let max = x.clone().max_dim(dim);
    (x - max.clone()).exp().sum_dim(dim).log() + max
}

#[cfg(test)]
mod tests {
    use super::super::testing::{draw, tensor, values};
    use super::*;

    /// The definition in f64, with the maximum taken off so that f64 does not overflow either.
    fn by_definition(scores: &[f64], samples: usize, epsilon: f64, iterations: usize) -> Vec<f64> {
        let k = scores.len() / samples;
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut q: Vec<f64> = scores.iter().map(|s| ((s - max) / epsilon).exp()).collect();
        for _ in 0..iterations {
            for j in 0..k {
                let sum: f64 = (0..samples).map(|i| q[i * k + j]).sum();
                (0..samples).for_each(|i| q[i * k + j] /= sum * k as f64);
            }
            for row in q.chunks_mut(k) {
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|v| *v /= sum * samples as f64);
            }
        }
        q.iter().map(|v| v * samples as f64).collect()
    }

    fn assert_close(got: &[f64], want: &[f64], limit: f64) {
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            assert!((got - want).abs() <= limit, "{i}: got {got}, want {want}");
        }
    }

    #[test]
    fn codes_equal_the_definition_for_all_small_shapes() {
        for samples in 1..=4 {
            for prototypes in 1..=5 {
                for iterations in 1..=4 {
                    let seed = (samples * 100 + prototypes * 10 + iterations) as u64;
                    let scores = draw(seed, samples, prototypes, 1.0);
                    let got = values(sinkhorn(tensor(&scores, samples), 0.05, iterations));
                    let want = by_definition(&scores, samples, 0.05, iterations);
                    // Scores of 20 epsilon in f32 are wrong by 1e-6, and so are their exponentials.
                    assert_close(&got, &want, 5e-6);
                }
            }
        }
    }

    #[test]
    fn every_sample_has_mass_1_and_after_many_iterations_every_prototype_the_same() {
        let (samples, prototypes) = (12, 4);
        let scores = draw(3, samples, prototypes, 0.2);
        let codes = values(sinkhorn(tensor(&scores, samples), 0.05, 60));
        for row in codes.chunks(prototypes) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        }
        for j in 0..prototypes {
            let sum: f64 = codes.iter().skip(j).step_by(prototypes).sum();
            assert!((sum - 3.0).abs() < 1e-4, "prototype {j}: {sum}");
        }
    }

    #[test]
    fn scores_that_overflow_f32_give_the_definitions_codes() {
        // exp(100 / 0.05) is 10^868: infinite in f32 and f64 alike.
        let scores = [100.0, 99.9, 98.0, 99.95, 100.0, 99.9];
        let got = values(sinkhorn(tensor(&scores, 2), 0.05, 3));
        let want = by_definition(&scores, 2, 0.05, 3);
        // 2000 in f32 has steps of 1.2e-4.
        assert_close(&got, &want, 2e-4);
    }

    #[test]
    fn a_sample_and_a_prototype_far_below_all_others_get_their_mass() {
        // Two samples 4000 epsilon apart, and a last prototype that both refuse: every product of
        // exponentials would be 0 / 0.
        let scores = [100.0, 99.9, -100.0, -100.0, -100.1, -100.0];
        let codes = values(sinkhorn(tensor(&scores, 2), 0.05, 3));
        assert!(codes.iter().all(|code| code.is_finite()), "{codes:?}");
        for row in codes.chunks(3) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{codes:?}");
        }
        assert!(codes[5] > 0.99, "{codes:?}");
    }

    #[test]
    fn a_constant_on_all_scores_changes_nothing() {
        let scores = draw(8, 6, 5, 0.5);
        let moved: Vec<f64> = scores.iter().map(|s| s + 4.0).collect();
        let codes = values(sinkhorn(tensor(&scores, 6), 0.05, 3));
        let after = values(sinkhorn(tensor(&moved, 6), 0.05, 3));
        // 4 / 0.05 = 80 in f32 has steps of 8e-6.
        assert_close(&after, &codes, 2e-5);
    }

    #[test]
    fn equal_scores_give_uniform_codes() {
        let codes = values(sinkhorn(tensor(&[0.3; 15], 3), 0.05, 3));
        assert_close(&codes, &[0.2; 15], 1e-7);
    }

    #[test]
    #[should_panic(expected = "0 iterations")]
    fn no_iteration_is_refused() {
        sinkhorn(tensor(&[0.0; 4], 2), 0.05, 0);
    }
}

//! The SwAV loss (Caron et al., 2020, Eq. 1-2) over pairs of views.
//!
//! ```text
//! z     L2-normalised embeddings, C L2-normalised prototypes, scores = z C^T
//! q_i   codes of global view i: the last b rows of sinkhorn([queue_i C^T; scores_i]), no gradient
//! H(i,v) = mean_b[ -sum_k q_i log softmax(scores_v / T)_k ]               for v != i
//! L_gg  = mean of H over the 2 global-global pairs, L_gl over the 2 N_l global-local pairs
//! ```
//!
//! How `L_gg` and `L_gl` make the loss is the paper's Eq. 3: [`PairWeights`](super::PairWeights).

use burn::tensor::Tensor;
use sslight_models::backend::Backend;

use super::sinkhorn::sinkhorn;
use super::{PairTerms, cross_view_terms};

/// How scores become codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assignment {
    /// Divides the scores: the smaller, the harder the codes.
    pub epsilon: f64,
    /// Sinkhorn iterations.
    pub iterations: usize,
}

/// The codes of one view, computed together with the scores of its queue, which spread the mass of the
/// prototypes over more samples than a batch has. Nothing may carry a gradient.
///
/// # Shapes
/// scores `[b, k]`, queue scores `[n, k]` to `[b, k]`.
pub fn codes<B: Backend>(
    scores: Tensor<B, 2>,
    queue_scores: Option<Tensor<B, 2>>,
    assignment: Assignment,
) -> Tensor<B, 2> {
    let Assignment {
        epsilon,
        iterations,
    } = assignment;
    let Some(queue_scores) = queue_scores else {
        return sinkhorn(scores, epsilon, iterations);
    };
    let [batch, _] = scores.dims();
    let [queued, _] = queue_scores.dims();
    let all = sinkhorn(
        Tensor::cat(vec![queue_scores, scores], 0),
        epsilon,
        iterations,
    );
    all.narrow(0, queued, batch)
}

/// The pair terms. Codes must carry no gradient.
///
/// # Shapes
/// Rows are view-major. scores `[(2 + locals) b, k]`, codes of both global views `[2 b, k]`.
///
/// # Panics
/// If the rows do not fit two views with codes and at least two views with scores of one batch.
pub fn swav_terms<B: Backend>(
    scores: Tensor<B, 2>,
    codes: Tensor<B, 2>,
    temperature: f64,
) -> PairTerms<B> {
    cross_view_terms(scores, codes, temperature)
}

#[cfg(test)]
mod tests {
    use sslight_models::params::constant;

    use super::super::PairWeights;
    use super::super::testing::{assert_gradient, draw, scalar, tensor, values};
    use super::*;

    const TEMPERATURE: f64 = 0.1;
    const ASSIGNMENT: Assignment = Assignment {
        epsilon: 0.05,
        iterations: 3,
    };

    fn log_soft(row: &[f64]) -> Vec<f64> {
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|v| ((v - max) / TEMPERATURE).exp()).sum();
        row.iter()
            .map(|v| (v - max) / TEMPERATURE - sum.ln())
            .collect()
    }

    /// The definition, pair by pair: mean over global-global and global-local pairs.
    fn by_definition(scores: &[f64], codes: &[f64], b: usize, k: usize) -> [f64; 2] {
        let views = scores.len() / (b * k);
        let (mut sums, mut pairs) = ([0.0; 2], [0u32; 2]);
        for i in 0..2 {
            for v in (0..views).filter(|v| *v != i) {
                let mut term = 0.0;
                for n in 0..b {
                    let q = &codes[(i * b + n) * k..][..k];
                    let p = log_soft(&scores[(v * b + n) * k..][..k]);
                    term -= q.iter().zip(&p).map(|(q, p)| q * p).sum::<f64>();
                }
                let kind = usize::from(v >= 2);
                sums[kind] += term / b as f64;
                pairs[kind] += 1;
            }
        }
        [0, 1].map(|kind| sums[kind] / f64::from(pairs[kind].max(1)))
    }

    /// Rows that sum to 1.
    fn some_codes(seed: u64, rows: usize, k: usize) -> Vec<f64> {
        draw(seed, rows, k, 1.0)
            .chunks(k)
            .flat_map(|row| {
                let sum: f64 = row.iter().map(|v| v.abs()).sum();
                row.iter()
                    .map(|v| f64::from((v.abs() / sum) as f32))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn terms_equal_the_definition_pair_by_pair() {
        for b in 1..=3 {
            for locals in 0..=3 {
                for k in 2..=5 {
                    let seed = (b * 100 + locals * 10 + k) as u64;
                    let rows = (2 + locals) * b;
                    let scores = draw(seed, rows, k, 1.0);
                    let codes = some_codes(seed + 1000, 2 * b, k);
                    let terms =
                        swav_terms(tensor(&scores, rows), tensor(&codes, 2 * b), TEMPERATURE);
                    let [gg, gl] = by_definition(&scores, &codes, b, k);
                    // f32 sums of at most 5 prototypes and 12 rows at logits of 10.
                    assert!((scalar(terms.global) - gg).abs() <= 1e-5 * gg);
                    assert_eq!(terms.local.is_some(), locals > 0);
                    if let Some(local) = terms.local {
                        assert!((scalar(local) - gl).abs() <= 1e-5 * gl);
                    }
                }
            }
        }
    }

    #[test]
    fn equal_scores_cost_ln_of_the_prototypes() {
        let k = 6;
        let scores = tensor(&vec![0.4; 4 * 2 * k], 8);
        let q = codes(scores.clone().narrow(0, 0, 4), None, ASSIGNMENT);
        let terms = swav_terms(scores, q, TEMPERATURE);
        assert!((scalar(terms.global) - (k as f64).ln()).abs() < 1e-6);
        assert!(
            terms
                .local
                .is_some_and(|l| (scalar(l) - (k as f64).ln()).abs() < 1e-6)
        );
    }

    #[test]
    fn scores_of_plus_and_minus_a_hundred_give_a_finite_and_right_loss() {
        // Both global views are certain of prototype 0, the local view of prototype 1.
        let scores = tensor(&[100.0, -100.0, 100.0, -100.0, -100.0, 100.0], 3);
        let certain = tensor(&[1.0, 0.0, 1.0, 0.0], 2);
        let terms = swav_terms(scores, certain, TEMPERATURE);
        assert!(scalar(terms.global).abs() < 1e-6);
        assert_eq!(terms.local.map(scalar), Some(2000.0));
    }

    #[test]
    fn the_gradient_equals_finite_differences_and_none_reaches_the_codes() {
        let (b, k, rows) = (2, 4, 8);
        let scores = draw(5, rows, k, 0.3);
        let targets = some_codes(6, 2 * b, k);
        let weights = PairWeights {
            alpha: 0.4,
            beta: 0.6,
            global_only: false,
        };
        let input = tensor(&scores, rows).require_grad();
        let code_input = tensor(&targets, 2 * b).require_grad();
        let terms = swav_terms(input.clone(), constant(code_input.clone()), TEMPERATURE);
        let grads = weights.combine(&terms).backward();
        assert!(code_input.grad(&grads).is_none());
        assert_gradient(&input, &grads, &scores, |scores| {
            let [gg, gl] = by_definition(scores, &targets, b, k);
            0.4 * gg + 0.6 * gl
        });
    }

    #[test]
    fn the_codes_of_a_batch_are_the_last_rows_of_queue_and_batch_together() {
        let (queue, batch) = (draw(1, 6, 4, 1.0), draw(2, 3, 4, 1.0));
        let together = values(sinkhorn(
            tensor(&[queue.clone(), batch.clone()].concat(), 9),
            0.05,
            3,
        ));
        let got = values(codes(
            tensor(&batch, 3),
            Some(tensor(&queue, 6)),
            ASSIGNMENT,
        ));
        assert_eq!(got, together[6 * 4..]);
        // Without the queue they are others, so equality above says something.
        assert_ne!(got, values(codes(tensor(&batch, 3), None, ASSIGNMENT)));
    }

    #[test]
    #[should_panic(expected = "views [5, 2] do not fit targets [4, 2]")]
    fn rows_of_another_batch_are_refused() {
        swav_terms(tensor(&[0.0; 10], 5), tensor(&[0.0; 8], 4), TEMPERATURE);
    }
}

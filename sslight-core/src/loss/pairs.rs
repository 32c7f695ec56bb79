//! The paper's re-weighting of pair terms, its Eq. 2 and Eq. 3, and the terms of methods whose global views
//! predict and are predicted.

use burn::tensor::Tensor;
use sslight_kernels::cross_view_entropy;
use sslight_models::backend::Backend;

/// Number of global views, each of which is the target of all other views.
pub const GLOBAL_VIEWS: usize = 2;

/// The mean loss over each kind of pair, unweighted.
#[derive(Debug, Clone)]
pub struct PairTerms<B: Backend> {
    /// Mean over the global-global pairs, `[1]`.
    pub global: Tensor<B, 1>,
    /// Mean over the global-local pairs, `[1]`; `None` if there are no local views.
    pub local: Option<Tensor<B, 1>>,
}

/// The cross entropies `H(i,v) = mean_b[ -sum_k q_i log softmax(logits_v / temperature)_k ]` of all pairs `v != i` of a
/// target view `i` and a view `v`, as the means `L_gg` over the 2 global-global pairs and `L_gl` over the `2 N_l`
/// global-local pairs.
///
/// # Shapes
/// Rows are view-major: all samples of view 0, then of view 1, and so on.
/// logits `[(2 + locals) b, k]`, target probabilities `[2 b, k]`, which must carry no gradient.
///
/// # Panics
/// If the rows do not fit two target views and at least two views of one batch.
pub fn cross_view_terms<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 2>,
    temperature: f64,
) -> PairTerms<B> {
    let [target_rows, _] = targets.dims();
    // H(i, v) is linear in q_i, so that a local view's row has both of its pairs at once.
    let losses = cross_view_entropy(logits, targets, temperature);
    let [rows] = losses.dims();
    let local_rows = rows - target_rows;
    PairTerms {
        global: losses.clone().narrow(0, 0, target_rows).mean(),
        local: (local_rows > 0).then(|| {
            let sum = losses.narrow(0, target_rows, local_rows).sum();
            sum / (GLOBAL_VIEWS * local_rows) as f64
        }),
    }
}

/// The weights of Eq. 3. With `alpha = P_gg / (P_gg + P_gl)` and `beta = 1 - alpha` it is the plain mean
/// over all pairs, Eq. 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairWeights {
    /// Weight of global-global pairs.
    pub alpha: f64,
    /// Weight of global-local pairs.
    pub beta: f64,
    /// Leave the local term out, and `alpha` with it: the loss is the global term alone.
    pub global_only: bool,
}

impl PairWeights {
    /// `L = alpha L_gg + beta L_gl` (paper, Eq. 3).
    pub fn combine<B: Backend>(&self, terms: &PairTerms<B>) -> Tensor<B, 1> {
        if self.global_only {
            return terms.global.clone();
        }
        let global = terms.global.clone() * self.alpha;
        match &terms.local {
            Some(local) => global + local.clone() * self.beta,
            None => global,
        }
    }
}

//! The paper's re-weighting of pair terms, its Eq. 2 and Eq. 3.

use burn::tensor::Tensor;
use sslight_models::backend::Backend;

/// The mean loss over each kind of pair, unweighted.
#[derive(Debug, Clone)]
pub struct PairTerms<B: Backend> {
    /// Mean over the global-global pairs, `[1]`.
    pub global: Tensor<B, 1>,
    /// Mean over the global-local pairs, `[1]`; `None` if there are no local views.
    pub local: Option<Tensor<B, 1>>,
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

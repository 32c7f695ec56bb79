//! The MoCo loss (He et al., 2020, Eq. 1; Chen et al., 2020, for version 2) over several queries of one key.
//!
//! ```text
//! k      L2-normalised key of global view 0, no gradient
//! q_v    L2-normalised query of view v: global view 1, then the local views
//! logits = [<q_v, k>, q_v queue] / T              the queue before this batch's keys are written
//! CE_v   = mean_b[ -log softmax(logits)_0 ]
//! L_gg   = CE of the global query, L_gl = mean of CE over the local queries
//! ```
//!
//! One direction only: view 0 is always the key. How `L_gg` and `L_gl` make the loss is the paper's Eq. 3:
//! [`PairWeights`](super::PairWeights).

use burn::tensor::Tensor;
use sslight_models::backend::Backend;

use super::PairTerms;

/// The logits of queries, positive and negative ones apart: together they would be copied once more, and the
/// queue is long.
#[derive(Debug, Clone)]
pub struct Similarities<B: Backend> {
    /// With the key of the same image, `[rows, 1]`.
    pub positive: Tensor<B, 2>,
    /// With the keys of the queue, `[rows, n]`.
    pub negative: Tensor<B, 2>,
}

/// The logits of queries. Keys and queue must carry no gradient; all vectors must have length 1.
///
/// # Shapes
/// queries `[views b, d]`, view-major, keys `[b, d]`, queue `[d, n]`.
///
/// # Panics
/// If the queries are not whole views of the keys' batch, or the lengths of vectors differ.
pub fn similarities<B: Backend>(
    queries: Tensor<B, 2>,
    keys: Tensor<B, 2>,
    queue: Tensor<B, 2>,
    temperature: f64,
) -> Similarities<B> {
    let [rows, dim] = queries.dims();
    let [batch, key_dim] = keys.dims();
    let [queue_dim, _] = queue.dims();
    assert!(
        batch > 0
            && rows >= batch
            && rows.is_multiple_of(batch)
            && dim == key_dim
            && dim == queue_dim,
        "similarities: queries [{rows}, {dim}] do not fit keys [{batch}, {key_dim}] and a queue of {queue_dim} rows"
    );
    let views = rows / batch;
    let by_view = queries.clone().reshape([views, batch, dim]);
    let positive = (by_view * keys.unsqueeze::<3>()).sum_dim(2);
    Similarities {
        positive: positive.reshape([rows, 1]) / temperature,
        negative: queries.matmul(queue) / temperature,
    }
}

/// The cross entropy of each query, `[rows, 1]`: `log sum exp(all logits) - positive`.
pub fn query_losses<B: Backend>(similarities: Similarities<B>) -> Tensor<B, 2> {
    let Similarities { positive, negative } = similarities;
    // Any constant may be taken off before the exponential; no gradient needs to pass it.
    let max = negative
        .clone()
        .detach()
        .max_dim(1)
        .max_pair(positive.clone().detach());
    let sum = (negative - max.clone()).exp().sum_dim(1) + (positive.clone() - max.clone()).exp();
    sum.log() + max - positive
}

/// The terms of one global and any number of local queries.
///
/// # Shapes
/// losses of queries `[(1 + locals) b, 1]`, view-major.
///
/// # Panics
/// If the rows are not whole views of the batch.
pub fn moco_terms<B: Backend>(losses: Tensor<B, 2>, batch: usize) -> PairTerms<B> {
    let [rows, _] = losses.dims();
    assert!(
        batch > 0 && rows >= batch && rows.is_multiple_of(batch),
        "moco_terms: {rows} rows are not whole views of {batch} samples"
    );
    PairTerms {
        global: losses.clone().narrow(0, 0, batch).mean(),
        local: (rows > batch).then(|| losses.narrow(0, batch, rows - batch).mean()),
    }
}

#[cfg(test)]
mod tests;

//! Activations and pooling without parameters.

use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;

use crate::backend::Backend;

/// `max(x, 0)`.
pub fn relu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    burn::tensor::activation::relu(x)
}

/// Mean over all positions.
///
/// # Shapes
/// `[b, c, h, w]` to `[b, c]`.
pub fn global_average_pool<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    adaptive_avg_pool2d(x, [1, 1]).flatten(1, 3)
}

/// Rows divided by their Euclidean length, which is taken as at least `1e-12`
/// (torch's `normalize`).
///
/// # Shapes
/// `[rows, d]` to the same.
pub fn l2_normalize<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    let length = x.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
    x / length
}

//! Activations and pooling without parameters.

use burn::tensor::Tensor;
use burn::tensor::module::{adaptive_avg_pool2d, max_pool2d};

use super::Activation;
use crate::backend::Backend;

/// The activation by itself, for where it is not fused with anything.
pub(super) fn activate<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    activation: Activation,
) -> Tensor<B, D> {
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
        Activation::Relu6 => relu(x).clamp_max(6.0),
    }
}

/// `max(x, 0)`.
pub fn relu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    burn::tensor::activation::relu(x)
}

/// 3x3 max pooling with stride 2 and padding 1, the second half of the ResNet stem.
///
/// # Shapes
/// `[b, c, h, w]` to `[b, c, ceil(h / 2), ceil(w / 2)]`.
pub fn stem_max_pool<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    max_pool2d(x, [3, 3], [2, 2], [1, 1], [1, 1], false)
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

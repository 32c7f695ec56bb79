//! The terms of the loss (Ren et al., 2015, eq. 1; He et al., 2017, section 3), without state and randomness.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use sslight_models::backend::Backend;

/// `sum(-y log s(x) - (1 - y) log(1 - s(x)))` for logits `x` and targets `y` in 0 to 1, both `[n]`; `[1]`.
pub fn binary_cross_entropy_sum<B: Backend>(
    logits: Tensor<B, 1>,
    targets: Tensor<B, 1>,
) -> Tensor<B, 1> {
    let straight = logits.clone().clamp_min(0.0) - logits.clone() * targets;
    (straight + logits.abs().neg().exp().log1p()).sum()
}

/// `sum |x - y|` of box codes `[n, 4]`; `[1]`.
pub fn absolute_sum<B: Backend>(codes: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 1> {
    (codes - targets).abs().sum()
}

/// The mean of `-log softmax(x)[label]` over rows, logits `[n, classes]` and labels `[n]`; `[1]`.
pub fn cross_entropy_mean<B: Backend>(
    logits: Tensor<B, 2>,
    labels: Tensor<B, 1, Int>,
) -> Tensor<B, 1> {
    let picked = log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1));
    picked.mean().neg()
}

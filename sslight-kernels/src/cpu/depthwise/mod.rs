//! Depthwise convolution with a 3x3 kernel: each channel has a kernel of its own.
//!
//! * Maps of some size are computed plane by plane, along rows ([`planes`]).
//! * On maps of a few pixels rows are too short to be vectors; there the lanes of a vector are images
//!   ([`lanes`]).

mod lanes;
mod normalized;
mod planes;
mod rolling;

use super::batch_norm::{Gradients, Layer, Output};
use super::shape::ConvShape;

/// Positions of the kernel.
const TAPS: usize = 9;
/// Output maps with at most this many positions are computed with images as lanes.
const LANE_POSITIONS: usize = 16;

/// Whether these kernels compute such a convolution.
pub(crate) fn supports(shape: &ConvShape, groups: usize) -> bool {
    groups == shape.in_channels
        && groups == shape.out_channels
        && shape.kernel == [3, 3]
        && (shape.stride == [1, 1] || shape.stride == [2, 2])
}

/// `y [b, c, h', w']` for images `x [b, c, h, w]` and `weight [c, 1, 3, 3]`.
pub(crate) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    if shape.output_len() <= LANE_POSITIONS {
        lanes::forward(shape, x, weight)
    } else {
        planes::forward(shape, x, weight)
    }
}

/// The gradient for the images, given that for the outputs.
pub(crate) fn backward_input(shape: &ConvShape, weight: &[f32], y_grad: &[f32]) -> Vec<f32> {
    if shape.output_len() <= LANE_POSITIONS {
        lanes::backward_input(shape, weight, y_grad)
    } else {
        planes::backward_input(shape, weight, y_grad)
    }
}

/// The gradient for the weight, given that for the outputs.
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], y_grad: &[f32]) -> Vec<f32> {
    if shape.output_len() <= LANE_POSITIONS {
        lanes::backward_weight(shape, x, y_grad)
    } else {
        planes::backward_weight(shape, x, y_grad)
    }
}

/// Whether a normalisation before the convolution is computed with it.
pub(crate) fn takes_normalization(shape: &ConvShape) -> bool {
    shape.output_len() > LANE_POSITIONS
}

/// [`forward`] of what `layer` makes of `x`, and the statistics of `x`.
pub(crate) fn normalized_forward(
    shape: &ConvShape,
    x: &[f32],
    layer: Layer<'_>,
    weight: &[f32],
) -> Output {
    normalized::forward(shape, x, layer, weight)
}

/// The gradients of the normalisation and of the weight.
pub(crate) fn normalized_backward(
    shape: &ConvShape,
    x: &[f32],
    layer: Layer<'_>,
    statistics: [&[f32]; 2],
    weight: &[f32],
    y_grad: &[f32],
) -> (Gradients, Vec<f32>) {
    normalized::backward(shape, x, layer, statistics, weight, y_grad)
}

/// The kernel of a channel.
fn kernel(weight: &[f32], channel: usize) -> [f32; TAPS] {
    std::array::from_fn(|tap| weight[channel * TAPS + tap])
}

//! Batch normalisation by batch statistics, with the activation in the same pass.
//!
//! Each task takes all images of some channels, reads them twice and writes once: statistics first,
//! then the values, the second reading mostly from the cache.
//!
//! * Maps of some size: one channel a task, along the map ([`wide`]).
//! * Small maps: several channels a task; the lanes of a vector are neighbouring values of one image,
//!   of whichever channel ([`narrow`]).

mod added;
mod narrow;
pub(crate) mod pooled;
mod running;
mod wide;

pub(super) use wide::{channel_statistics, sums, sums_replacing};

use crate::backend::Activation;
use crate::cpu::buffer::unset;
use crate::cpu::simd::mul_add;

pub(crate) use running::{added as added_by_running, forward as by_running};

/// Maps with fewer positions are narrow.
const WIDE_POSITIONS: usize = 32;

/// Sizes of `x [batch, channels, positions]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) positions: usize,
}

impl Shape {
    fn len(&self) -> usize {
        self.batch * self.channels * self.positions
    }

    /// Values that a channel is averaged over.
    pub(super) fn count(&self) -> f64 {
        (self.batch * self.positions) as f64
    }

    /// Where `channel` of `image` starts.
    #[inline(always)]
    fn start(&self, image: usize, channel: usize) -> usize {
        (image * self.channels + channel) * self.positions
    }

    /// Where `channel` of `image` lies.
    #[inline(always)]
    pub(super) fn plane(&self, image: usize, channel: usize) -> std::ops::Range<usize> {
        let start = self.start(image, channel);
        start..start + self.positions
    }

    pub(super) fn of_input(conv: &super::ConvShape) -> Self {
        Self {
            batch: conv.batch,
            channels: conv.in_channels,
            positions: conv.input_len(),
        }
    }
}

/// The layer: its parameters, and what is fused with it.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) weight: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) eps: f64,
    pub(crate) activation: Activation,
}

/// `y`, and the mean and biased variance of each channel.
pub(crate) struct Output {
    pub(crate) y: Vec<f32>,
    pub(crate) mean: Vec<f32>,
    pub(crate) var: Vec<f32>,
}

/// Gradients for the input, the scale and the shift.
pub(crate) struct Gradients {
    pub(crate) x: Vec<f32>,
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// Normalises `x` by its own statistics.
pub(crate) fn forward(shape: Shape, x: &[f32], layer: Layer<'_>) -> Output {
    let mut output = Output {
        y: unset(shape.len()),
        mean: vec![0.0; shape.channels],
        var: vec![0.0; shape.channels],
    };
    if shape.len() > 0 {
        if shape.positions >= WIDE_POSITIONS {
            wide::forward(shape, x, layer, &mut output);
        } else {
            narrow::forward(shape, x, layer, &mut output);
        }
    }
    output
}

/// The gradients, given the statistics of the forward pass and the gradient for its `y`.
pub(crate) fn backward(
    shape: Shape,
    x: &[f32],
    layer: Layer<'_>,
    mean: &[f32],
    var: &[f32],
    y_grad: &[f32],
) -> Gradients {
    let mut grads = Gradients {
        x: unset(shape.len()),
        weight: vec![0.0; shape.channels],
        bias: vec![0.0; shape.channels],
    };
    if shape.len() > 0 {
        if shape.positions >= WIDE_POSITIONS {
            wide::backward(shape, x, layer, mean, var, y_grad, &mut grads);
        } else {
            narrow::backward(shape, x, layer, mean, var, y_grad, &mut grads);
        }
    }
    grads
}

/// Whether [`added_forward`] and [`added_by_running`] compute such maps.
pub(crate) fn takes_shortcut(shape: Shape) -> bool {
    shape.len() > 0
}

/// Whether [`added_backward`] computes such maps.
pub(crate) fn takes_shortcut_back(shape: Shape) -> bool {
    shape.positions >= WIDE_POSITIONS && shape.len() > 0
}

/// `act(norm(x) + shortcut)`, and the statistics of `x`.
pub(crate) fn added_forward(shape: Shape, x: &[f32], layer: Layer<'_>, shortcut: &[f32]) -> Output {
    if shape.positions >= WIDE_POSITIONS {
        return added::forward(shape, x, layer, shortcut);
    }
    let norm = Layer {
        activation: Activation::None,
        ..layer
    };
    let mut output = forward(shape, x, norm);
    added::add_and_activate(&mut output.y, shortcut, layer.activation);
    output
}

/// Gradients of the normalisation and of the shortcut, given the output and the gradient for it.
pub(crate) fn added_backward(
    shape: Shape,
    x: &[f32],
    layer: Layer<'_>,
    statistics: [&[f32]; 2],
    y: &[f32],
    y_grad: &[f32],
) -> (Gradients, Vec<f32>) {
    added::backward(shape, x, layer, statistics, y, y_grad)
}

/// Mean and biased variance of each channel.
pub(crate) fn statistics(shape: Shape, x: &[f32]) -> [Vec<f32>; 2] {
    let mut mean = vec![0.0; shape.channels];
    let mut var = vec![0.0; shape.channels];
    if shape.len() > 0 {
        wide::statistics(shape, x, &mut mean, &mut var);
    }
    [mean, var]
}

/// The affine map of one channel: `(x - mean) * scale + shift`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Affine {
    pub(super) mean: f32,
    pub(super) scale: f32,
    shift: f32,
}

impl Affine {
    pub(super) fn new(layer: &Layer<'_>, channel: usize, mean: f32, var: f32) -> Self {
        let inverse_std = inverse_std(layer, var);
        Self {
            mean,
            scale: (f64::from(layer.weight[channel]) * inverse_std) as f32,
            shift: layer.bias[channel],
        }
    }
}

pub(super) fn inverse_std(layer: &Layer<'_>, var: f32) -> f64 {
    1.0 / (f64::from(var) + layer.eps).sqrt()
}

/// The input gradient of one channel as `grad * scale + (x - mean) * slope + offset`, from the sums of
/// `grad` and of `grad * (x - mean)` over the channel.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InputGradient {
    slope: f32,
    offset: f32,
}

impl InputGradient {
    /// The gradient of one value, given that of its normalised value.
    #[inline(always)]
    pub(super) fn at<const FMA: bool>(&self, x: f32, grad: f32, affine: &Affine) -> f32 {
        let rest = mul_add::<FMA>(x - affine.mean, self.slope, self.offset);
        mul_add::<FMA>(grad, affine.scale, rest)
    }

    pub(super) fn new(
        affine: &Affine,
        inverse_std: f64,
        count: f64,
        sum: f64,
        product: f64,
    ) -> Self {
        let scale = f64::from(affine.scale);
        Self {
            slope: (-scale * inverse_std * inverse_std * product / count) as f32,
            offset: (-scale * sum / count) as f32,
        }
    }
}

/// An activation that loops are compiled for.
pub(super) trait Activate: Copy + Send + Sync {
    /// The activation of `pre`.
    fn value(pre: f32) -> f32;
    /// `grad` where the activation of `pre` has slope 1, else 0.
    fn grad(pre: f32, grad: f32) -> f32;
}

#[derive(Clone, Copy)]
pub(super) struct Identity;
#[derive(Clone, Copy)]
pub(super) struct Relu;
#[derive(Clone, Copy)]
pub(super) struct Relu6;

// Comparisons are written so that NaN is passed on, by values and gradients alike.
impl Activate for Identity {
    #[inline(always)]
    fn value(pre: f32) -> f32 {
        pre
    }
    #[inline(always)]
    fn grad(_: f32, grad: f32) -> f32 {
        grad
    }
}

impl Activate for Relu {
    #[inline(always)]
    fn value(pre: f32) -> f32 {
        if pre <= 0.0 { 0.0 } else { pre }
    }
    #[inline(always)]
    fn grad(pre: f32, grad: f32) -> f32 {
        if pre <= 0.0 { 0.0 } else { grad }
    }
}

impl Activate for Relu6 {
    #[inline(always)]
    fn value(pre: f32) -> f32 {
        let low = if pre <= 0.0 { 0.0 } else { pre };
        if low >= 6.0 { 6.0 } else { low }
    }
    #[inline(always)]
    fn grad(pre: f32, grad: f32) -> f32 {
        let low = if pre <= 0.0 { 0.0 } else { grad };
        if pre >= 6.0 { 0.0 } else { low }
    }
}

/// Calls a function generic over [`Activate`] for the given [`Activation`].
macro_rules! with_activation {
    ($activation:expr, $name:ident => $call:expr) => {
        match $activation {
            $crate::Activation::None => {
                type $name = $crate::cpu::batch_norm::Identity;
                $call
            }
            $crate::Activation::Relu => {
                type $name = $crate::cpu::batch_norm::Relu;
                $call
            }
            $crate::Activation::Relu6 => {
                type $name = $crate::cpu::batch_norm::Relu6;
                $call
            }
        }
    };
}
pub(super) use with_activation;

/// The normalised value before the activation; both passes must compute it alike.
#[inline(always)]
pub(super) fn pre_activation<const FMA: bool>(x: f32, affine: &Affine) -> f32 {
    mul_add::<FMA>(x - affine.mean, affine.scale, affine.shift)
}

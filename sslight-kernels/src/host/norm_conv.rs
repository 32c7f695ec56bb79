//! Batch normalisation together with what surrounds it, on tensors of the CPU engines.

use burn::tensor::DType;
use burn::tensor::ops::{ConvOptions, FloatTensor};

use super::tensor::{HostBackend, HostTensor, dims};
use crate::backend::{
    Activation, BatchNormGradients, BatchNormOutput, NormConvGradients, Normalization, Statistics,
};
use crate::cpu::batch_norm::{self, Gradients, Layer, Output, Shape};
use crate::cpu::{ConvShape, depthwise, pointwise};
use crate::profile::timed;
use crate::stock;

/// Which kernels compute a convolution with the normalisation before it.
enum Path {
    Depthwise(ConvShape),
    Pointwise(ConvShape),
}

impl Path {
    /// Multiply-adds of the convolution.
    fn flops(&self) -> f64 {
        let (shape, terms) = match self {
            Self::Depthwise(shape) => (shape, shape.kernel_len()),
            Self::Pointwise(shape) => (shape, shape.in_channels),
        };
        2.0 * (shape.batch * shape.out_channels * shape.output_len() * terms) as f64
    }
}

/// The path for these operands, or `None` where normalisation and convolution are computed one after the other.
fn path<T: HostTensor>(x: &T, weight: &T, options: &ConvOptions<2>) -> Option<Path> {
    if x.dtype() != DType::F32 || weight.dtype() != DType::F32 || options.dilation != [1, 1] {
        return None;
    }
    let shape = ConvShape::new(dims(x), dims(weight), options.stride, options.padding)?;
    if depthwise::supports(&shape, options.groups) && depthwise::takes_normalization(&shape) {
        Some(Path::Depthwise(shape))
    } else if options.groups == 1 && pointwise::takes_normalization(&shape) {
        Some(Path::Pointwise(shape))
    } else {
        None
    }
}

pub(super) fn contiguous<T: HostTensor>(norm: Normalization<T>) -> Normalization<T> {
    Normalization {
        weight: norm.weight.contiguous(),
        bias: norm.bias.contiguous(),
        ..norm
    }
}

pub(super) fn layer<T: HostTensor>(norm: &Normalization<T>) -> Layer<'_> {
    Layer {
        weight: norm.weight.values(),
        bias: norm.bias.values(),
        eps: norm.eps,
        activation: norm.activation,
    }
}

pub(super) fn norm_conv2d_forward<B: HostBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    weight: FloatTensor<B>,
    options: ConvOptions<2>,
) -> BatchNormOutput<FloatTensor<B>> {
    let Some(path) = path(&x, &weight, &options) else {
        return stock::norm_conv2d_forward::<B>(x, norm, weight, options);
    };
    let (x, weight, norm) = (x.contiguous(), weight.contiguous(), contiguous(norm));
    let (x, weight) = (x.values(), weight.values());
    let layer = layer(&norm);
    let (name, shape) = match &path {
        Path::Depthwise(shape) => ("batch norm and depthwise forward", shape),
        Path::Pointwise(shape) => ("batch norm and 1x1 convolution forward", shape),
    };
    let Output { y, mean, var } = timed(
        name,
        || path.flops(),
        || match &path {
            Path::Depthwise(shape) => depthwise::normalized_forward(shape, x, layer, weight),
            Path::Pointwise(shape) => pointwise::normalized_forward(shape, x, layer, weight),
        },
    );
    let [height, width] = shape.output;
    BatchNormOutput {
        y: HostTensor::from_values(y, &[shape.batch, shape.out_channels, height, width]),
        mean: HostTensor::from_values(mean, &[shape.in_channels]),
        var: HostTensor::from_values(var, &[shape.in_channels]),
    }
}

pub(super) fn norm_conv2d_backward<B: HostBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
    weight: FloatTensor<B>,
    output_grad: FloatTensor<B>,
    options: ConvOptions<2>,
) -> NormConvGradients<FloatTensor<B>> {
    let Some(path) = path(&x, &weight, &options) else {
        return stock::norm_conv2d_backward::<B>(x, norm, statistics, weight, output_grad, options);
    };
    let [x, weight, mean, var, grad] =
        [x, weight, statistics.mean, statistics.var, output_grad].map(|tensor| tensor.contiguous());
    let norm = contiguous(norm);
    let layer = layer(&norm);
    let statistics = [mean.values(), var.values()];
    let (name, channels) = match &path {
        Path::Depthwise(shape) => ("batch norm and depthwise backward", shape.in_channels),
        Path::Pointwise(shape) => ("batch norm and 1x1 convolution backward", shape.in_channels),
    };
    // Two convolutions: to the input and to the weight.
    let (grads, weight_grad) = timed(
        name,
        || 2.0 * path.flops(),
        || {
            let (x, weight, grad) = (x.values(), weight.values(), grad.values());
            match &path {
                Path::Depthwise(shape) => {
                    depthwise::normalized_backward(shape, x, layer, statistics, weight, grad)
                }
                Path::Pointwise(shape) => {
                    pointwise::normalized_backward(shape, x, layer, statistics, weight, grad)
                }
            }
        },
    );
    NormConvGradients {
        norm: gradients(grads, &dims::<4>(&x), channels),
        weight: HostTensor::from_values(weight_grad, &dims::<4>(&weight)),
    }
}

pub(super) fn gradients<T: HostTensor>(
    grads: Gradients,
    dims: &[usize],
    channels: usize,
) -> BatchNormGradients<T> {
    BatchNormGradients {
        x: T::from_values(grads.x, dims),
        weight: T::from_values(grads.weight, &[channels]),
        bias: T::from_values(grads.bias, &[channels]),
    }
}

fn added_shape(x: &impl HostTensor, shortcut: &impl HostTensor) -> Option<Shape> {
    let [batch, channels, positions] = dims(x);
    let shape = Shape {
        batch,
        channels,
        positions,
    };
    let floats = x.dtype() == DType::F32 && shortcut.dtype() == DType::F32;
    (floats && batch_norm::takes_shortcut(shape)).then_some(shape)
}

pub(super) fn batch_norm_add_forward<B: HostBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    shortcut: FloatTensor<B>,
) -> BatchNormOutput<FloatTensor<B>> {
    let Some(shape) = added_shape(&x, &shortcut) else {
        return stock::batch_norm_add_forward::<B>(x, norm, shortcut);
    };
    let (x, shortcut, norm) = (x.contiguous(), shortcut.contiguous(), contiguous(norm));
    let Output { y, mean, var } = timed(
        "batch norm and shortcut forward",
        || 0.0,
        || batch_norm::added_forward(shape, x.values(), layer(&norm), shortcut.values()),
    );
    BatchNormOutput {
        y: HostTensor::from_values(y, &dims::<3>(&x)),
        mean: HostTensor::from_values(mean, &[shape.channels]),
        var: HostTensor::from_values(var, &[shape.channels]),
    }
}

pub(super) fn batch_norm_add_running<B: HostBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
    shortcut: FloatTensor<B>,
) -> FloatTensor<B> {
    let Some(shape) = added_shape(&x, &shortcut) else {
        return stock::batch_norm_add_running::<B>(x, norm, statistics, shortcut);
    };
    let [x, mean, var, shortcut] =
        [x, statistics.mean, statistics.var, shortcut].map(|tensor| tensor.contiguous());
    let norm = contiguous(norm);
    let y = timed(
        "batch norm and shortcut forward",
        || 0.0,
        || {
            let statistics = [mean.values(), var.values()];
            let layer = layer(&norm);
            batch_norm::added_by_running(shape, x.values(), layer, statistics, shortcut.values())
        },
    );
    HostTensor::from_values(y, &dims::<3>(&x))
}

pub(super) fn batch_norm_add_backward<B: HostBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
    output: FloatTensor<B>,
    output_grad: FloatTensor<B>,
) -> (BatchNormGradients<FloatTensor<B>>, FloatTensor<B>) {
    let shape = match added_shape(&x, &output) {
        // Without an activation the shortcut's gradient is that of the sum.
        Some(shape)
            if norm.activation != Activation::None && batch_norm::takes_shortcut_back(shape) =>
        {
            shape
        }
        _ => {
            return stock::batch_norm_add_backward::<B>(x, norm, statistics, output, output_grad);
        }
    };
    let [x, mean, var, output, grad] =
        [x, statistics.mean, statistics.var, output, output_grad].map(|tensor| tensor.contiguous());
    let norm = contiguous(norm);
    let (grads, shortcut_grad) = timed(
        "batch norm and shortcut backward",
        || 0.0,
        || {
            let statistics = [mean.values(), var.values()];
            let layer = layer(&norm);
            batch_norm::added_backward(
                shape,
                x.values(),
                layer,
                statistics,
                output.values(),
                grad.values(),
            )
        },
    );
    let sizes = dims::<3>(&x);
    (
        gradients(grads, &sizes, shape.channels),
        HostTensor::from_values(shortcut_grad, &sizes),
    )
}

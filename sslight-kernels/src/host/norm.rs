//! Batch normalisation on tensors of the CPU engines.

use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, TensorMetadata};

use super::tensor::{HostBackend, HostTensor, dims};
use crate::backend::{Activation, BatchNormGradients, BatchNormOutput};
use crate::cpu::batch_norm;
use crate::profile::timed;
use crate::stock;

pub(super) fn batch_norm_train_forward<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    eps: f64,
    activation: Activation,
) -> BatchNormOutput<FloatTensor<B>> {
    if x.dtype() != DType::F32 {
        return stock::batch_norm_train_forward::<B>(x, weight, bias, eps, activation);
    }
    let (x, weight, bias) = (x.contiguous(), weight.contiguous(), bias.contiguous());
    let shape = batch_norm_shape(&x);
    let layer = batch_norm::Layer {
        weight: weight.values(),
        bias: bias.values(),
        eps,
        activation,
    };
    let output = timed(
        "batch norm forward",
        || 0.0,
        || batch_norm::forward(shape, x.values(), layer),
    );
    BatchNormOutput {
        y: HostTensor::from_values(output.y, &dims::<3>(&x)),
        mean: HostTensor::from_values(output.mean, &[shape.channels]),
        var: HostTensor::from_values(output.var, &[shape.channels]),
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn batch_norm_train_backward<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    mean: FloatTensor<B>,
    var: FloatTensor<B>,
    output_grad: FloatTensor<B>,
    eps: f64,
    activation: Activation,
) -> BatchNormGradients<FloatTensor<B>> {
    if x.dtype() != DType::F32 {
        return stock::batch_norm_train_backward::<B>(
            x,
            weight,
            bias,
            mean,
            var,
            output_grad,
            eps,
            activation,
        );
    }
    let [x, weight, bias, mean, var, grad] =
        [x, weight, bias, mean, var, output_grad].map(|tensor| tensor.contiguous());
    let shape = batch_norm_shape(&x);
    let layer = batch_norm::Layer {
        weight: weight.values(),
        bias: bias.values(),
        eps,
        activation,
    };
    let (mean, var) = (mean.values(), var.values());
    let grads = timed(
        "batch norm backward",
        || 0.0,
        || batch_norm::backward(shape, x.values(), layer, mean, var, grad.values()),
    );
    BatchNormGradients {
        x: HostTensor::from_values(grads.x, &dims::<3>(&x)),
        weight: HostTensor::from_values(grads.weight, &[shape.channels]),
        bias: HostTensor::from_values(grads.bias, &[shape.channels]),
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn batch_norm_running<B: HostBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    mean: FloatTensor<B>,
    var: FloatTensor<B>,
    eps: f64,
    activation: Activation,
) -> FloatTensor<B> {
    if x.dtype() != DType::F32 {
        return stock::batch_norm_running::<B>(x, weight, bias, mean, var, eps, activation);
    }
    let [x, weight, bias, mean, var] =
        [x, weight, bias, mean, var].map(|tensor| tensor.contiguous());
    let layer = batch_norm::Layer {
        weight: weight.values(),
        bias: bias.values(),
        eps,
        activation,
    };
    let shape = batch_norm_shape(&x);
    let y = timed(
        "batch norm forward",
        || 0.0,
        || batch_norm::by_running(shape, x.values(), layer, mean.values(), var.values()),
    );
    HostTensor::from_values(y, &dims::<3>(&x))
}

fn batch_norm_shape(x: &impl HostTensor) -> batch_norm::Shape {
    let [batch, channels, positions] = dims(x);
    batch_norm::Shape {
        batch,
        channels,
        positions,
    }
}

//! Batch normalisation with max pooling, on tensors of the CPU engines.

use burn::tensor::DType;
use burn::tensor::ops::FloatTensor;

use super::norm_conv::{contiguous, gradients, layer};
use super::tensor::{HostBackend, HostTensor, dims};
use crate::backend::{BatchNormGradients, BatchNormOutput, Normalization, Statistics};
use crate::cpu::batch_norm::pooled::{self, Maps};
use crate::profile::timed;
use crate::stock;

/// The maps, or `None` where burn's own operations are to be used.
fn maps(x: &impl HostTensor) -> Option<Maps> {
    let [batch, channels, height, width] = dims(x);
    let maps = Maps {
        batch,
        channels,
        size: [height, width],
    };
    (x.dtype() == DType::F32 && !maps.is_empty()).then_some(maps)
}

fn output<T: HostTensor>(maps: &Maps, y: Vec<f32>) -> T {
    let [height, width] = maps.pooled();
    T::from_values(y, &[maps.batch, maps.channels, height, width])
}

pub(super) fn norm_max_pool_forward<B: HostBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
) -> BatchNormOutput<FloatTensor<B>> {
    let Some(maps) = maps(&x) else {
        return stock::norm_max_pool_forward::<B>(x, norm);
    };
    let (x, norm) = (x.contiguous(), contiguous(norm));
    let result = timed(
        "batch norm and max pooling forward",
        || 0.0,
        || pooled::forward(maps, x.values(), layer(&norm), None),
    );
    BatchNormOutput {
        y: output(&maps, result.y),
        mean: HostTensor::from_values(result.mean, &[maps.channels]),
        var: HostTensor::from_values(result.var, &[maps.channels]),
    }
}

pub(super) fn norm_max_pool_running<B: HostBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
) -> FloatTensor<B> {
    let Some(maps) = maps(&x) else {
        return stock::norm_max_pool_running::<B>(x, norm, statistics);
    };
    let [x, mean, var] = [x, statistics.mean, statistics.var].map(|tensor| tensor.contiguous());
    let norm = contiguous(norm);
    let result = timed(
        "batch norm and max pooling forward",
        || 0.0,
        || {
            let statistics = [mean.values(), var.values()];
            pooled::forward(maps, x.values(), layer(&norm), Some(statistics))
        },
    );
    output(&maps, result.y)
}

pub(super) fn norm_max_pool_backward<B: HostBackend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
    output_grad: FloatTensor<B>,
) -> BatchNormGradients<FloatTensor<B>> {
    let Some(maps) = maps(&x) else {
        return stock::norm_max_pool_backward::<B>(x, norm, statistics, output_grad);
    };
    let [x, mean, var, grad] =
        [x, statistics.mean, statistics.var, output_grad].map(|tensor| tensor.contiguous());
    let norm = contiguous(norm);
    let grads = timed(
        "batch norm and max pooling backward",
        || 0.0,
        || {
            let statistics = [mean.values(), var.values()];
            pooled::backward(maps, x.values(), layer(&norm), statistics, grad.values())
        },
    );
    gradients(grads, &dims::<4>(&x), maps.channels)
}

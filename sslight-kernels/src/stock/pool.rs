//! Normalisation with max pooling, out of burn's operations.

use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, backend};

use super::{maps_flattened, primitive, tensor};
use crate::backend::{Backend, BatchNormGradients, BatchNormOutput, Normalization, Statistics};

const KERNEL: [usize; 2] = [3, 3];
const STRIDE: [usize; 2] = [2, 2];
const PADDING: [usize; 2] = [1, 1];
const DILATION: [usize; 2] = [1, 1];

fn pool<B: backend::Backend>(values: FloatTensor<B>, dims: [usize; 4]) -> FloatTensor<B> {
    let values = primitive(tensor::<B, 3>(values).reshape(dims));
    B::max_pool2d(values, KERNEL, STRIDE, PADDING, DILATION, false)
}

fn flat<B: backend::Backend>(x: FloatTensor<B>) -> (FloatTensor<B>, [usize; 4]) {
    let x: Tensor<B, 4> = tensor(x);
    let dims = x.dims();
    (primitive(maps_flattened(x)), dims)
}

fn by_statistics<B: Backend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
) -> FloatTensor<B> {
    let Statistics { mean, var } = statistics;
    B::batch_norm_running(
        x,
        norm.weight,
        norm.bias,
        mean,
        var,
        norm.eps,
        norm.activation,
    )
}

pub(crate) fn norm_max_pool_forward<B: Backend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
) -> BatchNormOutput<FloatTensor<B>> {
    let (x, dims) = flat::<B>(x);
    let output = B::batch_norm_train_forward(x, norm.weight, norm.bias, norm.eps, norm.activation);
    BatchNormOutput {
        y: pool::<B>(output.y, dims),
        ..output
    }
}

pub(crate) fn norm_max_pool_running<B: Backend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
) -> FloatTensor<B> {
    let (x, dims) = flat::<B>(x);
    pool::<B>(by_statistics::<B>(x, norm, statistics), dims)
}

pub(crate) fn norm_max_pool_backward<B: Backend>(
    x: FloatTensor<B>,
    norm: Normalization<FloatTensor<B>>,
    statistics: Statistics<FloatTensor<B>>,
    output_grad: FloatTensor<B>,
) -> BatchNormGradients<FloatTensor<B>> {
    let (x, dims) = flat::<B>(x);
    let values = by_statistics::<B>(x.clone(), norm.clone(), statistics.clone());
    let values = primitive(tensor::<B, 3>(values).reshape(dims));
    let pooled =
        B::max_pool2d_with_indices(values.clone(), KERNEL, STRIDE, PADDING, DILATION, false);
    let values_grad = B::max_pool2d_with_indices_backward(
        values,
        KERNEL,
        STRIDE,
        PADDING,
        DILATION,
        false,
        output_grad,
        pooled.indices,
    );
    let grads = B::batch_norm_train_backward(
        x,
        norm.weight,
        norm.bias,
        statistics.mean,
        statistics.var,
        primitive(maps_flattened(tensor::<B, 4>(values_grad.x_grad))),
        norm.eps,
        norm.activation,
    );
    BatchNormGradients {
        x: primitive(tensor::<B, 3>(grads.x).reshape(dims)),
        ..grads
    }
}

//! Linear layers and attention on tensors of the CPU engines.

use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, TensorMetadata};

use super::tensor::{HostBackend, HostTensor, dims};
use crate::backend::{Before, LinearGradients};
use crate::cpu::{attention, linear, patches as cut};
use crate::profile::timed;
use crate::stock;

fn shape(x: &impl TensorMetadata, weight: &impl TensorMetadata) -> linear::Shape {
    let ([rows, inputs], [outputs, _]) = (dims(x), dims(weight));
    linear::Shape {
        rows,
        inputs,
        outputs,
    }
}

fn flops(shape: linear::Shape) -> f64 {
    2.0 * (shape.rows * shape.inputs) as f64 * shape.outputs as f64
}

fn slices<T: HostTensor>(before: &Before<T>) -> linear::Before<'_> {
    match before {
        Before::Nothing => linear::Before::Nothing,
        Before::Gelu => linear::Before::Gelu,
        Before::LayerNorm { weight, bias, eps } => linear::Before::Norm {
            weight: weight.values(),
            bias: bias.values(),
            eps: *eps,
        },
    }
}

pub(super) fn patches<B: HostBackend>(images: FloatTensor<B>, side: usize) -> FloatTensor<B> {
    if images.dtype() != DType::F32 {
        return stock::patches::<B>(images, side);
    }
    let images = images.contiguous();
    let [batch, channels, height, width] = dims(&images);
    let shape = cut::Shape {
        channels,
        size: [height, width],
        side,
    };
    let rows = batch * (height / side) * (width / side);
    let values = cut::patches(shape, images.values());
    HostTensor::from_values(values, &[rows, channels * side * side])
}

pub(super) fn linear_forward<B: HostBackend>(
    x: FloatTensor<B>,
    before: Before<FloatTensor<B>>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    if x.dtype() != DType::F32 {
        return stock::linear::forward::<B>(x, before, weight, bias);
    }
    let (x, weight) = (x.contiguous(), weight.contiguous());
    let before = before.map(|tensor| tensor.contiguous());
    let bias = bias.map(|bias| bias.contiguous());
    let shape = shape(&x, &weight);
    let y = timed(
        "linear forward",
        || flops(shape),
        || {
            let bias = bias.as_ref().map(HostTensor::values);
            linear::forward(shape, x.values(), slices(&before), weight.values(), bias)
        },
    );
    HostTensor::from_values(y, &[shape.rows, shape.outputs])
}

pub(super) fn linear_backward<B: HostBackend>(
    x: FloatTensor<B>,
    before: Before<FloatTensor<B>>,
    weight: FloatTensor<B>,
    output_grad: FloatTensor<B>,
) -> LinearGradients<FloatTensor<B>> {
    if x.dtype() != DType::F32 {
        return stock::linear::backward::<B>(x, before, weight, output_grad);
    }
    let [x, weight, grad] = [x, weight, output_grad].map(|tensor| tensor.contiguous());
    let before = before.map(|tensor| tensor.contiguous());
    let shape = shape(&x, &weight);
    let grads = timed(
        "linear backward",
        || 2.0 * flops(shape),
        || {
            let before = slices(&before);
            linear::backward(shape, x.values(), before, weight.values(), grad.values())
        },
    );
    let norm = match before {
        Before::LayerNorm { .. } => Some(
            grads
                .norm
                .map(|sums| HostTensor::from_values(sums, &[shape.inputs])),
        ),
        Before::Nothing | Before::Gelu => None,
    };
    LinearGradients {
        x: HostTensor::from_values(grads.x, &[shape.rows, shape.inputs]),
        weight: HostTensor::from_values(grads.weight, &[shape.outputs, shape.inputs]),
        bias: HostTensor::from_values(grads.bias, &[shape.outputs]),
        norm,
    }
}

fn attention_shape(qkv: &impl TensorMetadata, heads: usize) -> attention::Shape {
    let [batch, tokens, width] = dims(qkv);
    attention::Shape {
        batch,
        tokens,
        heads,
        head_dim: width / (3 * heads),
    }
}

/// A multiply-add for each pair of tokens and value of a row, in `products` products.
fn attention_flops(shape: attention::Shape, products: f64) -> f64 {
    let row = (shape.heads * shape.head_dim) as f64;
    2.0 * products * (shape.batch * shape.tokens * shape.tokens) as f64 * row
}

pub(super) fn attention_forward<B: HostBackend>(
    qkv: FloatTensor<B>,
    heads: usize,
    scale: f64,
) -> FloatTensor<B> {
    if qkv.dtype() != DType::F32 {
        return stock::attention::forward::<B>(qkv, heads, scale);
    }
    let qkv = qkv.contiguous();
    let shape = attention_shape(&qkv, heads);
    let mixed = timed(
        "attention forward",
        || attention_flops(shape, 2.0),
        || attention::forward(shape, qkv.values(), scale as f32),
    );
    HostTensor::from_values(mixed, &[shape.batch, shape.tokens, heads * shape.head_dim])
}

pub(super) fn attention_backward<B: HostBackend>(
    qkv: FloatTensor<B>,
    heads: usize,
    scale: f64,
    output_grad: FloatTensor<B>,
) -> FloatTensor<B> {
    if qkv.dtype() != DType::F32 {
        return stock::attention::backward::<B>(qkv, heads, scale, output_grad);
    }
    let (qkv, grad) = (qkv.contiguous(), output_grad.contiguous());
    let shape = attention_shape(&qkv, heads);
    let qkv_grad = timed(
        "attention backward",
        || attention_flops(shape, 5.0),
        || attention::backward(shape, qkv.values(), scale as f32, grad.values()),
    );
    HostTensor::from_values(qkv_grad, &dims::<3>(&qkv))
}

//! Self-attention in terms of burn's operations.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;

use super::{primitive, tensor};

/// Queries, keys and values, `[b, heads, tokens, head_dim]`.
fn parts<B: Backend>(qkv: Tensor<B, 3>, heads: usize) -> [Tensor<B, 4>; 3] {
    let [batch, tokens, width] = qkv.dims();
    let qkv = qkv
        .reshape([batch, tokens, 3 * heads, width / (3 * heads)])
        .swap_dims(1, 2);
    [0, 1, 2].map(|part| qkv.clone().narrow(1, part * heads, heads))
}

/// `[b, heads, tokens, head_dim]` to `[b, tokens, heads * head_dim]`.
fn rows<B: Backend>(heads: Tensor<B, 4>) -> Tensor<B, 3> {
    let [batch, count, tokens, head_dim] = heads.dims();
    heads
        .swap_dims(1, 2)
        .reshape([batch, tokens, count * head_dim])
}

pub(crate) fn forward<B: Backend>(qkv: FloatTensor<B>, heads: usize, scale: f64) -> FloatTensor<B> {
    let [query, key, value] = parts::<B>(tensor(qkv), heads);
    let weights = softmax((query * scale).matmul(key.swap_dims(2, 3)), 3);
    primitive(rows(weights.matmul(value)))
}

pub(crate) fn backward<B: Backend>(
    qkv: FloatTensor<B>,
    heads: usize,
    scale: f64,
    output_grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let [query, key, value] = parts::<B>(tensor(qkv), heads);
    let weights = softmax(
        (query.clone() * scale).matmul(key.clone().swap_dims(2, 3)),
        3,
    );
    let grad = tensor::<B, 3>(output_grad);
    let [batch, tokens, dim] = grad.dims();
    let grad = grad
        .reshape([batch, tokens, heads, dim / heads])
        .swap_dims(1, 2);
    let value_grad = weights.clone().swap_dims(2, 3).matmul(grad.clone());
    let weights_grad = grad.matmul(value.swap_dims(2, 3));
    let sums = (weights.clone() * weights_grad.clone()).sum_dim(3);
    let scores_grad = (weights_grad - sums) * weights * scale;
    let query_grad = scores_grad.clone().matmul(key);
    let key_grad = scores_grad.swap_dims(2, 3).matmul(query);
    primitive(Tensor::cat(
        [query_grad, key_grad, value_grad].map(rows).to_vec(),
        2,
    ))
}

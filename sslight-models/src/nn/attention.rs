//! What self-attention looks at: the probabilities that [`self_attention`](super::self_attention) never stores, for
//! pictures of them.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use crate::backend::Backend;

/// The weight that each token gives to each: `softmax(q k^T / sqrt(head_dim))`.
///
/// # Shapes
/// `[b, tokens, 3 * heads * head_dim]`, packed as for [`self_attention`](super::self_attention), to
/// `[b, heads, tokens, tokens]`; the last dimension sums to 1.
///
/// # Panics
/// If the last dimension is not of three times `heads` parts.
pub fn attention_weights<B: Backend>(qkv: Tensor<B, 3>, heads: usize) -> Tensor<B, 4> {
    let [batch, tokens, width] = qkv.dims();
    assert!(
        heads > 0 && width.is_multiple_of(3 * heads),
        "attention_weights: [{batch}, {tokens}, {width}] is not of {heads} heads"
    );
    let head_dim = width / (3 * heads);
    let parts = qkv
        .reshape([batch, tokens, 3 * heads, head_dim])
        .swap_dims(1, 2);
    let query = parts.clone().narrow(1, 0, heads);
    let key = parts.narrow(1, heads, heads);
    let scale = 1.0 / (head_dim as f64).sqrt();
    softmax((query * scale).matmul(key.swap_dims(2, 3)), 3)
}

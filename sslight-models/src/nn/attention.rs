//! Scaled dot-product attention (Vaswani et al., 2017, eq. 1).

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use crate::backend::Backend;

/// `softmax(q k^T / sqrt(head_dim)) v`, each head by itself, without mask and dropout.
///
/// # Shapes
/// query, key and value `[b, heads, n, head_dim]` to `[b, heads, n, head_dim]`.
pub fn attention<B: Backend>(
    query: Tensor<B, 4>,
    key: Tensor<B, 4>,
    value: Tensor<B, 4>,
) -> Tensor<B, 4> {
    let [_, _, _, head_dim] = query.dims();
    // Scaling the queries instead of the scores is the same and touches n / head_dim times fewer numbers.
    let query = query / (head_dim as f64).sqrt();
    // [b, heads, n, n]
    let scores = query.matmul(key.swap_dims(2, 3));
    softmax(scores, 3).matmul(value)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Int;
    use burn_ndarray::NdArray;

    use super::*;
    use crate::params::host_values;

    const DIMS: [usize; 4] = [2, 3, 5, 4];

    fn wave(frequency: f64) -> Tensor<NdArray, 4> {
        let count = DIMS.iter().product::<usize>() as i64;
        Tensor::<NdArray, 1, Int>::arange(0..count, &Default::default())
            .float()
            .mul_scalar(frequency)
            .sin()
            .reshape(DIMS)
    }

    #[test]
    fn each_head_mixes_its_values_by_the_softmax_of_scaled_scores() {
        let [q, k, v] = [1.3, 0.7, 2.1].map(wave);
        let got = host_values(attention(q.clone(), k.clone(), v.clone()));
        let [q, k, v] = [q, k, v].map(host_values);
        let [batch, heads, tokens, dim] = DIMS;
        for head in 0..batch * heads {
            let at =
                |x: &[f32], token: usize, i: usize| f64::from(x[(head * tokens + token) * dim + i]);
            for row in 0..tokens {
                let weights: Vec<f64> = (0..tokens)
                    .map(|column| {
                        let score: f64 = (0..dim).map(|i| at(&q, row, i) * at(&k, column, i)).sum();
                        (score / 2.0).exp()
                    })
                    .collect();
                let total: f64 = weights.iter().sum();
                for i in 0..dim {
                    let expected: f64 = weights
                        .iter()
                        .enumerate()
                        .map(|(column, weight)| weight / total * at(&v, column, i))
                        .sum();
                    let got = at(&got, row, i);
                    // Numbers of magnitude 1 in float32.
                    assert!(
                        (got - expected).abs() < 1e-5,
                        "head {head}, [{row}, {i}]: got {got}, expected {expected}"
                    );
                }
            }
        }
    }
}

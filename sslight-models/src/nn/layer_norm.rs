//! Layer normalisation over the last dimension.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorPrimitive};

use sslight_kernels::Before;

use super::init::ParamInit;
use crate::backend::Backend;

/// timm's value for vision transformers; PyTorch's default is 1e-5.
pub(crate) const EPSILON: f64 = 1e-6;

/// `y = weight * (x - mean) / sqrt(var + 1e-6) + bias`, with mean and biased variance over the last
/// dimension of each row, under PyTorch's names.
#[derive(Module, Debug)]
pub struct LayerNorm<B: Backend> {
    /// Scale, `[dim]`.
    pub weight: Param<Tensor<B, 1>>,
    /// Shift, `[dim]`.
    pub bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> LayerNorm<B> {
    /// The normalisation as the first part of a linear layer.
    pub(super) fn before(&self) -> Before<Tensor<B, 1>> {
        Before::LayerNorm {
            weight: self.weight.val(),
            bias: self.bias.val(),
            eps: EPSILON,
        }
    }

    /// Scale 1, shift 0.
    pub fn new(init: &mut ParamInit<B>, dim: usize) -> Self {
        Self {
            weight: init.constant([dim], 1.0),
            bias: init.constant([dim], 0.0),
        }
    }

    /// # Shapes
    /// `[..., dim]` to the same.
    ///
    /// # Panics
    /// If the last dimension of `x` is not `dim`.
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        let (dims, [dim]) = (x.dims(), self.weight.dims());
        assert!(
            dims[D - 1] == dim,
            "LayerNorm::forward: weight [{dim}] does not fit x {dims:?}"
        );
        Tensor::from_primitive(TensorPrimitive::Float(B::layer_norm(
            x.into_primitive().tensor(),
            self.weight.val().into_primitive().tensor(),
            Some(self.bias.val().into_primitive().tensor()),
            EPSILON,
        )))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use burn_flex::Flex;
    use burn_ndarray::NdArray;

    use super::*;
    use crate::params::host_values;

    const DIM: usize = 6;

    fn normalised<B: Backend>(values: &[f32]) -> Vec<f32> {
        let device = Default::default();
        let mut init = ParamInit::new(2, &device);
        let norm = LayerNorm {
            weight: init.uniform([DIM], 2.0),
            bias: init.uniform([DIM], 1.0),
        };
        let x = TensorData::new(values.to_vec(), [values.len() / DIM, 1, DIM]);
        host_values(norm.forward(Tensor::<B, 3>::from_data(x, &device)))
    }

    #[test]
    fn rows_agree_with_the_formula_on_both_processors_backends() {
        // The last row is so flat that the epsilon counts: with 1e-5 it would be off by a third.
        let mut values: Vec<f32> = (0..12)
            .map(|i| ((i * i) as f32).sin() * 3.0 + 1.0)
            .collect();
        values.extend((0..6).map(|i| 0.001 * (i as f32)));
        let mut init = ParamInit::<NdArray>::new(2, &Default::default());
        let weight = host_values(init.uniform([DIM], 2.0).val());
        let bias = host_values(init.uniform([DIM], 1.0).val());
        for got in [normalised::<Flex>(&values), normalised::<NdArray>(&values)] {
            for (row, got) in values.chunks(DIM).zip(got.chunks(DIM)) {
                let row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
                let mean = row.iter().sum::<f64>() / DIM as f64;
                let var = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / DIM as f64;
                for i in 0..DIM {
                    let expected = f64::from(weight[i]) * (row[i] - mean) / (var + 1e-6).sqrt()
                        + f64::from(bias[i]);
                    // A few roundings of numbers up to 4.
                    let error = (f64::from(got[i]) - expected).abs();
                    assert!(error < 1e-5, "[{i}]: got {}, expected {expected}", got[i]);
                }
            }
        }
    }
}

//! The linear layer, with its weight in PyTorch's layout.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use sslight_kernels::{Before, linear};

use super::init::ParamInit;
use super::layer_norm::LayerNorm;
use crate::backend::Backend;

/// `y = x W^T + b`.
///
/// The weight is stored `[out, in]` as PyTorch stores it, so that files, LARS norms and fan-in read
/// the same in both worlds.
#[derive(Module, Debug)]
pub struct Linear<B: Backend> {
    /// `[out, in]`.
    pub weight: Param<Tensor<B, 2>>,
    /// `[out]`.
    pub bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> Linear<B> {
    /// Normal weights of standard deviation `std`, bias 0.
    pub fn normal(init: &mut ParamInit<B>, inputs: usize, outputs: usize, std: f64) -> Self {
        Self {
            weight: init.normal([outputs, inputs], std),
            bias: init.constant([outputs], 0.0),
        }
    }

    /// PyTorch's default: weight and bias uniform in `+-1/sqrt(in)`.
    pub fn uniform(init: &mut ParamInit<B>, inputs: usize, outputs: usize) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        Self {
            weight: init.uniform([outputs, inputs], bound),
            bias: init.uniform([outputs], bound),
        }
    }

    /// Acts on the last dimension.
    ///
    /// # Shapes
    /// `[..., in]` to `[..., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        self.forward_after(x, Before::Nothing)
    }

    /// The layer on what `norm` makes of the rows, which the tape does not keep.
    ///
    /// # Shapes
    /// `[..., in]` to `[..., out]`.
    pub fn forward_normalized<const D: usize>(
        &self,
        x: Tensor<B, D>,
        norm: &LayerNorm<B>,
    ) -> Tensor<B, D> {
        self.forward_after(x, norm.before())
    }

    /// The layer on the exact (erf) GELU of the rows, which the tape does not keep.
    ///
    /// # Shapes
    /// `[..., in]` to `[..., out]`.
    pub fn forward_gelu<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        self.forward_after(x, Before::Gelu)
    }

    fn forward_after<const D: usize>(
        &self,
        x: Tensor<B, D>,
        before: Before<Tensor<B, 1>>,
    ) -> Tensor<B, D> {
        let mut dims = x.dims();
        let [outputs, inputs] = self.weight.dims();
        let rows = dims[..D - 1].iter().product();
        let x: Tensor<B, 2> = x.reshape([rows, inputs]);
        let y = linear(x, before, self.weight.val(), Some(self.bias.val()));
        dims[D - 1] = outputs;
        y.reshape(dims)
    }
}

#[cfg(test)]
mod tests {
    use burn_ndarray::NdArray;

    use super::*;
    use crate::params::host_values;

    #[test]
    fn more_dimensions_are_more_rows() {
        let device = Default::default();
        let linear: Linear<NdArray> = Linear::uniform(&mut ParamInit::new(0, &device), 4, 5);
        let x = Tensor::<NdArray, 1, burn::tensor::Int>::arange(0..24, &device).float();
        let y = linear.forward(x.clone().reshape([2, 3, 4]));
        assert_eq!(y.dims(), [2, 3, 5]);
        let rows = linear.forward(x.reshape([6, 4]));
        assert_eq!(host_values(y), host_values(rows));
    }
}

//! The linear layer, with its weight in PyTorch's layout.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::init::ParamInit;
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

    /// # Shapes
    /// `[rows, in]` to `[rows, out]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
    }
}

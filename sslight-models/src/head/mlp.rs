//! The multi-layer perceptron that all projection heads begin with.
//!
//! `layers - 1` times linear, optional batch normalisation, activation; then a linear layer.
//!
//! Activations hold a position of their own, so that a position in the stack is the number in the
//! reference's names: `mlp.{0,1,3}` with batch normalisation, `mlp.{0,2}` without. A single layer
//! stands alone as `mlp`.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::backend::Backend;
use crate::nn::activation::relu;
use crate::nn::{BatchMode, BatchNorm, Linear, ParamInit};

/// What follows a hidden layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MlpActivation {
    Gelu,
    Relu,
}

/// What an [`Mlp`] is made from.
#[derive(Debug, Clone)]
pub(super) struct MlpConfig {
    pub(super) in_dim: usize,
    pub(super) hidden_dim: usize,
    pub(super) out_dim: usize,
    /// Linear layers, at least 1.
    pub(super) layers: usize,
    /// Batch normalisation after each hidden layer.
    pub(super) use_bn: bool,
    pub(super) activation: MlpActivation,
    /// Standard deviation of the initial weights; biases begin at 0.
    pub(super) init_std: f64,
}

impl MlpConfig {
    pub(super) fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> Mlp<B> {
        let linear = |init: &mut ParamInit<B>, inputs, outputs| {
            Linear::normal(init, inputs, outputs, self.init_std)
        };
        if self.layers <= 1 {
            return Mlp::Single(linear(init, self.in_dim, self.out_dim));
        }
        let mut stack = Vec::new();
        let mut width = self.in_dim;
        for _ in 1..self.layers {
            stack.push(MlpLayer::Linear(linear(init, width, self.hidden_dim)));
            if self.use_bn {
                stack.push(MlpLayer::BatchNorm(BatchNorm::new(init, self.hidden_dim)));
            }
            stack.push(match self.activation {
                MlpActivation::Gelu => MlpLayer::Gelu(Gelu),
                MlpActivation::Relu => MlpLayer::Relu(Relu),
            });
            width = self.hidden_dim;
        }
        stack.push(MlpLayer::Linear(linear(init, width, self.out_dim)));
        Mlp::Stack(stack)
    }
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub(super) enum Mlp<B: Backend> {
    Single(Linear<B>),
    Stack(Vec<MlpLayer<B>>),
}

impl<B: Backend> Mlp<B> {
    /// Puts another linear layer in the place of the last one.
    pub(super) fn replace_last(&mut self, linear: Linear<B>) {
        match self {
            Self::Single(last) => *last = linear,
            Self::Stack(layers) => {
                layers.pop();
                layers.push(MlpLayer::Linear(linear));
            }
        }
    }

    /// # Shapes
    /// `[rows, in_dim]` to `[rows, out_dim]`.
    pub(super) fn forward(&self, x: Tensor<B, 2>, mode: BatchMode) -> Tensor<B, 2> {
        match self {
            Self::Single(linear) => linear.forward(x),
            Self::Stack(layers) => {
                let mut x = x;
                // A GELU is computed with the linear layer that follows it, as one does always.
                let mut after_gelu = false;
                for layer in layers {
                    x = match layer {
                        MlpLayer::Linear(linear) if after_gelu => linear.forward_gelu(x),
                        MlpLayer::Linear(linear) => linear.forward(x),
                        MlpLayer::BatchNorm(norm) => norm.forward(x, mode),
                        MlpLayer::Gelu(_) => x,
                        MlpLayer::Relu(_) => relu(x),
                    };
                    after_gelu = matches!(layer, MlpLayer::Gelu(_));
                }
                x
            }
        }
    }
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub(super) enum MlpLayer<B: Backend> {
    Linear(Linear<B>),
    BatchNorm(BatchNorm<B>),
    Gelu(Gelu),
    Relu(Relu),
}

#[derive(Module, Debug, Clone)]
pub(super) struct Gelu;

#[derive(Module, Debug, Clone)]
pub(super) struct Relu;

//! The DINO projection head (Caron et al., 2021, appendix C), as the reference builds it.
//!
//! `layers - 1` times linear, optional batch normalisation, GELU; a linear layer to the bottleneck;
//! L2 normalisation; a weight-normed linear layer without bias: `logit_k = g_k <x, v_k / ||v_k||>`.
//! With `g` fixed at 1 the logits are cosines.
//!
//! Names: `mlp.{0,1,3,4,6}` with batch normalisation, `mlp.{0,2,4}` without, `last_layer.weight_g`,
//! `last_layer.weight_v`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::backend::Backend;
use crate::nn::activation::{gelu, l2_normalize};
use crate::nn::{BatchMode, BatchNorm, Linear, ParamInit};

/// Standard deviation of the initial weights of the multi-layer perceptron.
const INIT_STD: f64 = 0.02;

/// What a [`DinoHead`] is made from.
#[derive(Debug, Clone)]
pub struct DinoHeadConfig {
    /// Length of the backbone's features.
    pub in_dim: usize,
    /// Number of logits, the paper's K.
    pub out_dim: usize,
    /// Width of the hidden layers.
    pub hidden_dim: usize,
    /// Width of the bottleneck.
    pub bottleneck_dim: usize,
    /// Linear layers up to the bottleneck, at least 1.
    pub layers: usize,
    /// Batch normalisation after each hidden layer (CNN yes, ViT no).
    pub use_bn: bool,
    /// Keep the gain `g` of the last layer fixed at 1.
    pub norm_last_layer: bool,
}

impl DinoHeadConfig {
    /// A head with the reference's initialisation: perceptron N(0, .02) and 0, `v` uniform in
    /// `+-1/sqrt(bottleneck)`, `g` 1.
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> DinoHead<B> {
        let mlp = if self.layers <= 1 {
            Mlp::Single(Linear::normal(
                init,
                self.in_dim,
                self.bottleneck_dim,
                INIT_STD,
            ))
        } else {
            let mut stack = Vec::new();
            let mut width = self.in_dim;
            for _ in 1..self.layers {
                stack.push(MlpLayer::Linear(Linear::normal(
                    init,
                    width,
                    self.hidden_dim,
                    INIT_STD,
                )));
                if self.use_bn {
                    stack.push(MlpLayer::BatchNorm(BatchNorm::new(init, self.hidden_dim)));
                }
                stack.push(MlpLayer::Gelu(Gelu { exact: true }));
                width = self.hidden_dim;
            }
            stack.push(MlpLayer::Linear(Linear::normal(
                init,
                width,
                self.bottleneck_dim,
                INIT_STD,
            )));
            Mlp::Stack(stack)
        };
        let bound = 1.0 / (self.bottleneck_dim as f64).sqrt();
        let mut weight_g = init.constant([self.out_dim, 1], 1.0);
        if self.norm_last_layer {
            weight_g = weight_g.no_grad();
        }
        DinoHead {
            mlp,
            last_layer: WeightNormLinear {
                weight_g,
                weight_v: init.uniform([self.out_dim, self.bottleneck_dim], bound),
            },
        }
    }
}

/// The head that turns features into the logits of the DINO loss.
///
/// Should be created with [`DinoHeadConfig`].
#[derive(Module, Debug)]
pub struct DinoHead<B: Backend> {
    mlp: Mlp<B>,
    /// The prototype layer, whose gradients are dropped during the first epochs.
    pub last_layer: WeightNormLinear<B>,
}

impl<B: Backend> DinoHead<B> {
    /// # Shapes
    /// features `[rows, in_dim]` to logits `[rows, out_dim]`.
    pub fn forward(&self, features: Tensor<B, 2>, mode: BatchMode) -> Tensor<B, 2> {
        self.last_layer.forward(self.bottleneck(features, mode))
    }

    /// The L2-normalised bottleneck.
    ///
    /// # Shapes
    /// features `[rows, in_dim]` to `[rows, bottleneck_dim]`.
    pub fn bottleneck(&self, features: Tensor<B, 2>, mode: BatchMode) -> Tensor<B, 2> {
        l2_normalize(self.mlp.forward(features, mode))
    }
}

/// One linear layer stands alone under the name `mlp`, several are numbered, as in the reference.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
enum Mlp<B: Backend> {
    Single(Linear<B>),
    Stack(Vec<MlpLayer<B>>),
}

impl<B: Backend> Mlp<B> {
    fn forward(&self, x: Tensor<B, 2>, mode: BatchMode) -> Tensor<B, 2> {
        match self {
            Self::Single(linear) => linear.forward(x),
            Self::Stack(layers) => layers.iter().fold(x, |x, layer| match layer {
                MlpLayer::Linear(linear) => linear.forward(x),
                MlpLayer::BatchNorm(norm) => norm.forward(x, mode),
                MlpLayer::Gelu(_) => gelu(x),
            }),
        }
    }
}

/// Activations are layers too, so that the positions in the stack are the names of the reference.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
enum MlpLayer<B: Backend> {
    Linear(Linear<B>),
    BatchNorm(BatchNorm<B>),
    Gelu(Gelu),
}

#[derive(Module, Debug, Clone)]
struct Gelu {
    exact: bool,
}

/// A linear layer without bias whose rows have the lengths `g`.
#[derive(Module, Debug)]
pub struct WeightNormLinear<B: Backend> {
    /// Row lengths, `[out, 1]`; trained only if the head's `norm_last_layer` is off.
    pub weight_g: Param<Tensor<B, 2>>,
    /// Row directions, `[out, in]`.
    pub weight_v: Param<Tensor<B, 2>>,
}

impl<B: Backend> WeightNormLinear<B> {
    /// # Shapes
    /// `[rows, in]` to `[rows, out]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let direction = self.weight_v.val();
        let length = direction.clone().powi_scalar(2).sum_dim(1).sqrt();
        let weight = direction * (self.weight_g.val() / length);
        x.matmul(weight.transpose())
    }
}

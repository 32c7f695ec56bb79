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

use sslight_kernels::{Before, linear, weight_norm};

use super::mlp::{Mlp, MlpActivation, MlpConfig};
use crate::backend::Backend;
use crate::nn::activation::l2_normalize;
use crate::nn::{BatchMode, ParamInit};

/// Standard deviation of the initial weights of the multi-layer perceptron.
pub(super) const INIT_STD: f64 = 0.02;

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
        let mlp = MlpConfig {
            in_dim: self.in_dim,
            hidden_dim: self.hidden_dim,
            out_dim: self.bottleneck_dim,
            layers: self.layers,
            use_bn: self.use_bn,
            activation: MlpActivation::Gelu,
            init_std: INIT_STD,
        }
        .init(init);
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
        let weight = weight_norm(self.weight_v.val(), self.weight_g.val());
        linear(x, Before::Nothing, weight, None)
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use burn_ndarray::NdArray;

    use super::*;
    use crate::params::parameters;
    use crate::reference_keys::{keys_of, reference_keys};

    fn head(out_dim: usize, in_dim: usize, cnn: bool) -> DinoHead<Autodiff<NdArray>> {
        DinoHeadConfig {
            in_dim,
            out_dim,
            hidden_dim: 2048,
            bottleneck_dim: 256,
            layers: 3,
            use_bn: cnn,
            norm_last_layer: cnn,
        }
        .init(&mut ParamInit::new(0, &Default::default()))
    }

    #[test]
    fn tensors_are_those_of_the_reference_in_its_order() {
        let cnn = reference_keys("DINO/mobilenet_v2", "student.head.");
        assert_eq!(keys_of(&head(4096, 1280, true)), cnn);
        let vit = reference_keys("DINO/vit_tiny", "student.head.");
        assert_eq!(keys_of(&head(65_536, 192, false)), vit);
    }

    #[test]
    fn the_gain_is_trained_only_where_the_last_layer_is_not_normalised() {
        for cnn in [true, false] {
            let parameters = parameters(&head(8, 4, cnn));
            let frozen: Vec<&str> = parameters
                .iter()
                .filter(|parameter| !parameter.trainable)
                .map(|parameter| parameter.name.as_str())
                .collect();
            let expected: &[&str] = if cnn { &["last_layer.weight_g"] } else { &[] };
            assert_eq!(frozen, expected);
        }
    }
}

//! The SwAV projection head and prototypes (Caron et al., 2020, section 3).
//!
//! Linear, batch normalisation, ReLU, linear; L2 normalisation to embeddings `z`; scores are the
//! products of `z` with the prototypes, which are unit vectors while a step begins
//! ([`SwavHead::with_normalized_prototypes`]).
//!
//! Names: `projection.mlp.{0,1,3}`, `projection.mlp.{0,2}` without batch normalisation,
//! `prototypes.weight`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use sslight_kernels::{Before, linear};

use super::mlp::{Mlp, MlpActivation, MlpConfig};
use crate::backend::Backend;
use crate::nn::activation::l2_normalize;
use crate::nn::init::redraw_dense;
use crate::nn::{BatchMode, ParamInit};

/// Standard deviation of every linear weight, prototypes included, when training starts.
const INIT_STD: f64 = 0.01;

/// What a [`SwavHead`] is made from.
#[derive(Debug, Clone)]
pub struct SwavHeadConfig {
    /// Length of the backbone's features.
    pub in_dim: usize,
    /// Length of an embedding.
    pub out_dim: usize,
    /// Width of the hidden layers.
    pub hidden_dim: usize,
    /// Linear layers up to the embedding, at least 1; the paper has 2.
    pub layers: usize,
    /// Batch normalisation after each hidden layer.
    pub use_bn: bool,
    /// Number of prototypes.
    pub prototypes: usize,
}

impl SwavHeadConfig {
    /// A head with the reference's initialisation: all weights N(0, .01), biases 0.
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> SwavHead<B> {
        SwavHead {
            projection: Projection {
                mlp: MlpConfig {
                    in_dim: self.in_dim,
                    hidden_dim: self.hidden_dim,
                    out_dim: self.out_dim,
                    layers: self.layers,
                    use_bn: self.use_bn,
                    activation: MlpActivation::Relu,
                    init_std: INIT_STD,
                }
                .init(init),
            },
            prototypes: Prototypes {
                weight: init.normal([self.prototypes, self.out_dim], INIT_STD),
            },
        }
    }
}

/// The head that turns features into embeddings and their scores.
///
/// Should be created with [`SwavHeadConfig`].
#[derive(Module, Debug)]
pub struct SwavHead<B: Backend> {
    projection: Projection<B>,
    /// The prototypes, whose gradients are dropped during the first epochs.
    pub prototypes: Prototypes<B>,
}

/// What a [`SwavHead`] returns.
#[derive(Debug, Clone)]
pub struct SwavOutput<B: Backend> {
    /// Unit vectors, `[rows, out_dim]`.
    pub embeddings: Tensor<B, 2>,
    /// Their products with the prototypes, `[rows, prototypes]`.
    pub scores: Tensor<B, 2>,
}

impl<B: Backend> SwavHead<B> {
    /// # Shapes
    /// features `[rows, in_dim]` to embeddings `[rows, out_dim]` and scores `[rows, prototypes]`.
    pub fn forward(&self, features: Tensor<B, 2>, mode: BatchMode) -> SwavOutput<B> {
        let embeddings = l2_normalize(self.projection.mlp.forward(features, mode));
        SwavOutput {
            scores: self.prototypes.forward(embeddings.clone()),
            embeddings,
        }
    }

    /// The head with every prototype at length 1, as a training step begins.
    ///
    /// Identity and gradient flag of the parameter stay, and no graph leads through the division.
    pub fn with_normalized_prototypes(mut self) -> Self {
        self.prototypes.weight = self.prototypes.weight.map(|weight| {
            let tracked = weight.is_require_grad();
            l2_normalize(weight.detach())
                .detach()
                .set_require_grad(tracked)
        });
        self
    }
}

/// A level of names only: the reference keeps the perceptron in a module `projection`.
#[derive(Module, Debug)]
struct Projection<B: Backend> {
    mlp: Mlp<B>,
}

/// A linear layer without bias, whose rows are the centres of the clusters.
#[derive(Module, Debug)]
pub struct Prototypes<B: Backend> {
    /// `[prototypes, out_dim]`.
    pub weight: Param<Tensor<B, 2>>,
}

impl<B: Backend> Prototypes<B> {
    /// # Shapes
    /// embeddings `[rows, out_dim]` to scores `[rows, prototypes]`.
    pub fn forward(&self, embeddings: Tensor<B, 2>) -> Tensor<B, 2> {
        linear(embeddings, Before::Nothing, self.weight.val(), None)
    }
}

/// A whole network (backbone, head, probe) as the reference's SwAV constructor leaves it: every linear
/// weight N(0, .01) and its bias 0; convolutions and normalisation are drawn as everywhere.
///
/// For a convolutional backbone with a [`SwavHead`] only a probe changes its distribution. A vision
/// transformer's linear layers begin at half their usual deviation.
pub fn reinitialize<B: Backend, M: Module<B>>(network: M, init: &mut ParamInit<B>) -> M {
    redraw_dense(network, INIT_STD, init)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::backend::Autodiff;
    use burn_ndarray::NdArray;

    use super::*;
    use crate::params::{NamedTensor, host_values};
    use crate::reference_keys::{keys_of, reference_keys};
    use crate::weights::named_tensors;
    use crate::{Backbone, BackboneKind};

    type B = Autodiff<NdArray>;

    fn paper() -> SwavHeadConfig {
        SwavHeadConfig {
            in_dim: 1280,
            out_dim: 128,
            hidden_dim: 4096,
            layers: 2,
            use_bn: true,
            prototypes: 3000,
        }
    }

    fn small() -> SwavHead<B> {
        SwavHeadConfig {
            in_dim: 3,
            out_dim: 4,
            hidden_dim: 8,
            layers: 2,
            use_bn: true,
            prototypes: 5,
        }
        .init(&mut ParamInit::new(1, &Default::default()))
    }

    fn deviation(tensor: &NamedTensor) -> f64 {
        let square: f64 = tensor.values.iter().map(|&v| f64::from(v).powi(2)).sum();
        (square / tensor.values.len() as f64).sqrt()
    }

    /// Five standard errors of the deviation of `tensor`.
    fn assert_deviation(tensor: &NamedTensor, std: f64) {
        let limit = 5.0 * std / (2.0 * tensor.values.len() as f64).sqrt();
        let found = deviation(tensor);
        let name = &tensor.name;
        assert!(
            (found - std).abs() < limit,
            "{name}: {found}, expected {std}"
        );
    }

    #[test]
    fn tensors_are_those_of_the_reference_in_its_order() {
        let head: SwavHead<B> = paper().init(&mut ParamInit::new(0, &Default::default()));
        let expected = reference_keys("SWAV/mobilenet_v2", "network.head.");
        assert_eq!(keys_of(&head), expected);
    }

    #[test]
    fn weights_begin_at_a_deviation_of_one_hundredth() {
        let head: SwavHead<B> = paper().init(&mut ParamInit::new(0, &Default::default()));
        for tensor in named_tensors(&head) {
            if tensor.shape.len() == 2 {
                assert_deviation(&tensor, INIT_STD);
            } else if tensor.name.ends_with("mlp.0.bias") {
                assert!(tensor.values.iter().all(|v| *v == 0.0));
            }
        }
    }

    #[test]
    fn normalised_prototypes_have_length_one_their_direction_and_their_identity() {
        let head = small();
        let before = head.prototypes.weight.clone();
        let head = head.with_normalized_prototypes();
        let after = &head.prototypes.weight;
        assert_eq!(after.id, before.id);
        assert!(after.val().is_require_grad());
        for (old, new) in host_values(before.val())
            .chunks(4)
            .zip(host_values(after.val()).chunks(4))
        {
            let length = old.iter().map(|v| v * v).sum::<f32>().sqrt();
            for (old, new) in old.iter().zip(new) {
                assert!(
                    (old / length - new).abs() < 1e-6,
                    "{old} / {length}, got {new}"
                );
            }
        }
    }

    #[test]
    fn normalised_prototypes_still_get_a_gradient() {
        let head = small().with_normalized_prototypes();
        let features = Tensor::<B, 2>::ones([2, 3], &Default::default()) * 0.5;
        let output = head.forward(features, BatchMode::Running);
        let gradients = output.scores.sum().backward();
        let gradient = head.prototypes.weight.val().grad(&gradients).unwrap();
        let expected = host_values(output.embeddings.sum_dim(0));
        for row in host_values(gradient).chunks(4) {
            for (got, want) in row.iter().zip(&expected) {
                assert!((got - want).abs() < 1e-6, "got {got}, expected {want}");
            }
        }
    }

    #[test]
    fn reinitialisation_reaches_the_linear_layers_of_a_transformer_and_nothing_else() {
        let mut init = ParamInit::new(5, &Default::default());
        let net: Backbone<B> = BackboneKind::VitTiny16.init(true, &mut init).unwrap();
        let before = named_tensors(&net);
        let ids = crate::params::parameters(&net);
        let net = reinitialize(net, &mut init);
        for (old, new) in ids.iter().zip(crate::params::parameters(&net)) {
            assert_eq!(old.id, new.id, "{}", new.name);
            assert!(new.trainable, "{}", new.name);
        }
        for (old, new) in before.iter().zip(&named_tensors(&net)) {
            match new.name.as_str() {
                "patch_embed.proj.weight" => {
                    assert_deviation(new, (2.0 / (192.0 * 16.0_f64)).sqrt());
                }
                name if name.ends_with(".bias") => {
                    assert!(new.values.iter().all(|v| *v == 0.0), "{name}");
                }
                name if new.shape.len() == 2 => {
                    assert_ne!(old.values, new.values, "{name}");
                    assert_deviation(new, INIT_STD);
                }
                name => assert_eq!(old.values, new.values, "{name}"),
            }
        }
    }

    #[test]
    fn reinitialisation_leaves_convolutional_backbones_alone() {
        let mut init = ParamInit::new(5, &Default::default());
        let net: Backbone<B> = BackboneKind::ResNet18.init(true, &mut init).unwrap();
        let before = named_tensors(&net);
        assert_eq!(named_tensors(&reinitialize(net, &mut init)), before);
    }
}

//! The MoCo projection head (Chen et al., 2020), as the reference builds it: linear, ReLU, linear.
//!
//! Queries and keys are compared by direction alone; [`l2_normalize`](crate::nn::activation::l2_normalize)
//! is left to the method, since the reference's head leaves it out too.
//!
//! Names: `mlp.{0,2}`; `mlp.{0,1,3}` with batch normalisation, and so on with more layers.

use burn::module::Module;
use burn::tensor::Tensor;

use super::mlp::{Mlp, MlpActivation, MlpConfig};
use crate::backend::Backend;
use crate::nn::{BatchMode, ParamInit};

/// Standard deviation of the initial weights.
const INIT_STD: f64 = 0.02;

/// What a [`MocoHead`] is made from.
#[derive(Debug, Clone)]
pub struct MocoHeadConfig {
    /// Length of the backbone's features.
    pub in_dim: usize,
    /// Length of queries and keys.
    pub out_dim: usize,
    /// Width of the hidden layers.
    pub hidden_dim: usize,
    /// Linear layers, at least 1; the paper has 2.
    pub layers: usize,
    /// Batch normalisation after each hidden layer; the paper has none.
    pub use_bn: bool,
}

impl MocoHeadConfig {
    /// A head with the reference's initialisation: weights N(0, .02), biases 0.
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> MocoHead<B> {
        MocoHead {
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
        }
    }
}

/// The head that turns features into queries or keys.
///
/// Should be created with [`MocoHeadConfig`].
#[derive(Module, Debug)]
pub struct MocoHead<B: Backend> {
    mlp: Mlp<B>,
}

impl<B: Backend> MocoHead<B> {
    /// # Shapes
    /// features `[rows, in_dim]` to un-normalised embeddings `[rows, out_dim]`.
    pub fn forward(&self, features: Tensor<B, 2>, mode: BatchMode) -> Tensor<B, 2> {
        self.mlp.forward(features, mode)
    }
}

#[cfg(test)]
mod tests {
    use burn_ndarray::NdArray;

    use super::*;
    use crate::reference_keys::{keys_of, reference_keys};
    use crate::weights::named_tensors;

    fn head(in_dim: usize, layers: usize, use_bn: bool) -> MocoHead<NdArray> {
        MocoHeadConfig {
            in_dim,
            out_dim: 128,
            hidden_dim: 2048,
            layers,
            use_bn,
        }
        .init(&mut ParamInit::new(0, &Default::default()))
    }

    #[test]
    fn tensors_are_those_of_the_reference_in_its_order() {
        let expected = reference_keys("MOCO/mobilenet_v2", "encoder_q.head.");
        assert_eq!(keys_of(&head(1280, 2, false)), expected);
    }

    #[test]
    fn positions_of_activations_and_normalisation_count_in_names() {
        let names = |layers, use_bn| -> Vec<String> {
            named_tensors(&head(4, layers, use_bn))
                .into_iter()
                .filter(|tensor| tensor.name.ends_with(".bias"))
                .map(|tensor| tensor.name)
                .collect()
        };
        assert_eq!(names(1, true), ["mlp.bias"]);
        assert_eq!(names(3, false), ["mlp.0.bias", "mlp.2.bias", "mlp.4.bias"]);
        let with_bn = ["mlp.0.bias", "mlp.1.bias", "mlp.3.bias"];
        assert_eq!(names(2, true), with_bn);
    }

    #[test]
    fn weights_begin_at_a_deviation_of_two_hundredths_and_biases_at_zero() {
        for tensor in named_tensors(&head(1280, 2, false)) {
            if tensor.name.ends_with(".bias") {
                assert!(tensor.values.iter().all(|v| *v == 0.0), "{}", tensor.name);
                continue;
            }
            let n = tensor.values.len() as f64;
            let square: f64 = tensor.values.iter().map(|&v| f64::from(v).powi(2)).sum();
            // Five standard errors of the deviation.
            let limit = 5.0 * INIT_STD / (2.0 * n).sqrt();
            assert!(
                ((square / n).sqrt() - INIT_STD).abs() < limit,
                "{}",
                tensor.name
            );
        }
    }
}

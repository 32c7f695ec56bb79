//! The classifier of semi-supervised fine-tuning: the first two layers of DINO's head and a linear layer on them
//! (paper, section 4.2).
//!
//! Names: `mlp.{0,1,3,4}` are those of DINO's head, `mlp.6` is the new layer.

use burn::module::Module;
use burn::tensor::Tensor;

use super::dino::INIT_STD;
use super::mlp::{Mlp, MlpActivation, MlpConfig};
use crate::backend::Backend;
use crate::nn::{BatchMode, Linear, ParamInit};
use crate::weights::{LoadReport, WeightMap, assign};

/// Linear layers, the last of which is new.
const LAYERS: usize = 3;
/// What the names of the new layer begin with.
const NEW: &str = "mlp.6.";

/// What a [`ClassifierHead`] is made from.
#[derive(Debug, Clone)]
pub struct ClassifierHeadConfig {
    /// Length of the backbone's features.
    pub in_dim: usize,
    /// Width of the hidden layers.
    pub hidden_dim: usize,
    /// Number of classes.
    pub classes: usize,
}

impl ClassifierHeadConfig {
    /// A head whose hidden layers are initialised as those of DINO's head, and the last one as PyTorch's linear layers.
    pub fn init<B: Backend>(&self, init: &mut ParamInit<B>) -> ClassifierHead<B> {
        let mut mlp = MlpConfig {
            in_dim: self.in_dim,
            hidden_dim: self.hidden_dim,
            out_dim: self.classes,
            layers: LAYERS,
            use_bn: true,
            activation: MlpActivation::Gelu,
            init_std: INIT_STD,
        }
        .init(init);
        mlp.replace_last(Linear::uniform(init, self.hidden_dim, self.classes));
        ClassifierHead { mlp }
    }
}

/// Two hidden layers with batch normalisation and GELU, and a linear layer to the classes.
///
/// Should be created with [`ClassifierHeadConfig`].
#[derive(Module, Debug)]
pub struct ClassifierHead<B: Backend> {
    mlp: Mlp<B>,
}

impl<B: Backend> ClassifierHead<B> {
    /// # Shapes
    /// features `[rows, in_dim]` to scores `[rows, classes]`.
    pub fn forward(&self, features: Tensor<B, 2>, mode: BatchMode) -> Tensor<B, 2> {
        self.mlp.forward(features, mode)
    }

    /// The head with the hidden layers of a DINO head, whose tensors have the names `mlp.{0,1,3,4}.*`.
    ///
    /// # Errors
    /// What is missing or of another shape.
    pub fn with_hidden_layers(self, weights: &WeightMap) -> Result<Self, LoadReport> {
        let hidden = weights.iter().filter(|(name, _)| !name.starts_with(NEW));
        let found = hidden.map(|(name, (shape, _))| (name.as_str(), shape.as_slice()));
        let mut report = LoadReport::of::<B, Self>(&self, found);
        report.missing.retain(|name| !name.starts_with(NEW));
        if !report.missing.is_empty() || !report.mismatched.is_empty() {
            return Err(report);
        }
        Ok(assign(self, weights, |name| {
            (!name.starts_with(NEW)).then_some(name)
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn_ndarray::NdArray;

    use super::*;
    use crate::head::dino::DinoHeadConfig;
    use crate::params::named_tensors;
    use crate::weights::WeightMap;

    fn tensors<M: Module<NdArray>>(module: &M) -> WeightMap {
        let tensors = named_tensors::<NdArray, M>(module).into_iter();
        tensors.map(|t| (t.name, (t.shape, t.values))).collect()
    }

    #[test]
    fn the_hidden_layers_are_those_of_a_dino_head_and_the_last_stays_new() {
        let device = Default::default();
        let dino = DinoHeadConfig {
            in_dim: 6,
            out_dim: 7,
            hidden_dim: 5,
            bottleneck_dim: 4,
            layers: 3,
            use_bn: true,
            norm_last_layer: true,
        };
        let dino = tensors(&dino.init::<NdArray>(&mut ParamInit::new(1, &device)));
        let config = ClassifierHeadConfig {
            in_dim: 6,
            hidden_dim: 5,
            classes: 3,
        };
        let fresh = config.init::<NdArray>(&mut ParamInit::new(2, &device));
        let before = tensors(&fresh);
        let after = tensors(&fresh.with_hidden_layers(&dino).unwrap());
        assert_eq!(after.len(), 4 + 2 * 4 + 2);
        for (name, value) in &after {
            let expected = if name.starts_with("mlp.6") {
                &before[name]
            } else {
                &dino[name]
            };
            assert_eq!(value, expected, "{name}");
        }
    }

    #[test]
    fn a_head_of_other_sizes_or_without_normalisation_is_refused() {
        let device = Default::default();
        let head = |hidden_dim, use_bn| DinoHeadConfig {
            in_dim: 6,
            out_dim: 7,
            hidden_dim,
            bottleneck_dim: 4,
            layers: 3,
            use_bn,
            norm_last_layer: true,
        };
        for (hidden, use_bn) in [(8, true), (5, false)] {
            let dino = head(hidden, use_bn).init::<NdArray>(&mut ParamInit::new(1, &device));
            let config = ClassifierHeadConfig {
                in_dim: 6,
                hidden_dim: 5,
                classes: 3,
            };
            let fresh = config.init::<NdArray>(&mut ParamInit::new(2, &device));
            let report = fresh.with_hidden_layers(&tensors(&dino)).unwrap_err();
            assert!(!report.is_complete());
        }
    }
}

//! A backbone as an ONNX model for inference.
//!
//! The model maps `images` `[batch, 3, px, px]`, normalised with the mean and standard deviation of its metadata, to
//! `features` `[batch, features_dim]`. The batch is free, the image size fixed. It is the network in evaluation:
//! normalisations are folded into the convolutions before them, positional embeddings are those of the image size, and
//! there is no stochastic depth.

mod conv;
mod graph;
mod mobilenet_v2;
mod proto;
mod resnet;
mod vit;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use thiserror::Error;

use crate::BackboneKind;
use crate::backbone::Family;
use crate::params::NamedTensor;
use graph::Graph;
pub use graph::OPSET;

/// Name of the model's input.
pub const INPUT: &str = "images";
/// Name of the model's output.
pub const OUTPUT: &str = "features";

/// Why a backbone is not written as ONNX.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// A tensor of the network is not there, or has another number of values.
    #[error("the weights lack tensor {name} of {count} values; give all weights of the backbone")]
    Missing {
        /// Its name.
        name: String,
        /// How many values it should have.
        count: usize,
    },
    /// The image is smaller than what the network can take.
    #[error(
        "images of {px} pixels are smaller than a patch of {patch_px}; give a larger input size"
    )]
    TooSmall {
        /// Side of the image.
        px: usize,
        /// Side of a patch.
        patch_px: usize,
    },
}

/// A backbone that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct OnnxBackbone<'a> {
    /// The network.
    pub kind: BackboneKind,
    /// Whether it is the variant for small images.
    pub small_input: bool,
    /// Side of its images in pixels.
    pub px: usize,
    /// All its tensors, in torchvision's or timm's names.
    pub tensors: &'a [NamedTensor],
}

impl OnnxBackbone<'_> {
    /// The content of an ONNX file, with texts beside the model.
    ///
    /// # Errors
    /// If a tensor is missing, or the images are too small.
    pub fn to_bytes(&self, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, OnnxError> {
        let features = self.kind.features_dim();
        let model = self.graph()?;
        Ok(model.into_model(
            (INPUT, &[3, self.px, self.px]),
            (OUTPUT, &[features]),
            metadata,
        ))
    }

    fn graph(&self) -> Result<Graph, OnnxError> {
        let weights = Weights::of(self.tensors);
        match self.kind.family() {
            Family::MobileNetV2 => mobilenet_v2::graph(self.small_input, &weights),
            Family::ResNet(variant) => resnet::graph(variant, self.small_input, &weights),
            Family::Vit(variant) => vit::graph(variant, self.small_input, self.px, &weights),
        }
    }
}

/// Tensors by name.
struct Weights<'a>(HashMap<&'a str, &'a NamedTensor>);

impl<'a> Weights<'a> {
    fn of(tensors: &'a [NamedTensor]) -> Self {
        Self(tensors.iter().map(|t| (t.name.as_str(), t)).collect())
    }

    /// The values of a tensor, which must be so many.
    fn values(&self, name: &str, count: usize) -> Result<&'a [f32], OnnxError> {
        let tensor = self.0.get(name).filter(|t| t.values.len() == count);
        tensor
            .map(|tensor| tensor.values.as_slice())
            .ok_or_else(|| OnnxError::Missing {
                name: name.to_string(),
                count,
            })
    }
}

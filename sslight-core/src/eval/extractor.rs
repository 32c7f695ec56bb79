//! Features of images for evaluation: what stands in front of kNN and of linear classifiers.

use burn::tensor::Tensor;
use sslight_models::backend::Backend;
use sslight_models::{Backbone, BatchMode};

/// What gives features.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)]
pub enum Extractor<B: Backend> {
    /// A network in evaluation mode.
    Network {
        /// The network.
        backbone: Backbone<B>,
        /// Of a vision transformer, the number of last blocks whose class tokens are the features; `None` takes the
        /// pooled features that every network has.
        blocks: Option<usize>,
    },
    /// The pixels themselves, the floor that any network has to beat.
    Pixels,
}

impl<B: Backend> Extractor<B> {
    /// The features of a batch.
    ///
    /// # Shapes
    /// `[b, 3, h, w]` to `[b, d]`.
    pub fn features(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        match self {
            Self::Network { backbone, blocks } => blocks
                .and_then(|blocks| {
                    backbone.cls_of_last_blocks(images.clone(), blocks, BatchMode::Running)
                })
                .unwrap_or_else(|| backbone.forward(images, BatchMode::Running)),
            Self::Pixels => {
                let [batch, channels, height, width] = images.dims();
                images.reshape([batch, channels * height * width])
            }
        }
    }

    /// Length of a feature vector of images of `size` pixels.
    pub fn dim(&self, size: usize) -> usize {
        match self {
            Self::Network { backbone, blocks } => match (backbone, blocks) {
                (Backbone::Vit(_), Some(blocks)) => blocks * backbone.features_dim(),
                _ => backbone.features_dim(),
            },
            Self::Pixels => 3 * size * size,
        }
    }
}

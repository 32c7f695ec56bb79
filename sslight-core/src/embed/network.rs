//! A backbone with its weights on its engine, without the engine's type.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use sslight_models::backend::Backend;
use sslight_models::params::host_values;
use sslight_models::{Backbone, BackboneKind, BatchMode};

use crate::config::RunConfig;
use crate::eval::FeatureSet;
use crate::eval::knn::{self, KnnConfig, KnnError, KnnScore};
use crate::run::{RunError, assemble};

/// What is computed on an engine.
trait Compute {
    fn features(&self, pixels: Vec<f32>, size: usize) -> Vec<f32>;
    fn attention(&self, pixels: Vec<f32>, size: usize) -> Option<ClassAttention>;
    fn search(
        &self,
        bank: &FeatureSet,
        queries: &FeatureSet,
        config: KnnConfig,
    ) -> Result<KnnScore, KnnError>;
}

/// What the class tokens of the last block look at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClassAttention {
    /// Attention heads.
    pub heads: usize,
    /// Patches of an image.
    pub patches: usize,
    /// `[images, heads, patches]`; what a class token gives to itself is missing from 1.
    pub weights: Vec<f32>,
}

/// A backbone in evaluation mode.
pub struct Network {
    kind: BackboneKind,
    dim: usize,
    left_out: Option<String>,
    compute: Box<dyn Compute>,
}

impl Network {
    /// The backbone of a configuration with the weights of a file, whose content is `weights`; `path` is for messages.
    ///
    /// # Errors
    /// If the weights cannot be read or do not fit.
    pub fn load<B: Backend>(
        config: &RunConfig,
        path: &Path,
        weights: &[u8],
        device: &B::Device,
    ) -> Result<Self, RunError> {
        let (backbone, left_out) = assemble::backbone_from::<B>(config, path, weights, device)?;
        let kind = config.backbone.into();
        Ok(Self::on_engine(kind, backbone, left_out, device))
    }

    /// A backbone that is there already.
    pub(super) fn on_engine<B: Backend>(
        kind: BackboneKind,
        backbone: Backbone<B>,
        left_out: Option<String>,
        device: &B::Device,
    ) -> Self {
        Self {
            kind,
            dim: backbone.features_dim(),
            left_out,
            compute: Box::new(OnEngine {
                backbone,
                device: device.clone(),
            }),
        }
    }

    /// Which network.
    pub fn kind(&self) -> BackboneKind {
        self.kind
    }

    /// Length of a feature vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// What was loaded and what was left out, if the file holds more than the backbone.
    pub fn left_out(&self) -> Option<&str> {
        self.left_out.as_deref()
    }

    /// Features `[n, dim]` of normalised pixels `[n, 3, size, size]`.
    pub(super) fn features(&self, pixels: Vec<f32>, size: usize) -> Vec<f32> {
        self.compute.features(pixels, size)
    }

    /// The attention of normalised pixels `[n, 3, size, size]`; `None` for a convolutional network.
    pub(super) fn attention(&self, pixels: Vec<f32>, size: usize) -> Option<ClassAttention> {
        self.compute.attention(pixels, size)
    }

    /// The neighbours of `queries` in `bank`.
    pub(super) fn search(
        &self,
        bank: &FeatureSet,
        queries: &FeatureSet,
        config: KnnConfig,
    ) -> Result<KnnScore, KnnError> {
        self.compute.search(bank, queries, config)
    }
}

struct OnEngine<B: Backend> {
    backbone: Backbone<B>,
    device: B::Device,
}

impl<B: Backend> OnEngine<B> {
    fn upload(&self, pixels: Vec<f32>, size: usize) -> Tensor<B, 4> {
        let rows = pixels.len() / (3 * size * size);
        Tensor::from_data(TensorData::new(pixels, [rows, 3, size, size]), &self.device)
    }
}

impl<B: Backend> Compute for OnEngine<B> {
    fn features(&self, pixels: Vec<f32>, size: usize) -> Vec<f32> {
        let images = self.upload(pixels, size);
        host_values(self.backbone.forward(images, BatchMode::Running))
    }

    fn attention(&self, pixels: Vec<f32>, size: usize) -> Option<ClassAttention> {
        let images = self.upload(pixels, size);
        let weights = self.backbone.attention_of_last_block(images)?;
        let [_, heads, tokens, _] = weights.dims();
        let of_class_token = weights.narrow(2, 0, 1).narrow(3, 1, tokens - 1);
        Some(ClassAttention {
            heads,
            patches: tokens - 1,
            weights: host_values(of_class_token),
        })
    }

    fn search(
        &self,
        bank: &FeatureSet,
        queries: &FeatureSet,
        config: KnnConfig,
    ) -> Result<KnnScore, KnnError> {
        knn::with_bank::<B>(bank, queries, config, &self.device)
    }
}

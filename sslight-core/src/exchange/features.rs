//! What a network makes of stored images: a way to compare a conversion with the program that the weights come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use serde::Serialize;
use sslight_models::backend::Backend;
use sslight_models::params::{NamedTensor, host_values};
use sslight_models::weights::{WeightMap, WeightsFile, empty_backbone, load_named, to_safetensors};
use sslight_models::{Backbone, BatchMode};

use super::source::{Source, Wanted};
use super::{ExchangeError, publish, refuse_existing};
use crate::fsio::WithPath;
use crate::run::RunError;

/// Images of a pass.
const BATCH: usize = 16;
/// Name of the tensor of images in the file that is read.
const INPUT: &str = "input";
/// Name of the tensor of features in the file that is written.
const FEATURES: &str = "features";

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct FeaturesReport {
    /// The file.
    pub path: PathBuf,
    /// The backbone.
    pub backbone: String,
    /// Images.
    pub images: usize,
    /// Length of a feature vector.
    pub dim: usize,
}

/// Writes the features, in evaluation, of the tensor `input` `[n, 3, h, w]` of a safetensors file as the tensor
/// `features` `[n, dim]` of another. The images are taken as they are, thus normalised.
///
/// # Errors
/// If weights or images cannot be read, or the file to be written is there already.
pub fn features_of<B: Backend>(
    path: &Path,
    wanted: &Wanted,
    [images, out]: [&Path; 2],
    overwrite: bool,
    device: &B::Device,
) -> Result<FeaturesReport, ExchangeError> {
    refuse_existing(out, overwrite)?;
    let source = Source::read::<B>(path, wanted, device)?;
    let backbone = source.network::<B>(device)?;
    let patch = source.kind.patch_size(source.small_input).unwrap_or(1);
    let ([count, channels, height, width], values) = read_images(images, patch)?;
    let per_image = channels * height * width;
    let mut features = Vec::with_capacity(count * source.kind.features_dim());
    for part in values.chunks(BATCH * per_image) {
        let shape = [part.len() / per_image, channels, height, width];
        let data = TensorData::new(part.to_vec(), shape);
        let batch: Tensor<B, 4> = Tensor::from_data(data, device);
        features.extend(host_values(backbone.forward(batch, BatchMode::Running)));
    }
    let report = FeaturesReport {
        path: out.to_path_buf(),
        backbone: source.kind.to_string(),
        images: count,
        dim: source.kind.features_dim(),
    };
    let tensor = NamedTensor {
        name: FEATURES.to_string(),
        shape: vec![count, report.dim],
        values: features,
    };
    let file = to_safetensors(&[tensor], BTreeMap::new());
    let file = file.map_err(|source| ExchangeError::Weights {
        path: out.to_path_buf(),
        source,
    })?;
    publish(out, &file, overwrite)?;
    Ok(report)
}

impl Source {
    /// The backbone with these weights, all of them.
    ///
    /// # Errors
    /// If one is missing.
    pub fn network<B: Backend>(&self, device: &B::Device) -> Result<Backbone<B>, ExchangeError> {
        let empty = empty_backbone::<B>(self.kind, self.small_input, device);
        let empty = empty.map_err(RunError::Backbone)?;
        let tensors = self.backbone.iter();
        let weights: WeightMap = tensors
            .map(|t| (t.name.clone(), (t.shape.clone(), t.values.clone())))
            .collect();
        load_named(empty, &weights).map_err(|source| ExchangeError::Weights {
            path: self.path.clone(),
            source,
        })
    }
}

/// Shape and values of the images, which are at least a patch large.
fn read_images(path: &Path, patch: usize) -> Result<([usize; 4], Vec<f32>), ExchangeError> {
    let bytes = std::fs::read(path).on(path, "read")?;
    let wrong = |reason: String| ExchangeError::Input {
        path: path.to_path_buf(),
        reason,
    };
    let in_file = |source| ExchangeError::Weights {
        path: path.to_path_buf(),
        source,
    };
    let file = WeightsFile::open(&bytes).map_err(in_file)?;
    let entry = file.entries().iter().find(|entry| entry.name == INPUT);
    let entry = entry.ok_or_else(|| wrong(format!("holds no tensor {INPUT}")))?;
    let shape: [usize; 4] = match entry.shape[..] {
        [count, 3, height, width] if count > 0 && height.min(width) >= patch => {
            [count, 3, height, width]
        }
        _ => {
            return Err(wrong(format!(
                "{INPUT} has the shape {:?}, and the network takes three channels of at least {patch} pixels",
                entry.shape
            )));
        }
    };
    Ok((shape, file.values(entry).map_err(in_file)?))
}

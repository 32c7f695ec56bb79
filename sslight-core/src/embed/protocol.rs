//! How features came about, in words for people and as JSON for files.

use std::path::Path;

use serde::Serialize;

use super::Images;
use crate::config::RunConfig;

/// What has to be known to make the same features again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Protocol {
    /// The file with the weights.
    pub weights: String,
    /// The network.
    pub backbone: String,
    /// Where the images come from, and how many there are.
    pub data: String,
    /// The shorter side that images were resized to, in pixels.
    pub resize: usize,
    /// Side of the centre that the network saw, in pixels.
    pub crop: usize,
    /// How images were resized.
    pub interpolation: String,
    /// Channel means that were subtracted.
    pub mean: [f64; 3],
    /// Channel standard deviations that were divided by.
    pub std: [f64; 3],
}

impl Protocol {
    /// Of the images under a configuration.
    pub fn new(config: &RunConfig, weights: &Path, images: &Images) -> Self {
        Self {
            weights: weights.display().to_string(),
            backbone: config.backbone.to_string(),
            data: images.source.describe(),
            resize: config.eval.resize,
            crop: config.eval.crop,
            interpolation: config.eval.interpolation.to_string(),
            mean: config.views.mean,
            std: config.views.std,
        }
    }

    /// One line for a wide picture.
    pub fn line(&self) -> String {
        self.lines().join("; ")
    }

    /// The network, and the images.
    pub fn lines(&self) -> [String; 2] {
        [
            format!("{} of {}", self.backbone, self.weights),
            format!(
                "{}; shorter side {} px ({}), centre {} px",
                self.data, self.resize, self.interpolation, self.crop
            ),
        ]
    }

    /// The same as JSON.
    pub fn json(&self) -> String {
        // Strings and numbers: nothing here can be refused.
        serde_json::to_string(self).unwrap_or_default()
    }
}

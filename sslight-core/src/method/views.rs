//! Forward passes over the views of a batch.

use burn::tensor::Tensor;
use sslight_models::backend::Backend;
use sslight_models::{Backbone, BatchMode, DropPath, Pass, SeededDraws};

/// Stochastic depth of a vision transformer in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StochasticDepth {
    /// Probability with which the residual branches of the last block are left out; 0 is off.
    pub rate: f64,
    /// The run's seed.
    pub seed: u64,
}

impl StochasticDepth {
    /// Nothing is left out: teachers and key encoders.
    pub const OFF: Self = Self { rate: 0.0, seed: 0 };
}

/// The features of all views, with batch statistics: one pass of the backbone for each size of view, so that
/// the statistics of its normalisation are those of one size.
///
/// # Shapes
/// groups `[views b, 3, s, s]` to `[all views b, features_dim]`.
pub(super) fn features_of_views<B: Backend>(
    backbone: &Backbone<B>,
    groups: &[Tensor<B, 4>],
    depth: StochasticDepth,
    step: usize,
) -> Tensor<B, 2> {
    let features = groups.iter().enumerate().map(|(pass, images)| {
        let draws = SeededDraws {
            seed: depth.seed,
            step: step as u64,
            pass: pass as u64,
        };
        let mode = Pass::from(BatchMode::Batch);
        let pass = if depth.rate > 0.0 {
            mode.with_drop_path(DropPath {
                rate: depth.rate,
                draws: &draws,
            })
        } else {
            mode
        };
        backbone.forward(images.clone(), pass)
    });
    Tensor::cat(features.collect(), 0)
}

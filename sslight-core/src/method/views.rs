//! Batches of views, their parts, and forward passes over them.

use burn::tensor::{Int, Tensor};
use sslight_models::backend::Backend;
use sslight_models::{Backbone, BatchMode, DropPath, Pass, SeededDraws};

/// One batch of views on the device.
#[derive(Debug, Clone)]
pub struct ViewBatch<B: Backend> {
    /// Runs of consecutive views of equal size, global views first: `[views * batch, 3, size, size]`,
    /// view-major.
    pub groups: Vec<Tensor<B, 4>>,
    /// Images in the batch, which is the number of rows of each view.
    pub batch: usize,
    /// Classes `[batch]`, if the data has labels.
    pub labels: Option<Tensor<B, 1, Int>>,
}

impl<B: Backend> ViewBatch<B> {
    /// Some of the global views, `[views b, 3, s, s]`.
    pub(super) fn global_views(&self, views: std::ops::Range<usize>) -> Tensor<B, 4> {
        let (first, count) = (views.start * self.batch, views.len() * self.batch);
        self.groups[0].clone().narrow(0, first, count)
    }

    /// Part `part` of `parts` equal ones: all views of consecutive images.
    ///
    /// # Panics
    /// If the batch has no `parts` equal parts.
    pub(super) fn part(&self, part: usize, parts: usize) -> Self {
        if parts == 1 {
            return self.clone();
        }
        assert!(
            parts > 0 && self.batch.is_multiple_of(parts),
            "ViewBatch::part: a batch of {} has no {parts} equal parts",
            self.batch
        );
        let images = self.batch / parts;
        let groups = self.groups.iter().map(|group| {
            let [rows, channels, height, width] = group.dims();
            let views = rows / self.batch;
            group
                .clone()
                .reshape([views, self.batch, channels, height, width])
                .narrow(1, part * images, images)
                .reshape([views * images, channels, height, width])
        });
        Self {
            groups: groups.collect(),
            batch: images,
            labels: self
                .labels
                .clone()
                .map(|labels| labels.narrow(0, part * images, images)),
        }
    }
}

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

/// A backbone's pass over groups of views: one forward pass for each size of view, so that the statistics of
/// its normalisation are those of one size.
pub(super) struct PassOfViews<'a, B: Backend> {
    /// `[views b, 3, s, s]` each.
    pub(super) views: &'a [Tensor<B, 4>],
    pub(super) depth: StochasticDepth,
    pub(super) step: usize,
    /// Which part of the step's batch it is.
    pub(super) part: usize,
}

impl<B: Backend> PassOfViews<'_, B> {
    /// The features of one group, `[views b, features_dim]`.
    pub(super) fn of_group(
        &self,
        backbone: &Backbone<B>,
        group: usize,
        mode: BatchMode,
    ) -> Tensor<B, 2> {
        let draws = SeededDraws {
            seed: self.depth.seed,
            step: self.step as u64,
            pass: (self.part * self.views.len() + group) as u64,
        };
        let pass = Pass::from(mode);
        let pass = if self.depth.rate > 0.0 {
            pass.with_drop_path(DropPath {
                rate: self.depth.rate,
                draws: &draws,
            })
        } else {
            pass
        };
        backbone.forward(self.views[group].clone(), pass)
    }
}

/// The features of a teacher or key encoder, with batch statistics and without stochastic depth.
///
/// # Shapes
/// `[rows, 3, s, s]` to `[rows, features_dim]`.
pub(super) fn features_without_tape<B: Backend>(
    backbone: &Backbone<B>,
    images: Tensor<B, 4>,
) -> Tensor<B, 2> {
    backbone.forward(images, BatchMode::Batch).detach()
}

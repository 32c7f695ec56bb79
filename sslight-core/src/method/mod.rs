//! Methods: who owns which networks and buffers, and what one training step does.
//!
//! [`Method`] is what a method implements; [`AnyMethod`] is the one type over all of them that the learner
//! trains, so that the loop is compiled once a backend, whatever the number of methods.

mod any;
pub mod dino;
pub mod moco;
mod output;
mod probe;
mod setup;
pub mod simclr;
mod step;
pub mod supervised;
pub mod swav;
mod views;

use burn::module::AutodiffModule;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use sslight_models::Backbone;
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::Linear;

use crate::schedule::Clock;

pub use any::AnyMethod;
pub use output::{
    BrokenGradients, EmbeddingStats, EmbeddingSummary, GradientSummary, StepOutput, StepStats,
    TargetSummary, ValidationStats,
};
pub use setup::MethodSetup;
pub use step::{Features, Lesson, Phase, StepOptions};
pub use views::{StochasticDepth, ViewBatch};

/// What a method does in a training step.
///
/// The order of a step: [`before_update`](Self::before_update); for each part of the batch the features of
/// [`student_views`](Self::student_views), those of the [teacher](Self::teacher_features),
/// [`learn`](Self::learn) and gradients; [`remember`](Self::remember) and
/// [`restrain`](Self::restrain); the optimizer; [`after_update`](Self::after_update). Only `remember` moves
/// buffers, beside the statistics of batch normalisation; only the others that take `self` move parameters.
pub trait Method<B: AutodiffBackend>: AutodiffModule<B> {
    /// What a part of a batch leaves for the buffers.
    type Trace;

    /// What the method is told of steps.
    fn options(&self) -> StepOptions;

    /// The clock that it looks at.
    fn clock(&self) -> &Clock;

    /// The backbone that is trained, evaluated and exported: the student's, or the query encoder's.
    fn backbone(&self) -> &Backbone<B>;

    /// The backbone of the teacher or key encoder, which follows [`backbone`](Self::backbone), if there is one.
    fn teacher_backbone(&self) -> Option<&Backbone<B>> {
        None
    }

    /// The linear classifier on its features, if one is trained along.
    fn classifier(&self) -> Option<&Linear<B>>;

    /// The views that it is shown, groups of one size each, view-major.
    fn student_views(&self, batch: &ViewBatch<B>) -> Vec<Tensor<B, 4>> {
        batch.groups.clone()
    }

    /// What the backbone of a teacher or key encoder makes of its views, without a tape; `None` without such a network.
    fn teacher_features(&self, _batch: &ViewBatch<B>) -> Option<Tensor<B, 2>> {
        None
    }

    /// The loss of these features: what heads and losses do.
    fn learn(&self, features: Features<B>, batch: &ViewBatch<B>) -> Lesson<B, Self::Trace>;

    /// Moves the buffers by what the parts of a batch left, in their order.
    fn remember(&self, traces: Vec<Self::Trace>);

    /// Clips gradients and drops those of frozen layers.
    fn restrain(&self, grads: &mut GradientsParams);

    /// What moves parameters before the optimizer does. `learn` sees them as this leaves them.
    fn before_update(self) -> Self {
        self
    }

    /// What moves parameters after the optimizer did.
    fn after_update(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests;

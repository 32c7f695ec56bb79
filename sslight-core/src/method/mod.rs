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
pub mod supervised;
pub mod swav;
mod views;

use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor};
use sslight_models::Backbone;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::Linear;

pub use any::AnyMethod;
pub use output::{StepOutput, StepStats, TargetSummary, ValidationStats};
pub use setup::MethodSetup;
pub use views::StochasticDepth;

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

/// What a method does in a training step, in this order: [`learn`](Self::learn),
/// [`before_update`](Self::before_update), the optimizer, [`after_update`](Self::after_update).
pub trait Method<B: AutodiffBackend>: Sized {
    /// The losses of a batch, and the gradients that the optimizer is to see: clipped, and without those of
    /// frozen layers. Buffers move here, parameters do not.
    fn learn(&self, batch: &ViewBatch<B>) -> (StepOutput<B>, GradientsParams);

    /// What moves parameters before the optimizer does. `learn` looked at the parameters as this leaves them.
    fn before_update(self) -> Self {
        self
    }

    /// What moves parameters after the optimizer did.
    fn after_update(self) -> Self {
        self
    }

    /// The backbone that is evaluated and exported: the student's, or the query encoder's.
    fn backbone(&self) -> &Backbone<B>;

    /// The linear classifier on its features, if one is trained along.
    fn classifier(&self) -> Option<&Linear<B>>;
}

#[cfg(test)]
mod tests;

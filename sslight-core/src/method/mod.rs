//! Methods: who owns which networks and buffers, and what one training step does.

pub mod dino;
mod output;

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use burn_train::{InferenceStep, TrainStep};
use sslight_models::Backbone;
use sslight_models::backend::{AutodiffBackend, Backend};

pub use output::{StepOutput, StepStats, ValidationStats};

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

/// What the learner needs of a method beside burn-train's step traits.
pub trait Method<B: AutodiffBackend>:
    TrainStep<Input = ViewBatch<B>, Output = StepOutput<B>>
    + burn::module::AutodiffModule<B, InnerModule: MethodInner<B::InnerBackend>>
    + std::fmt::Display
    + 'static
{
    /// The backbone that is evaluated and exported: the student's, or the query encoder's.
    fn backbone(&self) -> &Backbone<B>;
}

/// The same method without gradient tape.
pub trait MethodInner<B: Backend>:
    Module<B> + InferenceStep<Input = ValidationStats, Output = ValidationStats>
{
}

impl<B: Backend, M> MethodInner<B> for M where
    M: Module<B> + InferenceStep<Input = ValidationStats, Output = ValidationStats>
{
}

//! How burn-train's learner drives a run: scheduler, data feed, metrics, renderer, and the strategy that holds
//! the loop. Nothing outside this folder and [`checkpoint`](crate::checkpoint) depends on burn-train's shape.

mod feed;
mod launch;
mod metrics;
mod renderer;
mod scheduler;
mod strategy;

use std::fmt::Display;

use burn::module::AutodiffModule;
use burn_train::{InferenceStep, ItemLazy, LearningComponentsMarker, TrainStep};
use sslight_models::backend::AutodiffBackend;

pub use feed::{Feed, NoBatches, Supply, ViewSupply, upload};
pub use launch::Launch;
pub use metrics::{NoMetricFiles, Read, ScalarMetric, register, register_method};
pub use renderer::{BoxedRenderer, SilentRenderer};
pub use scheduler::ClockScheduler;
pub use strategy::{Pacer, RunHooks, StepReady, StepStrategy, Stop};

use crate::optim::GroupedOptimizer;

/// A network with its losses, which the loop trains.
pub trait Trained<B: AutodiffBackend>:
    TrainStep<Input = Self::Batch, Output = Self::Taken>
    + AutodiffModule<B, InnerModule = Self::Valid>
    + Display
    + 'static
{
    /// What it learns from in a step.
    type Batch: Send + 'static;
    /// What is told of a step, still on the device.
    type Taken: ItemLazy + Clone + 'static;
    /// The network without a tape.
    type Valid: InferenceStep<Input = Self::Measured, Output = Self::Measured>;
    /// What is measured at the end of an epoch.
    type Measured: ItemLazy + Send + 'static;
}

/// The component types of a run: backend, scheduler, network with losses, optimizer.
pub type Components<B, M> = LearningComponentsMarker<B, ClockScheduler, M, GroupedOptimizer<B>>;

//! How burn-train's learner drives a run: scheduler, data feed, metrics, renderer, and the strategy that holds
//! the loop. Nothing outside this folder and [`checkpoint`](crate::checkpoint) depends on burn-train's shape.

mod feed;
mod metrics;
mod renderer;
mod scheduler;
mod strategy;

use burn_train::LearningComponentsMarker;

pub use feed::{Feed, NoBatches, upload};
pub use metrics::{NoMetricFiles, ScalarMetric, register};
pub use renderer::{BoxedRenderer, SilentRenderer};
pub use scheduler::ClockScheduler;
pub use strategy::{Pacer, RunHooks, StepReady, StepStrategy, Stop};

use crate::method::AnyMethod;
use crate::optim::GroupedOptimizer;

/// The component types of a run: backend, scheduler, method, optimizer.
pub type Components<B> =
    LearningComponentsMarker<B, ClockScheduler, AnyMethod<B>, GroupedOptimizer<B>>;

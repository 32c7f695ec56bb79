//! Losses as pure functions of tensors: no state, no schedule, no randomness.

mod cross_entropy;
pub mod dino;
pub mod moco;
mod pairs;
pub mod queue;
pub mod simclr;
pub mod sinkhorn;
mod spread;
pub mod swav;
mod targets;

#[cfg(test)]
pub(crate) mod testing;

pub use cross_entropy::cross_entropy;
pub use pairs::{GLOBAL_VIEWS, PairTerms, PairWeights, cross_view_terms};
pub use spread::{SpreadStats, spread};
pub use targets::{TargetStats, target_stats};

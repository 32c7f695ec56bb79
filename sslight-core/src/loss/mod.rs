//! Losses as pure functions of tensors: no state, no schedule, no randomness.

pub mod dino;
mod pairs;

pub use pairs::{PairTerms, PairWeights};

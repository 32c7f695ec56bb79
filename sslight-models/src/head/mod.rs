//! Projection heads, one file a method.

pub mod classifier;
pub mod dino;
mod mlp;
pub mod moco;
pub mod swav;

//! Projection heads, one file a method.

pub mod dino;
mod mlp;
pub mod moco;
pub mod swav;

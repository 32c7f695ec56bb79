//! Projection heads, one file a method.

pub mod dino;

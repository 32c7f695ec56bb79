//! The layers that the networks are made of.
//!
//! They are thin: each owns its parameters in PyTorch's layout under PyTorch's names and calls one
//! operation of the backend. Networks reach convolution, normalisation and activation only through
//! them, so that a faster kernel is put to use in one place.

pub mod activation;
mod attention;
mod buffer;
mod conv;
pub mod drop_path;
pub mod init;
pub(crate) mod layer_norm;
mod linear;
pub mod norm;
mod patch;
pub mod pos_embed;

pub use attention::attention_weights;
pub use buffer::Buffer;
pub use conv::{Conv2d, Conv2dConfig};
pub use init::ParamInit;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use norm::{BatchMode, BatchNorm};
pub use patch::PatchProjection;
pub use sslight_kernels::{Activation, self_attention};

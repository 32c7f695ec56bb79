//! Training operations that burn 0.21 lacks or runs slowly, behind an extension of its backend trait.
//!
//! * [`Backend`] adds convolution without bias and batch normalisation by batch statistics (with the
//!   activation fused) to burn's trait. The default bodies are burn's own operations, so that any
//!   burn backend runs; the CPU back ends [`Flex`](burn_flex::Flex) and [`NdArray`](burn_ndarray::NdArray) have kernels
//!   of their own for f32 tensors.
//! * [`Autodiff`](burn::backend::Autodiff) is covered once for all backends.
//! * [`conv2d`], [`batch_norm_train`], [`cross_view_entropy`], [`roi_align()`] and others are the operations on tensors;
//!   layers and losses call these.
//!
//! The kernels split their work by shape alone and reduce in a fixed order: a result does not depend
//! on the number of threads.

mod autodiff;
mod backend;
mod cpu;
mod host;
pub mod instruction_set;
pub mod memory;
pub mod profile;
mod roi_align;
pub mod roofline;
mod stock;
mod tensor_ops;
pub mod threads;
mod update;

pub use backend::{
    Activation, AutodiffBackend, Backend, BatchNormGradients, BatchNormOutput, Before,
    CrossViewOutput, LinearGradients, NormConvGradients, Normalization, Statistics,
};
pub use roi_align::{Region, RoiAlignOptions, roi_align};
pub use tensor_ops::{
    batch_norm_add_running, batch_norm_add_train, batch_norm_running, batch_norm_train, cat,
    conv2d, cross_view_entropy, linear, norm_conv2d_train, norm_max_pool_running,
    norm_max_pool_train, patches, self_attention, weight_norm,
};
pub use update::{AdamWStep, MomentumStep, adamw_step, momentum_step, moving_average, norm};

//! Images and randomness for self-supervised pre-training: sources, decoding, augmented views and
//! host batches. This crate knows nothing of tensors or devices.
//!
//! Data flows one way:
//!
//! ```text
//! source -> Image -> ViewPlan (all draws) -> apply (pure) -> HostBatch
//! ```
//!
//! Every random draw is a pure function of (seed, epoch, sample index, view), see [`rng`], so a batch
//! sequence depends neither on the number of worker threads nor on the step at which it is entered.

pub mod analysis;
pub mod batch;
pub mod decode;
pub mod error;
pub mod image;
pub mod lettering;
pub mod loader;
pub mod ops;
pub mod pixel_scale;
pub mod plan;
mod planes;
pub mod progress;
pub mod rng;
mod simd;
pub mod source;
pub mod text;
pub mod views;

pub use batch::{HostBatch, Pixels, SampleType, ViewGroup};
pub use decode::DecodeOptions;
pub use error::{BadImage, DataError};
pub use image::Image;
pub use loader::{BatchStream, EvalConfig, Loader, LoaderConfig, eval_batches, eval_subset};
pub use ops::{EvalView, Interpolation, eval_transform};
pub use source::{
    HoldOut, ImageSource, Keep, KeepBudget, Locality, OpenOptions, Split, Stored, Subset, open,
    open_with, validation_of, validation_of_with, with_classes, with_options,
};
pub use views::{Jitter, View, ViewPlan, ViewRecipe, ViewSpec, Workspace, apply, draw_plan};

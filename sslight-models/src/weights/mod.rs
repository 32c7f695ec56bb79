//! Weights in files: ours as safetensors in torchvision's names, other people's in any format that is read, and
//! loading by name that says what did not fit.
//!
//! * [`WeightsFile`]: a safetensors or PyTorch file, its tensors by name.
//! * [`Import`]: which of them are a backbone's, under whatever prefix and in the [`names`] of torchvision, timm or
//!   the reference.
//! * [`detect`]: which backbone the tensors of a file are.
//! * [`LinearClassifier`]: the classifier beside the backbone of a supervised checkpoint.
//! * [`with_checksum`]: a safetensors file that tells when its values have changed.
//! * [`pytorch`]: all that a file of `torch.save` holds.
//! * [`load_named`], [`LoadReport`]: every tensor finds its place, or the report says which did not.

mod checksum;
mod classifier;
mod detect;
mod element;
mod error;
mod file;
mod header;
mod import;
pub mod names;
mod precision;
pub mod pytorch;
mod report;
mod role;
mod safetensors;
mod shown;

use std::collections::HashMap;

use burn::module::Module;

pub use checksum::with_checksum;
pub use classifier::LinearClassifier;
pub use detect::{Candidate, detect, empty_backbone};
pub use element::ElementType;
pub use error::WeightsError;
pub use file::{WeightsEntry, WeightsFile, WeightsFormat};
pub use header::HeaderError;
pub use import::Import;
pub use precision::Precision;
pub use report::{LoadReport, assign, load_named};
pub use role::Role;
pub use safetensors::{StoredTensor, stored_to_safetensors, to_safetensors};

use crate::backend::Backend;
use crate::params::{self, NamedTensor};

/// Tensors by name: shape and row-major values.
pub type WeightMap = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// All parameters and buffers of a module under their names.
pub fn named_tensors<B: Backend, M: Module<B>>(module: &M) -> Vec<NamedTensor> {
    params::named_tensors(module)
}

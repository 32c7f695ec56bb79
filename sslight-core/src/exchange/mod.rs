//! Weights in and out: what the verbs `export`, `import` and `inspect` do.
//!
//! * [`Source`]: a run, a checkpoint or a file as the tensors of one network, and what is known of it.
//! * [`export`]: a network as a file that other programs load by name, or as an ONNX model.
//! * [`import`]: other people's weights as a file of ours, with a report of every tensor.
//! * [`inspect`]: what a file or a folder holds; [`features_of`]: what a network makes of stored images.

mod error;
mod export;
mod features;
mod import;
mod inspect;
mod snippet;
mod source;

pub use error::ExchangeError;
pub use export::{ExportFormat, ExportOptions, Exported, export};
pub use features::{FeaturesReport, features_of};
pub use import::{ImportOptions, ImportReport, import};
pub use inspect::{
    CheckpointLine, FileReport, FolderReport, Inspected, NetworkReport, TensorLine, inspect,
};
pub use source::{Facts, Source, Wanted};

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::fsio::replace;

/// The checksum of a file's content in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Writes a file that others read, whole or not at all.
fn publish(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), ExchangeError> {
    refuse_existing(path, overwrite)?;
    Ok(replace(path, bytes)?)
}

/// To be asked before the work as well: what is there is kept.
fn refuse_existing(path: &Path, overwrite: bool) -> Result<(), ExchangeError> {
    if !overwrite && path.exists() {
        return Err(ExchangeError::Exists {
            path: path.to_path_buf(),
        });
    }
    Ok(())
}

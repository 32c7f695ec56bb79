//! Checkpoints: one folder a step, complete or absent.
//!
//! A checkpoint is collected in `.step-N.tmp`: every file is written and synchronised, the manifest with sizes
//! and checksums last; then the folder is renamed to `step-N` and `latest` points to it. A folder named `step-N`
//! is therefore whole, whatever happened to the process, and [`CheckpointStore::verify`] proves it.

mod disk;
mod error;
mod manifest;
mod parts;
mod store;

pub use error::{CheckpointError, DamagedCheckpoint};
pub use manifest::{FileEntry, Manifest};
pub use parts::{Part, PartCheckpointer};
pub use store::{CheckpointStore, Files, Found, Keep, MakeFiles};

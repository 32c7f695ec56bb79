//! What can go wrong between annotations and a batch.

use std::path::PathBuf;

use sslight_data::DataError;

use sslight_data::text::{one_line, shown};

/// Any failure to make a batch. The message is one sentence: where, what, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadingError {
    /// An image that cannot be read or decoded; its message names it.
    #[error(transparent)]
    Image(#[from] DataError),
    /// An image of another size than its annotations say.
    #[error("{}: has {}x{} pixels, but its annotations are for {}x{}; fetch the image that was annotated, or correct width and height", shown(path), found.0, found.1, stated.0, stated.1)]
    Size {
        /// The image.
        path: PathBuf,
        /// Width and height in the annotations.
        stated: (usize, usize),
        /// Width and height of the image.
        found: (usize, usize),
    },
    /// A mask that cannot be read.
    #[error(
        "{}: annotation {annotation}: {}; repair the mask or remove the annotation",
        shown(path),
        one_line(reason)
    )]
    Mask {
        /// The image.
        path: PathBuf,
        /// Id of the annotation.
        annotation: u64,
        /// What is wrong.
        reason: String,
    },
    /// Nothing to train with.
    #[error("no image to load: none has an object that is no crowd; give annotations with objects")]
    Empty,
    /// A setting outside its range.
    #[error(
        "{setting}: expected {expected}, got {}; change the setting",
        one_line(got)
    )]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// The range.
        expected: &'static str,
        /// The value.
        got: String,
    },
    /// A worker thread could not be started or ended before its work was done.
    #[error(
        "data worker threads: {}; use fewer workers, or report this as a defect",
        one_line(reason)
    )]
    Worker {
        /// What happened.
        reason: String,
    },
}

//! What can go wrong between weights and a file of features or a picture.

use std::path::PathBuf;

use sslight_data::DataError;
use sslight_models::BackboneKind;
use thiserror::Error;

use crate::config::did_you_mean;
use crate::eval::knn::KnnError;
use crate::fsio::FileError;
use crate::run::RunError;

/// Why there is no file.
#[derive(Debug, Error)]
pub enum EmbedError {
    /// The weights cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The images cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The neighbours cannot be searched.
    #[error(transparent)]
    Knn(#[from] KnnError),
    /// There is something at the place of the result.
    #[error("out={}: is there already; give another path, or overwrite=true to replace it", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// A file is to be written where a folder is.
    #[error("out={}: is a folder; give the path of a file", path.display())]
    IsFolder {
        /// The path.
        path: PathBuf,
    },
    /// The name of the result does not say what it should be.
    #[error("out={}: its ending names no kind of file that can be written; end it with {expected}", path.display())]
    Ending {
        /// The path.
        path: PathBuf,
        /// Valid endings.
        expected: &'static str,
    },
    /// The data have no validation images.
    #[error(
        "split=validation: {data} has no validation images; give val_data=PATH, or split=train"
    )]
    NoValidation {
        /// The data as named.
        data: String,
    },
    /// The network gives features that are no numbers.
    #[error(
        "{name}: its features are not finite numbers; the weights are damaged, or training had diverged"
    )]
    NotFinite {
        /// The image.
        name: String,
    },
    /// Names that fill the head of a safetensors file beyond what readers accept.
    #[error("out={}: the names of {images} images need {bytes} bytes, and readers of safetensors accept {limit}; write .parquet or .csv", path.display())]
    TooManyNames {
        /// The path.
        path: PathBuf,
        /// How many images.
        images: usize,
        /// Bytes needed.
        bytes: usize,
        /// Bytes possible.
        limit: usize,
    },
    /// A query that is none of the images.
    #[error("queries={query}: no image of {source_name} has this name or ends with it{hint}", hint = did_you_mean(nearest, "; name one as `embed` lists it"))]
    UnknownQuery {
        /// The name as given.
        query: String,
        /// The images.
        source_name: String,
        /// Likely names.
        nearest: Vec<String>,
    },
    /// A query that several images end with.
    #[error(
        "queries={query}: {count} images of {source_name} end with it, {first} among them; give more of the path"
    )]
    AmbiguousQuery {
        /// The name as given.
        query: String,
        /// The images.
        source_name: String,
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// More neighbours than images.
    #[error("k={k} neighbours need at least {} images, and there are {images}; lower k", k + 1)]
    TooFewNeighbours {
        /// Neighbours asked for.
        k: usize,
        /// Images.
        images: usize,
    },
    /// Too few images for a picture of them.
    #[error("{what} needs at least {least} images, and there are {images}")]
    TooFewImages {
        /// What was asked for.
        what: &'static str,
        /// The least number.
        least: usize,
        /// Images.
        images: usize,
    },
    /// Images that all look the same to the network.
    #[error(
        "the features of all {images} images are equal, so that there is nothing to project; the network has collapsed, or the images are the same"
    )]
    NoVariance {
        /// Images.
        images: usize,
    },
    /// A convolutional network was asked for attention.
    #[error("{backbone} is a convolutional network and has no attention; {with} have it. For {backbone} see `sslight neighbours` and `sslight project`", with = transformers())]
    NoAttention {
        /// The network.
        backbone: BackboneKind,
    },
    /// The picture cannot be drawn.
    #[error("the picture cannot be drawn: {0}; please report this")]
    Drawing(String),
    /// The user asked for a stop.
    #[error("stopped before the end; nothing was written")]
    Stopped,
}

impl EmbedError {
    /// Whether the command line is to be changed (exit code 2).
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Run(error) => error.is_usage(),
            Self::Exists { .. }
            | Self::IsFolder { .. }
            | Self::Ending { .. }
            | Self::NoValidation { .. }
            | Self::UnknownQuery { .. }
            | Self::AmbiguousQuery { .. }
            | Self::TooFewNeighbours { .. }
            | Self::NoAttention { .. } => true,
            _ => false,
        }
    }
}

fn transformers() -> String {
    let all = BackboneKind::all().filter(|kind| kind.patch_size(false).is_some());
    all.map(|kind| kind.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

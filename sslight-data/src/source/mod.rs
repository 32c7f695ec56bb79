//! Where pictures come from: folders, IDX files and the embedded sample behind one trait.

mod embedded;
mod folder;
mod idx;
mod subset;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::{DataError, Image};

pub use embedded::EmbeddedSource;
pub use folder::FolderSource;
pub use idx::IdxSource;
pub use subset::Subset;

/// The specification that names the sample built into the program.
pub const EMBEDDED: &str = "embedded";

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// The images to learn from.
    Train,
    /// The images to measure on.
    Validation,
}

impl Split {
    /// The words that name them on a command line.
    pub const WORDS: [&'static str; 2] = ["train", "validation"];

    /// `training` or `validation`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
        }
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "train" => Ok(Self::Train),
            "validation" => Ok(Self::Validation),
            other => Err(format!("no part of the data is named `{other}`")),
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An indexed collection of pictures. An index always means the same picture.
pub trait ImageSource: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there is no image at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads and decodes one image.
    ///
    /// # Errors
    /// If the index is out of range, or the picture cannot be read or decoded.
    fn image(&self, index: usize) -> Result<Image, DataError>;

    /// Class of one image, an index into [`Self::class_names`]; `None` without labels or out of range.
    fn label(&self, index: usize) -> Option<usize>;

    /// Path or identifier of one image, for messages.
    fn name(&self, index: usize) -> String;

    /// Names of the classes by class id; empty without labels.
    fn class_names(&self) -> &[String];

    /// One line for people: what this is and how much.
    fn describe(&self) -> String;
}

/// Opens a data set and detects its kind:
///
/// * [`EMBEDDED`]: the built-in sample (write `./embedded` for a folder of that name);
/// * a folder with the four IDX files of the MNIST family (`train-images-idx3-ubyte`, `t10k-...`, plain
///   or `.gz`): the file pair of the split;
/// * one IDX image file: all of it, with the labels of its `idx1` sibling if that is there;
/// * a folder of images: its subfolder of the split if it has such (`train`; `val`, `validation` or
///   `test`), otherwise all of it. Folders at the top are classes; without any there are no labels.
///
/// # Errors
/// If the path is missing, of no known kind, unreadable, without images or without the split.
pub fn open(spec: &str, split: Split) -> Result<Arc<dyn ImageSource>, DataError> {
    if spec == EMBEDDED {
        return Ok(Arc::new(EmbeddedSource::new(split)?));
    }
    let path = Path::new(spec);
    let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::Missing { path: path.into() },
        _ => DataError::Read {
            path: path.into(),
            source,
        },
    })?;
    if !metadata.is_dir() {
        return if idx::is_image_file(path)? {
            Ok(Arc::new(IdxSource::from_image_file(path)?))
        } else {
            Err(DataError::NotAFolder { path: path.into() })
        };
    }
    if idx::is_folder(path) {
        return Ok(Arc::new(IdxSource::from_folder(path, split)?));
    }
    Ok(Arc::new(FolderSource::open(path, split)?))
}

/// Opens the validation split that belongs to a data set, if it has one of its own: the embedded
/// validation images, the `t10k` files of an IDX folder, or the `val` (`validation`, `test`) subfolder.
/// `Ok(None)` if there is none.
///
/// # Errors
/// If the split is there and cannot be opened.
pub fn validation_of(spec: &str) -> Result<Option<Arc<dyn ImageSource>>, DataError> {
    let path = Path::new(spec);
    let has_split = spec == EMBEDDED
        || idx::has_split(path, Split::Validation)
        || folder::has_split(path, Split::Validation);
    has_split.then(|| open(spec, Split::Validation)).transpose()
}

/// The error of an index at or beyond the end.
fn out_of_range(source: &dyn ImageSource, index: usize) -> DataError {
    DataError::IndexOutOfRange {
        source_name: source.describe(),
        index,
        len: source.len(),
    }
}

//! Where pictures come from: whatever holds them, behind one trait.
//!
//! `detect` finds out what a path is; a file beside it reads each kind. Kinds that hold encoded pictures as ranges of
//! bytes (tar, HDF5) share `packed`; kinds that are read block by block (Parquet) share `blocks`.

mod blocks;
mod cifar;
mod decoded;
mod detect;
mod embedded;
pub(crate) mod folder;
mod hdf5;
mod idx;
mod index_cache;
mod joined;
mod list;
mod names;
mod packed;
mod parquet;
mod subset;
mod tar;
mod unpack;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::decode::{self, DecodeOptions};
use crate::{DataError, Image};

use cifar::CifarSource;
use decoded::Decoded;
use detect::{Found, Kind};
use folder::{FolderRules, FolderSource};
use index_cache::IndexCache;
use joined::Joined;
use list::ListSource;
use parquet::{BlockSizes, ParquetSource};

pub use blocks::Locality;
pub use decoded::{Keep, KeepBudget};
pub use embedded::EmbeddedSource;
pub use idx::IdxSource;
pub use subset::{HoldOut, Subset};

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

    /// The other part.
    fn other(self) -> Self {
        match self {
            Self::Train => Self::Validation,
            Self::Validation => Self::Train,
        }
    }

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

/// A picture as its source holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The content of an image file.
    Encoded(Vec<u8>),
    /// Pixels.
    Pixels(Image),
}

/// An indexed collection of pictures. An index always means the same picture.
pub trait ImageSource: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there is no image at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads one image as it is stored.
    ///
    /// # Errors
    /// If the index is out of range, or the picture cannot be read.
    fn stored(&self, index: usize) -> Result<Stored, DataError>;

    /// Reads and decodes one image.
    ///
    /// # Errors
    /// If the index is out of range, or the picture cannot be read or decoded.
    fn image(&self, index: usize) -> Result<Image, DataError> {
        match self.stored(index)? {
            Stored::Pixels(image) => Ok(image),
            Stored::Encoded(bytes) => decode::decode(&bytes, &self.name(index)),
        }
    }

    /// Class of one image, an index into [`Self::class_names`]; `None` without labels or out of range.
    fn label(&self, index: usize) -> Option<usize>;

    /// Path or identifier of one image, for messages.
    fn name(&self, index: usize) -> String;

    /// Names of the classes by class id; empty without labels.
    fn class_names(&self) -> &[String];

    /// One line for people: what this is and how much.
    fn describe(&self) -> String;

    /// Which images are read together; `None` if any order costs the same.
    fn locality(&self) -> Option<Locality> {
        None
    }
}

/// How a data set is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Whether folders, label files and label columns give classes; otherwise nothing has a label.
    pub labels: bool,
    /// How images are decoded.
    pub decode: DecodeOptions,
    /// What is kept of images that were read.
    pub keep: Keep,
    /// Memory for what is kept.
    pub budget: KeepBudget,
    /// Where indices of large data sets and unpacked archives are kept from run to run.
    pub cache_folder: PathBuf,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            labels: true,
            decode: DecodeOptions::default(),
            keep: Keep::Nothing,
            budget: KeepBudget::new(4 << 30),
            cache_folder: index_cache::user_folder(),
        }
    }
}

/// [`open_with`] with labels.
///
/// # Errors
/// As [`open_with`].
pub fn open(spec: &str, split: Split) -> Result<Arc<dyn ImageSource>, DataError> {
    open_with(spec, split, &OpenOptions::default())
}

/// Opens a data set and detects its kind:
///
/// * [`EMBEDDED`]: the built-in sample (write `./embedded` for a folder of that name);
/// * a folder with the four IDX files of the MNIST family (`train-images-idx3-ubyte`, `t10k-...`, plain
///   or `.gz`): the file pair of the split; or one IDX image file: all of it, with the labels of its `idx1` sibling
///   if that is there;
/// * a folder with the binary files of CIFAR-10 or CIFAR-100, or some of these files;
/// * `.tar`, `.tar.gz`, `.tgz`, `.tar.zst`, `.h5` and `.parquet` files: one, a pattern as `{000000..000146}.tar` or
///   `train-*.parquet`, or a folder of them (or its folder `data`), where names that begin with `train`, `val` or
///   `test` tell the split;
/// * a list (`.txt`, `.csv`, `.tsv`, `.lst`) of image files, with or without labels;
/// * a folder of images: its subfolder of the split if it has such (`train`; `val`, `validation` or
///   `test`), otherwise all of it. Folders at the top are classes; without any there are no labels;
/// * several of these with commas between them.
///
/// # Errors
/// If the path is missing, of no known kind, unreadable, without images or without the split.
pub fn open_with(
    spec: &str,
    split: Split,
    options: &OpenOptions,
) -> Result<Arc<dyn ImageSource>, DataError> {
    let paths = detect::paths(spec);
    let parts = paths.iter().map(|path| open_one(path, split, options));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    Ok(with_options(join(parts), options))
}

/// One source of several.
fn join(mut parts: Vec<Arc<dyn ImageSource>>) -> Arc<dyn ImageSource> {
    match parts.len() {
        1 => parts.remove(0),
        _ => Arc::new(Joined::new(parts)),
    }
}

/// A source whose classes have the numbers of these names, so that labels of two sources mean the same. A source without
/// labels, or with a class of another name, stays as it is.
pub fn with_classes(source: Arc<dyn ImageSource>, names: &[String]) -> Arc<dyn ImageSource> {
    if source.class_names().is_empty() || source.class_names() == names {
        return source;
    }
    match Joined::with_classes(&source, names) {
        Some(renumbered) => Arc::new(renumbered),
        None => source,
    }
}

/// A source with what the options ask for beside its images.
pub fn with_options(source: Arc<dyn ImageSource>, options: &OpenOptions) -> Arc<dyn ImageSource> {
    let source = match options.labels || source.class_names().is_empty() {
        true => source,
        false => Arc::new(Joined::unlabelled(source)),
    };
    match options.decode == DecodeOptions::default() && options.keep == Keep::Nothing {
        true => source,
        false => Arc::new(Decoded::new(
            source,
            options.decode,
            options.keep,
            options.budget.clone(),
        )),
    }
}

fn open_one(
    spec: &str,
    split: Split,
    options: &OpenOptions,
) -> Result<Arc<dyn ImageSource>, DataError> {
    let labels = options.labels;
    if spec == EMBEDDED {
        return Ok(Arc::new(EmbeddedSource::new(split)?));
    }
    let cache = IndexCache::in_folder(&options.cache_folder);
    Ok(match detect::detect(spec, split)? {
        Found::IdxFolder(path) => Arc::new(IdxSource::from_folder(&path, split)?),
        Found::IdxFile(path) => Arc::new(IdxSource::from_image_file(&path)?),
        Found::CifarFolder(path) => Arc::new(CifarSource::from_folder(&path, split)?),
        Found::Folder(path) => {
            let rules = FolderRules { labels, cache };
            Arc::new(FolderSource::open(&path, split, &rules)?)
        }
        Found::Files(kind, files) => match kind {
            Kind::Tar => Arc::new(tar::open(&files, split, options)?),
            Kind::Hdf5 => Arc::new(hdf5::open(&files, labels, &cache)?),
            Kind::Parquet => Arc::new(ParquetSource::open(&files, labels, BlockSizes::default())?),
            Kind::Cifar => Arc::new(CifarSource::from_files(&files)?),
            Kind::List => {
                let lists = files.iter().map(|file| -> Result<Arc<dyn ImageSource>, _> {
                    Ok(Arc::new(ListSource::open(file, labels)?))
                });
                join(lists.collect::<Result<Vec<_>, DataError>>()?)
            }
        },
    })
}

/// [`validation_of_with`] with labels.
///
/// # Errors
/// As [`validation_of_with`].
pub fn validation_of(spec: &str) -> Result<Option<Arc<dyn ImageSource>>, DataError> {
    validation_of_with(spec, &OpenOptions::default())
}

/// Opens the validation split that belongs to a data set, if it has one of its own: the embedded
/// validation images, the `t10k` files of an IDX folder, the test files of CIFAR, the `val` (`validation`, `test`)
/// subfolder, archives whose names begin like that, or such a folder in an archive. Of several data sets, those that
/// have one. `Ok(None)` if there is none.
///
/// # Errors
/// If the split is there and cannot be opened.
pub fn validation_of_with(
    spec: &str,
    options: &OpenOptions,
) -> Result<Option<Arc<dyn ImageSource>>, DataError> {
    let has_split = |spec: &&str| {
        let path = Path::new(spec);
        *spec == EMBEDDED
            || idx::has_split(path, Split::Validation)
            || cifar::has_split(path, Split::Validation)
            || folder::has_split(path, Split::Validation)
            || detect::has_split(path, Split::Validation)
            || tar_has_split(spec, options)
    };
    let parts = detect::paths(spec);
    let parts: Vec<&str> = parts.into_iter().filter(has_split).collect();
    let open = |spec: &&str| open_one(spec, Split::Validation, options);
    let parts = parts.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    Ok((!parts.is_empty()).then(|| with_options(join(parts), options)))
}

/// Whether archives are a packed folder with a validation split.
fn tar_has_split(spec: &str, options: &OpenOptions) -> bool {
    match detect::detect(spec, Split::Train) {
        Ok(Found::Files(Kind::Tar, files)) => tar::has_split(&files, Split::Validation, options),
        _ => false,
    }
}

/// Runs a reader of another crate on a file: one that panics on a damaged file must not take the run with it.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(DataError::Container {
            name: path.display().to_string(),
            reason: "damaged: the reader panicked".into(),
            remedy: "fetch or write it again",
        })
    })
}

/// How many classes there are, in words.
fn in_classes(classes: &[String]) -> String {
    match classes.len() {
        0 => "no labels".to_owned(),
        classes => format!("{classes} classes"),
    }
}

/// A file, or how many there are from the first on.
fn files_in_words<'a>(what: &str, mut paths: impl ExactSizeIterator<Item = &'a Path>) -> String {
    let count = paths.len();
    let first = paths.next().map(Path::display);
    match (first, count) {
        (Some(first), 1) => format!("{what} {first}"),
        (Some(first), count) => format!("{count} {what}s from {first} on"),
        (None, _) => format!("no {what}"),
    }
}

/// The error of an index at or beyond the end.
fn out_of_range(source: &dyn ImageSource, index: usize) -> DataError {
    DataError::IndexOutOfRange {
        source_name: source.describe(),
        index,
        len: source.len(),
    }
}

//! What can go wrong between a data path and a batch.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::text::{one_line, shown};

/// A picture that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// Index in its source.
    pub index: usize,
    /// Path or identifier.
    pub name: String,
    /// The reason, as one sentence that begins with the name.
    pub reason: String,
}

impl fmt::Display for BadImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Any failure of this crate. The message is one sentence: where, what, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The data path does not exist.
    #[error(
        "{}: no such file or folder; check the path, or use `embedded` for the built-in sample",
        shown(path)
    )]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// A file of no kind that holds images.
    #[error(
        "{}: this kind of file is not known; give a folder of images, a list (.txt, .csv), a .tar, .h5 or .parquet file, CIFAR .bin files or an IDX image file",
        shown(path)
    )]
    UnknownKind {
        /// The path as given.
        path: PathBuf,
    },
    /// The operating system refused a file or folder.
    #[error("{}: cannot be read: {source}; check that it exists and that you may read it", shown(path), source = one_line(source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder holds no image.
    #[error("{}: no images found: looked for {looked_for} in it and below, found {other_files} other files; give a folder of images", shown(path), looked_for = one_line(looked_for))]
    NoImages {
        /// The folder.
        path: PathBuf,
        /// File name endings and names that would have counted.
        looked_for: String,
        /// Number of files that did not count.
        other_files: usize,
    },
    /// A data set lacks the asked-for split.
    #[error("{}: no {split} split: looked for {looked_for}; add it, or give its own path", shown(path), looked_for = one_line(looked_for))]
    SplitMissing {
        /// The folder.
        path: PathBuf,
        /// `training` or `validation`.
        split: &'static str,
        /// The names that would have counted.
        looked_for: String,
    },
    /// A list of images does not fit the data.
    #[error("{}: {reason}; it must list images of {source_name}, a file name a line", shown(path), reason = one_line(reason), source_name = one_line(source_name))]
    Subset {
        /// The list.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// The data.
        source_name: String,
    },
    /// A file that holds images is damaged, incomplete or not laid out as it has to be.
    #[error("{name}: {reason}; {remedy}", name = one_line(name), reason = one_line(reason))]
    Container {
        /// The file, and the member of it that is meant.
        name: String,
        /// What was expected and found.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A picture that was found to be unusable when its source was opened.
    #[error("{reason}", reason = one_line(reason))]
    Unusable {
        /// Where, what and what to do.
        reason: String,
    },
    /// An IDX file is damaged or of another kind.
    #[error("{name}: {reason}; get the IDX file again", name = one_line(name), reason = one_line(reason))]
    Idx {
        /// The file.
        name: String,
        /// What was expected and found.
        reason: String,
    },
    /// The content is no known image format, whatever the file is called.
    #[error("{name}: content is not a JPEG, PNG, WebP, GIF, BMP or PNM image; remove or replace the file", name = one_line(name))]
    NotAnImage {
        /// Path or identifier.
        name: String,
    },
    /// A JPEG file ends before its image does.
    #[error("{name}: truncated JPEG: the file ends before the image does; fetch the file again", name = one_line(name))]
    Truncated {
        /// Path or identifier.
        name: String,
    },
    /// The codec refused the content.
    #[error("{name}: cannot be decoded: {reason}; remove or replace the file", name = one_line(name), reason = one_line(reason))]
    Decode {
        /// Path or identifier.
        name: String,
        /// What the codec said.
        reason: String,
    },
    /// A picture without pixels.
    #[error("{name}: image has no pixels ({width}x{height}); remove or replace the file", name = one_line(name))]
    ZeroSize {
        /// Path or identifier.
        name: String,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// A picture of more pixels than are allowed.
    #[error("{name}: image of {width}x{height} pixels is above the limit of {limit} pixels; scale it down, or raise max_pixels", name = one_line(name))]
    TooLarge {
        /// Path or identifier.
        name: String,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// The limit in pixels.
        limit: u64,
    },
    /// An index at or beyond the end of a source.
    #[error("{source_name}: image {index} asked for, but there are {len}; use an index below {len}", source_name = one_line(source_name))]
    IndexOutOfRange {
        /// Description of the source.
        source_name: String,
        /// The index asked for.
        index: usize,
        /// Number of images.
        len: usize,
    },
    /// A training batch that the data cannot fill even once.
    #[error("batch size {batch_size} exceeds the {images} images of {source_name}; use batch_size={images} or less", source_name = one_line(source_name))]
    BatchTooLarge {
        /// Images a batch.
        batch_size: usize,
        /// Images in the source.
        images: usize,
        /// Description of the source.
        source_name: String,
    },
    /// A setting outside its range.
    #[error("{setting}: expected {expected}, got {got}; change the setting", got = one_line(got))]
    Setting {
        /// Name of the setting.
        setting: String,
        /// The range.
        expected: &'static str,
        /// The value.
        got: String,
    },
    /// More unreadable pictures than the run accepts.
    #[error("{} of {total} images cannot be read and at most {limit} may be; repair the data or raise max_bad_images: {}", bad.len(), list(bad))]
    TooManyBadImages {
        /// The unreadable pictures, in order of their index.
        bad: Vec<BadImage>,
        /// How many are accepted.
        limit: usize,
        /// Images in the source.
        total: usize,
    },
    /// A worker thread could not be started or ended before its work was done.
    #[error("data worker threads: {reason}; use fewer workers, or report this as a defect", reason = one_line(reason))]
    Worker {
        /// What happened.
        reason: String,
    },
}

/// The first few reasons in one line.
fn list(bad: &[BadImage]) -> String {
    const SHOWN: usize = 5;
    let mut reasons: Vec<&str> = bad.iter().take(SHOWN).map(|b| b.reason.as_str()).collect();
    if bad.len() > SHOWN {
        reasons.push("...");
    }
    reasons.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bad_images_are_counted_and_the_first_few_are_told() {
        let bad = |index| BadImage {
            index,
            name: format!("{index}.jpg"),
            reason: format!("{index}.jpg: broken"),
        };
        let error = DataError::TooManyBadImages {
            bad: (0..7).map(bad).collect(),
            limit: 6,
            total: 6000,
        };
        assert_eq!(
            error.to_string(),
            "7 of 6000 images cannot be read and at most 6 may be; repair the data or raise max_bad_images: \
             0.jpg: broken | 1.jpg: broken | 2.jpg: broken | 3.jpg: broken | 4.jpg: broken | ..."
        );
    }
}

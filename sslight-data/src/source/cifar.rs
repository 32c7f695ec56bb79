//! CIFAR-10 and CIFAR-100 in their binary version: one or two bytes of labels, then the planes of 32x32 pixels.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::packed::read_at;
use super::{ImageSource, Split, Stored, out_of_range};
use crate::{DataError, Image};

const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;
const SAMPLES: usize = 3 * PIXELS;
const REMEDY: &str = "get the binary version of the data set again";

/// Which of the two data sets a file belongs to.
#[derive(Clone, Copy)]
enum Kind {
    Ten,
    /// A coarse label, which is passed over, stands before the label.
    Hundred,
}

impl Kind {
    fn labels(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }

    fn classes(self) -> usize {
        match self {
            Self::Ten => 10,
            Self::Hundred => 100,
        }
    }

    fn record(self) -> usize {
        self.labels() + SAMPLES
    }

    /// The file of class names beside the images.
    fn names_file(self) -> &'static str {
        match self {
            Self::Ten => "batches.meta.txt",
            Self::Hundred => "fine_label_names.txt",
        }
    }

    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".bin")?;
        match name {
            "train" | "test" => Some(Self::Hundred),
            "test_batch" => Some(Self::Ten),
            name if name.starts_with("data_batch") => Some(Self::Ten),
            _ => None,
        }
    }
}

/// The names of a split's files in a folder: of the one data set, or else of the other.
fn split_names(split: Split) -> [Vec<String>; 2] {
    match split {
        Split::Train => [
            (1..=5).map(|n| format!("data_batch_{n}.bin")).collect(),
            vec!["train.bin".into()],
        ],
        Split::Validation => [vec!["test_batch.bin".into()], vec!["test.bin".into()]],
    }
}

fn split_files(folder: &Path, split: Split) -> Option<Vec<PathBuf>> {
    let files = split_names(split)
        .map(|names| -> Vec<PathBuf> { names.iter().map(|name| folder.join(name)).collect() });
    files.into_iter().find(|files| files[0].is_file())
}

/// Whether a folder holds the files of a split.
pub(super) fn has_split(folder: &Path, split: Split) -> bool {
    split_files(folder, split).is_some()
}

/// Whether a folder holds the files of either split.
pub(super) fn is_folder(folder: &Path) -> bool {
    has_split(folder, Split::Train) || has_split(folder, Split::Validation)
}

/// Whether a file is named as one of theirs.
pub(super) fn is_file(path: &Path) -> bool {
    Kind::of(path).is_some()
}

/// The images of some files of one of the data sets.
pub(super) struct CifarSource {
    kind: Kind,
    files: Vec<(PathBuf, File)>,
    /// Images of each file.
    counts: Vec<usize>,
    labels: Vec<u8>,
    class_names: Vec<String>,
}

impl CifarSource {
    /// Opens the files of a split in a folder.
    ///
    /// # Errors
    /// If a file is missing, unreadable or damaged.
    pub(super) fn from_folder(folder: &Path, split: Split) -> Result<Self, DataError> {
        let files = split_files(folder, split).ok_or_else(|| DataError::SplitMissing {
            path: folder.into(),
            split: split.name(),
            looked_for: split_names(split).concat().join(", "),
        })?;
        Self::from_files(&files)
    }

    /// Opens files in the order given.
    ///
    /// # Errors
    /// If a file is not named as in the data sets, unreadable or damaged.
    pub(super) fn from_files(paths: &[PathBuf]) -> Result<Self, DataError> {
        let first = paths.first().cloned().unwrap_or_default();
        let kind = Kind::of(&first).ok_or(DataError::UnknownKind {
            path: first.clone(),
        })?;
        let mut source = Self {
            kind,
            files: Vec::new(),
            counts: Vec::new(),
            labels: Vec::new(),
            class_names: class_names(kind, &first.with_file_name(kind.names_file())),
        };
        for path in paths {
            source.add(path)?;
        }
        Ok(source)
    }

    fn add(&mut self, path: &Path) -> Result<(), DataError> {
        let failed = |source| DataError::Read {
            path: path.into(),
            source,
        };
        let refuse = |reason: String| DataError::Container {
            name: path.display().to_string(),
            reason,
            remedy: REMEDY,
        };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let record = self.kind.record();
        if length == 0 || !length.is_multiple_of(record as u64) {
            return Err(refuse(format!(
                "{length} bytes are no whole number of images of {record} bytes"
            )));
        }
        let count = usize::try_from(length / record as u64).unwrap_or(usize::MAX);
        let mut reader = BufReader::with_capacity(1 << 20, file.try_clone().map_err(failed)?);
        let mut image = vec![0; record];
        for number in 0..count {
            reader.read_exact(&mut image).map_err(failed)?;
            let label = image[self.kind.labels() - 1];
            if usize::from(label) >= self.kind.classes() {
                return Err(refuse(format!(
                    "image {number} has the label {label}, and there are {} classes",
                    self.kind.classes()
                )));
            }
            self.labels.push(label);
        }
        self.files.push((path.into(), file));
        self.counts.push(count);
        Ok(())
    }

    /// The file of an image and its place in it.
    fn find(&self, mut index: usize) -> Option<(usize, usize)> {
        for (file, &count) in self.counts.iter().enumerate() {
            if index < count {
                return Some((file, index));
            }
            index -= count;
        }
        None
    }
}

/// The names in the file beside the images, or numbers if it is not there or of another length.
fn class_names(kind: Kind, path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let names = text.lines().map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    match names.len() == kind.classes() {
        true => names,
        false => (0..kind.classes()).map(|class| class.to_string()).collect(),
    }
}

impl ImageSource for CifarSource {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        let (number, place) = self.find(index).ok_or_else(|| out_of_range(self, index))?;
        let (path, file) = &self.files[number];
        let mut planes = vec![0; SAMPLES];
        let offset = place * self.kind.record() + self.kind.labels();
        read_at(file, &mut planes, offset as u64).map_err(|source| DataError::Read {
            path: path.clone(),
            source,
        })?;
        let pixel = |at: usize| [planes[at], planes[PIXELS + at], planes[2 * PIXELS + at]];
        Ok(Stored::Pixels(Image {
            width: SIDE,
            height: SIDE,
            pixels: (0..PIXELS).flat_map(pixel).collect(),
        }))
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.labels.get(index).map(|&label| usize::from(label))
    }

    fn name(&self, index: usize) -> String {
        match self.find(index) {
            Some((file, place)) => format!("{} image {place}", self.files[file].0.display()),
            None => format!("CIFAR image {index}"),
        }
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn describe(&self) -> String {
        let path = self.files.first().map(|(path, _)| path.display());
        format!(
            "CIFAR-{} files from {} on: {} images of {SIDE}x{SIDE} pixels in {} classes",
            self.kind.classes(),
            path.map(|path| path.to_string()).unwrap_or_default(),
            self.len(),
            self.class_names.len()
        )
    }
}

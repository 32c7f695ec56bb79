//! IDX files, the container of the MNIST family: big-endian header, then raw 8-bit samples.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::{ImageSource, Split, Stored, in_classes, out_of_range};
use crate::{DataError, Image};

/// Magic numbers: 8-bit samples in three dimensions (images) and in one (labels).
const IMAGES_MAGIC: [u8; 4] = [0, 0, 8, 3];
const LABELS_MAGIC: [u8; 4] = [0, 0, 8, 1];
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// Gray images of one size in memory, with their labels if there are any.
pub(super) struct IdxImages {
    width: usize,
    height: usize,
    samples: Vec<u8>,
    labels: Option<Vec<u8>>,
}

impl IdxImages {
    pub(super) fn len(&self) -> usize {
        self.samples.len() / (self.width * self.height)
    }

    pub(super) fn image(&self, index: usize) -> Option<Image> {
        let area = self.width * self.height;
        let gray = self.samples.chunks_exact(area).nth(index)?;
        Image::from_gray(self.width, self.height, gray)
    }

    pub(super) fn label(&self, index: usize) -> Option<usize> {
        self.labels.as_ref()?.get(index).map(|&l| usize::from(l))
    }
}

/// Unpacks gzip; anything else is returned as it is. Of a stream no more is unpacked than its header promises, and a byte,
/// so that what follows is noticed.
pub(super) fn decompress<'a>(bytes: &'a [u8], name: &str) -> Result<Cow<'a, [u8]>, DataError> {
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(bytes.into());
    }
    let damaged = |error: std::io::Error| DataError::Idx {
        name: name.to_owned(),
        reason: format!("gzip stream is damaged ({error})"),
    };
    let mut stream = GzDecoder::new(bytes);
    let mut out = Vec::new();
    let mut start = |length: u64, out: &mut Vec<u8>| {
        stream
            .by_ref()
            .take(length)
            .read_to_end(out)
            .map_err(damaged)
    };
    start(4, &mut out)?;
    // The last byte of the magic number is the number of dimensions.
    let dimensions = u64::from(out.last().copied().unwrap_or_default()).min(4);
    start(4 * dimensions, &mut out)?;
    let (words, _) = out.as_chunks::<4>();
    let sides = words
        .iter()
        .skip(1)
        .map(|word| u64::from(u32::from_be_bytes(*word)));
    let promised = sides.fold(1, u64::saturating_mul);
    start(promised.saturating_add(1), &mut out)?;
    Ok(out.into())
}

/// Takes the magic number and `N` dimensions off the front of a file.
fn header<const N: usize>(
    bytes: &[u8],
    magic: [u8; 4],
    name: &str,
) -> Result<[usize; N], DataError> {
    let refuse = |reason: String| DataError::Idx {
        name: name.to_owned(),
        reason,
    };
    if !bytes.starts_with(&magic) {
        let got = &bytes[..bytes.len().min(4)];
        return Err(refuse(format!(
            "expected the IDX magic number {magic:?}, got {got:?}"
        )));
    }
    let words = bytes[4..].as_chunks::<4>().0;
    if words.len() < N {
        return Err(refuse(format!("header ends after {} bytes", bytes.len())));
    }
    let dimensions: [usize; N] = std::array::from_fn(|i| u32::from_be_bytes(words[i]) as usize);
    let expected = dimensions.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let got = bytes.len() - 4 * (N + 1);
    if expected != Some(got) {
        return Err(refuse(format!(
            "header promises {dimensions:?} samples, but {got} bytes follow it"
        )));
    }
    Ok(dimensions)
}

/// Reads the content of a label file.
pub(super) fn parse_labels(bytes: &[u8], name: &str) -> Result<Vec<u8>, DataError> {
    let [_] = header(bytes, LABELS_MAGIC, name)?;
    Ok(bytes[8..].to_vec())
}

/// Reads the content of an image file and joins it with its labels.
pub(super) fn parse_images(
    bytes: Cow<'_, [u8]>,
    labels: Option<Vec<u8>>,
    name: &str,
) -> Result<IdxImages, DataError> {
    let [count, height, width] = header(&bytes, IMAGES_MAGIC, name)?;
    let refuse = |reason: String| DataError::Idx {
        name: name.to_owned(),
        reason,
    };
    if count == 0 || height == 0 || width == 0 {
        return Err(refuse(format!(
            "holds no pixels ({count} images of {width}x{height})"
        )));
    }
    if let Some(labels) = &labels
        && labels.len() != count
    {
        return Err(refuse(format!(
            "{count} images, but {} labels in the label file",
            labels.len()
        )));
    }
    let mut samples = bytes.into_owned();
    samples.drain(..16);
    Ok(IdxImages {
        width,
        height,
        samples,
        labels,
    })
}

/// One IDX image file, held in memory.
pub struct IdxSource {
    path: PathBuf,
    images: IdxImages,
    class_names: Vec<String>,
}

impl IdxSource {
    /// Opens the file pair of a split in a folder of the MNIST family.
    ///
    /// # Errors
    /// If the pair is incomplete, unreadable or damaged.
    pub fn from_folder(folder: &Path, split: Split) -> Result<Self, DataError> {
        let path = split_file(folder, split).ok_or_else(|| DataError::SplitMissing {
            path: folder.into(),
            split: split.name(),
            looked_for: split_names(split).join(", "),
        })?;
        Self::from_image_file(&path)
    }

    /// Opens one image file, with the labels of its sibling (`images` and `idx3` in the file name replaced
    /// by `labels` and `idx1`, plain or `.gz`) if that is there.
    ///
    /// # Errors
    /// If a file is unreadable or damaged.
    pub fn from_image_file(path: &Path) -> Result<Self, DataError> {
        let labels = match label_file(path) {
            Some(path) => {
                let name = path.display().to_string();
                let bytes = read(&path)?;
                Some(parse_labels(&decompress(&bytes, &name)?, &name)?)
            }
            None => None,
        };
        let name = path.display().to_string();
        let bytes = read(path)?;
        let images = parse_images(decompress(&bytes, &name)?, labels, &name)?;
        let classes = images.labels.iter().flatten().max();
        let classes = classes.map_or(0, |&last| usize::from(last) + 1);
        Ok(Self {
            path: path.into(),
            images,
            class_names: (0..classes).map(|class| class.to_string()).collect(),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(path).map_err(|source| DataError::Read {
        path: path.into(),
        source,
    })
}

/// The file names of a split's images; both spellings are in use.
fn split_names(split: Split) -> [String; 4] {
    let stem = match split {
        Split::Train => "train",
        Split::Validation => "t10k",
    };
    [
        "-idx3-ubyte",
        "-idx3-ubyte.gz",
        ".idx3-ubyte",
        ".idx3-ubyte.gz",
    ]
    .map(|end| format!("{stem}-images{end}"))
}

fn split_file(folder: &Path, split: Split) -> Option<PathBuf> {
    let candidates = split_names(split).map(|name| folder.join(name));
    candidates.into_iter().find(|path| path.is_file())
}

fn label_file(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    let plain = labels.strip_suffix(".gz").unwrap_or(&labels);
    [plain.to_owned(), format!("{plain}.gz")]
        .into_iter()
        .map(|name| images.with_file_name(name))
        .find(|path| path != images && path.is_file())
}

/// Whether a folder holds an image file of either split.
pub(super) fn is_folder(folder: &Path) -> bool {
    has_split(folder, Split::Train) || has_split(folder, Split::Validation)
}

/// Whether a folder holds the image file of a split.
pub(super) fn has_split(folder: &Path, split: Split) -> bool {
    split_file(folder, split).is_some()
}

/// Whether a file is an IDX image file, by its content.
pub(super) fn is_image_file(path: &Path) -> Result<bool, DataError> {
    let failed = |source| DataError::Read {
        path: path.into(),
        source,
    };
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // Enough of a gzip stream to unpack the first four bytes behind any usual header.
    file.take(4096).read_to_end(&mut start).map_err(failed)?;
    if !start.starts_with(&GZIP_MAGIC) {
        return Ok(start.starts_with(&IMAGES_MAGIC));
    }
    let mut magic = [0; 4];
    let unpacked = GzDecoder::new(start.as_slice()).read_exact(&mut magic);
    Ok(unpacked.is_ok() && magic == IMAGES_MAGIC)
}

impl ImageSource for IdxSource {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        let image = self.images.image(index);
        image
            .map(Stored::Pixels)
            .ok_or_else(|| out_of_range(self, index))
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.images.label(index)
    }

    fn name(&self, index: usize) -> String {
        format!("{} image {index}", self.path.display())
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn describe(&self) -> String {
        let IdxImages { width, height, .. } = self.images;
        let labels = in_classes(&self.class_names);
        format!(
            "IDX file {}: {} images of {width}x{height} pixels, {labels}",
            self.path.display(),
            self.len()
        )
    }
}

#[cfg(test)]
mod tests;

//! A source with its decoding and what is kept of it in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::{ImageSource, Locality, Stored, out_of_range};
use crate::decode::{DecodeOptions, decode_with};
use crate::{DataError, Image};

/// What is kept of images that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: each use reads and decodes.
    #[default]
    Nothing,
    /// The bytes of image files: spares reading.
    Bytes,
    /// Pixels: spares decoding too, and takes several times as much.
    Pixels,
}

/// Memory for what is kept, shared by all sources that are opened with the same one.
#[derive(Clone, Debug)]
pub struct KeepBudget {
    most: u64,
    used: Arc<AtomicU64>,
}

impl KeepBudget {
    /// So many bytes at most.
    pub fn new(most: u64) -> Self {
        Self {
            most,
            used: Arc::default(),
        }
    }

    /// Takes bytes out of it; `false` if they are not left.
    fn take(&self, bytes: u64) -> bool {
        let left = |used: u64| (used.saturating_add(bytes) <= self.most).then(|| used + bytes);
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        taken.is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn has_room(&self) -> bool {
        self.used.load(Ordering::Relaxed) < self.most
    }
}

/// Images of which the size is estimated.
const SAMPLE: usize = 32;

/// Decodes the images of a source, and keeps them up to a number of bytes.
///
/// Images are kept in the order in which they are first used until the memory is spent; the others are read each time.
/// What is kept changes no pixel.
pub(super) struct Decoded {
    source: Arc<dyn ImageSource>,
    options: DecodeOptions,
    kept: Option<Kept>,
}

struct Kept {
    what: Keep,
    images: Vec<OnceLock<Stored>>,
    budget: KeepBudget,
    /// What all images would take, estimated from some.
    estimate: u64,
}

impl Decoded {
    /// Keeps as much as the budget has.
    pub(super) fn new(
        source: Arc<dyn ImageSource>,
        options: DecodeOptions,
        what: Keep,
        budget: KeepBudget,
    ) -> Self {
        let kept = (what != Keep::Nothing).then(|| Kept {
            what,
            images: (0..source.len()).map(|_| OnceLock::new()).collect(),
            budget,
            estimate: estimate(&*source, options, what),
        });
        Self {
            source,
            options,
            kept,
        }
    }

    fn decode(&self, index: usize, stored: &Stored) -> Result<Image, DataError> {
        match stored {
            Stored::Pixels(image) => Ok(image.clone()),
            Stored::Encoded(bytes) => decode_with(bytes, &self.source.name(index), self.options),
        }
    }
}

/// What all images would take, from images spread evenly over the source.
fn estimate(source: &dyn ImageSource, options: DecodeOptions, what: Keep) -> u64 {
    let images = source.len();
    let sample = images.min(SAMPLE);
    let sizes = (0..sample).filter_map(|i| {
        let index = i * images / sample;
        let stored = source.stored(index).ok()?;
        Some(match (&stored, what) {
            (Stored::Encoded(bytes), Keep::Pixels) => {
                size(&Stored::Pixels(decode_with(bytes, "", options).ok()?))
            }
            _ => size(&stored),
        })
    });
    let sizes: Vec<u64> = sizes.collect();
    let mean = sizes.iter().sum::<u64>() as f64 / sizes.len().max(1) as f64;
    (mean * images as f64).round() as u64
}

fn size(stored: &Stored) -> u64 {
    let bytes = match stored {
        Stored::Encoded(bytes) => bytes.len(),
        Stored::Pixels(image) => image.pixels.len(),
    };
    (bytes + size_of::<OnceLock<Stored>>()) as u64
}

impl Kept {
    /// Keeps an image if there is room.
    fn keep(&self, index: usize, stored: Stored) {
        let size = size(&stored);
        if self.budget.take(size) && self.images[index].set(stored).is_err() {
            // Another thread kept it first.
            self.budget.give_back(size);
        }
    }
}

impl ImageSource for Decoded {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn stored(&self, index: usize) -> Result<Stored, DataError> {
        self.source.stored(index)
    }

    fn image(&self, index: usize) -> Result<Image, DataError> {
        if index >= self.len() {
            return Err(out_of_range(self, index));
        }
        let Some(kept) = &self.kept else {
            return self.decode(index, &self.source.stored(index)?);
        };
        if let Some(stored) = kept.images[index].get() {
            return self.decode(index, stored);
        }
        let stored = self.source.stored(index)?;
        let image = self.decode(index, &stored)?;
        if kept.budget.has_room() {
            kept.keep(
                index,
                match kept.what {
                    Keep::Pixels => Stored::Pixels(image.clone()),
                    _ => stored,
                },
            );
        }
        Ok(image)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.source.label(index)
    }

    fn name(&self, index: usize) -> String {
        self.source.name(index)
    }

    fn class_names(&self) -> &[String] {
        self.source.class_names()
    }

    fn describe(&self) -> String {
        let mut text = self.source.describe();
        if self.options.exif_orientation {
            text += ", turned as EXIF says";
        }
        if let Some(kept) = &self.kept {
            let what = match kept.what {
                Keep::Pixels => "pixels",
                _ => "bytes",
            };
            let gigabytes = |bytes: u64| bytes as f64 / 1e9;
            let share = kept.budget.most as f64 / kept.estimate.max(1) as f64;
            text += &format!(
                "; kept in memory: {what}, about {:.2} GB in all, {:.2} GB allowed",
                gigabytes(kept.estimate),
                gigabytes(kept.budget.most)
            );
            if share < 1.0 {
                text += &format!(" ({:.0} % of the images)", 100.0 * share);
            }
        }
        text
    }

    fn locality(&self) -> Option<Locality> {
        self.source.locality()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Split, open};

    /// Three PNG files that can be removed while they are read.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..3u8 {
            let image = image::RgbImage::from_pixel(8, 6, image::Rgb([i, 2 * i, 3]));
            image.save(folder.path().join(format!("{i}.png"))).unwrap();
        }
        folder
    }

    #[test]
    fn kept_images_need_no_file_any_more_and_are_the_same() {
        for what in [Keep::Bytes, Keep::Pixels] {
            let folder = folder();
            let source = open(folder.path().to_str().unwrap(), Split::Train).unwrap();
            let plain: Vec<Image> = (0..3).map(|i| source.image(i).unwrap()).collect();
            let kept = Decoded::new(
                source,
                DecodeOptions::default(),
                what,
                KeepBudget::new(1 << 20),
            );
            let first: Vec<Image> = (0..3).map(|i| kept.image(i).unwrap()).collect();
            for i in 0..3 {
                fs::remove_file(folder.path().join(format!("{i}.png"))).unwrap();
            }
            let second: Vec<Image> = (0..3).map(|i| kept.image(i).unwrap()).collect();
            assert!(plain == first && first == second, "{what:?}");
        }
    }

    #[test]
    fn no_more_is_kept_than_allowed_and_the_rest_is_told() {
        let folder = folder();
        let source = open(folder.path().to_str().unwrap(), Split::Train).unwrap();
        let one = size(&Stored::Pixels(source.image(0).unwrap()));
        let kept = Decoded::new(
            source,
            DecodeOptions::default(),
            Keep::Pixels,
            KeepBudget::new(2 * one),
        );
        for i in 0..3 {
            kept.image(i).unwrap();
        }
        fs::remove_file(folder.path().join("0.png")).unwrap();
        fs::remove_file(folder.path().join("2.png")).unwrap();
        assert!(kept.image(0).is_ok() && kept.image(2).is_err());
        let text = kept.describe();
        assert!(
            text.contains("pixels") && text.contains("(67 % of the images)"),
            "{text}"
        );
    }

    #[test]
    fn sources_with_one_budget_keep_no_more_together_than_it_has() {
        let folder = folder();
        let open = || open(folder.path().to_str().unwrap(), Split::Train).unwrap();
        let one = size(&Stored::Pixels(open().image(0).unwrap()));
        let budget = KeepBudget::new(2 * one);
        let kept = || {
            Decoded::new(
                open(),
                DecodeOptions::default(),
                Keep::Pixels,
                budget.clone(),
            )
        };
        let (first, second) = (kept(), kept());
        first.image(0).unwrap();
        second.image(1).unwrap();
        second.image(2).unwrap();
        for i in 0..3 {
            fs::remove_file(folder.path().join(format!("{i}.png"))).unwrap();
        }
        assert!(first.image(0).is_ok() && second.image(1).is_ok());
        assert!(second.image(2).is_err() && first.image(1).is_err());
    }

    #[test]
    fn without_keeping_a_lost_file_is_an_error_that_names_it() {
        let folder = folder();
        let source = open(folder.path().to_str().unwrap(), Split::Train).unwrap();
        let plain = Decoded::new(
            source,
            DecodeOptions::default(),
            Keep::Nothing,
            KeepBudget::new(0),
        );
        plain.image(1).unwrap();
        fs::remove_file(folder.path().join("1.png")).unwrap();
        let error = plain.image(1).unwrap_err().to_string();
        assert!(error.contains("1.png: cannot be read"), "{error}");
    }
}

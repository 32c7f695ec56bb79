//! The sizes of a source's images, from a sample of them.

use std::io::Cursor;
use std::panic::catch_unwind;

use crate::{BadImage, DataError, ImageSource, Stored};

/// Widths and heights of some images of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSizes {
    /// (width, height) in pixels, in the order of the source.
    pub sizes: Vec<(usize, usize)>,
    /// Images of the sample that could not be read.
    pub unreadable: Vec<BadImage>,
}

/// At most `most` of `len` places, evenly, each from the middle of its part.
pub fn spread(len: usize, most: usize) -> Vec<usize> {
    let count = most.min(len);
    (0..count)
        .map(|part| (2 * part + 1) * len / (2 * count))
        .collect()
}

/// The sizes of at most `most` images, evenly over the source. Of image files only the heads are decoded.
///
/// # Errors
/// That of the first unreadable image if none can be read, and [`DataError::Setting`] if none is asked for.
pub fn image_sizes(source: &dyn ImageSource, most: usize) -> Result<ImageSizes, DataError> {
    let mut found = ImageSizes {
        sizes: Vec::new(),
        unreadable: Vec::new(),
    };
    let mut first_error = None;
    for index in spread(source.len(), most) {
        match size_of(source, index) {
            Ok(size) => found.sizes.push(size),
            Err(error) => {
                found.unreadable.push(BadImage {
                    index,
                    name: source.name(index),
                    reason: error.to_string(),
                });
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if found.sizes.is_empty() => Err(error),
        None if found.sizes.is_empty() => {
            Err(super::refuse("images", "at least one image", "none"))
        }
        _ => Ok(found),
    }
}

/// Whatever the head of a file does not tell is left to the decoder, and so are its messages.
fn size_of(source: &dyn ImageSource, index: usize) -> Result<(usize, usize), DataError> {
    let in_head = match source.stored(index)? {
        Stored::Pixels(image) => Some((image.width, image.height)),
        Stored::Encoded(bytes) => size_in_head(&bytes),
    };
    if let Some(size) = in_head {
        return Ok(size);
    }
    let image = source.image(index)?;
    Ok((image.width, image.height))
}

/// The size of an encoded image; `None` if its head does not tell.
fn size_in_head(bytes: &[u8]) -> Option<(usize, usize)> {
    // A codec that panics on a damaged file must not take the analysis with it.
    let (width, height) = catch_unwind(|| {
        let reader = ::image::ImageReader::new(Cursor::new(bytes));
        reader.with_guessed_format().ok()?.into_dimensions().ok()
    })
    .ok()
    .flatten()?;
    (width > 0 && height > 0).then_some((width as usize, height as usize))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Split, open};

    #[test]
    fn places_are_the_middles_of_equal_parts() {
        assert_eq!(spread(10, 2), [2, 7]);
        assert_eq!(spread(3, 9), [0, 1, 2]);
        assert!(spread(0, 5).is_empty() && spread(5, 0).is_empty());
    }

    #[test]
    fn sizes_come_from_heads_and_unreadable_files_are_told() {
        let folder = tempfile::tempdir().unwrap();
        ::image::RgbImage::new(31, 17)
            .save(folder.path().join("a.png"))
            .unwrap();
        // The pixels are missing, the head is there: it tells the size.
        let mut head = std::fs::read(folder.path().join("a.png")).unwrap();
        head.truncate(40);
        std::fs::write(folder.path().join("b.png"), head).unwrap();
        std::fs::write(folder.path().join("c.png"), "no image").unwrap();
        let source = open(folder.path().to_str().unwrap(), Split::Train).unwrap();
        let found = image_sizes(&*source, 10).unwrap();
        assert_eq!(found.sizes[0], (31, 17));
        let bad: Vec<usize> = found.unreadable.iter().map(|bad| bad.index).collect();
        assert_eq!(bad.last(), Some(&2));

        std::fs::remove_file(folder.path().join("a.png")).unwrap();
        std::fs::remove_file(folder.path().join("b.png")).unwrap();
        let source = open(folder.path().to_str().unwrap(), Split::Train).unwrap();
        assert!(matches!(
            image_sizes(&*source, 10),
            Err(DataError::NotAnImage { .. })
        ));
        assert!(matches!(
            image_sizes(&*source, 0),
            Err(DataError::Setting { .. })
        ));
    }

    #[test]
    fn images_without_files_of_their_own_are_decoded() {
        let source = open("embedded", Split::Train).unwrap();
        let found = image_sizes(&*source, 5).unwrap();
        assert_eq!(found.sizes, [(28, 28); 5]);
    }
}

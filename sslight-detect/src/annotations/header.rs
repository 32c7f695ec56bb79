//! The size of an image by the beginning of its file.

use std::path::Path;

use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader};

use super::AnnotationError;

/// Width and height of the image as it is shown, that is turned as its EXIF data say.
///
/// # Errors
/// If the file cannot be read or is no image.
pub(super) fn size_of(path: &Path) -> Result<(u32, u32), AnnotationError> {
    let failed = |reason: String| AnnotationError::Header {
        path: path.to_owned(),
        reason,
    };
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let mut decoder = reader
        .map_err(|error| failed(error.to_string()))?
        .into_decoder()
        .map_err(|error| failed(error.to_string()))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(failed(format!("it has {width}x{height} pixels")));
    }
    // Damaged EXIF data turn nothing, as when the image is decoded.
    let turned = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok(match turned {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    })
}

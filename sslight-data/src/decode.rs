//! Encoded bytes to [`Image`]: the only file that knows codecs.
//!
//! The result is what Pillow's `convert("RGB")` gives: gray is replicated, palettes and CMYK are
//! resolved, alpha is dropped, of an animation the first frame is taken, EXIF rotation is not applied
//! unless asked for. 16-bit samples are scaled to 8 bits. The format is told by the content, not by the
//! file name. JPEG decoders may differ by a few levels.
//!
//! What an image costs is bounded by its pixels, whose number is limited before anything is decoded: codecs may take 64 MiB
//! beside them, the one for JPEG the coefficients of a progressive file (twice its pixels) in at most 100 passes.

mod jpeg;

use std::io::{Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use crate::{DataError, Image};

/// Pictures of more pixels are refused unless more are allowed. Pillow refuses at the same number.
pub const MAX_PIXELS: u64 = 178_956_970;

/// Memory that a codec may take beside the pixels.
const CODEC_BYTES: u64 = 64 << 20;

/// How images are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Whether images are turned as their EXIF data say. The paper's code does not.
    pub exif_orientation: bool,
    /// Images of more pixels are refused: a few bytes can claim to be a picture of gigabytes.
    pub max_pixels: u64,
    /// Whether JPEG files may be decoded at a half, a quarter or an eighth of their size, and how much has to be left.
    /// Pixels are others then. `None` decodes all.
    pub enough: Option<Enough>,
}

/// A size of which no view shows less than one pixel for one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enough {
    /// Pixels of the image.
    pub pixels: u64,
    /// Pixels of its shorter side.
    pub short_side: usize,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            exif_orientation: false,
            max_pixels: MAX_PIXELS,
            enough: None,
        }
    }
}

/// Image files of more bytes are refused unread.
pub const MAX_ENCODED_BYTES: u64 = 1 << 30;

/// Whether a file is called like an image that can be decoded.
pub fn is_image_name(path: &Path) -> bool {
    path.file_name()
        .is_some_and(crate::source::folder::is_image_name)
}

/// Reads and decodes a file.
///
/// # Errors
/// If the file cannot be read, and as [`decode`].
pub fn read(path: &Path) -> Result<Image, DataError> {
    decode(&read_bytes(path)?, &path.display().to_string())
}

/// Reads a file of at most [`MAX_ENCODED_BYTES`].
///
/// # Errors
/// If it cannot be read, is no file (a pipe would be waited for forever) or is larger.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let failed = |source| DataError::Read {
        path: path.into(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(std::io::Error::other("it is no file")));
    }
    check_encoded(metadata.len(), || path.display().to_string())?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_ENCODED_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

/// Refuses encoded images of more than [`MAX_ENCODED_BYTES`].
pub(crate) fn check_encoded(bytes: u64, name: impl Fn() -> String) -> Result<(), DataError> {
    if bytes <= MAX_ENCODED_BYTES {
        return Ok(());
    }
    Err(DataError::Decode {
        name: name(),
        reason: format!("{bytes} bytes are above the limit of {MAX_ENCODED_BYTES} for one image"),
    })
}

/// [`decode_with`] the defaults.
///
/// # Errors
/// As [`decode_with`].
pub fn decode(bytes: &[u8], name: &str) -> Result<Image, DataError> {
    decode_with(bytes, name, DecodeOptions::default())
}

/// Decodes the content of an image file; `name` is for messages.
///
/// # Errors
/// If the content is no known format, damaged, truncated, without pixels or of too many.
pub fn decode_with(bytes: &[u8], name: &str, options: DecodeOptions) -> Result<Image, DataError> {
    let format = image::guess_format(bytes).map_err(|_| DataError::NotAnImage {
        name: name.to_owned(),
    })?;
    // The JPEG decoder fills what is missing with gray and reports nothing.
    if format == ImageFormat::Jpeg && !jpeg::is_complete(bytes) {
        return Err(DataError::Truncated {
            name: name.to_owned(),
        });
    }
    // A codec that panics on a damaged file must not take the run with it.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        decode_format(bytes, format, name, options)
    }));
    decoded.unwrap_or_else(|_| {
        Err(DataError::Decode {
            name: name.to_owned(),
            reason: "the decoder panicked".into(),
        })
    })
}

fn decode_format(
    bytes: &[u8],
    format: ImageFormat,
    name: &str,
    options: DecodeOptions,
) -> Result<Image, DataError> {
    let refuse = |error: ImageError| match error {
        ImageError::Unsupported(_) => DataError::NotAnImage {
            name: name.to_owned(),
        },
        error => DataError::Decode {
            name: name.to_owned(),
            reason: error.to_string(),
        },
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(Limits::no_limits());
    let mut decoder = reader.into_decoder().map_err(refuse)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let (width, height) = (width as usize, height as usize);
    if pixels == 0 {
        return Err(DataError::ZeroSize {
            name: name.to_owned(),
            width,
            height,
        });
    }
    if pixels > options.max_pixels {
        return Err(DataError::TooLarge {
            name: name.to_owned(),
            width,
            height,
            limit: options.max_pixels,
        });
    }
    if let (ImageFormat::Jpeg, Some(enough)) = (format, options.enough)
        && let Some(factor) = enough.factor(width, height)
    {
        let orientation = orientation(&mut decoder, options);
        if let Some(small) = jpeg::decode_smaller(bytes, factor) {
            return Ok(turned(small, orientation));
        }
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(decoder.total_bytes().saturating_add(CODEC_BYTES));
    decoder.set_limits(limits).map_err(refuse)?;
    let orientation = orientation(&mut decoder, options);
    let decoded = DynamicImage::from_decoder(decoder).map_err(refuse)?;
    Ok(turned(decoded.into_rgb8(), orientation))
}

/// How an image is turned. One whose EXIF data are damaged is shown as it lies.
fn orientation(decoder: &mut impl ImageDecoder, options: DecodeOptions) -> Orientation {
    match options.exif_orientation {
        true => decoder.orientation().unwrap_or(Orientation::NoTransforms),
        false => Orientation::NoTransforms,
    }
}

fn turned(rgb: RgbImage, orientation: Orientation) -> Image {
    let mut image = DynamicImage::ImageRgb8(rgb);
    image.apply_orientation(orientation);
    Image {
        width: image.width() as usize,
        height: image.height() as usize,
        pixels: image.into_rgb8().into_raw(),
    }
}

impl Enough {
    /// The largest factor by which an image can be smaller and still have enough; `None` if there is none.
    fn factor(self, width: usize, height: usize) -> Option<usize> {
        jpeg::FACTORS.into_iter().find(|factor| {
            let (width, height) = (width / factor, height / factor);
            (width * height) as u64 >= self.pixels && width.min(height) >= self.short_side
        })
    }
}

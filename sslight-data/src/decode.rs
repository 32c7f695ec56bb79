//! Encoded bytes to [`Image`]: the only file that knows codecs.
//!
//! The result is what Pillow's `convert("RGB")` gives: gray is replicated, palettes and CMYK are
//! resolved, alpha is dropped, EXIF rotation is not applied. 16-bit samples are scaled to 8 bits. The
//! format is told by the content, not by the file name. JPEG decoders may differ by a few levels.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::{DataError, Image};

/// Pictures of more pixels are refused: 512 Mpixel, which are 1.5 GB of RGB.
pub const MAX_PIXELS: u64 = 512 << 20;

/// Reads and decodes a file.
///
/// # Errors
/// If the file cannot be read, and as [`decode`].
pub fn read(path: &Path) -> Result<Image, DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::Read {
        path: path.into(),
        source,
    })?;
    decode(&bytes, &path.display().to_string())
}

/// Decodes the content of an image file; `name` is for messages.
///
/// # Errors
/// If the content is no known format, damaged, truncated, without pixels or above [`MAX_PIXELS`].
pub fn decode(bytes: &[u8], name: &str) -> Result<Image, DataError> {
    let format = image::guess_format(bytes).map_err(|_| DataError::NotAnImage {
        name: name.to_owned(),
    })?;
    // The JPEG decoder fills what is missing with gray and reports nothing.
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err(DataError::Truncated {
            name: name.to_owned(),
        });
    }
    // A codec that panics on a damaged file must not take the run with it.
    catch_unwind(AssertUnwindSafe(|| decode_format(bytes, format, name))).unwrap_or_else(|_| {
        Err(DataError::Decode {
            name: name.to_owned(),
            reason: "the decoder panicked".into(),
        })
    })
}

fn decode_format(bytes: &[u8], format: ImageFormat, name: &str) -> Result<Image, DataError> {
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
    let decoder = reader.into_decoder().map_err(refuse)?;
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
    if pixels > MAX_PIXELS {
        return Err(DataError::TooLarge {
            name: name.to_owned(),
            width,
            height,
            limit: MAX_PIXELS,
        });
    }
    let rgb = DynamicImage::from_decoder(decoder)
        .map_err(refuse)?
        .into_rgb8();
    Ok(Image {
        width,
        height,
        pixels: rgb.into_raw(),
    })
}

/// Whether a JPEG stream reaches its end-of-image marker. Thumbnails inside metadata have markers of
/// their own, so segments are walked by their lengths and only entropy-coded data is scanned.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xD9;
    const START_OF_IMAGE: u8 = 0xD8;
    let mut at = 0;
    loop {
        // The next marker: 0xFF and a byte that is neither a stuffed zero, filling nor a restart.
        let Some(found) = bytes[at..].iter().position(|&b| b == 0xFF) else {
            return false;
        };
        at += found + 1;
        match bytes.get(at) {
            None => return false,
            Some(&END_OF_IMAGE) => return true,
            Some(0x00 | 0x01 | 0xD0..=0xD7 | &START_OF_IMAGE) => at += 1,
            Some(0xFF) => {}
            Some(_) => {
                let Some(length) = bytes[at + 1..].first_chunk() else {
                    return false;
                };
                at += 1 + usize::from(u16::from_be_bytes(*length));
                if at > bytes.len() {
                    return false;
                }
            }
        }
    }
}

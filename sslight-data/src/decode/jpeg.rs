//! What JPEG files need beside the usual decoder.

use image::RgbImage;
use jpeg_decoder::{Decoder, PixelFormat};

use super::CODEC_BYTES;
use crate::DataError;

/// By how much an image can be smaller, the largest first.
pub(super) const FACTORS: [usize; 3] = [8, 4, 2];

/// Decodes an image at a part of its size, from the low frequencies of each block alone. `None` if its pixels are of a kind
/// that is left to the usual decoder.
pub(super) fn decode_smaller(
    bytes: &[u8],
    factor: usize,
    name: &str,
) -> Result<Option<RgbImage>, DataError> {
    let refuse = |error: jpeg_decoder::Error| DataError::Decode {
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let mut decoder = Decoder::new(bytes);
    decoder.read_info().map_err(refuse)?;
    let Some(info) = decoder.info() else {
        return Ok(None);
    };
    if !matches!(info.pixel_format, PixelFormat::L8 | PixelFormat::RGB24) {
        return Ok(None);
    }
    let part = |side: u16| side.div_ceil(factor as u16);
    let (width, height) = decoder
        .scale(part(info.width), part(info.height))
        .map_err(refuse)?;
    let (width, height) = (u32::from(width), u32::from(height));
    let pixels = width as usize * height as usize;
    decoder.set_max_decoding_buffer_size(3 * pixels + CODEC_BYTES as usize);
    let samples = decoder.decode().map_err(refuse)?;
    let rgb = match info.pixel_format {
        PixelFormat::L8 => samples.iter().flat_map(|&v| [v; 3]).collect(),
        _ => samples,
    };
    let image = RgbImage::from_raw(width, height, rgb);
    let expected = 3 * pixels;
    image.map(Some).ok_or_else(|| DataError::Decode {
        name: name.to_owned(),
        reason: format!("the smaller image has other than {expected} samples"),
    })
}

/// Whether a JPEG stream reaches its end-of-image marker. Thumbnails inside metadata have markers of
/// their own, so segments are walked by their lengths and only entropy-coded data is scanned.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
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

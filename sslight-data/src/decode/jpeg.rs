//! What JPEG files need beside the usual decoder.

use image::RgbImage;
use jpeg_decoder::{CodingProcess, Decoder, PixelFormat};

use super::CODEC_BYTES;

/// By how much an image can be smaller, the largest first.
pub(super) const FACTORS: [usize; 3] = [8, 4, 2];

/// Decodes an image at a part of its size, from the low frequencies of each block alone. `None` if it is of a kind
/// that is left to the usual decoder, and so is a file with which anything is wrong.
pub(super) fn decode_smaller(bytes: &[u8], factor: usize) -> Option<RgbImage> {
    let mut decoder = Decoder::new(bytes);
    decoder.read_info().ok()?;
    let info = decoder.info()?;
    // Of a progressive file all coefficients have to be held anyway.
    let is_plain = matches!(info.pixel_format, PixelFormat::L8 | PixelFormat::RGB24)
        && info.coding_process == CodingProcess::DctSequential;
    if !is_plain {
        return None;
    }
    let part = |side: u16| side.div_ceil(factor as u16);
    let (width, height) = decoder.scale(part(info.width), part(info.height)).ok()?;
    let (width, height) = (u32::from(width), u32::from(height));
    let pixels = width as usize * height as usize;
    decoder.set_max_decoding_buffer_size(3 * pixels + CODEC_BYTES as usize);
    let samples = decoder.decode().ok()?;
    let rgb = match info.pixel_format {
        PixelFormat::L8 => samples.iter().flat_map(|&v| [v; 3]).collect(),
        _ => samples,
    };
    RgbImage::from_raw(width, height, rgb)
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

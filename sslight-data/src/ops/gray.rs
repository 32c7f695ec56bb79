//! Luma and gray pictures.

use crate::Image;

/// Rec. 601 luma in 16-bit fixed point, as Pillow's `convert("L")` rounds it.
#[inline(always)]
pub fn luma([r, g, b]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b);
    ((sum + 0x8000) >> 16) as u8
}

/// Puts the luma in all three channels.
pub fn grayscale(image: &mut Image) {
    for pixel in image.pixels.as_chunks_mut::<3>().0 {
        *pixel = [luma(*pixel); 3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_luma_of_a_gray_pixel_is_its_value() {
        for value in 0..=255 {
            assert_eq!(luma([value; 3]), value);
        }
    }
}

//! Luma and gray pictures.

use crate::Image;
use crate::planes::{Planes, through_planes};
use crate::simd::{Loop, dispatch};

/// Rec. 601 luma in 16-bit fixed point, as Pillow's `convert("L")` rounds it.
#[inline(always)]
pub fn luma([r, g, b]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b);
    ((sum + 0x8000) >> 16) as u8
}

/// Puts the luma in all three channels.
pub fn grayscale(image: &mut Image) {
    through_planes(image, gray_planes);
}

/// As [`grayscale`].
pub(crate) fn gray_planes(planes: &mut Planes) {
    dispatch(Gray(planes.channels_mut()));
}

struct Gray<'a>([&'a mut [u8]; 3]);

impl Loop for Gray<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let [red, green, blue] = self.0;
        for ((r, g), b) in red.iter_mut().zip(green.iter()).zip(blue.iter()) {
            *r = luma([*r, *g, *b]);
        }
        green.copy_from_slice(red);
        blue.copy_from_slice(red);
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

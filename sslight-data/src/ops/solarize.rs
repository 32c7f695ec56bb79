//! Solarisation.

use crate::Image;
use crate::planes::Planes;
use crate::simd::{Loop, dispatch};

/// Inverts every sample of 128 and above.
pub fn solarize(image: &mut Image) {
    dispatch(Solarize(&mut image.pixels));
}

/// As [`solarize`].
pub(crate) fn solarize_planes(planes: &mut Planes) {
    dispatch(Solarize(planes.samples_mut()));
}

struct Solarize<'a>(&'a mut [u8]);

impl Loop for Solarize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for sample in self.0 {
            *sample = (*sample).min(255 - *sample);
        }
    }
}

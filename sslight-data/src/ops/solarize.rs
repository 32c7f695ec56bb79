//! Solarisation.

use crate::Image;

/// Inverts every sample of 128 and above.
pub fn solarize(image: &mut Image) {
    for sample in &mut image.pixels {
        *sample = if *sample < 128 {
            *sample
        } else {
            255 - *sample
        };
    }
}

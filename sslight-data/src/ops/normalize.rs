//! 8-bit samples to normalised floats, interleaved to planar.

use crate::Image;
use crate::planes::Planes;

/// Maps 8-bit RGB to `(v / 255 - mean) / std` per channel, in `f32` with one rounding an operation.
///
/// There are only 3 x 256 results, so they are kept as a table.
#[derive(Clone, Debug)]
pub struct Normalizer {
    table: [[f32; 256]; 3],
}

impl Normalizer {
    /// The normalisation with the given channel means and standard deviations, in units of full scale.
    pub fn new(mean: [f32; 3], std: [f32; 3]) -> Self {
        Self {
            table: std::array::from_fn(|channel| {
                std::array::from_fn(|v| (v as f32 / 255.0 - mean[channel]) / std[channel])
            }),
        }
    }

    /// Writes the picture as `[3, height, width]`.
    ///
    /// # Panics
    /// If `out` does not hold exactly `3 * height * width` values.
    pub fn write(&self, image: &Image, out: &mut [f32]) {
        check_length(out, image.width, image.height);
        let plane = image.width * image.height;
        let pixels = image.pixels.as_chunks::<3>().0;
        for (channel, (plane, table)) in out.chunks_exact_mut(plane).zip(&self.table).enumerate() {
            for (out, pixel) in plane.iter_mut().zip(pixels) {
                *out = table[usize::from(pixel[channel])];
            }
        }
    }

    /// As [`Self::write`].
    pub(crate) fn write_planes(&self, planes: &Planes, out: &mut [f32]) {
        let (width, height) = (planes.width(), planes.height());
        check_length(out, width, height);
        let out = out.chunks_exact_mut(width * height);
        for ((out, plane), table) in out.zip(planes.channels()).zip(&self.table) {
            for (out, sample) in out.iter_mut().zip(plane) {
                *out = table[usize::from(*sample)];
            }
        }
    }
}

fn check_length(out: &[f32], width: usize, height: usize) {
    assert_eq!(
        out.len(),
        3 * width * height,
        "Normalizer: the output must hold 3x{height}x{width} values"
    );
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_planes() {
        let image = Image::from_rgb(2, 1, vec![0, 51, 102, 255, 204, 153]).unwrap();
        let mut out = [f32::NAN; 6];
        Normalizer::new([0.0; 3], [1.0, 0.5, 0.25]).write(&image, &mut out);
        assert_eq!(out, [0.0, 1.0, 0.4, 1.6, 1.6, 2.4]);
    }
}

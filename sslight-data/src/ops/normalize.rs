//! 8-bit samples to normalised floats, interleaved to planar.

use crate::Image;
use crate::planes::Planes;
use crate::simd::{Loop, dispatch, quotient};

/// Maps 8-bit RGB to `(v / 255 - mean) / std` per channel, in `f32` with one rounding an operation.
#[derive(Clone, Debug)]
pub struct Normalizer {
    channels: [Channel; 3],
}

/// The normalisation of one channel.
#[derive(Clone, Debug)]
struct Channel {
    mean: f32,
    std: f32,
    /// All 256 results.
    table: [f32; 256],
    /// Whether the corrected quotients are the true ones for all samples, as they are for all but absurd settings.
    fused: bool,
}

impl Channel {
    fn new(mean: f32, std: f32) -> Self {
        let mut channel = Self {
            mean,
            std,
            table: std::array::from_fn(|v| (v as f32 / 255.0 - mean) / std),
            fused: false,
        };
        channel.fused = (0..=255).all(|sample| {
            let of_table = channel.table[usize::from(sample)];
            channel.fused(sample, 1.0 / std).to_bits() == of_table.to_bits()
        });
        channel
    }

    /// The result for a sample by way of fused operations.
    #[inline(always)]
    fn fused(&self, sample: u8, reciprocal: f32) -> f32 {
        let share = quotient(f32::from(sample), 255.0, 1.0 / 255.0);
        quotient(share - self.mean, self.std, reciprocal)
    }
}

impl Normalizer {
    /// Channel means in units of full scale.
    pub(crate) fn mean(&self) -> [f32; 3] {
        let [red, green, blue] = &self.channels;
        [red.mean, green.mean, blue.mean]
    }

    /// Channel standard deviations in units of full scale.
    pub(crate) fn std(&self) -> [f32; 3] {
        let [red, green, blue] = &self.channels;
        [red.std, green.std, blue.std]
    }

    /// The normalisation with the given channel means and standard deviations, in units of full scale.
    pub fn new(mean: [f32; 3], std: [f32; 3]) -> Self {
        Self {
            channels: std::array::from_fn(|channel| Channel::new(mean[channel], std[channel])),
        }
    }

    /// Writes the picture as `[3, height, width]`.
    ///
    /// # Panics
    /// If `out` does not hold exactly `3 * height * width` values.
    pub fn write(&self, image: &Image, out: &mut [f32]) {
        self.write_planes(&Planes::of(image), out);
    }

    /// As [`Self::write`].
    pub(crate) fn write_planes(&self, planes: &Planes, out: &mut [f32]) {
        let (width, height) = (planes.width(), planes.height());
        assert_eq!(
            out.len(),
            3 * width * height,
            "Normalizer: the output must hold 3x{height}x{width} values"
        );
        let out = out.chunks_exact_mut(width * height);
        for ((out, samples), channel) in out.zip(planes.channels()).zip(&self.channels) {
            dispatch(Normalize {
                channel,
                samples,
                out,
            });
        }
    }
}

struct Normalize<'a> {
    channel: &'a Channel,
    samples: &'a [u8],
    out: &'a mut [f32],
}

impl Loop for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let samples = self.out.iter_mut().zip(self.samples);
        if FUSED && self.channel.fused {
            let reciprocal = 1.0 / self.channel.std;
            for (out, sample) in samples {
                *out = self.channel.fused(*sample, reciprocal);
            }
        } else {
            for (out, sample) in samples {
                *out = self.channel.table[usize::from(*sample)];
            }
        }
    }
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

    #[test]
    fn every_sample_is_divided_exactly() {
        let image = Image::from_gray(16, 16, &(0..=255).collect::<Vec<u8>>()).unwrap();
        let mut out = [f32::NAN; 3 * 256];
        for [mean, std] in [
            [0.485, 0.229],
            [0.456, 0.224],
            [0.406, 0.225],
            [0.5, 0.5],
            [0.286, 0.353],
            [0.0, 1.0],
            [0.3, 1e-38],
            [0.3, 1e-45],
            [0.3, 1e38],
            [1e30, 7.0],
        ] {
            Normalizer::new([mean; 3], [std; 3]).write(&image, &mut out);
            for (v, got) in out.iter().enumerate() {
                let want = ((v % 256) as f32 / 255.0 - mean) / std;
                assert_eq!(got.to_bits(), want.to_bits(), "{v} {mean} {std}");
            }
        }
    }

    #[test]
    fn the_usual_settings_are_fused() {
        for channel in Normalizer::new([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]).channels {
            assert!(channel.fused);
        }
        assert!(!Channel::new(0.3, 1e-45).fused);
    }
}

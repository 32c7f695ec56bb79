//! One image as a detector is shown it.

use sslight_data::Image;
use sslight_data::ops::Interpolation;
use sslight_data::ops::resize::resize;

use super::LoadingConfig;
use super::sample::resized;

/// A prepared image.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedImage {
    /// Normalised samples, `[3, height, width]`, the image in the left upper corner and zeros right of and below it.
    pub samples: Vec<f32>,
    /// Rows of the samples.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Height and width of the image without the padding.
    pub size: (usize, usize),
    /// What coordinates are multiplied with to be those on the original image, across and down.
    pub to_original: (f32, f32),
}

/// Resizes, normalises and pads an image, as a batch for measuring has it.
pub fn prepare(image: &Image, config: &LoadingConfig) -> PreparedImage {
    let (width, height) = resized(
        image.width,
        image.height,
        config.test_side,
        config.longest_side,
    );
    let small = resize(image, width, height, Interpolation::Bilinear);
    let padded = |side: usize| side.next_multiple_of(config.multiple);
    let (rows, columns) = (padded(height), padded(width));
    let mut samples = vec![0.0; 3 * rows * columns];
    for (channel, plane) in samples.chunks_exact_mut(rows * columns).enumerate() {
        let (mean, std) = (config.mean[channel], config.std[channel]);
        let lines = small.pixels.chunks_exact(3 * width);
        for (line, row) in plane.chunks_exact_mut(columns).zip(lines) {
            for (value, pixel) in line.iter_mut().zip(row.as_chunks::<3>().0) {
                *value = (f32::from(pixel[channel]) - mean) / std;
            }
        }
    }
    let factor = |original: usize, now: usize| (original as f64 / now as f64) as f32;
    PreparedImage {
        samples,
        height: rows,
        width: columns,
        size: (height, width),
        to_original: (factor(image.width, width), factor(image.height, height)),
    }
}

//! The picture that views are made in: one plane a channel, so that a vector holds many samples of one kind.

use crate::Image;

/// An 8-bit picture of three planes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planes {
    width: usize,
    height: usize,
    /// `[3, height, width]`, and what is left of larger pictures.
    samples: Vec<u8>,
}

/// Makes room for `length` elements. A buffer that is long enough stays as it is, so that none is cleared again and again.
pub(crate) fn grow<T: Clone>(buffer: &mut Vec<T>, length: usize, filling: T) {
    if buffer.len() < length {
        buffer.resize(length, filling);
    }
}

impl Planes {
    /// Takes the given sides; the samples are whatever they were. Allocates only beyond the largest size so far.
    pub(crate) fn reset(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        grow(&mut self.samples, 3 * width * height, 0);
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// Samples of all planes.
    pub(crate) fn len(&self) -> usize {
        3 * self.width * self.height
    }

    /// All samples, plane after plane.
    pub(crate) fn samples(&self) -> &[u8] {
        &self.samples[..self.len()]
    }

    pub(crate) fn samples_mut(&mut self) -> &mut [u8] {
        let len = self.len();
        &mut self.samples[..len]
    }

    /// Red, green and blue.
    pub(crate) fn channels(&self) -> [&[u8]; 3] {
        let plane = self.width * self.height;
        let (red, rest) = self.samples().split_at(plane);
        let (green, blue) = rest.split_at(plane);
        [red, green, blue]
    }

    /// Red, green and blue.
    pub(crate) fn channels_mut(&mut self) -> [&mut [u8]; 3] {
        let plane = self.width * self.height;
        let (red, rest) = self.samples_mut().split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        [red, green, blue]
    }

    /// The planes of a picture.
    pub(crate) fn of(image: &Image) -> Self {
        let mut planes = Self::default();
        planes.reset(image.width, image.height);
        let pixels = image.pixels.as_chunks::<3>().0;
        for (channel, plane) in planes.channels_mut().into_iter().enumerate() {
            for (sample, pixel) in plane.iter_mut().zip(pixels) {
                *sample = pixel[channel];
            }
        }
        planes
    }

    /// Writes the pixels of an interleaved picture of the same sides.
    pub(crate) fn write_pixels(&self, pixels: &mut [u8]) {
        let [red, green, blue] = self.channels();
        let samples = red.iter().zip(green).zip(blue);
        for (pixel, ((r, g), b)) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(samples) {
            *pixel = [*r, *g, *b];
        }
    }

    /// The interleaved picture.
    pub(crate) fn to_image(&self) -> Image {
        let mut pixels = vec![0; self.len()];
        self.write_pixels(&mut pixels);
        Image {
            width: self.width,
            height: self.height,
            pixels,
        }
    }
}

/// Changes a picture by way of its planes.
pub(crate) fn through_planes(image: &mut Image, change: impl FnOnce(&mut Planes)) {
    let mut planes = Planes::of(image);
    change(&mut planes);
    planes.write_pixels(&mut image.pixels);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn planes_hold_the_samples_of_a_picture() {
        let image = Image::from_rgb(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let planes = Planes::of(&image);
        assert_eq!((planes.width(), planes.height()), (2, 1));
        assert_eq!(planes.samples(), [1, 4, 2, 5, 3, 6]);
        assert_eq!(planes.to_image(), image);
    }

    #[test]
    fn a_change_of_planes_changes_the_picture() {
        let mut image = Image::from_rgb(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        through_planes(&mut image, |planes| planes.channels_mut()[1].fill(0));
        assert_eq!(image.pixels, [1, 0, 3, 4, 0, 6]);
    }
}

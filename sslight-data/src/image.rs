//! The one picture type of the crate.

/// An owned 8-bit RGB picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// Samples in row-major `[height, width, 3]` order; `3 * width * height` bytes.
    pub pixels: Vec<u8>,
}

impl Image {
    /// A picture from its samples in `[height, width, 3]` order; `None` if a side is zero or the number
    /// of samples does not fit the sides.
    pub fn from_rgb(width: usize, height: usize, pixels: Vec<u8>) -> Option<Self> {
        let expected = width.checked_mul(height)?.checked_mul(3)?;
        (expected > 0 && pixels.len() == expected).then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// A picture whose three channels all equal `gray` (`[height, width]`); `None` if a side is zero or
    /// the number of samples does not fit the sides.
    pub fn from_gray(width: usize, height: usize, gray: &[u8]) -> Option<Self> {
        let pixels = gray.iter().flat_map(|&v| [v; 3]).collect();
        Self::from_rgb(width, height, pixels)
    }

    /// The three samples of the pixel in column `x` of row `y`.
    ///
    /// # Panics
    /// If the pixel lies outside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        assert!(
            x < self.width && y < self.height,
            "Image::pixel: ({x}, {y}) lies outside {}x{}",
            self.width,
            self.height
        );
        let at = 3 * (y * self.width + x);
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    /// Bytes of one row.
    pub(crate) fn row_bytes(&self) -> usize {
        3 * self.width
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_do_not_fit_the_sides_are_refused() {
        assert!(Image::from_rgb(2, 2, vec![0; 11]).is_none());
        assert!(Image::from_rgb(0, 2, vec![]).is_none());
        assert!(Image::from_rgb(usize::MAX, 2, vec![]).is_none());
    }

    #[test]
    fn gray_samples_fill_all_three_channels() {
        let image = Image::from_gray(2, 1, &[7, 9]).unwrap();
        assert_eq!(image.pixels, [7, 7, 7, 9, 9, 9]);
        assert_eq!(image.pixel(1, 0), [9, 9, 9]);
    }
}

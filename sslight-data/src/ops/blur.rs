//! Gaussian blur as three extended box blurs per axis (Gwosdek et al., "Theoretical foundations of
//! Gaussian convolution by extended box filtering", 2011), in the 24-bit fixed point of Pillow.

use crate::Image;
use crate::simd::{Loop, dispatch};

/// Box blurs per axis.
const PASSES: usize = 3;
/// One in fixed point, and half of it.
const ONE: u32 = 1 << 24;
const HALF: u32 = 1 << 23;

/// A box of `2 * radius + 1` samples of full weight and one of lower weight at either end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ExtendedBox {
    radius: usize,
    full: u32,
    edge: u32,
}

impl ExtendedBox {
    /// The box whose [`PASSES`]-fold repetition has the variance of a Gaussian of width `sigma` pixels.
    fn for_sigma(sigma: f64) -> Self {
        // Single precision wherever the library has it: that decides the last bits of the weights.
        let sigma = sigma as f32;
        let variance = sigma * sigma / PASSES as f32;
        let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
        let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
        let share = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance);
        let share = share / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
        let radius = whole + share;
        let whole = radius as usize;
        let full = (ONE as f32 / (radius * 2.0 + 1.0)) as u32;
        Self {
            radius: whole,
            full,
            edge: (ONE - (2 * whole as u32 + 1) * full) / 2,
        }
    }

    /// Samples the box reaches to either side.
    fn reach(self) -> usize {
        self.radius + 1
    }

    /// Weighted sum to 8 bits. The weights sum to at most 2^24, so nothing overflows 32 bits.
    #[inline(always)]
    fn weigh(self, inner: u32, outer: u32) -> u8 {
        ((inner * self.full + outer * self.edge + HALF) >> 24) as u8
    }
}

/// Blurs with a Gaussian of standard deviation `sigma` pixels; borders are continued. A `sigma` that is
/// not positive leaves the picture as it is.
pub fn gaussian_blur(image: &mut Image, sigma: f64) {
    if sigma.is_nan() || sigma <= 0.0 {
        return;
    }
    let shape = ExtendedBox::for_sigma(sigma);
    dispatch(Blur { image, shape });
}

/// All passes.
struct Blur<'a> {
    image: &'a mut Image,
    shape: ExtendedBox,
}

impl Loop for Blur<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        blur_rows(self.image, self.shape);
        blur_columns(self.image, self.shape);
    }
}

/// All horizontal passes, row by row: a row stays in the first-level cache.
#[inline(always)]
fn blur_rows(image: &mut Image, shape: ExtendedBox) {
    let row_bytes = image.row_bytes();
    let margin = 3 * shape.reach();
    let mut padded = vec![0; row_bytes + 2 * margin];
    let mut inner = vec![0; row_bytes];
    for row in image.pixels.chunks_exact_mut(row_bytes) {
        for _ in 0..PASSES {
            padded[margin..margin + row_bytes].copy_from_slice(row);
            let last = row_bytes - 3;
            for i in 0..margin {
                padded[i] = row[i % 3];
                padded[margin + row_bytes + i] = row[last + i % 3];
            }
            inner.fill(0);
            for k in 0..2 * shape.radius + 1 {
                for (sum, &v) in inner.iter_mut().zip(&padded[3 * (k + 1)..]) {
                    *sum += u32::from(v);
                }
            }
            let outer = padded.iter().zip(&padded[2 * margin..]);
            for ((out, &inner), (&a, &b)) in row.iter_mut().zip(&inner).zip(outer) {
                *out = shape.weigh(inner, u32::from(a) + u32::from(b));
            }
        }
    }
}

/// All vertical passes, each from one buffer to the other.
#[inline(always)]
fn blur_columns(image: &mut Image, shape: ExtendedBox) {
    let row_bytes = image.row_bytes();
    let last = image.height - 1;
    let reach = shape.reach();
    let mut inner = vec![0; row_bytes];
    let mut source = image.pixels.clone();
    for pass in 0..PASSES {
        if pass > 0 {
            std::mem::swap(&mut source, &mut image.pixels);
        }
        // Row y + offset - reach, continued at the borders.
        let row = |y: usize, offset: usize| {
            let y = (y + offset).saturating_sub(reach).min(last);
            &source[y * row_bytes..(y + 1) * row_bytes]
        };
        for (y, out) in image.pixels.chunks_exact_mut(row_bytes).enumerate() {
            inner.fill(0);
            for offset in 1..2 * reach {
                for (sum, &v) in inner.iter_mut().zip(row(y, offset)) {
                    *sum += u32::from(v);
                }
            }
            let outer = row(y, 0).iter().zip(row(y, 2 * reach));
            for ((out, &inner), (&a, &b)) in out.iter_mut().zip(&inner).zip(outer) {
                *out = shape.weigh(inner, u32::from(a) + u32::from(b));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_a_box_sum_to_one_and_fit_32_bits() {
        for step in 1..200 {
            let shape = ExtendedBox::for_sigma(f64::from(step) * 0.1);
            let count = 2 * shape.radius as u32 + 1;
            let total = count * shape.full + 2 * shape.edge;
            assert!(total <= ONE && total + 2 > ONE, "{shape:?}: {total}");
            assert!((255 * u64::from(total)) + u64::from(HALF) <= u64::from(u32::MAX));
        }
    }

    #[test]
    fn the_box_lengths_are_those_of_the_published_formula() {
        assert_eq!(ExtendedBox::for_sigma(0.5).radius, 0);
        assert_eq!(ExtendedBox::for_sigma(2.0).radius, 1);
        // sigma 1 has the radius 0.25, so an inner weight of 1 / 1.5.
        assert_eq!(ExtendedBox::for_sigma(1.0).full, (ONE as f32 / 1.5) as u32);
    }

    #[test]
    fn a_constant_picture_stays_constant() {
        let mut image = Image::from_gray(5, 3, &[255; 15]).unwrap();
        gaussian_blur(&mut image, 1.7);
        assert!(image.pixels.iter().all(|&v| v == 255));
    }

    #[test]
    fn a_single_pixel_survives_any_sigma() {
        for sigma in [-1.0, 0.0, 0.1, 2.0, 40.0, f64::NAN] {
            let mut image = Image::from_rgb(1, 1, vec![3, 4, 5]).unwrap();
            gaussian_blur(&mut image, sigma);
            assert_eq!(image.pixels, [3, 4, 5]);
        }
    }

    #[test]
    fn the_repeated_box_has_the_variance_of_the_gaussian() {
        for step in 1..=40 {
            let sigma = f64::from(step) * 0.1;
            let shape = ExtendedBox::for_sigma(sigma);
            let squares: usize = (1..=shape.radius).map(|k| 2 * k * k).sum();
            let edge = 2 * shape.reach() * shape.reach();
            let box_variance =
                squares as f64 * f64::from(shape.full) + edge as f64 * f64::from(shape.edge);
            let variance = PASSES as f64 * box_variance / f64::from(ONE);
            // Single precision in the radius, and weights in units of 2^-24.
            assert!(
                (variance / (sigma * sigma) - 1.0).abs() < 1e-4,
                "{sigma}: {variance}"
            );
        }
    }
}

//! Gaussian blur as three extended box blurs per axis (Gwosdek et al., "Theoretical foundations of
//! Gaussian convolution by extended box filtering", 2011), in the 24-bit fixed point of Pillow.

use crate::Image;
use crate::planes::{Planes, grow, through_planes};
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
    through_planes(image, |planes| Blur::default().apply(planes, sigma));
}

/// Blurs pictures with buffers of its own.
#[derive(Debug, Default)]
pub(crate) struct Blur {
    /// A plane between passes.
    between: Vec<u8>,
    /// A row, continued beyond its ends.
    padded: Vec<u8>,
    /// Sums of the samples of full weight, of boxes larger than the usual ones.
    inner: Vec<u32>,
}

impl Blur {
    /// As [`gaussian_blur`].
    pub(crate) fn apply(&mut self, planes: &mut Planes, sigma: f64) {
        if sigma.is_nan() || sigma <= 0.0 {
            return;
        }
        let shape = ExtendedBox::for_sigma(sigma);
        let width = planes.width();
        grow(&mut self.between, width * planes.height(), 0);
        grow(&mut self.padded, width + 2 * shape.reach(), 0);
        grow(&mut self.inner, width, 0);
        for plane in planes.channels_mut() {
            dispatch(BlurPlane {
                between: &mut self.between[..plane.len()],
                padded: &mut self.padded[..width + 2 * shape.reach()],
                inner: &mut self.inner[..width],
                shape,
                plane,
            });
        }
    }
}

/// All passes over one plane.
struct BlurPlane<'a> {
    plane: &'a mut [u8],
    shape: ExtendedBox,
    between: &'a mut [u8],
    padded: &'a mut [u8],
    inner: &'a mut [u32],
}

impl Loop for BlurPlane<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self {
            plane,
            shape,
            between,
            padded,
            inner,
        } = self;
        let width = inner.len();
        let rows = plane.chunks_exact(width);
        for (row, out) in rows.zip(between.chunks_exact_mut(width)) {
            blur_row(row, shape, padded, inner, out);
        }
        blur_columns(between, shape, inner, plane);
        blur_columns(plane, shape, inner, between);
        blur_columns(between, shape, inner, plane);
    }
}

/// All horizontal passes over a row.
#[inline(always)]
fn blur_row(row: &[u8], shape: ExtendedBox, padded: &mut [u8], inner: &mut [u32], out: &mut [u8]) {
    let (reach, width) = (shape.reach(), row.len());
    padded[reach..reach + width].copy_from_slice(row);
    for pass in 0..PASSES {
        if pass > 0 {
            padded[reach..reach + width].copy_from_slice(out);
        }
        let [first, last] = [padded[reach], padded[reach + width - 1]];
        padded[..reach].fill(first);
        padded[reach + width..].fill(last);
        let line = |offset: usize| &padded[offset..offset + width];
        weigh_lines(line, shape, inner, out);
    }
}

/// A vertical pass.
#[inline(always)]
fn blur_columns(source: &[u8], shape: ExtendedBox, inner: &mut [u32], out: &mut [u8]) {
    let width = inner.len();
    let last = source.len() / width - 1;
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        // Row y + offset - reach, continued at the borders.
        let line = |offset: usize| {
            let y = (y + offset).saturating_sub(shape.reach()).min(last);
            &source[y * width..(y + 1) * width]
        };
        weigh_lines(line, shape, inner, out);
    }
}

/// The weighted sum of `2 * reach + 1` lines, of which the first and the last have the lower weight.
#[inline(always)]
fn weigh_lines<'a>(
    line: impl Fn(usize) -> &'a [u8],
    shape: ExtendedBox,
    inner: &mut [u32],
    out: &mut [u8],
) {
    let outer = line(0).iter().zip(line(2 * shape.reach()));
    match shape.radius {
        // The usual ones, in one loop each. Sums of so few samples fit 16 bits.
        0 => {
            for ((out, (a, z)), b) in out.iter_mut().zip(outer).zip(line(1)) {
                *out = shape.weigh(u32::from(*b), u32::from(u16::from(*a) + u16::from(*z)));
            }
        }
        1 => {
            let inner = line(1).iter().zip(line(2)).zip(line(3));
            for ((out, (a, z)), ((b, c), d)) in out.iter_mut().zip(outer).zip(inner) {
                let inner = u16::from(*b) + u16::from(*c) + u16::from(*d);
                let outer = u16::from(*a) + u16::from(*z);
                *out = shape.weigh(u32::from(inner), u32::from(outer));
            }
        }
        _ => {
            inner.fill(0);
            for offset in 1..2 * shape.reach() {
                for (sum, sample) in inner.iter_mut().zip(line(offset)) {
                    *sum += u32::from(*sample);
                }
            }
            for ((out, inner), (a, z)) in out.iter_mut().zip(inner.iter()).zip(outer) {
                *out = shape.weigh(*inner, u32::from(*a) + u32::from(*z));
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

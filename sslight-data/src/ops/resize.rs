//! Anti-aliased bicubic and bilinear resizing in fixed point, as Pillow 9.2 does it: horizontal pass first, 8 bits
//! in between.
//!
//! The picture is read through the crop box, so that nothing is copied before the first pass, and the
//! filter never sees a pixel outside the box. Only a window of the output may be asked for; then only
//! the columns and rows behind it are computed.

use super::crop::CropBox;
use crate::Image;
use crate::simd::{Loop, dispatch};

/// Fraction bits of the fixed-point weights. 8-bit samples times weights whose absolute sum stays
/// below 1.5 fit 32 bits.
const PRECISION: u32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

/// How samples between pixels are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// Keys' cubic convolution with a = -0.5, of 4 pixels a side when enlarging: views, and the paper's evaluation.
    #[default]
    Bicubic,
    /// A triangle, of 2 pixels a side when enlarging: torchvision's own training and evaluation.
    Bilinear,
}

impl Interpolation {
    /// Half width of the kernel in source pixels when enlarging.
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Bilinear => 1.0,
        }
    }

    fn weight(self, t: f64) -> f64 {
        match self {
            Self::Bicubic => keys(t),
            Self::Bilinear => (1.0 - t.abs()).max(0.0),
        }
    }
}

/// Keys' cubic convolution kernel with a = -0.5.
fn keys(t: f64) -> f64 {
    const A: f64 = -0.5;
    let t = t.abs();
    if t < 1.0 {
        ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0
    } else if t < 2.0 {
        (((t - 5.0) * t + 8.0) * t - 4.0) * A
    } else {
        0.0
    }
}

/// Taps of the horizontal pass that are taken at a time: four pixels of four samples fill a vector of 16.
const TAPS: usize = 4;

/// Source window of one output position and its place in the table of weights.
struct Window {
    start: usize,
    weights: std::ops::Range<usize>,
}

/// The filter along one axis for a range of output positions.
struct Axis {
    windows: Vec<Window>,
    weights: Vec<i32>,
}

impl Axis {
    /// The filter that maps `source` samples to `output` samples, for the output positions in `wanted`;
    /// `None` where the pass would be the identity.
    fn new(
        source: usize,
        output: usize,
        wanted: std::ops::Range<usize>,
        interpolation: Interpolation,
    ) -> Option<Self> {
        if source == output {
            return None;
        }
        let scale = source as f64 / output as f64;
        let filter_scale = scale.max(1.0);
        let per_pixel = 1.0 / filter_scale;
        let support = interpolation.support() * filter_scale;
        let mut axis = Self {
            windows: Vec::with_capacity(wanted.len()),
            weights: Vec::with_capacity(wanted.len() * (2.0 * support + 2.0) as usize),
        };
        let mut exact = Vec::new();
        for x in wanted {
            let center = (x as f64 + 0.5) * scale;
            // A cast to an unsigned integer truncates and stops at zero, which is what is wanted here.
            let start = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(source);
            exact.clear();
            let weight = |j| interpolation.weight((j as f64 - center + 0.5) * per_pixel);
            exact.extend((start..end).map(weight));
            let total: f64 = exact.iter().sum();
            let first = axis.weights.len();
            axis.weights.extend(exact.iter().map(|w| {
                let fixed = w / total * f64::from(1 << PRECISION);
                (fixed + 0.5_f64.copysign(fixed)) as i32
            }));
            axis.windows.push(Window {
                start,
                weights: first..axis.weights.len(),
            });
        }
        Some(axis)
    }

    /// The source samples that any window touches.
    fn touched(&self) -> std::ops::Range<usize> {
        let start = self.windows.iter().map(|w| w.start).min().unwrap_or(0);
        let end = self.windows.iter().map(|w| w.start + w.weights.len());
        start..end.max().unwrap_or(start)
    }
}

/// Fixed point to 8 bits, clipped.
#[inline]
fn to_u8(fixed: i32) -> u8 {
    (fixed >> PRECISION).clamp(0, 255) as u8
}

/// Resizes a box of the picture to `width` x `height` pixels, bicubic. A box that reaches beyond the picture is
/// cut at its border; a zero side counts as one pixel.
pub fn resize_crop(image: &Image, area: CropBox, width: usize, height: usize) -> Image {
    let (width, height) = (width.max(1), height.max(1));
    let window = CropBox::whole(width, height);
    resize_window(image, area, (width, height), window, Interpolation::Bicubic)
}

/// As [`resize_crop`] to `full` = (width, height), of which only `window` is computed, and with any interpolation.
pub(crate) fn resize_window(
    image: &Image,
    area: CropBox,
    full: (usize, usize),
    window: CropBox,
    interpolation: Interpolation,
) -> Image {
    let area = area.clamped_to(image.width, image.height);
    let columns = window.left..window.left + window.width;
    let rows = window.top..window.top + window.height;
    let horizontal = Axis::new(area.width, full.0, columns.clone(), interpolation);
    let vertical = Axis::new(area.height, full.1, rows.clone(), interpolation);
    let source_rows = vertical.as_ref().map_or(rows, Axis::touched);

    let first = (area.top + source_rows.start) * image.row_bytes() + 3 * area.left;
    let pixels = &image.pixels[first..];
    let row_bytes = 4 * window.width;
    let mut narrowed = vec![0; source_rows.len() * row_bytes];
    match &horizontal {
        Some(axis) => dispatch(FilterRows {
            pixels,
            stride: image.row_bytes(),
            width: area.width,
            axis,
            out: &mut narrowed,
        }),
        None => {
            let rows = pixels.chunks(image.row_bytes());
            for (row, out) in rows.zip(narrowed.chunks_exact_mut(row_bytes)) {
                widen(&row[3 * columns.start..3 * columns.end], out);
            }
        }
    }
    let pixels = match &vertical {
        Some(axis) => {
            let mut out = vec![0; row_bytes * window.height];
            dispatch(FilterColumns {
                rows: &narrowed,
                first_row: source_rows.start,
                row_bytes,
                axis,
                out: &mut out,
            });
            out
        }
        None => narrowed,
    };
    let three = pixels.as_chunks::<4>().0.iter();
    Image {
        width: window.width,
        height: window.height,
        pixels: three.flat_map(|[r, g, b, _]| [*r, *g, *b]).collect(),
    }
}

/// The weights of an axis as the horizontal pass takes them: for each output position groups of [`TAPS`] taps, the weight of
/// each tap four times, zeros after the last one.
fn spread(axis: &Axis) -> (usize, Vec<[i32; 4 * TAPS]>) {
    let longest = axis.windows.iter().map(|window| window.weights.len()).max();
    let groups = longest.unwrap_or(0).div_ceil(TAPS);
    let mut table = vec![[0; 4 * TAPS]; groups * axis.windows.len()];
    for (window, table) in axis.windows.iter().zip(table.chunks_exact_mut(groups)) {
        let taps = axis.weights[window.weights.clone()].chunks(TAPS);
        for (group, taps) in table.iter_mut().zip(taps) {
            for (four, weight) in group.as_chunks_mut::<4>().0.iter_mut().zip(taps) {
                *four = [*weight; 4];
            }
        }
    }
    (groups, table)
}

/// Pixels of three samples as ones of four, so that a pixel is a word.
#[inline(always)]
fn widen(pixels: &[u8], out: &mut [u8]) {
    let pixels = pixels.as_chunks::<3>().0;
    for (four, [r, g, b]) in out.as_chunks_mut::<4>().0.iter_mut().zip(pixels) {
        *four = [*r, *g, *b, 0];
    }
}

/// Horizontal pass over rows of RGB samples.
struct FilterRows<'a> {
    /// The picture, from the first row and column of the box on.
    pixels: &'a [u8],
    /// Bytes from one of its rows to the next.
    stride: usize,
    /// Columns of the box.
    width: usize,
    axis: &'a Axis,
    out: &'a mut [u8],
}

impl Loop for FilterRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (groups, table) = spread(self.axis);
        // A row with a fourth sample for each pixel, and room for a whole group after the last one.
        let mut row = vec![0u8; 4 * (self.width + groups * TAPS)];
        let rows = self.pixels.chunks(self.stride);
        for (pixels, out) in rows.zip(self.out.chunks_exact_mut(4 * self.axis.windows.len())) {
            widen(&pixels[..3 * self.width], &mut row);
            let windows = self.axis.windows.iter().zip(table.chunks_exact(groups));
            for ((window, weights), out) in windows.zip(out.as_chunks_mut::<4>().0) {
                let taps = row[4 * window.start..].as_chunks::<{ 4 * TAPS }>().0;
                let mut sums = [0i32; 4 * TAPS];
                for (weights, taps) in weights.iter().zip(taps) {
                    for lane in 0..4 * TAPS {
                        sums[lane] += i32::from(taps[lane]) * weights[lane];
                    }
                }
                let mut four = [HALF; 4];
                for sums in sums.as_chunks::<4>().0 {
                    for lane in 0..4 {
                        four[lane] += sums[lane];
                    }
                }
                *out = four.map(to_u8);
            }
        }
    }
}

/// Vertical pass; `first_row` is the source row that `rows` begins with.
struct FilterColumns<'a> {
    rows: &'a [u8],
    first_row: usize,
    row_bytes: usize,
    axis: &'a Axis,
    out: &'a mut [u8],
}

impl Loop for FilterColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut sums = vec![HALF; self.row_bytes];
        let outputs = self.out.chunks_exact_mut(self.row_bytes);
        for (window, out) in self.axis.windows.iter().zip(outputs) {
            sums.fill(HALF);
            let first = (window.start - self.first_row) * self.row_bytes;
            let rows = self.rows[first..].chunks_exact(self.row_bytes);
            for (row, weight) in rows.zip(&self.axis.weights[window.weights.clone()]) {
                for (sum, sample) in sums.iter_mut().zip(row) {
                    *sum += i32::from(*sample) * weight;
                }
            }
            for (out, sum) in out.iter_mut().zip(&sums) {
                *out = to_u8(*sum);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Image {
        let pixels = (0..3 * width * height).map(|i| (i * 37 % 251) as u8);
        Image::from_rgb(width, height, pixels.collect()).unwrap()
    }

    #[test]
    fn weights_of_each_output_pixel_sum_to_one() {
        for (source, output) in [(1, 32), (5, 2), (500, 224), (224, 500), (20_000, 7)] {
            let both = [Interpolation::Bicubic, Interpolation::Bilinear];
            let axes = both.map(|how| Axis::new(source, output, 0..output, how).unwrap());
            for (axis, window) in axes
                .iter()
                .flat_map(|axis| axis.windows.iter().map(move |window| (axis, window)))
            {
                let weights = &axis.weights[window.weights.clone()];
                let total: i64 = weights.iter().map(|&w| i64::from(w)).sum();
                // Each weight is rounded once, by half a unit at most.
                let limit = weights.len() as i64 / 2 + 1;
                assert!(
                    (total - (1 << PRECISION)).abs() <= limit,
                    "{source} {output}"
                );
                // What the 32-bit sums rest on.
                let mass: i64 = weights.iter().map(|&w| i64::from(w).abs()).sum();
                assert!(255 * mass + i64::from(HALF) <= i64::from(i32::MAX));
            }
        }
    }

    #[test]
    fn the_same_size_is_the_identity() {
        let image = ramp(13, 9);
        assert_eq!(resize_crop(&image, CropBox::whole(13, 9), 13, 9), image);
    }

    #[test]
    fn a_constant_picture_stays_constant() {
        let image = Image::from_gray(31, 17, &[201; 31 * 17]).unwrap();
        for (width, height) in [(224, 224), (5, 3), (31, 4), (64, 17)] {
            let out = resize_crop(&image, CropBox::whole(31, 17), width, height);
            assert!(out.pixels.iter().all(|&v| v == 201), "{width}x{height}");
        }
    }

    #[test]
    fn a_box_is_resized_as_if_it_had_been_cut_out() {
        let image = ramp(40, 30);
        let area = CropBox {
            top: 7,
            left: 11,
            height: 13,
            width: 19,
        };
        let cut = super::super::crop::crop(&image, area);
        let expected = resize_crop(&cut, CropBox::whole(19, 13), 24, 8);
        assert_eq!(resize_crop(&image, area, 24, 8), expected);
    }

    #[test]
    fn a_window_equals_that_part_of_the_whole_output() {
        let image = ramp(40, 30);
        let whole = CropBox::whole(40, 30);
        for full in [(64, 48), (20, 15), (40, 15), (20, 30)] {
            let window = CropBox {
                top: 3,
                left: 5,
                height: 9,
                width: 11,
            };
            let expected =
                super::super::crop::crop(&resize_crop(&image, whole, full.0, full.1), window);
            let part = resize_window(&image, whole, full, window, Interpolation::Bicubic);
            assert_eq!(part, expected);
        }
    }
}

//! Anti-aliased bicubic and bilinear resizing in fixed point, as Pillow 9.2 does it: horizontal pass first, 8 bits
//! in between.
//!
//! The filter never sees a pixel outside the crop box. Only a window of the output may be asked for; then only
//! the columns and rows behind it are computed.
//!
//! Both passes take sums of whole lines: bands of rows are turned before the horizontal pass, so that their columns are lines,
//! and turned back after it. Then a weight is the same for all samples of a vector, and none has to be gathered.

use super::crop::CropBox;
use super::transpose::{STEP, transpose};
use crate::Image;
use crate::planes::{Planes, grow};
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

/// Source window of one output position and its place in the table of weights.
#[derive(Debug)]
struct Window {
    start: usize,
    weights: std::ops::Range<usize>,
}

/// The filter along one axis for a range of output positions.
#[derive(Debug, Default)]
struct Axis {
    windows: Vec<Window>,
    weights: Vec<i32>,
    /// The weights of one window before they are rounded.
    exact: Vec<f64>,
}

impl Axis {
    /// Becomes the filter that maps the samples of a picture in `source` to `output` samples, for the output positions in `wanted`.
    fn set(
        &mut self,
        source: std::ops::Range<usize>,
        output: usize,
        wanted: std::ops::Range<usize>,
        interpolation: Interpolation,
    ) {
        self.windows.clear();
        self.weights.clear();
        let (offset, source) = (source.start, source.len());
        if source == output {
            self.set_identity(offset, wanted);
            return;
        }
        let scale = source as f64 / output as f64;
        let filter_scale = scale.max(1.0);
        let per_pixel = 1.0 / filter_scale;
        let support = interpolation.support() * filter_scale;
        for x in wanted {
            let center = (x as f64 + 0.5) * scale;
            // A cast to an unsigned integer truncates and stops at zero, which is what is wanted here.
            let start = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(source);
            self.exact.clear();
            let weight = |j| interpolation.weight((j as f64 - center + 0.5) * per_pixel);
            self.exact.extend((start..end).map(weight));
            let total: f64 = self.exact.iter().sum();
            let first = self.weights.len();
            self.weights.extend(self.exact.iter().map(|w| {
                let fixed = w / total * f64::from(1 << PRECISION);
                (fixed + 0.5_f64.copysign(fixed)) as i32
            }));
            self.windows.push(Window {
                start: offset + start,
                weights: first..self.weights.len(),
            });
        }
    }

    /// One sample of full weight for each position, which gives that sample.
    fn set_identity(&mut self, offset: usize, wanted: std::ops::Range<usize>) {
        self.weights.push(1 << PRECISION);
        self.windows.extend(wanted.map(|x| Window {
            start: offset + x,
            weights: 0..1,
        }));
    }

    /// The samples of the picture that any window touches.
    fn touched(&self) -> std::ops::Range<usize> {
        let start = self.windows.iter().map(|w| w.start).min().unwrap_or(0);
        let end = self.windows.iter().map(|w| w.start + w.weights.len());
        start..end.max().unwrap_or(start)
    }

    /// Start and weights of each window.
    fn windows(&self) -> impl ExactSizeIterator<Item = (usize, &[i32])> {
        let of = |window: &Window| (window.start, &self.weights[window.weights.clone()]);
        self.windows.iter().map(of)
    }
}

/// Fixed point to 8 bits, clipped.
#[inline(always)]
fn to_u8(fixed: i32) -> u8 {
    (fixed >> PRECISION).clamp(0, 255) as u8
}

/// Resizes a box of the picture to `width` x `height` pixels, bicubic. A box that reaches beyond the picture is
/// cut at its border; a zero side counts as one pixel.
pub fn resize_crop(image: &Image, area: CropBox, width: usize, height: usize) -> Image {
    resized(image, area, Target::whole(width, height))
}

/// Resizes the picture to `width` x `height` pixels; a zero side counts as one pixel.
pub fn resize(image: &Image, width: usize, height: usize, interpolation: Interpolation) -> Image {
    let target = Target {
        interpolation,
        ..Target::whole(width, height)
    };
    resized(image, CropBox::whole(image.width, image.height), target)
}

fn resized(image: &Image, area: CropBox, target: Target) -> Image {
    let mut out = Planes::default();
    Resizer::default().resize(image, area, &target, &mut out);
    out.to_image()
}

/// What a box is resized to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Width and height of the whole output.
    pub(crate) full: (usize, usize),
    /// The part of it that is computed.
    pub(crate) window: CropBox,
    pub(crate) interpolation: Interpolation,
    /// Whether the computed part is mirrored left to right.
    pub(crate) flip: bool,
}

impl Target {
    /// A whole bicubic output; a zero side counts as one pixel.
    pub(crate) fn whole(width: usize, height: usize) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self {
            full: (width, height),
            window: CropBox::whole(width, height),
            interpolation: Interpolation::Bicubic,
            flip: false,
        }
    }
}

/// Resizes pictures with buffers of its own, which grow to what the largest one needs.
#[derive(Debug, Default)]
pub(crate) struct Resizer {
    horizontal: Axis,
    vertical: Axis,
    band: Band,
    /// The rows of the box after the horizontal pass. Each holds the row of each channel.
    rows: Vec<u8>,
    /// Sums of one row of a channel.
    sums: Vec<i32>,
}

/// Rows of the picture that go through the horizontal pass together: as many as a vector has lanes, or a few times that. What one
/// band needs stays in the nearer caches.
const BAND: usize = STEP;

/// One column of a band.
type Column = [u8; BAND];

/// The buffers of a band, turned.
#[derive(Debug, Default)]
struct Band {
    /// By column and channel.
    before: Vec<Column>,
    /// By channel and column.
    after: Vec<Column>,
}

impl Resizer {
    /// Resizes a box of the picture. A box that reaches beyond the picture is cut at its border.
    pub(crate) fn resize(
        &mut self,
        image: &Image,
        area: CropBox,
        target: &Target,
        out: &mut Planes,
    ) {
        let CropBox {
            top,
            left,
            width,
            height,
        } = area.clamped_to(image.width, image.height);
        let (full, window, how) = (target.full, target.window, target.interpolation);
        let columns = window.left..window.left + window.width;
        let rows = window.top..window.top + window.height;
        self.horizontal
            .set(left..left + width, full.0, columns, how);
        self.vertical.set(top..top + height, full.1, rows, how);
        out.reset(window.width, window.height);
        dispatch(Filter {
            image,
            flip: target.flip,
            resizer: self,
            out,
        });
    }
}

/// Both passes.
struct Filter<'a> {
    image: &'a Image,
    flip: bool,
    resizer: &'a mut Resizer,
    out: &'a mut Planes,
}

impl Loop for Filter<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Resizer {
            horizontal,
            vertical,
            band,
            rows,
            sums,
        } = self.resizer;
        let (columns, touched) = (horizontal.touched(), vertical.touched());
        let width = self.out.width();
        let stride = (3 * width).next_multiple_of(STEP);
        grow(rows, touched.len().next_multiple_of(BAND) * stride, 0);
        grow(&mut band.before, 3 * columns.len(), [0; BAND]);
        grow(&mut band.after, 3 * width, [0; BAND]);
        let row_bytes = self.image.row_bytes();
        for (number, rows) in rows.chunks_exact_mut(BAND * stride).enumerate() {
            let top = touched.start + number * BAND;
            let height = BAND.min(touched.end.saturating_sub(top));
            if height == 0 {
                break;
            }
            let pixels = &self.image.pixels[top * row_bytes + 3 * columns.start..];
            let sides = [3 * columns.len(), height];
            transpose(
                pixels,
                row_bytes,
                sides,
                band.before.as_flattened_mut(),
                BAND,
            );
            filter_band(band, columns.start, horizontal, self.flip);
            let narrowed = band.after.as_flattened();
            transpose(narrowed, BAND, [height, 3 * width], rows, stride);
        }
        grow(sums, width, 0);
        for (y, (start, weights)) in vertical.windows().enumerate() {
            for (channel, plane) in self.out.channels_mut().into_iter().enumerate() {
                let first = (start - touched.start) * stride + channel * width;
                let out = &mut plane[y * width..(y + 1) * width];
                filter_row(rows, [first, stride], weights, sums, out);
            }
        }
    }
}

/// Lines that are summed at a time: their weights stay in registers.
const TAPS: usize = 12;

/// Calls a function for the number of lines that is given, as one that is known when it is compiled.
macro_rules! with_taps {
    ($taps:expr, $function:ident $arguments:tt) => {
        with_taps!($taps, $function $arguments: 1 2 3 4 5 6 7 8 9 10 11 12)
    };
    ($taps:expr, $function:ident $arguments:tt: $($number:literal)*) => {
        match $taps {
            $($number => $function::<$number> $arguments,)*
            _ => {}
        }
    };
}

/// The horizontal pass over a band that begins with the column `first`.
#[inline(always)]
fn filter_band(band: &mut Band, first: usize, axis: &Axis, flip: bool) {
    let width = axis.windows.len();
    for (x, (start, weights)) in axis.windows().enumerate() {
        let x = if flip { width - 1 - x } else { x };
        for channel in 0..3 {
            let columns = &band.before[3 * (start - first) + channel..];
            let out = &mut band.after[channel * width + x];
            with_taps!(weights.len(), weigh_columns(columns, weights, out));
            if weights.len() > TAPS {
                weigh_many_columns(columns, weights, out);
            }
        }
    }
}

/// The weighted sum of as many columns of a channel.
#[inline(always)]
fn weigh_columns<const N: usize>(columns: &[Column], weights: &[i32], out: &mut Column) {
    let Some(weights) = weights.first_chunk::<N>() else {
        return;
    };
    let columns = &columns[..3 * N - 2];
    for lane in 0..BAND {
        let mut sum = HALF;
        for tap in 0..N {
            sum += i32::from(columns[3 * tap][lane]) * weights[tap];
        }
        out[lane] = to_u8(sum);
    }
}

/// As [`weigh_columns`], for any number of columns.
#[inline(always)]
fn weigh_many_columns(columns: &[Column], weights: &[i32], out: &mut Column) {
    let mut sums = [HALF; BAND];
    for (column, weight) in columns.iter().step_by(3).zip(weights) {
        for (sum, sample) in sums.iter_mut().zip(column) {
            *sum += i32::from(*sample) * weight;
        }
    }
    for (out, sum) in out.iter_mut().zip(&sums) {
        *out = to_u8(*sum);
    }
}

/// The weighted sum of rows: the one that starts at `first` and each `step` after it, as many as there are weights.
#[inline(always)]
fn filter_row(
    rows: &[u8],
    [first, step]: [usize; 2],
    weights: &[i32],
    sums: &mut [i32],
    out: &mut [u8],
) {
    let rows = &rows[first..];
    with_taps!(weights.len(), weigh_rows(rows, step, weights, out));
    if weights.len() > TAPS {
        weigh_many_rows(rows, step, weights, &mut sums[..out.len()], out);
    }
}

/// The weighted sum of as many rows.
#[inline(always)]
fn weigh_rows<const N: usize>(rows: &[u8], step: usize, weights: &[i32], out: &mut [u8]) {
    let Some(weights) = weights.first_chunk::<N>() else {
        return;
    };
    let mut lines: [&[u8]; N] = [&[]; N];
    for (number, line) in lines.iter_mut().enumerate() {
        *line = &rows[number * step..][..out.len()];
    }
    for (lane, out) in out.iter_mut().enumerate() {
        let mut sum = HALF;
        for tap in 0..N {
            sum += i32::from(lines[tap][lane]) * weights[tap];
        }
        *out = to_u8(sum);
    }
}

/// As [`weigh_rows`], for any number of rows.
#[inline(always)]
fn weigh_many_rows(rows: &[u8], step: usize, weights: &[i32], sums: &mut [i32], out: &mut [u8]) {
    sums.fill(HALF);
    for (row, weight) in rows.chunks(step).zip(weights) {
        for (sum, sample) in sums.iter_mut().zip(row) {
            *sum += i32::from(*sample) * weight;
        }
    }
    for (out, sum) in out.iter_mut().zip(sums.iter()) {
        *out = to_u8(*sum);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ops::flip::flip_horizontal;

    fn resized(image: &Image, area: CropBox, target: &Target) -> Image {
        let mut out = Planes::default();
        Resizer::default().resize(image, area, target, &mut out);
        out.to_image()
    }

    fn ramp(width: usize, height: usize) -> Image {
        let pixels = (0..3 * width * height).map(|i| (i * 37 % 251) as u8);
        Image::from_rgb(width, height, pixels.collect()).unwrap()
    }

    #[test]
    fn weights_of_each_output_pixel_sum_to_one() {
        for (source, output) in [(1, 32), (5, 2), (500, 224), (224, 500), (20_000, 7)] {
            let axes = [Interpolation::Bicubic, Interpolation::Bilinear].map(|how| {
                let mut axis = Axis::default();
                axis.set(7..7 + source, output, 0..output, how);
                axis
            });
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

    /// The two passes sample by sample.
    fn plain(image: &Image, area: CropBox, [width, height]: [usize; 2]) -> Image {
        let [mut across, mut down] = [Axis::default(), Axis::default()];
        let how = Interpolation::Bicubic;
        across.set(area.left..area.left + area.width, width, 0..width, how);
        down.set(area.top..area.top + area.height, height, 0..height, how);
        let sum = |sample: &dyn Fn(usize) -> u8, (start, weights): (usize, &[i32])| {
            let terms = weights.iter().enumerate();
            to_u8(
                HALF + terms
                    .map(|(i, w)| w * i32::from(sample(start + i)))
                    .sum::<i32>(),
            )
        };
        let mut narrowed = image.clone();
        narrowed.width = width;
        narrowed.pixels = vec![0; 3 * width * image.height];
        for y in 0..image.height {
            for (x, window) in across.windows().enumerate() {
                for channel in 0..3 {
                    narrowed.pixels[3 * (y * width + x) + channel] =
                        sum(&|x| image.pixel(x, y)[channel], window);
                }
            }
        }
        let mut pixels = Vec::new();
        for window in down.windows() {
            for x in 0..width {
                pixels.extend([0, 1, 2].map(|c| sum(&|y| narrowed.pixel(x, y)[c], window)));
            }
        }
        Image::from_rgb(width, height, pixels).unwrap()
    }

    #[test]
    fn vectors_of_samples_are_summed_as_single_ones_are() {
        let image = ramp(331, 217);
        let area = CropBox {
            top: 5,
            left: 3,
            height: 210,
            width: 300,
        };
        for size in [
            [224, 224],
            [128, 100],
            [90, 400],
            [31, 17],
            [300, 5],
            [7, 210],
        ] {
            assert_eq!(
                resize_crop(&image, area, size[0], size[1]),
                plain(&image, area, size),
                "{size:?}"
            );
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
            let mut target = Target {
                window,
                ..Target::whole(full.0, full.1)
            };
            assert_eq!(resized(&image, whole, &target), expected);
            let mut mirrored = expected;
            flip_horizontal(&mut mirrored);
            target.flip = true;
            assert_eq!(resized(&image, whole, &target), mirrored);
        }
    }
}

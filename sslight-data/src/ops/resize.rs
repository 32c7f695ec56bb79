//! Anti-aliased bicubic and bilinear resizing in fixed point, as Pillow 9.2 does it: horizontal pass first, 8 bits
//! in between.
//!
//! The filter never sees a pixel outside the crop box. Only a window of the output may be asked for; then only
//! the columns and rows behind it are computed.
//!
//! Both passes take sums of whole lines: the box is turned before the horizontal pass, so that its columns are lines, and
//! turned back after it. Then a weight is the same for all samples of a vector, and none has to be gathered.

use super::crop::CropBox;
use super::transpose::{STEP, transpose};
use crate::Image;
use crate::planes::Planes;
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
    /// Becomes the filter that maps `source` samples to `output` samples, for the output positions in `wanted`.
    fn set(
        &mut self,
        source: usize,
        output: usize,
        wanted: std::ops::Range<usize>,
        interpolation: Interpolation,
    ) {
        self.windows.clear();
        self.weights.clear();
        if source == output {
            self.set_identity(wanted);
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
                start,
                weights: first..self.weights.len(),
            });
        }
    }

    /// One sample of full weight for each position, which gives that sample.
    fn set_identity(&mut self, wanted: std::ops::Range<usize>) {
        self.weights.push(1 << PRECISION);
        self.windows.extend(wanted.map(|start| Window {
            start,
            weights: 0..1,
        }));
    }

    /// The source samples that any window touches.
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
    let mut out = Planes::default();
    let target = Target::whole(width, height);
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
    /// The box turned: a line a column and channel.
    columns: Vec<u8>,
    /// The box after the horizontal pass, still turned: a line a channel and column.
    narrowed: Vec<u8>,
    /// The same turned back: a line a row, which holds the row of each channel.
    rows: Vec<u8>,
    /// Of one line.
    sums: Vec<i32>,
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
        let area = area.clamped_to(image.width, image.height);
        let window = target.window;
        let columns = window.left..window.left + window.width;
        let rows = window.top..window.top + window.height;
        let how = target.interpolation;
        self.horizontal.set(area.width, target.full.0, columns, how);
        self.vertical.set(area.height, target.full.1, rows, how);
        out.reset(window.width, window.height);
        dispatch(Resize {
            pixels: &image.pixels,
            row_bytes: image.row_bytes(),
            area,
            flip: target.flip,
            buffers: self,
            out,
        });
    }
}

struct Resize<'a> {
    pixels: &'a [u8],
    row_bytes: usize,
    area: CropBox,
    flip: bool,
    buffers: &'a mut Resizer,
    out: &'a mut Planes,
}

impl Loop for Resize<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Resizer {
            horizontal,
            vertical,
            columns,
            narrowed,
            rows,
            sums,
        } = self.buffers;
        let touched = vertical.touched();
        let width = self.out.width();
        let (column_bytes, row_bytes) = (
            touched.len().next_multiple_of(STEP),
            (3 * width).next_multiple_of(STEP),
        );
        columns.resize(3 * self.area.width * column_bytes, 0);
        let first = (self.area.top + touched.start) * self.row_bytes + 3 * self.area.left;
        let sides = [3 * self.area.width, touched.len()];
        let pixels = &self.pixels[first..];
        transpose(pixels, self.row_bytes, sides, columns, column_bytes);

        narrowed.resize(3 * width * column_bytes, 0);
        sums.resize(column_bytes.max(width), 0);
        filter_columns(columns, column_bytes, horizontal, self.flip, sums, narrowed);

        rows.resize(column_bytes * row_bytes, 0);
        let sides = [touched.len(), 3 * width];
        transpose(narrowed, column_bytes, sides, rows, row_bytes);
        filter_rows(rows, [row_bytes, touched.start], vertical, sums, self.out);
    }
}

/// Lines that are summed at a time: their weights stay in registers.
const TAPS: usize = 12;

/// Weighted sum of lines, as 8-bit samples: of `lines`, the one that starts at `first` and each `step` after it, as many as there
/// are weights and each as long as `out`.
#[inline(always)]
fn weighted(
    lines: &[u8],
    [first, step]: [usize; 2],
    weights: &[i32],
    sums: &mut [i32],
    out: &mut [u8],
) {
    let (whole, rest) = weights.split_at((weights.len() - 1) / TAPS * TAPS);
    let mut lines = Lines { lines, first, step };
    let sums = &mut sums[..out.len()];
    sums.fill(HALF);
    for weights in whole.as_chunks::<TAPS>().0 {
        add_lines(lines.take(), weights, sums);
    }
    let weights = rest;
    macro_rules! finish {
        ($($taps:literal)*) => {
            match weights.len() {
                $($taps => finish_lines::<$taps>(lines.take(), weights, sums, out),)*
                _ => {}
            }
        };
    }
    finish!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// Equidistant lines, from one on.
struct Lines<'a> {
    lines: &'a [u8],
    first: usize,
    step: usize,
}

impl<'a> Lines<'a> {
    /// The next lines.
    #[inline(always)]
    fn take<const N: usize>(&mut self) -> [&'a [u8]; N] {
        let mut taken: [&[u8]; N] = [&[]; N];
        for line in &mut taken {
            *line = &self.lines[self.first..];
            self.first += self.step;
        }
        taken
    }
}

#[inline(always)]
fn add_lines<const N: usize>(mut lines: [&[u8]; N], weights: &[i32; N], sums: &mut [i32]) {
    for line in &mut lines {
        *line = &line[..sums.len()];
    }
    for (lane, sum) in sums.iter_mut().enumerate() {
        for tap in 0..N {
            *sum += i32::from(lines[tap][lane]) * weights[tap];
        }
    }
}

#[inline(always)]
fn finish_lines<const N: usize>(
    mut lines: [&[u8]; N],
    weights: &[i32],
    sums: &[i32],
    out: &mut [u8],
) {
    let Some(weights) = weights.first_chunk::<N>() else {
        return;
    };
    for line in &mut lines {
        *line = &line[..out.len()];
    }
    for (lane, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
        let mut sum = *sum;
        for tap in 0..N {
            sum += i32::from(lines[tap][lane]) * weights[tap];
        }
        *out = to_u8(sum);
    }
}

/// The horizontal pass over a turned box, whose lines are one every `stride` bytes: three for each column. The lines of `out` are
/// in the order of channels.
#[inline(always)]
fn filter_columns(
    columns: &[u8],
    stride: usize,
    axis: &Axis,
    flip: bool,
    sums: &mut [i32],
    out: &mut [u8],
) {
    let width = axis.windows.len();
    for (x, (start, weights)) in axis.windows().enumerate() {
        let x = if flip { width - 1 - x } else { x };
        for channel in 0..3 {
            let lines = [(3 * start + channel) * stride, 3 * stride];
            let to = (channel * width + x) * stride;
            weighted(columns, lines, weights, sums, &mut out[to..to + stride]);
        }
    }
}

/// The vertical pass over rows that are one every `stride` bytes and begin with `first_row` of the box.
#[inline(always)]
fn filter_rows(
    rows: &[u8],
    [stride, first_row]: [usize; 2],
    axis: &Axis,
    sums: &mut [i32],
    out: &mut Planes,
) {
    let width = out.width();
    for (y, (start, weights)) in axis.windows().enumerate() {
        for (channel, plane) in out.channels_mut().into_iter().enumerate() {
            let lines = [(start - first_row) * stride + channel * width, stride];
            weighted(
                rows,
                lines,
                weights,
                sums,
                &mut plane[y * width..(y + 1) * width],
            );
        }
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
                axis.set(source, output, 0..output, how);
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

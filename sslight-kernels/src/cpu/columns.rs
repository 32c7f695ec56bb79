//! Moving images to and from the matrices that a convolution multiplies.
//!
//! The columns of a tile are `[c_in, kh, kw]` rows by `[image, oy, ox]` columns: what each kernel
//! position sees at each output (im2col). Maps of a tile are `[c]` rows by `[image, position]` columns.

use std::ops::Range;

use rayon::prelude::*;

use super::shape::ConvShape;

/// Values that a task should at least move, so that splitting costs little beside the work.
const MIN_TASK: usize = 1 << 14;

/// The outputs that are computed together: some images, or some rows of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) images: Range<usize>,
    pub(crate) rows: Range<usize>,
}

/// The kernel positions that meet the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taps {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

impl Taps {
    pub(crate) fn live(shape: &ConvShape) -> Self {
        Self {
            rows: shape.live(0),
            columns: shape.live(1),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Where the positions lie in a kernel.
    pub(crate) fn offsets(&self, shape: &ConvShape) -> Vec<usize> {
        let width = shape.kernel[1];
        self.iter()
            .map(|[row, column]| row * width + column)
            .collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        self.rows
            .clone()
            .flat_map(|row| self.columns.clone().map(move |column| [row, column]))
    }
}

/// Writes the columns of a tile of `x`, images `[b, c_in, h, w]`.
pub(crate) fn gather_columns(
    shape: &ConvShape,
    taps: &Taps,
    x: &[f32],
    tile: &Tile,
    columns: &mut [f32],
) {
    let width = tile.images.len() * tile.rows.len() * shape.output[1];
    let per_channel = taps.len() * width;
    columns
        .par_chunks_mut(per_channel)
        .with_min_len(MIN_TASK.div_ceil(per_channel))
        .enumerate()
        .for_each(|(channel, columns)| {
            for (tap, columns) in taps.iter().zip(columns.chunks_mut(width)) {
                let per_image = tile.rows.len() * shape.output[1];
                for (image, columns) in tile.images.clone().zip(columns.chunks_mut(per_image)) {
                    let plane = plane(x, shape.in_channels, shape.input_len(), image, channel);
                    gather_tap(shape, tap, plane, tile.rows.clone(), columns);
                }
            }
        });
}

/// What one kernel position sees of one plane, 0 outside.
fn gather_tap(
    shape: &ConvShape,
    tap: [usize; 2],
    plane: &[f32],
    rows: Range<usize>,
    columns: &mut [f32],
) {
    let [reach_y, reach_x] = [shape.reach(0, tap[0]), shape.reach(1, tap[1])];
    let [_, width] = shape.input;
    for (oy, columns) in rows.zip(columns.chunks_mut(shape.output[1])) {
        if !reach_y.contains(&oy) || reach_x.is_empty() {
            columns.fill(0.0);
            continue;
        }
        let y = oy * shape.stride[0] + tap[0] - shape.padding[0];
        let x = reach_x.start * shape.stride[1] + tap[1] - shape.padding[1];
        let source = &plane[y * width + x..(y + 1) * width];
        if reach_x.start > 0 {
            columns[..reach_x.start].fill(0.0);
        }
        let inner = &mut columns[reach_x.clone()];
        match shape.stride[1] {
            1 => inner.copy_from_slice(&source[..inner.len()]),
            2 => {
                // Pairs are loaded side by side, which steps over a slice are not.
                let pairs = source.chunks_exact(2);
                if let (Some(last), [value]) = (inner.last_mut(), pairs.remainder()) {
                    *last = *value;
                }
                for (column, pair) in inner.iter_mut().zip(pairs) {
                    *column = pair[0];
                }
            }
            stride => {
                for (column, value) in inner.iter_mut().zip(source.iter().step_by(stride)) {
                    *column = *value;
                }
            }
        }
        if reach_x.end < columns.len() {
            columns[reach_x.end..].fill(0.0);
        }
    }
}

/// Adds the columns of a tile to `x`, the images of the tile alone (the transpose of
/// [`gather_columns`]).
pub(crate) fn scatter_columns(
    shape: &ConvShape,
    taps: &Taps,
    columns: &[f32],
    tile: &Tile,
    x: &mut [f32],
) {
    let per_image = tile.rows.len() * shape.output[1];
    let width = tile.images.len() * per_image;
    x.par_chunks_mut(shape.input_len())
        .with_min_len(MIN_TASK.div_ceil(taps.len() * per_image))
        .enumerate()
        .for_each(|(index, plane)| {
            let (image, channel) = (index / shape.in_channels, index % shape.in_channels);
            for (position, tap) in taps.iter().enumerate() {
                let start = (channel * taps.len() + position) * width + image * per_image;
                let columns = &columns[start..start + per_image];
                scatter_tap(shape, tap, columns, tile.rows.clone(), plane);
            }
        });
}

fn scatter_tap(
    shape: &ConvShape,
    tap: [usize; 2],
    columns: &[f32],
    rows: Range<usize>,
    plane: &mut [f32],
) {
    let [reach_y, reach_x] = [shape.reach(0, tap[0]), shape.reach(1, tap[1])];
    if reach_x.is_empty() {
        return;
    }
    let [_, width] = shape.input;
    for (oy, columns) in rows.zip(columns.chunks(shape.output[1])) {
        if !reach_y.contains(&oy) {
            continue;
        }
        let y = oy * shape.stride[0] + tap[0] - shape.padding[0];
        let x = reach_x.start * shape.stride[1] + tap[1] - shape.padding[1];
        let target = &mut plane[y * width + x..(y + 1) * width];
        let inner = &columns[reach_x.clone()];
        if shape.stride[1] == 1 {
            for (value, column) in target.iter_mut().zip(inner) {
                *value += column;
            }
        } else {
            for (value, column) in target.iter_mut().step_by(shape.stride[1]).zip(inner) {
                *value += column;
            }
        }
    }
}

/// Copies the images of a tile, `[b, c, positions]`, to maps `[c, image, position]`.
pub(crate) fn gather_maps(
    x: &[f32],
    channels: usize,
    positions: usize,
    images: &Range<usize>,
    maps: &mut [f32],
) {
    let width = images.len() * positions;
    maps.par_chunks_mut(width)
        .with_min_len(MIN_TASK.div_ceil(width))
        .enumerate()
        .for_each(|(channel, row)| {
            for (image, target) in images.clone().zip(row.chunks_exact_mut(positions)) {
                target.copy_from_slice(plane(x, channels, positions, image, channel));
            }
        });
}

/// Copies maps `[c, image, position]` to images `[image, c, position]`.
pub(crate) fn scatter_maps(maps: &[f32], channels: usize, positions: usize, x: &mut [f32]) {
    let per_image = channels * positions;
    let width = maps.len() / channels;
    x.par_chunks_mut(per_image)
        .with_min_len(MIN_TASK.div_ceil(per_image))
        .enumerate()
        .for_each(|(image, target)| {
            for (channel, target) in target.chunks_exact_mut(positions).enumerate() {
                let start = channel * width + image * positions;
                target.copy_from_slice(&maps[start..start + positions]);
            }
        });
}

fn plane(x: &[f32], channels: usize, positions: usize, image: usize, channel: usize) -> &[f32] {
    &x[(image * channels + channel) * positions..][..positions]
}

/// The live positions of a weight `[out * in, kh, kw]`.
pub(crate) fn gather_live(shape: &ConvShape, taps: &Taps, weight: &[f32]) -> Vec<f32> {
    let offsets = taps.offsets(shape);
    let kernels = shape.out_channels * shape.in_channels;
    let mut live = vec![0.0; kernels * taps.len()];
    live.par_chunks_mut(MIN_TASK * taps.len())
        .zip(weight.par_chunks(MIN_TASK * shape.kernel_len()))
        .for_each(|(live, weight)| {
            let kernels = weight.chunks_exact(shape.kernel_len());
            for (live, kernel) in live.chunks_exact_mut(taps.len()).zip(kernels) {
                for (value, offset) in live.iter_mut().zip(&offsets) {
                    *value = kernel[*offset];
                }
            }
        });
    live
}

/// A weight `[out * in, kh, kw]` with these live positions, 0 elsewhere.
pub(crate) fn scatter_live(shape: &ConvShape, taps: &Taps, live: &[f32]) -> Vec<f32> {
    let offsets = taps.offsets(shape);
    let kernels = shape.out_channels * shape.in_channels;
    let mut weight = vec![0.0; kernels * shape.kernel_len()];
    weight
        .par_chunks_mut(MIN_TASK * shape.kernel_len())
        .zip(live.par_chunks(MIN_TASK * taps.len()))
        .for_each(|(weight, live)| {
            let kernels = weight.chunks_exact_mut(shape.kernel_len());
            for (kernel, live) in kernels.zip(live.chunks_exact(taps.len())) {
                for (offset, value) in offsets.iter().zip(live) {
                    kernel[*offset] = *value;
                }
            }
        });
    weight
}

//! Tiles of images to values at the points and back.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::disjoint::Disjoint;
use super::lines::{Buffer, LANES, Line, ROW, Row, gather, load, scatter, store};
use super::maps::{Map, Outputs, POINTS, SIDE, STEP, both_axes};

/// Images `[b, c, h, w]` and the tiles on them.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) channels: usize,
    pub(super) size: [usize; 2],
    /// Tiles along each axis.
    pub(super) tiles: [usize; 2],
    /// Where the first tile starts before the image.
    pub(super) padding: [usize; 2],
}

/// Neighbouring rows of tiles of one image.
struct Segment {
    image: usize,
    rows: Range<usize>,
    /// Tiles of the group before these.
    before: usize,
}

impl Grid {
    fn positions(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// The parts of a range of tile rows, counted over all images.
    fn segments(&self, group: &Range<usize>) -> impl Iterator<Item = Segment> + use<> {
        let ([height, width], group) = (self.tiles, group.clone());
        (group.start / height..group.end.div_ceil(height)).map(move |image| {
            let first = image * height;
            let start = group.start.max(first);
            Segment {
                image,
                rows: start - first..group.end.min(first + height) - first,
                before: (start - group.start) * width,
            }
        })
    }

    /// The rows of the image that some rows of tiles of `side` see.
    fn image_rows(&self, tiles: &Range<usize>, side: usize) -> Range<usize> {
        let row = |at: usize| at.saturating_sub(self.padding[0]).min(self.size[0]);
        row(tiles.start * STEP)..row((tiles.end - 1) * STEP + side)
    }
}

/// Transforms a panel of channels: `result [point, tile]` from tiles of `I` by `I` values, 0 outside the
/// image.
pub(super) struct FromImages<'a, M, const I: usize> {
    pub(super) map: M,
    pub(super) grid: Grid,
    pub(super) group: Range<usize>,
    pub(super) images: &'a [f32],
    pub(super) panel: usize,
    pub(super) buffer: &'a mut Buffer,
    pub(super) result: &'a mut [Row],
}

impl<M: Map<I, SIDE>, const I: usize> WithSimd for FromImages<'_, M, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let grid = self.grid;
        let [_, width] = grid.size;
        for block in 0..ROW / LANES {
            let channel = self.panel * ROW + block * LANES;
            for segment in grid.segments(&self.group) {
                let rows = grid.image_rows(&segment.rows, I);
                let lines = self.buffer.take(rows.len() * width);
                let start = (segment.image * grid.channels + channel) * grid.positions();
                let planes = &self.images[start + rows.start * width..];
                gather(planes, grid.positions(), lines);
                let mut tile = segment.before;
                for row in segment.rows {
                    for column in 0..grid.tiles[1] {
                        for part in 0..LANES / S::F32_LANES {
                            let square =
                                window::<S, I>(simd, &grid, lines, rows.start, [row, column], part);
                            let values = both_axes(simd, self.map, &square);
                            write::<S>(&values, self.result, tile, block, part);
                        }
                        tile += 1;
                    }
                }
            }
        }
    }
}

/// The values at the points of a tile, to lanes of a panel's rows.
#[inline(always)]
fn write<S: Simd>(
    values: &[[S::f32s; SIDE]; SIDE],
    result: &mut [Row],
    tile: usize,
    block: usize,
    part: usize,
) {
    let tiles = result.len() / POINTS;
    for (y, values) in values.iter().enumerate() {
        for (x, value) in values.iter().enumerate() {
            let row = &mut result[(y * SIDE + x) * tiles + tile];
            store::<S>(*value, &mut row[block * LANES..(block + 1) * LANES], part);
        }
    }
}

/// What a tile sees of the lines from row `first` of an image.
#[inline(always)]
fn window<S: Simd, const I: usize>(
    simd: S,
    grid: &Grid,
    lines: &[Line],
    first: usize,
    tile: [usize; 2],
    part: usize,
) -> [[S::f32s; I]; I] {
    let mut square = [[simd.splat_f32s(0.0); I]; I];
    let [height, width] = grid.size;
    let [top, left] = tile.map(|at| at * STEP);
    let inside = left >= grid.padding[1] && left + I <= width + grid.padding[1];
    for (y, values) in square.iter_mut().enumerate() {
        let Some(row) = (top + y).checked_sub(grid.padding[0]) else {
            continue;
        };
        if row >= height {
            continue;
        }
        let lines = &lines[(row - first) * width..][..width];
        if inside {
            let lines = &lines[left - grid.padding[1]..][..I];
            for (value, line) in values.iter_mut().zip(lines) {
                *value = load::<S>(line, part);
            }
        } else {
            for (x, value) in values.iter_mut().enumerate() {
                let column = (left + x).wrapping_sub(grid.padding[1]);
                if let Some(line) = lines.get(column) {
                    *value = load::<S>(line, part);
                }
            }
        }
    }
    square
}

/// Writes a panel of channels of images from `values [point, tile]`.
pub(super) struct ToImages<'a, 'b> {
    pub(super) grid: Grid,
    pub(super) group: Range<usize>,
    pub(super) values: &'a [Row],
    pub(super) panel: usize,
    pub(super) buffer: &'a mut Buffer,
    pub(super) images: &'a Disjoint<'b>,
}

impl WithSimd for ToImages<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let grid = self.grid;
        let [height, width] = grid.size;
        let tiles = self.values.len() / POINTS;
        for block in 0..ROW / LANES {
            let channel = self.panel * ROW + block * LANES;
            for segment in grid.segments(&self.group) {
                let start = segment.rows.start * STEP;
                let rows = start..(segment.rows.end * STEP).min(height);
                let lines: &mut [Line] = self.buffer.take(rows.len() * width);
                let mut tile = segment.before;
                for row in segment.rows {
                    for column in 0..grid.tiles[1] {
                        for part in 0..LANES / S::F32_LANES {
                            let mut square = [[simd.splat_f32s(0.0); SIDE]; SIDE];
                            for (y, square) in square.iter_mut().enumerate() {
                                for (x, value) in square.iter_mut().enumerate() {
                                    let row = &self.values[(y * SIDE + x) * tiles + tile];
                                    let lanes = &row[block * LANES..(block + 1) * LANES];
                                    *value = load::<S>(lanes, part);
                                }
                            }
                            let outputs =
                                both_axes::<S, Outputs, SIDE, STEP>(simd, Outputs, &square);
                            let top = row * STEP - start;
                            let left = column * STEP;
                            let lines = lines[top * width..].chunks_exact_mut(width);
                            for (outputs, lines) in outputs.iter().zip(lines) {
                                for (output, line) in outputs.iter().zip(&mut lines[left..]) {
                                    store::<S>(*output, line, part);
                                }
                            }
                        }
                        tile += 1;
                    }
                }
                scatter(lines, |lane| {
                    let plane = (segment.image * grid.channels + channel + lane) * grid.positions();
                    let first = plane + rows.start * width;
                    // SAFETY: each task has its own panel or its own rows of tiles, hence its own rows of
                    // these planes, and asks for each lane once.
                    unsafe { self.images.range(first..first + rows.len() * width) }
                });
            }
        }
    }
}

//! Convolution in one group as matrix products.
//!
//! * A kernel of one position on an unchanged map needs no columns: each image is a matrix already.
//! * On maps of one pixel the batch is the matrix, whole.
//! * Small maps go several images to a product, since a product of few columns spends its time on
//!   preparing the weight.
//! * Else columns are gathered tile by tile in a buffer that stays in the cache.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::buffer::unset;
use super::columns::{
    Taps, Tile, gather_columns, gather_live, gather_maps, scatter_columns, scatter_live,
    scatter_maps,
};
use super::matrix::{Matrix, Sizes, product_by_rows, sum_of_groups};
use super::shape::ConvShape;

/// Values in the buffer of columns.
const COLUMN_BUFFER: usize = 1 << 17;
/// Columns of a product, at least (where there are as many) and at most.
const TILE_COLUMNS: [usize; 2] = [256, 2048];
/// Maps with at least this many positions are multiplied where they lie.
const DIRECT_POSITIONS: usize = 64;
/// Tasks that a layer is split in, where it can be.
const TASKS: usize = 8;
/// Values in the partial sums of a weight gradient.
const PARTIAL_SUMS: usize = 1 << 20;

/// How a layer is split, by its shape alone.
struct Plan<'a> {
    shape: &'a ConvShape,
    taps: Taps,
    /// Terms of an output: input channels times live kernel positions.
    terms: usize,
    /// The columns are the images themselves.
    pointwise: bool,
    images: usize,
    rows: usize,
}

impl<'a> Plan<'a> {
    fn new(shape: &'a ConvShape) -> Self {
        let taps = Taps::live(shape);
        let terms = shape.in_channels * taps.len();
        let pointwise = taps.len() == 1
            && shape.input == shape.output
            && (shape.stride == [1, 1] || shape.input == [1, 1])
            && [taps.rows.start, taps.columns.start] == shape.padding;
        let positions = shape.output_len();
        let columns = (COLUMN_BUFFER / terms.max(1)).clamp(TILE_COLUMNS[0], TILE_COLUMNS[1]);
        let [height, width] = shape.output;
        let (images, rows) = if pointwise && positions >= DIRECT_POSITIONS {
            (1, height)
        } else if positions >= columns {
            (1, columns.div_ceil(width).min(height))
        } else {
            ((columns / positions).clamp(1, shape.batch), height)
        };
        Self {
            shape,
            taps,
            terms,
            pointwise,
            images,
            rows,
        }
    }

    /// Whether the batch is one matrix of a row an image.
    fn is_single_pixel(&self) -> bool {
        self.pointwise && self.shape.input_len() == 1
    }

    fn tiles_of(&self, images: Range<usize>) -> impl Iterator<Item = Tile> {
        let (height, rows) = (self.shape.output[0], self.rows);
        (0..height).step_by(rows).map(move |row| Tile {
            images: images.clone(),
            rows: row..(row + rows).min(height),
        })
    }

    fn image_groups(&self) -> impl Iterator<Item = Range<usize>> {
        let (batch, images) = (self.shape.batch, self.images);
        (0..batch)
            .step_by(images)
            .map(move |first| first..(first + images).min(batch))
    }

    /// Rows of a product's block, given that `tasks` products run side by side.
    fn block(&self, rows: usize, tasks: usize) -> usize {
        rows.div_ceil(TASKS.div_ceil(tasks)).next_multiple_of(16)
    }

    fn live_weight<'w>(&self, weight: &'w [f32]) -> Cow<'w, [f32]> {
        if self.taps.len() == self.shape.kernel_len() {
            Cow::Borrowed(weight)
        } else {
            Cow::Owned(gather_live(self.shape, &self.taps, weight))
        }
    }

    fn full_weight(&self, live: Vec<f32>) -> Vec<f32> {
        if self.taps.len() == self.shape.kernel_len() {
            live
        } else {
            scatter_live(self.shape, &self.taps, &live)
        }
    }

    /// The columns of a tile: in the images where they lie so, else in `buffer`.
    fn columns<'b>(&self, x: &'b [f32], tile: &Tile, buffer: &'b mut Vec<f32>) -> Matrix<'b> {
        let shape = self.shape;
        if self.pointwise && tile.images.len() == 1 {
            return image_matrix(x, shape.in_channels, shape.input_len(), tile, 0);
        }
        let width = self.width(tile);
        let buffer = sized(buffer, self.terms * width);
        if self.pointwise {
            let positions = shape.input_len();
            gather_maps(x, shape.in_channels, positions, &tile.images, buffer);
        } else {
            gather_columns(shape, &self.taps, x, tile, buffer);
        }
        Matrix::rows(buffer, width)
    }

    /// The outputs (or their gradients) of a tile: where they lie for one image, else in `buffer`.
    fn maps<'b>(&self, y: &'b [f32], tile: &Tile, buffer: &'b mut Vec<f32>) -> Matrix<'b> {
        let (channels, positions) = (self.shape.out_channels, self.shape.output_len());
        if tile.images.len() == 1 {
            return image_matrix(y, channels, positions, tile, self.shape.output[1]);
        }
        let width = self.width(tile);
        let buffer = sized(buffer, channels * width);
        gather_maps(y, channels, positions, &tile.images, buffer);
        Matrix::rows(buffer, width)
    }

    fn width(&self, tile: &Tile) -> usize {
        tile.images.len() * tile.rows.len() * self.shape.output[1]
    }
}

/// One image as a matrix of its channels, from the first row of the tile.
fn image_matrix<'b>(
    x: &'b [f32],
    channels: usize,
    positions: usize,
    tile: &Tile,
    row_len: usize,
) -> Matrix<'b> {
    let image = &x[tile.images.start * channels * positions..][..channels * positions];
    Matrix::rows(&image[tile.rows.start * row_len..], positions)
}

/// The first `len` values of a buffer, grown if need be.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

#[derive(Default)]
struct Scratch {
    columns: Vec<f32>,
    maps: Vec<f32>,
}

/// `y [b, out, h', w']` for images `x` and `weight [out, in, kh, kw]`.
pub(crate) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let plan = Plan::new(shape);
    let (channels, positions) = (shape.out_channels, shape.output_len());
    let len = shape.batch * channels * positions;
    if plan.terms == 0 {
        return vec![0.0; len];
    }
    // Every tile is written by its product, or scattered whole.
    let mut y = unset(len);
    let weight = plan.live_weight(weight);
    let weight = Matrix::rows(&weight, plan.terms);
    if plan.is_single_pixel() {
        let sizes = Sizes {
            m: shape.batch,
            n: channels,
            k: plan.terms,
        };
        let x = Matrix::rows(x, plan.terms);
        let block = plan.block(shape.batch, 1);
        product_by_rows(
            sizes,
            block,
            &mut y,
            channels,
            x,
            weight.transposed(),
            false,
        );
        return y;
    }
    let block = plan.block(channels, shape.batch.div_ceil(plan.images));
    y.par_chunks_mut(plan.images * channels * positions)
        .zip(plan.image_groups().collect::<Vec<_>>())
        .for_each_init(Scratch::default, |scratch, (y, images)| {
            for tile in plan.tiles_of(images) {
                let columns = plan.columns(x, &tile, &mut scratch.columns);
                let sizes = Sizes {
                    m: channels,
                    n: plan.width(&tile),
                    k: plan.terms,
                };
                if tile.images.len() == 1 {
                    let y = &mut y[tile.rows.start * shape.output[1]..];
                    product_by_rows(sizes, block, y, positions, weight, columns, false);
                } else {
                    let maps = sized(&mut scratch.maps, channels * sizes.n);
                    product_by_rows(sizes, block, maps, sizes.n, weight, columns, false);
                    scatter_maps(maps, channels, positions, y);
                }
            }
        });
    y
}

/// The gradient for the images, `[b, in, h, w]`, given that for the outputs.
pub(crate) fn backward_input(shape: &ConvShape, weight: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let plan = Plan::new(shape);
    let (channels, positions) = (shape.in_channels, shape.input_len());
    let len = shape.batch * channels * positions;
    if plan.terms == 0 {
        return vec![0.0; len];
    }
    // Columns are added up where they overlap; maps are written whole.
    let mut x_grad = if plan.pointwise {
        unset(len)
    } else {
        vec![0.0; len]
    };
    let weight = plan.live_weight(weight);
    let weight = Matrix::rows(&weight, plan.terms);
    if plan.is_single_pixel() {
        let sizes = Sizes {
            m: shape.batch,
            n: channels,
            k: shape.out_channels,
        };
        let y_grad = Matrix::rows(y_grad, shape.out_channels);
        let block = plan.block(shape.batch, 1);
        product_by_rows(sizes, block, &mut x_grad, channels, y_grad, weight, false);
        return x_grad;
    }
    let weight = weight.transposed();
    let block = plan.block(plan.terms, shape.batch.div_ceil(plan.images));
    x_grad
        .par_chunks_mut(plan.images * channels * positions)
        .zip(plan.image_groups().collect::<Vec<_>>())
        .for_each_init(Scratch::default, |scratch, (x_grad, images)| {
            for tile in plan.tiles_of(images) {
                let y_grad = plan.maps(y_grad, &tile, &mut scratch.maps);
                let sizes = Sizes {
                    m: plan.terms,
                    n: plan.width(&tile),
                    k: shape.out_channels,
                };
                if plan.pointwise && tile.images.len() == 1 {
                    product_by_rows(sizes, block, x_grad, positions, weight, y_grad, false);
                    continue;
                }
                let columns = sized(&mut scratch.columns, plan.terms * sizes.n);
                product_by_rows(sizes, block, columns, sizes.n, weight, y_grad, false);
                if plan.pointwise {
                    scatter_maps(columns, channels, positions, x_grad);
                } else {
                    scatter_columns(shape, &plan.taps, columns, &tile, x_grad);
                }
            }
        });
    x_grad
}

/// The gradient for the weight, `[out, in, kh, kw]`, given that for the outputs.
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let plan = Plan::new(shape);
    let channels = shape.out_channels;
    let len = channels * plan.terms;
    if len == 0 {
        return vec![0.0; channels * shape.in_channels * shape.kernel_len()];
    }
    if plan.is_single_pixel() {
        let mut grad = vec![0.0; len];
        let sizes = Sizes {
            m: channels,
            n: plan.terms,
            k: shape.batch,
        };
        let y_grad = Matrix::rows(y_grad, channels).transposed();
        let x = Matrix::rows(x, plan.terms);
        let block = plan.block(channels, 1);
        product_by_rows(sizes, block, &mut grad, plan.terms, y_grad, x, false);
        return plan.full_weight(grad);
    }
    let tiles: Vec<Tile> = plan
        .image_groups()
        .flat_map(|images| plan.tiles_of(images))
        .collect();
    // Few large partial sums would cost more than they save; then each product is split instead.
    let groups = (PARTIAL_SUMS / len).clamp(1, TASKS).min(tiles.len());
    let group = tiles.len().div_ceil(groups);
    let groups = tiles.len().div_ceil(group);
    let block = plan.block(channels, groups);
    let mut partial = unset(groups * len);
    partial
        .par_chunks_mut(len)
        .zip(tiles.par_chunks(group))
        .for_each_init(Scratch::default, |scratch, (grad, tiles)| {
            for (index, tile) in tiles.iter().enumerate() {
                let columns = plan.columns(x, tile, &mut scratch.columns).transposed();
                let y_grad = plan.maps(y_grad, tile, &mut scratch.maps);
                let sizes = Sizes {
                    m: channels,
                    n: plan.terms,
                    k: plan.width(tile),
                };
                let add = index > 0;
                product_by_rows(sizes, block, grad, plan.terms, y_grad, columns, add);
            }
        });
    plan.full_weight(sum_of_groups(partial, len))
}

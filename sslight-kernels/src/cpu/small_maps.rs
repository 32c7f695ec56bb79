//! Convolution in one group on maps of a few positions, with the images of the batch as columns.
//!
//! On such maps rows are too short to be copied or multiplied one by one, and much of a kernel hangs over
//! the border. So maps are turned to `[channel, position, image]`; there the outputs that one kernel position
//! reaches are a few long runs of columns, and each run is one product with that position's weight
//! `[out, in]`. What hangs over the border is never computed, and nothing is copied nine times.

use rayon::prelude::*;

use super::columns::Taps;
use super::matrix::{Matrix, Sizes, product};
use super::shape::ConvShape;

/// Output maps with at most this many positions are computed here.
const POSITIONS: usize = 16;
/// A run of fewer columns would leave the product to its own overhead.
const MIN_BATCH: usize = 16;
/// Tasks that a layer is split in, where it can be.
const TASKS: usize = 8;
/// Rows of a product's block are a multiple of this.
const ROWS: usize = 16;

/// Whether these kernels are the faster ones for such a convolution.
pub(crate) fn supports(shape: &ConvShape) -> bool {
    Taps::live(shape).len() > 1 && shape.output_len() <= POSITIONS && shape.batch >= MIN_BATCH
}

/// Neighbouring outputs whose inputs under one kernel position are neighbours too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    output: usize,
    input: usize,
    len: usize,
}

/// The runs of a kernel position.
fn runs(shape: &ConvShape, [tap_y, tap_x]: [usize; 2]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let input = |output: usize, tap: usize, axis: usize| {
        output * shape.stride[axis] + tap - shape.padding[axis]
    };
    for y in shape.reach(0, tap_y) {
        for x in shape.reach(1, tap_x) {
            let next = Run {
                output: y * shape.output[1] + x,
                input: input(y, tap_y, 0) * shape.input[1] + input(x, tap_x, 1),
                len: 1,
            };
            match runs.last_mut() {
                Some(run)
                    if run.output + run.len == next.output && run.input + run.len == next.input =>
                {
                    run.len += 1;
                }
                _ => runs.push(next),
            }
        }
    }
    runs
}

/// A convolution laid out for products.
struct Plan {
    batch: usize,
    in_channels: usize,
    out_channels: usize,
    /// Values of a row of inputs and of outputs: positions times images.
    in_row: usize,
    out_row: usize,
    taps: Taps,
    /// For each live kernel position, where it is in a kernel, and its runs.
    runs: Vec<Vec<Run>>,
    offsets: Vec<usize>,
    kernel_len: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let taps = Taps::live(shape);
        Self {
            batch: shape.batch,
            in_channels: shape.in_channels,
            out_channels: shape.out_channels,
            in_row: shape.input_len() * shape.batch,
            out_row: shape.output_len() * shape.batch,
            runs: taps.iter().map(|tap| runs(shape, tap)).collect(),
            offsets: taps.offsets(shape),
            taps,
            kernel_len: shape.kernel_len(),
        }
    }

    /// Values of a weight's row: live kernel positions times input channels.
    fn weight_row(&self) -> usize {
        self.taps.len() * self.in_channels
    }

    /// `[out, in, kernel position]` to `[out, live position, in]`.
    fn by_position(&self, weight: &[f32]) -> Vec<f32> {
        let mut turned = vec![0.0; self.out_channels * self.weight_row()];
        turned
            .par_chunks_mut(self.weight_row())
            .zip(weight.par_chunks(self.in_channels * self.kernel_len))
            .for_each(|(turned, weight)| {
                let positions = turned.chunks_exact_mut(self.in_channels);
                for (turned, offset) in positions.zip(&self.offsets) {
                    for (value, kernel) in turned.iter_mut().zip(weight.chunks(self.kernel_len)) {
                        *value = kernel[*offset];
                    }
                }
            });
        turned
    }

    /// The inverse of [`by_position`](Self::by_position), 0 at dead positions.
    fn by_kernel(&self, turned: &[f32]) -> Vec<f32> {
        let mut weight = vec![0.0; self.out_channels * self.in_channels * self.kernel_len];
        weight
            .par_chunks_mut(self.in_channels * self.kernel_len)
            .zip(turned.par_chunks(self.weight_row()))
            .for_each(|(weight, turned)| {
                let positions = turned.chunks_exact(self.in_channels);
                for (turned, offset) in positions.zip(&self.offsets) {
                    for (kernel, value) in weight.chunks_mut(self.kernel_len).zip(turned) {
                        kernel[*offset] = *value;
                    }
                }
            });
        weight
    }

    /// Each live kernel position with its number, and its runs.
    fn products(&self) -> impl Iterator<Item = (usize, &Run)> {
        let numbered = self.runs.iter().enumerate();
        numbered.flat_map(|(tap, runs)| runs.iter().map(move |run| (tap, run)))
    }
}

/// Rows of one task.
fn block(rows: usize) -> usize {
    rows.div_ceil(TASKS).next_multiple_of(ROWS)
}

/// Images `[b, c, positions]` to `[c, positions, b]`.
fn to_columns(images: &[f32], batch: usize, channels: usize, positions: usize) -> Vec<f32> {
    let mut columns = vec![0.0; images.len()];
    columns
        .par_chunks_mut(positions * batch)
        .enumerate()
        .for_each(|(channel, columns)| {
            for image in 0..batch {
                let start = (image * channels + channel) * positions;
                let map = &images[start..start + positions];
                for (value, column) in map.iter().zip(columns.chunks_exact_mut(batch)) {
                    column[image] = *value;
                }
            }
        });
    columns
}

/// `[c, positions, b]` to images `[b, c, positions]`.
fn to_images(columns: &[f32], batch: usize, channels: usize, positions: usize) -> Vec<f32> {
    let mut images = vec![0.0; columns.len()];
    images
        .par_chunks_mut(channels * positions)
        .enumerate()
        .for_each(|(image, maps)| {
            for (value, column) in maps.iter_mut().zip(columns.chunks_exact(batch)) {
                *value = column[image];
            }
        });
    images
}

/// `y [b, out, h', w']` for images `x` and `weight [out, in, kh, kw]`.
pub(crate) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let plan = Plan::new(shape);
    let weight = plan.by_position(weight);
    let x = to_columns(x, plan.batch, plan.in_channels, shape.input_len());
    let mut y = vec![0.0; plan.out_channels * plan.out_row];
    let block = block(plan.out_channels);
    y.par_chunks_mut(block * plan.out_row)
        .zip(weight.par_chunks(block * plan.weight_row()))
        .for_each(|(y, weight)| {
            for (tap, run) in plan.products() {
                let sizes = Sizes {
                    m: y.len() / plan.out_row,
                    n: run.len * plan.batch,
                    k: plan.in_channels,
                };
                let weight = &weight[tap * plan.in_channels..];
                product(
                    sizes,
                    &mut y[run.output * plan.batch..],
                    plan.out_row,
                    Matrix::rows(weight, plan.weight_row()),
                    Matrix::rows(&x[run.input * plan.batch..], plan.in_row),
                    true,
                );
            }
        });
    to_images(&y, plan.batch, plan.out_channels, shape.output_len())
}

/// The gradient for the images, `[b, in, h, w]`, given that for the outputs.
pub(crate) fn backward_input(shape: &ConvShape, weight: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let plan = Plan::new(shape);
    let weight = plan.by_position(weight);
    let y_grad = to_columns(y_grad, plan.batch, plan.out_channels, shape.output_len());
    let mut x_grad = vec![0.0; plan.in_channels * plan.in_row];
    let block = block(plan.in_channels);
    x_grad
        .par_chunks_mut(block * plan.in_row)
        .enumerate()
        .for_each(|(task, x_grad)| {
            for (tap, run) in plan.products() {
                let sizes = Sizes {
                    m: x_grad.len() / plan.in_row,
                    n: run.len * plan.batch,
                    k: plan.out_channels,
                };
                let weight = &weight[tap * plan.in_channels + task * block..];
                product(
                    sizes,
                    &mut x_grad[run.input * plan.batch..],
                    plan.in_row,
                    Matrix::rows(weight, plan.weight_row()).transposed(),
                    Matrix::rows(&y_grad[run.output * plan.batch..], plan.out_row),
                    true,
                );
            }
        });
    to_images(&x_grad, plan.batch, plan.in_channels, shape.input_len())
}

/// The gradient for the weight, `[out, in, kh, kw]`, given that for the outputs.
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let plan = Plan::new(shape);
    let x = to_columns(x, plan.batch, plan.in_channels, shape.input_len());
    let y_grad = to_columns(y_grad, plan.batch, plan.out_channels, shape.output_len());
    let mut grad = vec![0.0; plan.out_channels * plan.weight_row()];
    let block = block(plan.out_channels);
    grad.par_chunks_mut(block * plan.weight_row())
        .zip(y_grad.par_chunks(block * plan.out_row))
        .for_each(|(grad, y_grad)| {
            for (tap, run) in plan.products() {
                let sizes = Sizes {
                    m: grad.len() / plan.weight_row(),
                    n: plan.in_channels,
                    k: run.len * plan.batch,
                };
                product(
                    sizes,
                    &mut grad[tap * plan.in_channels..],
                    plan.weight_row(),
                    Matrix::rows(&y_grad[run.output * plan.batch..], plan.out_row),
                    Matrix::rows(&x[run.input * plan.batch..], plan.in_row).transposed(),
                    true,
                );
            }
        });
    plan.by_kernel(&grad)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn runs_join_over_rows_only_where_whole_rows_are_neighbours() {
        let shape = ConvShape::new([1, 1, 2, 2], [1, 1, 3, 3], [1; 2], [1; 2]).unwrap();
        let run = |output, input, len| Run { output, input, len };
        assert_eq!(runs(&shape, [1, 1]), [run(0, 0, 4)]);
        assert_eq!(runs(&shape, [0, 1]), [run(2, 0, 2)]);
        assert_eq!(runs(&shape, [1, 0]), [run(1, 0, 1), run(3, 2, 1)]);
        assert_eq!(runs(&shape, [0, 0]), [run(3, 0, 1)]);
    }

    #[test]
    fn a_stride_leaves_single_outputs() {
        let shape = ConvShape::new([1, 1, 4, 4], [1, 1, 3, 3], [2; 2], [1; 2]).unwrap();
        let outputs: Vec<usize> = runs(&shape, [1, 1]).iter().map(|run| run.output).collect();
        assert_eq!(outputs, [0, 1, 2, 3]);
        assert!(runs(&shape, [1, 1]).iter().all(|run| run.len == 1));
    }
}

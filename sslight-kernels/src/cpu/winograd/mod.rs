//! Winograd's convolution F(4x4, 3x3) for kernels of three by three at stride one (Lavin and Gray 2016).
//!
//! Four by four outputs take 36 multiplications instead of 144: tiles of the images and the kernels become
//! their values at 36 points ([`maps`]), there the sums over channels are matrix products, and the outputs
//! are read off those. The gradient for the images is the same with turned kernels, that for the weight sums
//! over the tiles instead. Sixteen channels go side by side, so that every map is plain vector arithmetic
//! on maps of any size; and a block of a weight is transformed where it is used, which is cheaper than to
//! fetch its 36 values from beyond the cache.

mod lines;
mod maps;
mod product;
mod tiles;
mod weights;

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::unset;
use super::disjoint::Disjoint;
use super::matrix::sum_of_groups;
use super::shape::ConvShape;
use super::simd::arch;
use lines::{Buffer, ROW, Row};
use maps::{Inputs, OutputGradients, POINTS, SIDE, STEP};
use product::Products;
use tiles::{FromImages, Grid, ToImages};
use weights::{FromWeight, Sum, ToWeight};

/// Tiles of a task, about, where the rest of its values leave room for no more in the cache.
const TILES: usize = 128;
/// Fewer tiles than this do not pay for the transformed weight, nor average the larger rounding of single ones.
const MIN_TILES: usize = 32;
/// Values of the transformed images of a task of the gradient to the weight, about.
const GRADIENT_VALUES: usize = 1 << 20;

/// Whether this is the faster way to compute such a convolution, and about as exact as any.
pub(crate) fn supports(shape: &ConvShape) -> bool {
    let tiles = |size: [usize; 2]| {
        size.map(|size| size.div_ceil(STEP))
            .iter()
            .product::<usize>()
    };
    // A multiplication of the plain sum is dearer than one here; tiles that hang over the map cost too.
    let pays = |size: [usize; 2]| size[0] * size[1] * 9 >= 2 * POINTS * tiles(size);
    shape.kernel == [3, 3]
        && shape.stride == [1, 1]
        && shape.padding.iter().all(|padding| *padding <= 2)
        && shape.in_channels.is_multiple_of(ROW)
        && shape.out_channels.is_multiple_of(ROW)
        && shape.batch * tiles(shape.output) >= MIN_TILES
        && pays(shape.output)
        && pays(shape.input)
}

/// A convolution at stride one: images, outputs and how their tiles are grouped.
struct Plan {
    batch: usize,
    inputs: Grid,
    outputs: Grid,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let tiles = shape.output.map(|size| size.div_ceil(STEP));
        Self {
            batch: shape.batch,
            inputs: Grid {
                channels: shape.in_channels,
                size: shape.input,
                tiles,
                padding: shape.padding,
            },
            outputs: Grid {
                channels: shape.out_channels,
                size: shape.output,
                tiles,
                padding: [0, 0],
            },
        }
    }

    /// Even groups of rows of tiles, of about `target` tiles each.
    fn groups(&self, target: usize) -> Vec<Range<usize>> {
        let [height, width] = self.outputs.tiles;
        let rows = self.batch * height;
        let groups = (rows * width).div_ceil(target).clamp(1, rows);
        let bound = |index: usize| rows * index / groups;
        (0..groups).map(|i| bound(i)..bound(i + 1)).collect()
    }

    fn tiles(&self, group: &Range<usize>) -> usize {
        group.len() * self.outputs.tiles[1]
    }
}

#[derive(Default)]
struct Scratch {
    lines: Buffer,
    weight: Buffer,
    products: Buffer,
}

/// `y [b, out, h', w']` for images `x` and `weight [out, in, 3, 3]`.
pub(crate) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    convolve(&Plan::new(shape), x, weight, shape.in_channels, Sum::Inputs)
}

/// The gradient for the images, `[b, in, h, w]`, given that for the outputs.
pub(crate) fn backward_input(shape: &ConvShape, weight: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let turned = ConvShape {
        in_channels: shape.out_channels,
        out_channels: shape.in_channels,
        input: shape.output,
        output: shape.input,
        padding: shape.padding.map(|padding| 2 - padding),
        ..*shape
    };
    convolve(
        &Plan::new(&turned),
        y_grad,
        weight,
        shape.in_channels,
        Sum::Outputs,
    )
}

fn convolve(plan: &Plan, x: &[f32], weight: &[f32], in_channels: usize, sum: Sum) -> Vec<f32> {
    let arch = arch();
    let (inputs, outputs) = (plan.inputs, plan.outputs);
    let mut y = unset(plan.batch * outputs.channels * outputs.size[0] * outputs.size[1]);
    let images = Disjoint::new(&mut y);
    plan.groups(TILES)
        .into_par_iter()
        .for_each_init(Buffer::default, |transformed, group| {
            let tiles = plan.tiles(&group);
            let panels = inputs.channels / ROW;
            let transformed: &mut [Row] = transformed.take(panels * POINTS * tiles);
            transform(Inputs, inputs, &group, x, transformed);
            (0..outputs.channels / ROW).into_par_iter().for_each_init(
                Scratch::default,
                |scratch, to| {
                    let products = scratch.products.take(POINTS * tiles);
                    let panels = transformed.chunks_exact(POINTS * tiles).enumerate();
                    for (from, transformed) in panels {
                        let block = scratch.weight.take(POINTS * ROW);
                        arch.dispatch(FromWeight {
                            weight,
                            in_channels,
                            sum,
                            from,
                            to,
                            buffer: &mut scratch.lines,
                            result: block,
                        });
                        arch.dispatch(Products::<false> {
                            points: POINTS,
                            result: products,
                            left: transformed,
                            right: block,
                            add: from > 0,
                        });
                    }
                    arch.dispatch(ToImages {
                        grid: outputs,
                        group: group.clone(),
                        values: products,
                        panel: to,
                        buffer: &mut scratch.lines,
                        images: &images,
                    });
                },
            );
        });
    y
}

/// The tiles of a group at the points, `[panel, point, tile]`.
fn transform<M: maps::Map<I, SIDE>, const I: usize>(
    map: M,
    grid: Grid,
    group: &Range<usize>,
    images: &[f32],
    result: &mut [Row],
) {
    result
        .par_chunks_exact_mut(result.len() * ROW / grid.channels)
        .enumerate()
        .for_each_init(Buffer::default, |buffer, (panel, result)| {
            arch().dispatch(FromImages {
                map,
                grid,
                group: group.clone(),
                images,
                panel,
                buffer,
                result,
            });
        });
}

/// The gradient for the weight, `[out, in, 3, 3]`, given that for the outputs.
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let arch = arch();
    let plan = Plan::new(shape);
    let per_tile = POINTS * (shape.in_channels + shape.out_channels);
    let groups = plan.groups((GRADIENT_VALUES / per_tile).max(TILES));
    let len = shape.out_channels * shape.in_channels * 9;
    let mut partial = unset(groups.len() * len);
    partial.par_chunks_exact_mut(len).zip(groups).for_each_init(
        <[Buffer; 2]>::default,
        |[inputs, outputs], (gradient, group)| {
            let tiles = plan.tiles(&group);
            let inputs: &mut [Row] = inputs.take(shape.in_channels / ROW * POINTS * tiles);
            let outputs: &mut [Row] = outputs.take(shape.out_channels / ROW * POINTS * tiles);
            rayon::join(
                || transform(Inputs, plan.inputs, &group, x, inputs),
                || transform(OutputGradients, plan.outputs, &group, y_grad, outputs),
            );
            gradient
                .par_chunks_exact_mut(ROW * shape.in_channels * 9)
                .zip(outputs.par_chunks_exact(POINTS * tiles))
                .for_each_init(Buffer::default, |products, (gradient, outputs)| {
                    for (panel, inputs) in inputs.chunks_exact(POINTS * tiles).enumerate() {
                        let products = products.take(POINTS * ROW);
                        arch.dispatch(Products::<true> {
                            points: POINTS,
                            result: products,
                            left: outputs,
                            right: inputs,
                            add: false,
                        });
                        arch.dispatch(ToWeight {
                            values: products,
                            in_channels: shape.in_channels,
                            panel,
                            gradient,
                        });
                    }
                });
        },
    );
    sum_of_groups(partial, len)
}

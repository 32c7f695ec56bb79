//! Convolution of one position (1x1), in tiles of positions. Where its input is to be normalised first, a tile is
//! normalised into a buffer that stays in the cache, and multiplied there, so that normalised values never reach memory.

use std::marker::PhantomData;

use rayon::prelude::*;

use super::batch_norm::{
    self, Activate, Affine, Gradients, InputGradient, Layer, Output, Shape, inverse_std,
    pre_activation, sums, with_activation,
};
use super::buffer::unset;
use super::matrix::{Matrix, Sizes, product, sum_of_parts};
use super::row_products::RowProducts;
use super::shape::ConvShape;
use super::simd::{Kernel, dispatch, mul_add};

/// Values of a tile.
const TILE: usize = 1 << 17;
/// Columns of a tile, at least and at most.
const TILE_COLUMNS: [usize; 2] = [128, 2048];
/// Smaller maps are for kernels that take several images to a product.
const MIN_POSITIONS: usize = 64;
/// Groups of images whose partial sums are kept apart.
const GROUPS: usize = 8;

/// Fewer images than this leave threads idle, each being one task.
const MIN_IMAGES: usize = 4;

/// Whether [`forward`] and [`backward_input`] compute such a convolution (in one group).
pub(crate) fn supports(shape: &ConvShape) -> bool {
    takes_normalization(shape) && shape.batch >= MIN_IMAGES
}

/// `y [b, out, h, w]` for images `x [b, in, h, w]`.
pub(crate) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let sizes = [shape.in_channels, shape.out_channels];
    multiply(shape, sizes, x, Matrix::rows(weight, shape.in_channels))
}

/// The gradient for the images, given that for the outputs.
pub(crate) fn backward_input(shape: &ConvShape, weight: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let sizes = [shape.out_channels, shape.in_channels];
    let weight = Matrix::rows(weight, shape.in_channels).transposed();
    multiply(shape, sizes, y_grad, weight)
}

/// The gradient for the weight, given that for the outputs; `None` for what a matrix product does faster.
pub(crate) fn backward_weight(shape: &ConvShape, x: &[f32], y_grad: &[f32]) -> Option<Vec<f32>> {
    let (channels, outputs) = (shape.in_channels, shape.out_channels);
    let positions = shape.input_len();
    if !RowProducts::pays(outputs, channels, positions) {
        return None;
    }
    let group = shape.batch.div_ceil(GROUPS);
    let groups: Vec<Vec<f32>> = x
        .par_chunks(group * channels * positions)
        .zip(y_grad.par_chunks(group * outputs * positions))
        .map(|(x, y_grad)| {
            let mut products = RowProducts::new(outputs, channels);
            let images = x.chunks_exact(channels * positions);
            for (image, y_grad) in images.zip(y_grad.chunks_exact(outputs * positions)) {
                let y_grad = Matrix::rows(y_grad, positions);
                products.add(positions, y_grad, Matrix::rows(image, positions));
            }
            products.finish()
        })
        .collect();
    Some(sum_of_parts(
        &groups.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    ))
}

/// The images of `from` channels, each multiplied by `matrix [to, from]`.
fn multiply(
    shape: &ConvShape,
    [from, to]: [usize; 2],
    images: &[f32],
    matrix: Matrix<'_>,
) -> Vec<f32> {
    let positions = shape.input_len();
    let mut results = unset(shape.batch * to * positions);
    results
        .par_chunks_mut(to * positions)
        .zip(images.par_chunks(from * positions))
        .for_each(|(result, image)| {
            for tile in tiles(from.max(to), positions) {
                let sizes = Sizes {
                    m: to,
                    n: tile.len(),
                    k: from,
                };
                let values = Matrix::rows(&image[tile.start..], positions);
                let result = &mut result[tile.start..];
                product(sizes, result, positions, matrix, values, false);
            }
        });
    results
}

/// Whether [`normalized_forward`] and [`normalized_backward`] compute such a convolution (in one group).
pub(crate) fn takes_normalization(shape: &ConvShape) -> bool {
    shape.kernel == [1, 1]
        && shape.stride == [1, 1]
        && shape.padding == [0, 0]
        && shape.input_len() >= MIN_POSITIONS
}

/// The tiles of an image, as ranges of positions.
fn tiles(channels: usize, positions: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let columns = (TILE / channels).clamp(TILE_COLUMNS[0], TILE_COLUMNS[1]);
    let count = positions.div_ceil(columns);
    // Equal ones, of whole vectors.
    let columns = positions.div_ceil(count).next_multiple_of(16);
    (0..positions)
        .step_by(columns)
        .map(move |start| start..(start + columns).min(positions))
}

/// Normalises a tile of an image, row by row.
struct Normalize<'a, A> {
    image: &'a [f32],
    positions: usize,
    tile: std::ops::Range<usize>,
    affine: &'a [Affine],
    values: &'a mut [f32],
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for Normalize<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let rows = self.image.chunks_exact(self.positions);
        let values = self.values.chunks_exact_mut(self.tile.len());
        for ((row, values), affine) in rows.zip(values).zip(self.affine) {
            for (value, x) in values.iter_mut().zip(&row[self.tile.clone()]) {
                *value = A::value(pre_activation::<FMA>(*x, affine));
            }
        }
    }
}

fn affines(layer: &Layer<'_>, mean: &[f32], var: &[f32]) -> Vec<Affine> {
    let statistics = mean.iter().zip(var).enumerate();
    statistics
        .map(|(channel, (mean, var))| Affine::new(layer, channel, *mean, *var))
        .collect()
}

/// `y [b, out, h, w]` for what `layer` makes of `x [b, in, h, w]`, and the statistics of `x`.
pub(crate) fn normalized_forward(
    shape: &ConvShape,
    x: &[f32],
    layer: Layer<'_>,
    weight: &[f32],
) -> Output {
    let [mean, var] = batch_norm::statistics(Shape::of_input(shape), x);
    let affine = affines(&layer, &mean, &var);
    let (channels, positions) = (shape.in_channels, shape.input_len());
    let mut y = unset(shape.batch * shape.out_channels * positions);
    let weight = Matrix::rows(weight, channels);
    y.par_chunks_mut(shape.out_channels * positions)
        .zip(x.par_chunks(channels * positions))
        .for_each_init(Vec::new, |buffer, (y, image)| {
            for tile in tiles(channels, positions) {
                let width = tile.len();
                buffer.resize(channels * width, 0.0);
                with_activation!(layer.activation, A => dispatch(Normalize::<A> {
                    image,
                    positions,
                    tile: tile.clone(),
                    affine: &affine,
                    values: buffer,
                    activate: PhantomData,
                }));
                let sizes = Sizes {
                    m: shape.out_channels,
                    n: width,
                    k: channels,
                };
                let y = &mut y[tile.start..];
                let values = Matrix::rows(buffer, width);
                product(sizes, y, positions, weight, values, false);
            }
        });
    Output { y, mean, var }
}

/// Takes the gradient of a tile of normalised values through the activation, writes it to `grad`, and adds to the sums
/// of each channel.
struct ThroughActivation<'a, A> {
    image: &'a [f32],
    positions: usize,
    tile: std::ops::Range<usize>,
    affine: &'a [Affine],
    values_grad: &'a [f32],
    grad: &'a mut [f32],
    totals: &'a mut [[f64; 2]],
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for ThroughActivation<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let rows = self.image.chunks_exact(self.positions);
        let grads = self.grad.chunks_exact_mut(self.positions);
        let values = self.values_grad.chunks_exact(self.tile.len());
        let channels = rows.zip(grads).zip(values).zip(self.affine);
        for ((((x, grad), values), affine), total) in channels.zip(self.totals) {
            let (x, grad) = (&x[self.tile.clone()], &mut grad[self.tile.clone()]);
            for ((grad, x), value) in grad.iter_mut().zip(x).zip(values) {
                *grad = A::grad(pre_activation::<FMA>(*x, affine), *value);
            }
            let part = sums(x, grad, |x, grad, [sum, product]| {
                let product = mul_add::<FMA>(grad, x - affine.mean, product);
                [sum + grad, product]
            });
            *total = [total[0] + part[0], total[1] + part[1]];
        }
    }
}

/// Turns the gradients of the normalised values of one image into those of the values.
struct ToInput<'a> {
    image: &'a [f32],
    positions: usize,
    affine: &'a [Affine],
    to_input: &'a [InputGradient],
    grad: &'a mut [f32],
}

impl Kernel for ToInput<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let rows = self.image.chunks_exact(self.positions);
        let grads = self.grad.chunks_exact_mut(self.positions);
        let coefficients = self.affine.iter().zip(self.to_input);
        for ((x, grad), (affine, to_input)) in rows.zip(grads).zip(coefficients) {
            for (grad, x) in grad.iter_mut().zip(x) {
                *grad = to_input.at::<FMA>(*x, *grad, affine);
            }
        }
    }
}

/// What the images of a group add up to.
struct GroupSums {
    weight: Vec<f32>,
    norm: Vec<[f64; 2]>,
}

/// Gradients of the normalisation and of the weight, given the statistics of `x` and the gradient for `y`.
pub(crate) fn normalized_backward(
    shape: &ConvShape,
    x: &[f32],
    layer: Layer<'_>,
    [mean, var]: [&[f32]; 2],
    weight: &[f32],
    y_grad: &[f32],
) -> (Gradients, Vec<f32>) {
    let (channels, outputs) = (shape.in_channels, shape.out_channels);
    let positions = shape.input_len();
    let affine = affines(&layer, mean, var);
    let mut x_grad = unset(shape.batch * channels * positions);
    let group = shape.batch.div_ceil(GROUPS);
    let of_group = |(x_grad, (x, y_grad)): (&mut [f32], (&[f32], &[f32]))| {
        let mut total = GroupSums {
            weight: vec![0.0; outputs * channels],
            norm: vec![[0.0; 2]; channels],
        };
        let mut products = RowProducts::pays(outputs, channels, positions)
            .then(|| RowProducts::new(outputs, channels));
        let mut buffer = Vec::new();
        let images = x
            .chunks_exact(channels * positions)
            .zip(y_grad.chunks_exact(outputs * positions))
            .zip(x_grad.chunks_exact_mut(channels * positions));
        for ((image, y_grad), grad) in images {
            for tile in tiles(channels, positions) {
                let width = tile.len();
                buffer.resize(channels * width, 0.0);
                with_activation!(layer.activation, A => dispatch(Normalize::<A> {
                    image,
                    positions,
                    tile: tile.clone(),
                    affine: &affine,
                    values: &mut buffer,
                    activate: PhantomData,
                }));
                let y_grad = Matrix::rows(&y_grad[tile.start..], positions);
                let values = Matrix::rows(&buffer, width);
                if let Some(products) = &mut products {
                    products.add(width, y_grad, values);
                } else {
                    let sizes = Sizes {
                        m: outputs,
                        n: channels,
                        k: width,
                    };
                    let values = values.transposed();
                    product(sizes, &mut total.weight, channels, y_grad, values, true);
                }
                let sizes = Sizes {
                    m: channels,
                    n: width,
                    k: outputs,
                };
                let weight = Matrix::rows(weight, channels).transposed();
                product(sizes, &mut buffer, width, weight, y_grad, false);
                with_activation!(layer.activation, A => dispatch(ThroughActivation::<A> {
                    image,
                    positions,
                    tile,
                    affine: &affine,
                    values_grad: &buffer,
                    grad,
                    totals: &mut total.norm,
                    activate: PhantomData,
                }));
            }
        }
        if let Some(products) = products {
            total.weight = products.finish();
        }
        total
    };
    let groups: Vec<GroupSums> = x_grad
        .par_chunks_mut(group * channels * positions)
        .zip(
            x.par_chunks(group * channels * positions)
                .zip(y_grad.par_chunks(group * outputs * positions)),
        )
        .map(of_group)
        .collect();

    let count = Shape::of_input(shape).count();
    let mut grads = Gradients {
        x: Vec::new(),
        weight: vec![0.0; channels],
        bias: vec![0.0; channels],
    };
    let to_input: Vec<InputGradient> = (0..channels)
        .map(|channel| {
            let [sum, product] = groups.iter().fold([0.0; 2], |[sum, product], group| {
                let part = group.norm[channel];
                [sum + part[0], product + part[1]]
            });
            let inverse_std = inverse_std(&layer, var[channel]);
            grads.weight[channel] = (product * inverse_std) as f32;
            grads.bias[channel] = sum as f32;
            InputGradient::new(&affine[channel], inverse_std, count, sum, product)
        })
        .collect();
    x_grad
        .par_chunks_mut(channels * positions)
        .zip(x.par_chunks(channels * positions))
        .for_each(|(grad, image)| {
            dispatch(ToInput {
                image,
                positions,
                affine: &affine,
                to_input: &to_input,
                grad,
            });
        });
    grads.x = x_grad;

    let weights: Vec<&[f32]> = groups.iter().map(|group| &group.weight[..]).collect();
    (grads, sum_of_parts(&weights))
}

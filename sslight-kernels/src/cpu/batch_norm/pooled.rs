//! `pool(act(norm(x)))` with the max pooling of a ResNet's stem, one channel a task.
//!
//! Neither the normalised map nor the position of a window's largest value is kept: both are found again on the way
//! back, from `x`, which the normalisation needs anyway.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use super::{
    Activate, Affine, Gradients, InputGradient, Layer, Output, Shape, channel_statistics,
    inverse_std, pre_activation, sums, with_activation,
};
use crate::cpu::buffer::unset;
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::{Kernel, dispatch, mul_add};

/// Maps `[b, c, height, width]` that are pooled by 3x3 windows, two apart, with a border of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maps {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
}

impl Maps {
    /// Sizes of the pooled maps.
    pub(crate) fn pooled(&self) -> [usize; 2] {
        self.size.map(|size| size.div_ceil(2))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shape().len() == 0
    }

    fn shape(&self) -> Shape {
        Shape {
            batch: self.batch,
            channels: self.channels,
            positions: self.size[0] * self.size[1],
        }
    }

    fn pooled_shape(&self) -> Shape {
        let [height, width] = self.pooled();
        Shape {
            positions: height * width,
            ..self.shape()
        }
    }
}

/// The larger value, or not-a-number if one is that.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a >= b || a.is_nan() { a } else { b }
}

#[inline(always)]
fn take_larger(largest: &mut [f32], row: &[f32]) {
    for (largest, value) in largest.iter_mut().zip(row) {
        *largest = larger(*largest, *value);
    }
}

/// Buffers of a task.
#[derive(Default)]
struct Scratch {
    /// Normalised and activated maps.
    values: Vec<f32>,
    /// Gradients for them.
    grads: Vec<f32>,
    /// The largest values of columns of a window, and in the backward pass the rows that have them.
    columns: Vec<f32>,
    at_row: Vec<u32>,
}

/// Pools the values of one map.
#[inline(always)]
fn pool(values: &[f32], [height, width]: [usize; 2], column: &mut [f32], pooled: &mut [f32]) {
    let column = &mut column[..width];
    for (y, pooled) in pooled.chunks_exact_mut(width.div_ceil(2)).enumerate() {
        let row = |at: usize| &values[at * width..(at + 1) * width];
        column.copy_from_slice(row(2 * y));
        if y > 0 {
            take_larger(column, row(2 * y - 1));
        }
        if 2 * y + 1 < height {
            take_larger(column, row(2 * y + 1));
        }
        let mut left = column[0];
        let pairs = column.chunks_exact(2);
        let last = pairs.remainder();
        for (pooled, pair) in pooled.iter_mut().zip(pairs) {
            *pooled = larger(larger(left, pair[0]), pair[1]);
            left = pair[1];
        }
        if let ([last], Some(pooled)) = (last, pooled.last_mut()) {
            *pooled = larger(left, *last);
        }
    }
}

#[inline(always)]
fn activate<const FMA: bool, A: Activate>(x: &[f32], affine: &Affine, values: &mut [f32]) {
    for (value, x) in values.iter_mut().zip(x) {
        *value = A::value(pre_activation::<FMA>(*x, affine));
    }
}

struct Forward<'a, A> {
    maps: Maps,
    channel: usize,
    x: &'a [f32],
    layer: Layer<'a>,
    /// Mean and variance, where they are not those of the batch.
    given: Option<[f32; 2]>,
    y: &'a Disjoint<'a>,
    scratch: &'a mut Scratch,
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for Forward<'_, A> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f32; 2] {
        let (shape, pooled_shape) = (self.maps.shape(), self.maps.pooled_shape());
        let [mean, var] = match self.given {
            Some(statistics) => statistics,
            None => channel_statistics::<FMA>(shape, self.channel, self.x),
        };
        let affine = Affine::new(&self.layer, self.channel, mean, var);
        let width = self.maps.size[1];
        let Scratch {
            values, columns, ..
        } = self.scratch;
        values.resize(shape.positions, 0.0);
        columns.resize(width, 0.0);
        for image in 0..shape.batch {
            let x = &self.x[shape.plane(image, self.channel)];
            activate::<FMA, A>(x, &affine, values);
            // SAFETY: this task alone writes this channel, one image after the other.
            let y = unsafe { self.y.range(pooled_shape.plane(image, self.channel)) };
            pool(values, self.maps.size, columns, y);
        }
        [mean, var]
    }
}

/// `pool(act(norm(x)))` with the statistics of `x`, or with given means and variances; with those.
pub(crate) fn forward(
    maps: Maps,
    x: &[f32],
    layer: Layer<'_>,
    given: Option<[&[f32]; 2]>,
) -> Output {
    let mut output = Output {
        y: unset(maps.pooled_shape().len()),
        mean: vec![0.0; maps.channels],
        var: vec![0.0; maps.channels],
    };
    let y = Disjoint::new(&mut output.y);
    output
        .mean
        .par_iter_mut()
        .zip(&mut output.var)
        .enumerate()
        .for_each_init(Scratch::default, |scratch, (channel, (mean, var))| {
            [*mean, *var] = with_activation!(layer.activation, A => dispatch(Forward::<A> {
                maps,
                channel,
                x,
                layer,
                given: given.map(|[mean, var]| [mean[channel], var[channel]]),
                y: &y,
                scratch,
                activate: PhantomData,
            }));
        });
    output
}

/// The largest value of each column of a window's rows, and the first row that has it.
#[inline(always)]
fn column_maxima(
    values: &[f32],
    width: usize,
    rows: Range<usize>,
    largest: &mut [f32],
    at_row: &mut [u32],
) {
    let (largest, at_row) = (&mut largest[..width], &mut at_row[..width]);
    let row = |at: usize| &values[at * width..(at + 1) * width];
    largest.copy_from_slice(row(rows.start));
    at_row.fill(rows.start as u32);
    for next in rows.skip(1) {
        let columns = largest.iter_mut().zip(at_row.iter_mut());
        for ((largest, at_row), value) in columns.zip(row(next)) {
            let wins = *value > *largest || value.is_nan();
            *largest = if wins { *value } else { *largest };
            *at_row = if wins { next as u32 } else { *at_row };
        }
    }
}

/// Adds the gradient of each window to that of its largest value, the first of them by rows.
#[inline(always)]
fn unpool(
    values: &[f32],
    [height, width]: [usize; 2],
    y_grad: &[f32],
    scratch: (&mut Vec<f32>, &mut Vec<u32>),
    grads: &mut [f32],
) {
    let (largest, at_row) = scratch;
    largest.resize(width, 0.0);
    at_row.resize(width, 0);
    for (y, y_grad) in y_grad.chunks_exact(width.div_ceil(2)).enumerate() {
        let rows = (2 * y).saturating_sub(1)..(2 * y + 2).min(height);
        column_maxima(values, width, rows, largest, at_row);
        for (x, y_grad) in y_grad.iter().enumerate() {
            let first = (2 * x).saturating_sub(1);
            let mut best = (largest[first], at_row[first], first);
            for column in first + 1..(2 * x + 2).min(width) {
                let (value, row) = (largest[column], at_row[column]);
                let earlier = value == best.0 && row < best.1;
                if value > best.0 || earlier || value.is_nan() {
                    best = (value, row, column);
                }
            }
            grads[best.1 as usize * width + best.2] += y_grad;
        }
    }
}

struct Backward<'a, A> {
    maps: Maps,
    channel: usize,
    x: &'a [f32],
    affine: Affine,
    inverse_std: f64,
    y_grad: &'a [f32],
    x_grad: &'a Disjoint<'a>,
    scratch: &'a mut Scratch,
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for Backward<'_, A> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f32; 2] {
        let (shape, pooled_shape) = (self.maps.shape(), self.maps.pooled_shape());
        let affine = self.affine;
        let Scratch {
            values,
            grads,
            columns,
            at_row,
        } = self.scratch;
        values.resize(shape.positions, 0.0);
        grads.clear();
        grads.resize(shape.batch * shape.positions, 0.0);
        let mut total = [0.0; 2];
        for (image, grads) in grads.chunks_exact_mut(shape.positions).enumerate() {
            let x = &self.x[shape.plane(image, self.channel)];
            activate::<FMA, A>(x, &affine, values);
            let y_grad = &self.y_grad[pooled_shape.plane(image, self.channel)];
            unpool(values, self.maps.size, y_grad, (columns, at_row), grads);
            let part = sums(x, grads, |x, grad, [sum, product]| {
                let grad = A::grad(pre_activation::<FMA>(x, &affine), grad);
                let product = mul_add::<FMA>(grad, x - affine.mean, product);
                [sum + grad, product]
            });
            total = [total[0] + part[0], total[1] + part[1]];
        }
        let [sum, product] = total;
        let input = InputGradient::new(&affine, self.inverse_std, shape.count(), sum, product);
        for (image, grads) in grads.chunks_exact(shape.positions).enumerate() {
            let plane = shape.plane(image, self.channel);
            let x = &self.x[plane.clone()];
            // SAFETY: this task alone writes this channel, one image after the other.
            let x_grad = unsafe { self.x_grad.range(plane) };
            for ((x_grad, x), grad) in x_grad.iter_mut().zip(x).zip(grads) {
                let grad = A::grad(pre_activation::<FMA>(*x, &affine), *grad);
                *x_grad = input.at::<FMA>(*x, grad, &affine);
            }
        }
        [(product * self.inverse_std) as f32, sum as f32]
    }
}

/// The gradients of the normalisation, given its statistics and the gradient for the pooled maps.
pub(crate) fn backward(
    maps: Maps,
    x: &[f32],
    layer: Layer<'_>,
    [mean, var]: [&[f32]; 2],
    y_grad: &[f32],
) -> Gradients {
    let mut grads = Gradients {
        x: unset(maps.shape().len()),
        weight: vec![0.0; maps.channels],
        bias: vec![0.0; maps.channels],
    };
    let x_grad = Disjoint::new(&mut grads.x);
    grads
        .weight
        .par_iter_mut()
        .zip(&mut grads.bias)
        .enumerate()
        .for_each_init(Scratch::default, |scratch, (channel, (weight, bias))| {
            [*weight, *bias] = with_activation!(layer.activation, A => dispatch(Backward::<A> {
                maps,
                channel,
                x,
                affine: Affine::new(&layer, channel, mean[channel], var[channel]),
                inverse_std: inverse_std(&layer, var[channel]),
                y_grad,
                x_grad: &x_grad,
                scratch,
                activate: PhantomData,
            }));
        });
    grads
}

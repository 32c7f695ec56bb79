//! Several channels a task: the values of one image and these channels are contiguous, and long enough
//! to fill vectors where a single map is not. A column is one such value, over all images.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use super::{
    Activate, Affine, Gradients, InputGradient, Layer, Output, Shape, inverse_std, pre_activation,
    with_activation,
};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::{Kernel, dispatch, mul_add};

/// Columns of a task, about.
const COLUMNS: usize = 256;

fn channels_per_task(shape: Shape) -> usize {
    COLUMNS.div_ceil(shape.positions)
}

/// The values of some channels of one image.
fn row(shape: Shape, channels: &Range<usize>, image: usize) -> Range<usize> {
    shape.start(image, channels.start)..shape.start(image, channels.end)
}

/// One value a channel, repeated for each of its columns.
#[inline(always)]
fn spread<T: Copy>(per_channel: &[T], positions: usize) -> Vec<T> {
    per_channel
        .iter()
        .flat_map(|value| std::iter::repeat_n(*value, positions))
        .collect()
}

struct Forward<'a, A> {
    shape: Shape,
    channels: Range<usize>,
    x: &'a [f32],
    layer: Layer<'a>,
    y: &'a Disjoint<'a>,
    mean: &'a mut [f32],
    var: &'a mut [f32],
    activate: PhantomData<A>,
}

impl<A: Activate> Forward<'_, A> {
    /// Mean and biased variance of each channel, in f64 from the deviations of each column from its
    /// first value, which keeps the sums small.
    #[inline(always)]
    fn statistics(&mut self) {
        let Shape {
            batch, positions, ..
        } = self.shape;
        let origin = &self.x[row(self.shape, &self.channels, 0)];
        let mut sum = vec![0.0f64; origin.len()];
        let mut square = vec![0.0f64; origin.len()];
        for image in 1..batch {
            let x = &self.x[row(self.shape, &self.channels, image)];
            for (((x, origin), sum), square) in x.iter().zip(origin).zip(&mut sum).zip(&mut square)
            {
                let deviation = f64::from(*x) - f64::from(*origin);
                *sum += deviation;
                *square += deviation * deviation;
            }
        }
        let batch = batch as f64;
        for (channel, (mean, var)) in self.mean.iter_mut().zip(&mut *self.var).enumerate() {
            let columns = channel * positions..(channel + 1) * positions;
            let column_mean = |at: usize| f64::from(origin[at]) + sum[at] / batch;
            let center = columns.clone().map(column_mean).sum::<f64>() / positions as f64;
            let spread: f64 = columns
                .map(|at| {
                    let within = (square[at] / batch - (sum[at] / batch).powi(2)).max(0.0);
                    within + (column_mean(at) - center).powi(2)
                })
                .sum();
            *mean = center as f32;
            *var = (spread / positions as f64) as f32;
        }
    }
}

impl<A: Activate> Kernel for Forward<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        self.statistics();
        let shape = self.shape;
        let columns = |value: fn(&Affine) -> f32| {
            let values: Vec<f32> = (self.channels.clone().zip(self.mean.iter().zip(&*self.var)))
                .map(|(channel, (mean, var))| {
                    value(&Affine::new(&self.layer, channel, *mean, *var))
                })
                .collect();
            spread(&values, shape.positions)
        };
        let (mean, scale, shift) = (
            columns(|a| a.mean),
            columns(|a| a.scale),
            columns(|a| a.shift),
        );
        for image in 0..shape.batch {
            let range = row(shape, &self.channels, image);
            let x = &self.x[range.clone()];
            // SAFETY: this task alone writes these channels, one image after the other.
            let y = unsafe { self.y.range(range) };
            let len = mean.len();
            let (x, y, scale, shift) = (&x[..len], &mut y[..len], &scale[..len], &shift[..len]);
            for at in 0..len {
                let affine = Affine {
                    mean: mean[at],
                    scale: scale[at],
                    shift: shift[at],
                };
                y[at] = A::value(pre_activation::<FMA>(x[at], &affine));
            }
        }
    }
}

pub(super) fn forward(shape: Shape, x: &[f32], layer: Layer<'_>, output: &mut Output) {
    let y = Disjoint::new(&mut output.y);
    let per_task = channels_per_task(shape);
    output
        .mean
        .par_chunks_mut(per_task)
        .zip(output.var.par_chunks_mut(per_task))
        .enumerate()
        .for_each(|(task, (mean, var))| {
            let first = task * per_task;
            with_activation!(layer.activation, A => dispatch(Forward::<A> {
                shape,
                channels: first..first + mean.len(),
                x,
                layer,
                y: &y,
                mean,
                var,
                activate: PhantomData,
            }));
        });
}

struct Backward<'a, A> {
    shape: Shape,
    channels: Range<usize>,
    x: &'a [f32],
    affine: Vec<Affine>,
    inverse_std: Vec<f64>,
    y_grad: &'a [f32],
    x_grad: &'a Disjoint<'a>,
    weight_grad: &'a mut [f32],
    bias_grad: &'a mut [f32],
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for Backward<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let shape = self.shape;
        let spread_affine = |value: fn(&Affine) -> f32| {
            let values: Vec<f32> = self.affine.iter().map(value).collect();
            spread(&values, shape.positions)
        };
        let mean = spread_affine(|a| a.mean);
        let scale = spread_affine(|a| a.scale);
        let shift = spread_affine(|a| a.shift);
        let len = mean.len();
        let (scale, shift) = (&scale[..len], &shift[..len]);
        let masked = |x: f32, grad: f32, at: usize| {
            let affine = Affine {
                mean: mean[at],
                scale: scale[at],
                shift: shift[at],
            };
            A::grad(pre_activation::<FMA>(x, &affine), grad)
        };

        let mut sum = vec![0.0f64; len];
        let mut product = vec![0.0f64; len];
        for image in 0..shape.batch {
            let range = row(shape, &self.channels, image);
            let (x, grad) = (&self.x[range.clone()][..len], &self.y_grad[range][..len]);
            let (sum, product) = (&mut sum[..len], &mut product[..len]);
            for at in 0..len {
                let grad = masked(x[at], grad[at], at);
                sum[at] += f64::from(grad);
                product[at] += f64::from(grad * (x[at] - mean[at]));
            }
        }
        let mut input = Vec::with_capacity(self.affine.len());
        for (channel, affine) in self.affine.iter().enumerate() {
            let columns = channel * shape.positions..(channel + 1) * shape.positions;
            let sum: f64 = sum[columns.clone()].iter().sum();
            let product: f64 = product[columns].iter().sum();
            let inverse_std = self.inverse_std[channel];
            let count = shape.count();
            input.push(InputGradient::new(affine, inverse_std, count, sum, product));
            self.weight_grad[channel] = (product * inverse_std) as f32;
            self.bias_grad[channel] = sum as f32;
        }
        let spread_input = |value: fn(&InputGradient) -> f32| {
            let values: Vec<f32> = input.iter().map(value).collect();
            spread(&values, shape.positions)
        };
        let (slope, offset) = (spread_input(|i| i.slope), spread_input(|i| i.offset));
        let (slope, offset) = (&slope[..len], &offset[..len]);
        for image in 0..shape.batch {
            let range = row(shape, &self.channels, image);
            let (x, grad) = (
                &self.x[range.clone()][..len],
                &self.y_grad[range.clone()][..len],
            );
            // SAFETY: this task alone writes these channels, one image after the other.
            let x_grad = unsafe { self.x_grad.range(range) };
            let x_grad = &mut x_grad[..len];
            for at in 0..len {
                let grad = masked(x[at], grad[at], at);
                let rest = mul_add::<FMA>(x[at] - mean[at], slope[at], offset[at]);
                x_grad[at] = mul_add::<FMA>(grad, scale[at], rest);
            }
        }
    }
}

pub(super) fn backward(
    shape: Shape,
    x: &[f32],
    layer: Layer<'_>,
    mean: &[f32],
    var: &[f32],
    y_grad: &[f32],
    grads: &mut Gradients,
) {
    let x_grad = Disjoint::new(&mut grads.x);
    let per_task = channels_per_task(shape);
    grads
        .weight
        .par_chunks_mut(per_task)
        .zip(grads.bias.par_chunks_mut(per_task))
        .enumerate()
        .for_each(|(task, (weight_grad, bias_grad))| {
            let first = task * per_task;
            let channels = first..first + weight_grad.len();
            let affine = channels
                .clone()
                .map(|channel| Affine::new(&layer, channel, mean[channel], var[channel]))
                .collect();
            let inverse_std = channels
                .clone()
                .map(|channel| inverse_std(&layer, var[channel]))
                .collect();
            with_activation!(layer.activation, A => dispatch(Backward::<A> {
                shape,
                channels,
                x,
                affine,
                inverse_std,
                y_grad,
                x_grad: &x_grad,
                weight_grad,
                bias_grad,
                activate: PhantomData,
            }));
        });
}

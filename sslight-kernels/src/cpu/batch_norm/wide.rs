//! One channel a task, its maps being long enough to fill vectors.

use std::marker::PhantomData;

use rayon::prelude::*;

use super::{
    Activate, Affine, Gradients, InputGradient, Layer, Output, Shape, inverse_std, pre_activation,
    with_activation,
};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::{Kernel, dispatch, mul_add, sum_of_lanes};

const LANES: usize = 16;
/// Values that are summed in f32 before the sum goes to f64, to bound the rounding.
const SUM_BLOCK: usize = 1024;
/// Values that a task should at least read.
const MIN_TASK: usize = 1 << 14;

/// Sums of two terms of each pair of values.
#[inline(always)]
pub(in crate::cpu) fn sums(
    a: &[f32],
    b: &[f32],
    terms: impl Fn(f32, f32, [f32; 2]) -> [f32; 2],
) -> [f64; 2] {
    let mut total = [0.0; 2];
    for (a, b) in a.chunks(SUM_BLOCK).zip(b.chunks(SUM_BLOCK)) {
        let mut first = [0.0f32; LANES];
        let mut second = [0.0f32; LANES];
        let whole = a.len() / LANES * LANES;
        for (a, b) in a[..whole]
            .chunks_exact(LANES)
            .zip(b[..whole].chunks_exact(LANES))
        {
            for lane in 0..LANES {
                [first[lane], second[lane]] = terms(a[lane], b[lane], [first[lane], second[lane]]);
            }
        }
        for (lane, (a, b)) in a[whole..].iter().zip(&b[whole..]).enumerate() {
            [first[lane], second[lane]] = terms(*a, *b, [first[lane], second[lane]]);
        }
        total[0] += f64::from(sum_of_lanes(first));
        total[1] += f64::from(sum_of_lanes(second));
    }
    total
}

/// [`sums`] of terms that replace the second value of each pair.
#[inline(always)]
pub(in crate::cpu) fn sums_replacing(
    a: &[f32],
    b: &mut [f32],
    terms: impl Fn(f32, &mut f32, [f32; 2]) -> [f32; 2],
) -> [f64; 2] {
    let mut total = [0.0; 2];
    for (a, b) in a.chunks(SUM_BLOCK).zip(b.chunks_mut(SUM_BLOCK)) {
        let mut first = [0.0f32; LANES];
        let mut second = [0.0f32; LANES];
        let (a, a_rest) = a.as_chunks::<LANES>();
        let (b, b_rest) = b.as_chunks_mut::<LANES>();
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                [first[lane], second[lane]] =
                    terms(a[lane], &mut b[lane], [first[lane], second[lane]]);
            }
        }
        for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
            [first[lane], second[lane]] = terms(*a, b, [first[lane], second[lane]]);
        }
        total[0] += f64::from(sum_of_lanes(first));
        total[1] += f64::from(sum_of_lanes(second));
    }
    total
}

/// Mean and biased variance of a channel.
#[inline(always)]
pub(in crate::cpu) fn channel_statistics<const FMA: bool>(
    shape: Shape,
    channel: usize,
    x: &[f32],
) -> [f32; 2] {
    // Deviations from some value of the channel instead of the values: else the variance would be a small difference
    // of large sums. In f64, as in PyTorch: activations next to the kink of a ReLU should not change sides.
    let origin = f64::from(x[shape.start(0, channel)]);
    let mut total = [0.0f64; 2];
    for image in 0..shape.batch {
        let x = &x[shape.plane(image, channel)];
        let mut lanes = [[0.0f64; LANES]; 2];
        let whole = x.chunks_exact(LANES);
        let rest = whole.remainder();
        for x in whole {
            for lane in 0..LANES {
                let deviation = f64::from(x[lane]) - origin;
                lanes[0][lane] += deviation;
                lanes[1][lane] = if FMA {
                    deviation.mul_add(deviation, lanes[1][lane])
                } else {
                    lanes[1][lane] + deviation * deviation
                };
            }
        }
        for x in rest {
            let deviation = f64::from(*x) - origin;
            total = [total[0] + deviation, total[1] + deviation * deviation];
        }
        for (total, lanes) in total.iter_mut().zip(lanes) {
            *total += lanes.iter().sum::<f64>();
        }
    }
    let shift = total[0] / shape.count();
    let mean = (origin + shift) as f32;
    let var = total[1] / shape.count() - shift * shift;
    // Rounding may leave less than nothing; `max` would make not-a-number a zero.
    let var = if var < 0.0 { 0.0 } else { var as f32 };
    [mean, var]
}

struct ChannelStatistics<'a> {
    shape: Shape,
    channel: usize,
    x: &'a [f32],
}

impl Kernel for ChannelStatistics<'_> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f32; 2] {
        channel_statistics::<FMA>(self.shape, self.channel, self.x)
    }
}

pub(super) fn statistics(shape: Shape, x: &[f32], mean: &mut [f32], var: &mut [f32]) {
    mean.par_iter_mut()
        .zip(var)
        .enumerate()
        .with_min_len(MIN_TASK.div_ceil(shape.batch * shape.positions))
        .for_each(|(channel, (mean, var))| {
            [*mean, *var] = dispatch(ChannelStatistics { shape, channel, x });
        });
}

struct Forward<'a, A> {
    shape: Shape,
    channel: usize,
    x: &'a [f32],
    layer: Layer<'a>,
    y: &'a Disjoint<'a>,
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for Forward<'_, A> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f32; 2] {
        let shape = self.shape;
        let plane = |image| shape.plane(image, self.channel);
        let [mean, var] = channel_statistics::<FMA>(shape, self.channel, self.x);
        let affine = Affine::new(&self.layer, self.channel, mean, var);
        for image in 0..shape.batch {
            // SAFETY: this task alone writes this channel, one image after the other.
            let y = unsafe { self.y.range(plane(image)) };
            for (y, x) in y.iter_mut().zip(&self.x[plane(image)]) {
                *y = A::value(pre_activation::<FMA>(*x, &affine));
            }
        }
        [mean, var]
    }
}

pub(super) fn forward(shape: Shape, x: &[f32], layer: Layer<'_>, output: &mut Output) {
    let y = Disjoint::new(&mut output.y);
    output
        .mean
        .par_iter_mut()
        .zip(&mut output.var)
        .enumerate()
        .with_min_len(MIN_TASK.div_ceil(shape.batch * shape.positions))
        .for_each(|(channel, (mean, var))| {
            [*mean, *var] = with_activation!(layer.activation, A => dispatch(Forward::<A> {
                shape,
                channel,
                x,
                layer,
                y: &y,
                activate: PhantomData,
            }));
        });
}

struct Backward<'a, A> {
    shape: Shape,
    channel: usize,
    x: &'a [f32],
    affine: Affine,
    inverse_std: f64,
    y_grad: &'a [f32],
    x_grad: &'a Disjoint<'a>,
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for Backward<'_, A> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f32; 2] {
        let (shape, affine) = (self.shape, self.affine);
        let plane = |image| shape.plane(image, self.channel);
        let mut total = [0.0; 2];
        for image in 0..shape.batch {
            let (x, grad) = (&self.x[plane(image)], &self.y_grad[plane(image)]);
            let part = sums(x, grad, |x, grad, [sum, product]| {
                let grad = A::grad(pre_activation::<FMA>(x, &affine), grad);
                let product = mul_add::<FMA>(grad, x - affine.mean, product);
                [sum + grad, product]
            });
            total = [total[0] + part[0], total[1] + part[1]];
        }
        let [sum, product] = total;
        let input = InputGradient::new(&affine, self.inverse_std, shape.count(), sum, product);
        for image in 0..shape.batch {
            let (x, grad) = (&self.x[plane(image)], &self.y_grad[plane(image)]);
            // SAFETY: this task alone writes this channel, one image after the other.
            let x_grad = unsafe { self.x_grad.range(plane(image)) };
            for ((x_grad, x), grad) in x_grad.iter_mut().zip(x).zip(grad) {
                let grad = A::grad(pre_activation::<FMA>(*x, &affine), *grad);
                *x_grad = input.at::<FMA>(*x, grad, &affine);
            }
        }
        [(product * self.inverse_std) as f32, sum as f32]
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
    grads
        .weight
        .par_iter_mut()
        .zip(&mut grads.bias)
        .enumerate()
        .with_min_len(MIN_TASK.div_ceil(shape.batch * shape.positions))
        .for_each(|(channel, (weight, bias))| {
            [*weight, *bias] = with_activation!(layer.activation, A => dispatch(Backward::<A> {
                shape,
                channel,
                x,
                affine: Affine::new(&layer, channel, mean[channel], var[channel]),
                inverse_std: inverse_std(&layer, var[channel]),
                y_grad,
                x_grad: &x_grad,
                activate: PhantomData,
            }));
        });
}

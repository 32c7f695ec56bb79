//! Depthwise convolution on maps of a few pixels, where the lanes of a vector are images.
//!
//! The planes of one channel of up to [`LANES`] images are interleaved to `[position, image]`. Each
//! pair of a kernel position and an output is then one vector operation, without padding or waste.

use rayon::prelude::*;

use super::{TAPS, kernel};
use crate::cpu::shape::ConvShape;
use crate::cpu::simd::{Kernel, dispatch, mul_add};

const LANES: usize = 16;
type Lanes = [f32; LANES];

/// Values that a task should at least move.
const MIN_TASK: usize = 1 << 14;

/// A kernel position with the output and the input that it connects.
#[derive(Clone, Copy)]
struct Link {
    tap: usize,
    output: usize,
    input: usize,
}

/// All links inside the image, by output.
fn links(shape: &ConvShape) -> Vec<Link> {
    let mut links = Vec::new();
    for oy in 0..shape.output[0] {
        for ox in 0..shape.output[1] {
            for tap in 0..TAPS {
                let [reach_y, reach_x] = [shape.reach(0, tap / 3), shape.reach(1, tap % 3)];
                if reach_y.contains(&oy) && reach_x.contains(&ox) {
                    let y = oy * shape.stride[0] + tap / 3 - shape.padding[0];
                    let x = ox * shape.stride[1] + tap % 3 - shape.padding[1];
                    links.push(Link {
                        tap,
                        output: oy * shape.output[1] + ox,
                        input: y * shape.input[1] + x,
                    });
                }
            }
        }
    }
    links
}

/// Interleaves one channel of consecutive images; lanes without an image keep what they hold.
#[inline(always)]
fn interleave(x: &[f32], image_len: usize, start: usize, lanes: &mut [Lanes]) {
    let len = lanes.len();
    for (lane, image) in x.chunks_exact(image_len).enumerate().take(LANES) {
        for (lanes, value) in lanes.iter_mut().zip(&image[start..start + len]) {
            lanes[lane] = *value;
        }
    }
}

/// The reverse of [`interleave`].
#[inline(always)]
fn separate(lanes: &[Lanes], image_len: usize, start: usize, x: &mut [f32]) {
    let len = lanes.len();
    for (lane, image) in x.chunks_exact_mut(image_len).enumerate().take(LANES) {
        for (value, lanes) in image[start..start + len].iter_mut().zip(lanes) {
            *value = lanes[lane];
        }
    }
}

#[inline(always)]
fn add_product<const FMA: bool>(target: &mut Lanes, values: &Lanes, factor: f32) {
    for (target, value) in target.iter_mut().zip(values) {
        *target = mul_add::<FMA>(*value, factor, *target);
    }
}

/// Moves values along the links, times the kernel: outputs from inputs, or back.
struct Transfer<'a> {
    channels: usize,
    /// `(from, to, tap)` of each link.
    links: &'a [(usize, usize, usize)],
    weight: &'a [f32],
    from: &'a [f32],
    from_len: usize,
    to: &'a mut [f32],
    to_len: usize,
}

impl Kernel for Transfer<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let mut from = vec![[0.0; LANES]; self.from_len];
        let mut to = vec![[0.0; LANES]; self.to_len];
        for channel in 0..self.channels {
            let weights = kernel(self.weight, channel);
            let [from_start, to_start] = [channel * self.from_len, channel * self.to_len];
            interleave(
                self.from,
                self.channels * self.from_len,
                from_start,
                &mut from,
            );
            to.fill([0.0; LANES]);
            for &(source, target, tap) in self.links {
                add_product::<FMA>(&mut to[target], &from[source], weights[tap]);
            }
            separate(&to, self.channels * self.to_len, to_start, self.to);
        }
    }
}

fn transfer(
    shape: &ConvShape,
    links: &[(usize, usize, usize)],
    weight: &[f32],
    from: &[f32],
    from_len: usize,
    to_len: usize,
) -> Vec<f32> {
    let channels = shape.in_channels;
    let mut to = vec![0.0; shape.batch * channels * to_len];
    to.par_chunks_mut(LANES * channels * to_len)
        .zip(from.par_chunks(LANES * channels * from_len))
        .for_each(|(to, from)| {
            dispatch(Transfer {
                channels,
                links,
                weight,
                from,
                from_len,
                to,
                to_len,
            });
        });
    to
}

pub(super) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let links: Vec<_> = links(shape)
        .into_iter()
        .map(|link| (link.input, link.output, link.tap))
        .collect();
    let [from, to] = [shape.input_len(), shape.output_len()];
    transfer(shape, &links, weight, x, from, to)
}

pub(super) fn backward_input(shape: &ConvShape, weight: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let links: Vec<_> = links(shape)
        .into_iter()
        .map(|link| (link.output, link.input, link.tap))
        .collect();
    let [from, to] = [shape.output_len(), shape.input_len()];
    transfer(shape, &links, weight, y_grad, from, to)
}

struct BackwardWeight<'a> {
    shape: &'a ConvShape,
    links: &'a [Link],
    channel: usize,
    x: &'a [f32],
    y_grad: &'a [f32],
    /// The kernels of some channels, the first being `channel`.
    grad: &'a mut [f32],
}

impl Kernel for BackwardWeight<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let shape = self.shape;
        let [x_len, y_len] = [shape.input_len(), shape.output_len()];
        let [x_image, y_image] = [shape.in_channels * x_len, shape.in_channels * y_len];
        let mut x = vec![[0.0; LANES]; x_len];
        let mut y = vec![[0.0; LANES]; y_len];
        for (channel, grad) in (self.channel..).zip(self.grad.chunks_exact_mut(TAPS)) {
            let mut total = [0.0f64; TAPS];
            for first in (0..shape.batch).step_by(LANES) {
                if shape.batch - first < LANES {
                    x.fill([0.0; LANES]);
                    y.fill([0.0; LANES]);
                }
                interleave(&self.x[first * x_image..], x_image, channel * x_len, &mut x);
                interleave(
                    &self.y_grad[first * y_image..],
                    y_image,
                    channel * y_len,
                    &mut y,
                );
                let mut sums = [[0.0; LANES]; TAPS];
                for link in self.links {
                    let (sum, x, y) = (&mut sums[link.tap], &x[link.input], &y[link.output]);
                    for lane in 0..LANES {
                        sum[lane] = mul_add::<FMA>(x[lane], y[lane], sum[lane]);
                    }
                }
                for (total, sum) in total.iter_mut().zip(&sums) {
                    *total += f64::from(sum.iter().sum::<f32>());
                }
            }
            for (grad, total) in grad.iter_mut().zip(total) {
                *grad = total as f32;
            }
        }
    }
}

pub(super) fn backward_weight(shape: &ConvShape, x: &[f32], y_grad: &[f32]) -> Vec<f32> {
    let links = links(shape);
    let mut grad = vec![0.0; shape.in_channels * TAPS];
    let channels = MIN_TASK.div_ceil(shape.batch * shape.input_len());
    grad.par_chunks_mut(channels * TAPS)
        .enumerate()
        .for_each(|(task, grad)| {
            dispatch(BackwardWeight {
                shape,
                links: &links,
                channel: task * channels,
                x,
                y_grad,
                grad,
            });
        });
    grad
}

//! Depthwise convolution of a normalised input, channel by channel: statistics, normalisation, activation and
//! convolution of a channel, and their way back, touch no other channel. A task reads its channel of all images once
//! from memory, and from the cache after that; normalised values live in the buffer of one plane.

use std::marker::PhantomData;

use rayon::prelude::*;

use super::planes::{Layout, ValueMap};
use super::rolling::{correlate, dot};
use super::{TAPS, kernel};
use crate::cpu::batch_norm::{
    Activate, Affine, Gradients, InputGradient, Layer, Output, Shape, channel_statistics,
    inverse_std, pre_activation, sums_replacing, with_activation,
};
use crate::cpu::buffer::unset;
use crate::cpu::disjoint::Disjoint;
use crate::cpu::shape::ConvShape;
use crate::cpu::simd::{Kernel, dispatch, mul_add};

/// Values normalised and activated.
#[derive(Clone, Copy)]
struct Normalized<A> {
    affine: Affine,
    activate: PhantomData<A>,
}

impl<A: Activate> ValueMap for Normalized<A> {
    #[inline(always)]
    fn map<const FMA: bool>(self, x: f32) -> f32 {
        A::value(pre_activation::<FMA>(x, &self.affine))
    }
}

struct Forward<'a, A> {
    shape: &'a ConvShape,
    channel: usize,
    x: &'a [f32],
    layer: Layer<'a>,
    weight: &'a [f32],
    y: &'a Disjoint<'a>,
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for Forward<'_, A> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f32; 2] {
        let (layout, input) = (Layout::new(self.shape), Shape::of_input(self.shape));
        let [mean, var] = channel_statistics::<FMA>(input, self.channel, self.x);
        let affine = Affine::new(&self.layer, self.channel, mean, var);
        let weights = kernel(self.weight, self.channel);
        let normalized = Normalized {
            affine,
            activate: self.activate,
        };
        let mut phases = vec![0.0; layout.phases_len()];
        let outputs = self.shape.output_len();
        for image in 0..input.batch {
            let x = &self.x[input.plane(image, self.channel)];
            layout.fill_phases::<FMA>(x, normalized, &mut phases);
            let start = (image * input.channels + self.channel) * outputs;
            // SAFETY: this task alone writes this channel, one image after the other.
            let y = unsafe { self.y.range(start..start + outputs) };
            correlate(layout.rows_under(&phases), &weights, y);
        }
        [mean, var]
    }
}

/// `y`, and the statistics of `x`.
pub(super) fn forward(shape: &ConvShape, x: &[f32], layer: Layer<'_>, weight: &[f32]) -> Output {
    let mut output = Output {
        y: unset(shape.batch * shape.out_channels * shape.output_len()),
        mean: vec![0.0; shape.in_channels],
        var: vec![0.0; shape.in_channels],
    };
    let y = Disjoint::new(&mut output.y);
    output
        .mean
        .par_iter_mut()
        .zip(&mut output.var)
        .enumerate()
        .for_each(|(channel, (mean, var))| {
            [*mean, *var] = with_activation!(layer.activation, A => dispatch(Forward::<A> {
                shape,
                channel,
                x,
                layer,
                weight,
                y: &y,
                activate: PhantomData,
            }));
        });
    output
}

struct Backward<'a, A> {
    shape: &'a ConvShape,
    channel: usize,
    x: &'a [f32],
    affine: Affine,
    inverse_std: f64,
    weight: &'a [f32],
    y_grad: &'a [f32],
    x_grad: &'a Disjoint<'a>,
    activate: PhantomData<A>,
}

/// Gradients of one channel: its kernel, its scale and its shift.
struct ChannelGradients {
    kernel: [f64; TAPS],
    norm: [f32; 2],
}

impl<A: Activate> Kernel for Backward<'_, A> {
    type Output = ChannelGradients;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> ChannelGradients {
        let (layout, input) = (Layout::new(self.shape), Shape::of_input(self.shape));
        let affine = self.affine;
        let weights = kernel(self.weight, self.channel);
        let normalized = Normalized {
            affine,
            activate: self.activate,
        };
        let mut phases = vec![0.0; layout.phases_len()];
        let mut back = vec![0.0; layout.phases_len()];
        let mut padded = vec![0.0; layout.padded_output_len()];
        let outputs = self.shape.output_len();
        let mut kernel_grad = [0.0; TAPS];
        let mut total = [0.0; 2];
        for image in 0..input.batch {
            let x = &self.x[input.plane(image, self.channel)];
            let start = (image * input.channels + self.channel) * outputs;
            layout.fill_phases::<FMA>(x, normalized, &mut phases);
            let y_grad = &self.y_grad[start..start + outputs];
            layout.fill_padded(y_grad, &mut padded);
            let products = dot(layout.rows_under(&phases), y_grad);
            for (total, product) in kernel_grad.iter_mut().zip(products) {
                *total += f64::from(product);
            }
            // SAFETY: this task alone writes this channel, one image after the other.
            let grad = unsafe { self.x_grad.range(input.plane(image, self.channel)) };
            layout.input_gradient::<FMA>(&weights, &padded, &mut back, grad);
            let part = sums_replacing(x, grad, |x, grad, [sum, product]| {
                *grad = A::grad(pre_activation::<FMA>(x, &affine), *grad);
                let product = mul_add::<FMA>(*grad, x - affine.mean, product);
                [sum + *grad, product]
            });
            total = [total[0] + part[0], total[1] + part[1]];
        }
        let [sum, product] = total;
        let to_input = InputGradient::new(&affine, self.inverse_std, input.count(), sum, product);
        for image in 0..input.batch {
            let x = &self.x[input.plane(image, self.channel)];
            // SAFETY: as above.
            let grad = unsafe { self.x_grad.range(input.plane(image, self.channel)) };
            for (grad, x) in grad.iter_mut().zip(x) {
                *grad = to_input.at::<FMA>(*x, *grad, &affine);
            }
        }
        ChannelGradients {
            kernel: kernel_grad,
            norm: [(product * self.inverse_std) as f32, sum as f32],
        }
    }
}

/// Gradients of the normalisation and of the weight, given the statistics of `x` and the gradient for `y`.
pub(super) fn backward(
    shape: &ConvShape,
    x: &[f32],
    layer: Layer<'_>,
    [mean, var]: [&[f32]; 2],
    weight: &[f32],
    y_grad: &[f32],
) -> (Gradients, Vec<f32>) {
    let channels = shape.in_channels;
    let mut grads = Gradients {
        x: unset(shape.batch * channels * shape.input_len()),
        weight: vec![0.0; channels],
        bias: vec![0.0; channels],
    };
    let mut weight_grad = vec![0.0; channels * TAPS];
    let x_grad = Disjoint::new(&mut grads.x);
    weight_grad
        .par_chunks_mut(TAPS)
        .zip(&mut grads.weight)
        .zip(&mut grads.bias)
        .enumerate()
        .for_each(|(channel, ((kernel_grad, scale_grad), shift_grad))| {
            let of_channel = with_activation!(layer.activation, A => dispatch(Backward::<A> {
                shape,
                channel,
                x,
                affine: Affine::new(&layer, channel, mean[channel], var[channel]),
                inverse_std: inverse_std(&layer, var[channel]),
                weight,
                y_grad,
                x_grad: &x_grad,
                activate: PhantomData,
            }));
            for (grad, total) in kernel_grad.iter_mut().zip(of_channel.kernel) {
                *grad = total as f32;
            }
            [*scale_grad, *shift_grad] = of_channel.norm;
        });
    (grads, weight_grad)
}

//! `act(norm(x) + shortcut)`, one channel a task; small maps are normalised by themselves first.

use std::marker::PhantomData;

use rayon::prelude::*;

use super::{
    Activate, Affine, Gradients, InputGradient, Layer, Output, Shape, channel_statistics,
    inverse_std, pre_activation, sums, with_activation,
};
use crate::Activation;
use crate::cpu::buffer::unset;
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::{Kernel, dispatch, mul_add};

/// Values that a task should at least write.
const MIN_TASK: usize = 1 << 14;

struct Forward<'a, A> {
    shape: Shape,
    channel: usize,
    x: &'a [f32],
    layer: Layer<'a>,
    shortcut: &'a [f32],
    y: &'a Disjoint<'a>,
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for Forward<'_, A> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f32; 2] {
        let [mean, var] = channel_statistics::<FMA>(self.shape, self.channel, self.x);
        let affine = Affine::new(&self.layer, self.channel, mean, var);
        for image in 0..self.shape.batch {
            let plane = self.shape.plane(image, self.channel);
            let (x, shortcut) = (&self.x[plane.clone()], &self.shortcut[plane.clone()]);
            // SAFETY: this task alone writes this channel, one image after the other.
            let y = unsafe { self.y.range(plane) };
            for ((y, x), shortcut) in y.iter_mut().zip(x).zip(shortcut) {
                *y = A::value(pre_activation::<FMA>(*x, &affine) + shortcut);
            }
        }
        [mean, var]
    }
}

pub(super) fn forward(shape: Shape, x: &[f32], layer: Layer<'_>, shortcut: &[f32]) -> Output {
    let mut output = Output {
        y: unset(shape.len()),
        mean: vec![0.0; shape.channels],
        var: vec![0.0; shape.channels],
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
                shortcut,
                y: &y,
                activate: PhantomData,
            }));
        });
    output
}

/// Some values `act(y + shortcut)`, in place.
struct AddAndActivate<'a, A> {
    y: &'a mut [f32],
    shortcut: &'a [f32],
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for AddAndActivate<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (y, shortcut) in self.y.iter_mut().zip(self.shortcut) {
            *y = A::value(*y + shortcut);
        }
    }
}

/// `act(y + shortcut)`, in place.
pub(super) fn add_and_activate(y: &mut [f32], shortcut: &[f32], activation: Activation) {
    y.par_chunks_mut(MIN_TASK)
        .zip(shortcut.par_chunks(MIN_TASK))
        .for_each(|(y, shortcut)| {
            with_activation!(activation, A => dispatch(AddAndActivate::<A> {
                y,
                shortcut,
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
    y: &'a [f32],
    y_grad: &'a [f32],
    x_grad: &'a Disjoint<'a>,
    shortcut_grad: &'a Disjoint<'a>,
    activate: PhantomData<A>,
}

impl<A: Activate> Kernel for Backward<'_, A> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f32; 2] {
        let (shape, affine) = (self.shape, self.affine);
        let mut total = [0.0; 2];
        for image in 0..shape.batch {
            let plane = shape.plane(image, self.channel);
            let (x, y) = (&self.x[plane.clone()], &self.y[plane.clone()]);
            let y_grad = &self.y_grad[plane.clone()];
            // SAFETY: this task alone writes this channel, one image after the other.
            let grad = unsafe { self.shortcut_grad.range(plane) };
            for ((grad, y), y_grad) in grad.iter_mut().zip(y).zip(y_grad) {
                // An activation is flat exactly where its own value is that of its flat parts.
                *grad = A::grad(*y, *y_grad);
            }
            let part = sums(x, grad, |x, grad, [sum, product]| {
                let product = mul_add::<FMA>(grad, x - affine.mean, product);
                [sum + grad, product]
            });
            total = [total[0] + part[0], total[1] + part[1]];
        }
        let [sum, product] = total;
        let to_input = InputGradient::new(&affine, self.inverse_std, shape.count(), sum, product);
        for image in 0..shape.batch {
            let plane = shape.plane(image, self.channel);
            let x = &self.x[plane.clone()];
            // SAFETY: as above; the two gradients are different slices.
            let (x_grad, grad) = unsafe {
                (
                    self.x_grad.range(plane.clone()),
                    self.shortcut_grad.range(plane),
                )
            };
            for ((x_grad, x), grad) in x_grad.iter_mut().zip(x).zip(&*grad) {
                *x_grad = to_input.at::<FMA>(*x, *grad, &affine);
            }
        }
        [(product * self.inverse_std) as f32, sum as f32]
    }
}

/// The gradients of the normalisation and of the shortcut.
pub(super) fn backward(
    shape: Shape,
    x: &[f32],
    layer: Layer<'_>,
    [mean, var]: [&[f32]; 2],
    y: &[f32],
    y_grad: &[f32],
) -> (Gradients, Vec<f32>) {
    let mut grads = Gradients {
        x: unset(shape.len()),
        weight: vec![0.0; shape.channels],
        bias: vec![0.0; shape.channels],
    };
    let mut shortcut_grad = unset(shape.len());
    let x_grad = Disjoint::new(&mut grads.x);
    let of_shortcut = Disjoint::new(&mut shortcut_grad);
    grads
        .weight
        .par_iter_mut()
        .zip(&mut grads.bias)
        .enumerate()
        .for_each(|(channel, (weight, bias))| {
            [*weight, *bias] = with_activation!(layer.activation, A => dispatch(Backward::<A> {
                shape,
                channel,
                x,
                affine: Affine::new(&layer, channel, mean[channel], var[channel]),
                inverse_std: inverse_std(&layer, var[channel]),
                y,
                y_grad,
                x_grad: &x_grad,
                shortcut_grad: &of_shortcut,
                activate: PhantomData,
            }));
        });
    (grads, shortcut_grad)
}

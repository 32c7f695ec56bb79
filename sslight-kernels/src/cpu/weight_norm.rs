//! Rows of given lengths (Salimans and Kingma, 2016, eq. 2 and 3), each in one pass over memory.

use rayon::prelude::*;

use super::buffer::unset;
use super::simd::{Kernel, dispatch, mul_add, sum_of_lanes};

/// Rows of a task: enough to be worth it, few enough for all threads to get some.
const ROWS: usize = 64;

/// Partial sums of a row, so that additions do not wait for each other.
const LANES: usize = 16;

#[inline(always)]
fn dot<const FMA: bool>(left: &[f32], right: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            lanes[lane] = mul_add::<FMA>(left[lane], right[lane], lanes[lane]);
        }
    }
    for (lane, (left, right)) in left_rest.iter().zip(right_rest).enumerate() {
        lanes[lane] = mul_add::<FMA>(*left, *right, lanes[lane]);
    }
    sum_of_lanes(lanes)
}

struct Forward<'a> {
    direction: &'a [f32],
    length: &'a [f32],
    inputs: usize,
    weight: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let rows = self.direction.chunks_exact(self.inputs);
        let weights = self.weight.chunks_exact_mut(self.inputs);
        for ((direction, length), weight) in rows.zip(self.length).zip(weights) {
            let scale = *length / dot::<FMA>(direction, direction).sqrt();
            for (weight, value) in weight.iter_mut().zip(direction) {
                *weight = *value * scale;
            }
        }
    }
}

/// `length_o * direction_o / |direction_o|` of each row `o`, `[outputs, inputs]`.
pub(crate) fn forward(inputs: usize, direction: &[f32], length: &[f32]) -> Vec<f32> {
    let mut weight = unset(direction.len());
    weight
        .par_chunks_mut(ROWS * inputs)
        .zip(direction.par_chunks(ROWS * inputs))
        .zip(length.par_chunks(ROWS))
        .for_each(|((weight, direction), length)| {
            dispatch(Forward {
                direction,
                length,
                inputs,
                weight,
            });
        });
    weight
}

struct Backward<'a> {
    direction: &'a [f32],
    length: &'a [f32],
    inputs: usize,
    weight_grad: &'a [f32],
    direction_grad: &'a mut [f32],
    length_grad: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let rows = self.direction.chunks_exact(self.inputs);
        let grads = self.weight_grad.chunks_exact(self.inputs);
        let direction_grads = self.direction_grad.chunks_exact_mut(self.inputs);
        let lengths = self.length.iter().zip(self.length_grad);
        for (((direction, grad), direction_grad), (length, length_grad)) in
            rows.zip(grads).zip(direction_grads).zip(lengths)
        {
            let square = dot::<FMA>(direction, direction);
            let norm = square.sqrt();
            let along = dot::<FMA>(direction, grad);
            *length_grad = along / norm;
            let (scale, back) = (*length / norm, along / square);
            // What the gradient has along the row changes its length alone, which does not count.
            for ((result, grad), value) in direction_grad.iter_mut().zip(grad).zip(direction) {
                *result = mul_add::<FMA>(*value, -back, *grad) * scale;
            }
        }
    }
}

/// Gradients of [`forward`] for directions and lengths, given that for the weight.
pub(crate) fn backward(
    inputs: usize,
    direction: &[f32],
    length: &[f32],
    weight_grad: &[f32],
) -> [Vec<f32>; 2] {
    let (mut direction_grad, mut length_grad) = (unset(direction.len()), unset(length.len()));
    direction_grad
        .par_chunks_mut(ROWS * inputs)
        .zip(length_grad.par_chunks_mut(ROWS))
        .zip(direction.par_chunks(ROWS * inputs))
        .zip(length.par_chunks(ROWS))
        .zip(weight_grad.par_chunks(ROWS * inputs))
        .for_each(
            |((((direction_grad, length_grad), direction), length), weight_grad)| {
                dispatch(Backward {
                    direction,
                    length,
                    inputs,
                    weight_grad,
                    direction_grad,
                    length_grad,
                });
            },
        );
    [direction_grad, length_grad]
}

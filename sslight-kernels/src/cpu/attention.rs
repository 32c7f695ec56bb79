//! Self-attention of short sequences: all scores of a head fit the cache, are made there, and never leave it.

use rayon::prelude::*;

use super::buffer::unset;
use super::exp::exp;
use super::matrix::{Matrix, Sizes, product};
use super::simd::{Kernel, dispatch, mul_add, sum_of_lanes};

const LANES: usize = 16;

/// Sizes of `qkv [batch, tokens, 3 * heads * head_dim]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) tokens: usize,
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
}

impl Shape {
    fn dim(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Queries (0), keys (1) or values (2) of a head, in one image.
    fn part<'a>(&self, qkv: &'a [f32], part: usize, head: usize) -> Matrix<'a> {
        let start = part * self.dim() + head * self.head_dim;
        Matrix::rows(&qkv[start..], 3 * self.dim())
    }

    /// A product of scores with rows of a head.
    fn mix(&self) -> Sizes {
        Sizes {
            m: self.tokens,
            n: self.head_dim,
            k: self.tokens,
        }
    }

    /// A product of rows of a head, as scores.
    fn score(&self) -> Sizes {
        Sizes {
            m: self.tokens,
            n: self.tokens,
            k: self.head_dim,
        }
    }
}

/// Rows of scores to their softmax, scaled before.
struct Softmax<'a> {
    scores: &'a mut [f32],
    tokens: usize,
    scale: f32,
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for row in self.scores.chunks_exact_mut(self.tokens) {
            // Not-a-number is lost by `max`, but comes back by the exponentials.
            let largest = row.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            let mut lanes = [0.0f32; LANES];
            let mut rest = 0.0;
            let mut whole = row.chunks_exact_mut(LANES);
            for values in &mut whole {
                for lane in 0..LANES {
                    values[lane] = exp::<FMA>((values[lane] - largest) * self.scale);
                    lanes[lane] += values[lane];
                }
            }
            for value in whole.into_remainder() {
                *value = exp::<FMA>((*value - largest) * self.scale);
                rest += *value;
            }
            let inverse = 1.0 / (sum_of_lanes(lanes) + rest);
            for value in row {
                *value *= inverse;
            }
        }
    }
}

fn softmax_of_scores(shape: &Shape, qkv: &[f32], head: usize, scale: f32, scores: &mut [f32]) {
    let (query, key) = (shape.part(qkv, 0, head), shape.part(qkv, 1, head));
    product(
        shape.score(),
        scores,
        shape.tokens,
        query,
        key.transposed(),
        false,
    );
    dispatch(Softmax {
        scores,
        tokens: shape.tokens,
        scale,
    });
}

/// `softmax(scale q k^T) v` of every head, `[batch, tokens, heads * head_dim]`.
pub(crate) fn forward(shape: Shape, qkv: &[f32], scale: f32) -> Vec<f32> {
    let (tokens, dim) = (shape.tokens, shape.dim());
    let mut mixed = unset(shape.batch * tokens * dim);
    mixed
        .par_chunks_mut(tokens * dim)
        .zip(qkv.par_chunks(3 * tokens * dim))
        .for_each_init(
            || vec![0.0; tokens * tokens],
            |scores, (mixed, qkv)| {
                for head in 0..shape.heads {
                    softmax_of_scores(&shape, qkv, head, scale, scores);
                    let mixed = &mut mixed[head * shape.head_dim..];
                    let (weights, value) = (Matrix::rows(scores, tokens), shape.part(qkv, 2, head));
                    product(shape.mix(), mixed, dim, weights, value, false);
                }
            },
        );
    mixed
}

/// Gradients of weights to those of scores, in place: `w (g - sum w g) scale`, row by row.
struct ThroughSoftmax<'a> {
    weights: &'a [f32],
    grads: &'a mut [f32],
    tokens: usize,
    scale: f32,
}

impl Kernel for ThroughSoftmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let rows = self.weights.chunks_exact(self.tokens);
        for (weights, grads) in rows.zip(self.grads.chunks_exact_mut(self.tokens)) {
            let whole = self.tokens / LANES * LANES;
            let mut lanes = [0.0f32; LANES];
            let chunks = weights[..whole].chunks_exact(LANES);
            for (weights, grads) in chunks.zip(grads[..whole].chunks_exact(LANES)) {
                for lane in 0..LANES {
                    lanes[lane] = mul_add::<FMA>(weights[lane], grads[lane], lanes[lane]);
                }
            }
            let rest: f32 = (whole..self.tokens).map(|i| weights[i] * grads[i]).sum();
            let sum = sum_of_lanes(lanes) + rest;
            for (grad, weight) in grads.iter_mut().zip(weights) {
                *grad = (*grad - sum) * weight * self.scale;
            }
        }
    }
}

/// The gradient for `qkv`, given that for the output; the scores are made again.
pub(crate) fn backward(shape: Shape, qkv: &[f32], scale: f32, mixed_grad: &[f32]) -> Vec<f32> {
    let (tokens, dim) = (shape.tokens, shape.dim());
    let mut qkv_grad = unset(shape.batch * 3 * tokens * dim);
    qkv_grad
        .par_chunks_mut(3 * tokens * dim)
        .zip(qkv.par_chunks(3 * tokens * dim))
        .zip(mixed_grad.par_chunks(tokens * dim))
        .for_each_init(
            || [vec![0.0; tokens * tokens], vec![0.0; tokens * tokens]],
            |[weights, grads], ((qkv_grad, qkv), mixed_grad)| {
                for head in 0..shape.heads {
                    softmax_of_scores(&shape, qkv, head, scale, weights);
                    let mixed_grad = Matrix::rows(&mixed_grad[head * shape.head_dim..], dim);
                    let value = shape.part(qkv, 2, head).transposed();
                    product(shape.score(), grads, tokens, mixed_grad, value, false);
                    dispatch(ThroughSoftmax {
                        weights,
                        grads,
                        tokens,
                        scale,
                    });
                    let (weights, grads) =
                        (Matrix::rows(weights, tokens), Matrix::rows(grads, tokens));
                    let mut write = |part: usize, lhs: Matrix<'_>, rhs: Matrix<'_>| {
                        let start = part * dim + head * shape.head_dim;
                        product(
                            shape.mix(),
                            &mut qkv_grad[start..],
                            3 * dim,
                            lhs,
                            rhs,
                            false,
                        );
                    };
                    write(0, grads, shape.part(qkv, 1, head));
                    write(1, grads.transposed(), shape.part(qkv, 0, head));
                    write(2, weights.transposed(), mixed_grad);
                }
            },
        );
    qkv_grad
}

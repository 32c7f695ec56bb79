//! Optimizer updates and moving averages: every operand is read once and written once, in place.

use rayon::prelude::*;

use super::simd::{Kernel, dispatch};
use crate::update::{AdamWStep, MomentumStep};

/// Values of a task.
const CHUNK: usize = 1 << 14;

struct AdamW<'a> {
    param: &'a mut [f32],
    grad: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    step: AdamWStep,
}

impl Kernel for AdamW<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let AdamWStep {
            lr,
            weight_decay,
            betas,
            eps,
            updates,
        } = self.step;
        let corrections = betas.map(|beta| 1.0 - beta.powi(updates as i32));
        let [beta1, beta2] = betas.map(|beta| beta as f32);
        let [new1, new2] = betas.map(|beta| (1.0 - beta) as f32);
        let keep = (1.0 - lr * weight_decay) as f32;
        let rate = (lr / corrections[0]) as f32;
        let root = (1.0 / corrections[1].sqrt()) as f32;
        let eps = eps as f32;
        let moments = self.first.iter_mut().zip(self.second);
        for ((param, grad), (first, second)) in self.param.iter_mut().zip(self.grad).zip(moments) {
            *first = *first * beta1 + *grad * new1;
            *second = *second * beta2 + *grad * *grad * new2;
            let denominator = second.sqrt() * root + eps;
            *param = *param * keep - *first / denominator * rate;
        }
    }
}

/// One AdamW update of a parameter and its moments.
pub(crate) fn adamw(
    param: &mut [f32],
    grad: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    step: AdamWStep,
) {
    param
        .par_chunks_mut(CHUNK)
        .zip(grad.par_chunks(CHUNK))
        .zip(first.par_chunks_mut(CHUNK))
        .zip(second.par_chunks_mut(CHUNK))
        .for_each(|(((param, grad), first), second)| {
            dispatch(AdamW {
                param,
                grad,
                first,
                second,
                step,
            });
        });
}

struct Momentum<'a> {
    param: &'a mut [f32],
    grad: &'a [f32],
    velocity: &'a mut [f32],
    step: MomentumStep,
    /// The trust ratio of LARS, or 1.
    ratio: f32,
}

impl Kernel for Momentum<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (ratio, lr) = (self.ratio, self.step.lr as f32);
        let decay = self.step.weight_decay as f32;
        let momentum = self.step.momentum as f32;
        let values = self.param.iter_mut().zip(self.grad).zip(self.velocity);
        if self.step.nesterov {
            for ((param, grad), velocity) in values {
                let direction = (*grad + *param * decay) * ratio;
                *velocity = *velocity * momentum + direction;
                *param -= (direction + *velocity * momentum) * lr;
            }
        } else {
            for ((param, grad), velocity) in values {
                let direction = (*grad + *param * decay) * ratio;
                *velocity = *velocity * momentum + direction;
                *param -= *velocity * lr;
            }
        }
    }
}

/// One update with momentum (SGD or LARS) of a parameter and its velocity.
pub(crate) fn momentum(param: &mut [f32], grad: &[f32], velocity: &mut [f32], step: MomentumStep) {
    let ratio = step.trust.map_or(1.0, |eta| {
        let [param_norm, direction_norm] = norms(param, grad, step.weight_decay);
        if param_norm > 0.0 && direction_norm > 0.0 {
            (eta * param_norm / direction_norm) as f32
        } else if (param_norm * direction_norm).is_nan() {
            f32::NAN
        } else {
            1.0
        }
    });
    param
        .par_chunks_mut(CHUNK)
        .zip(grad.par_chunks(CHUNK))
        .zip(velocity.par_chunks_mut(CHUNK))
        .for_each(|((param, grad), velocity)| {
            dispatch(Momentum {
                param,
                grad,
                velocity,
                step,
                ratio,
            });
        });
}

struct Squares<'a> {
    param: &'a [f32],
    grad: &'a [f32],
    decay: f32,
}

impl Kernel for Squares<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f64; 2] {
        const LANES: usize = 16;
        let mut sums = [[0.0f64; LANES]; 2];
        for (param, grad) in self.param.chunks(LANES).zip(self.grad.chunks(LANES)) {
            for (lane, (param, grad)) in param.iter().zip(grad).enumerate() {
                let direction = f64::from(*grad + *param * self.decay);
                sums[0][lane] += f64::from(*param) * f64::from(*param);
                sums[1][lane] += direction * direction;
            }
        }
        sums.map(|lanes| lanes.iter().sum())
    }
}

/// The lengths of a parameter and of its decayed gradient.
fn norms(param: &[f32], grad: &[f32], weight_decay: f64) -> [f64; 2] {
    let partial: Vec<[f64; 2]> = param
        .par_chunks(CHUNK)
        .zip(grad.par_chunks(CHUNK))
        .map(|(param, grad)| {
            dispatch(Squares {
                param,
                grad,
                decay: weight_decay as f32,
            })
        })
        .collect();
    // In their order, whatever the threads did.
    let total = partial.iter().fold([0.0; 2], |total, part| {
        [total[0] + part[0], total[1] + part[1]]
    });
    total.map(f64::sqrt)
}

struct Length<'a>(&'a [f32]);

impl Kernel for Length<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> f64 {
        const LANES: usize = 16;
        let mut sums = [0.0f64; LANES];
        for values in self.0.chunks(LANES) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += f64::from(*value) * f64::from(*value);
            }
        }
        sums.iter().sum()
    }
}

/// The Euclidean length: squares in f64, which neither overflow nor lose the small among many.
pub(crate) fn norm(values: &[f32]) -> f32 {
    let squares = match values.len() {
        0..=CHUNK => dispatch(Length(values)),
        // In their order, whatever the threads did.
        _ => values
            .par_chunks(CHUNK)
            .map(|chunk| dispatch(Length(chunk)))
            .collect::<Vec<f64>>()
            .iter()
            .sum(),
    };
    squares.sqrt() as f32
}

struct Average<'a> {
    target: &'a mut [f32],
    source: &'a [f32],
    momentum: f64,
}

impl Kernel for Average<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (old, new) = (self.momentum as f32, (1.0 - self.momentum) as f32);
        for (target, source) in self.target.iter_mut().zip(self.source) {
            *target = *target * old + *source * new;
        }
    }
}

/// `momentum * target + (1 - momentum) * source`.
pub(crate) fn average(target: &mut [f32], source: &[f32], momentum: f64) {
    target
        .par_chunks_mut(CHUNK)
        .zip(source.par_chunks(CHUNK))
        .for_each(|(target, source)| {
            dispatch(Average {
                target,
                source,
                momentum,
            });
        });
}

//! Cross entropy of views with the targets of other views: two passes over the logits forward, one backward, and
//! no copy of them but the gradient.

use rayon::prelude::*;

use super::exp::exp;
use super::simd::{Kernel, dispatch, mul_add};

const LANES: usize = 16;
/// Values that are summed in f32 before the sum goes to f64, to bound the rounding.
const SUM_BLOCK: usize = 1024;
/// Values that a task should at least read.
const MIN_TASK: usize = 1 << 13;
/// Numbers that the forward pass keeps of a row.
pub(crate) const STATISTICS: usize = 3;

/// The logits and targets of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrossView<'a> {
    /// `[views b, k]`.
    pub(crate) logits: &'a [f32],
    /// `[2 b, k]`.
    pub(crate) targets: &'a [f32],
    /// Samples `b`.
    pub(crate) batch: usize,
    /// Outputs `k`.
    pub(crate) outputs: usize,
    /// Multiplies logits.
    pub(crate) scale: f32,
}

/// A row of logits with the targets that it is to meet.
struct Row<'a> {
    logits: &'a [f32],
    targets: &'a [f32],
    /// Local views meet the targets of both global views.
    second: Option<&'a [f32]>,
}

impl<'a> CrossView<'a> {
    fn row(&self, row: usize) -> Row<'a> {
        let (view, sample) = (row / self.batch, row % self.batch);
        let target = |view: usize| {
            let start = (view * self.batch + sample) * self.outputs;
            &self.targets[start..start + self.outputs]
        };
        let (targets, second) = match view {
            0 => (target(1), None),
            1 => (target(0), None),
            _ => (target(0), Some(target(1))),
        };
        Row {
            logits: &self.logits[row * self.outputs..][..self.outputs],
            targets,
            second,
        }
    }

    fn rows_of_a_task(&self) -> usize {
        MIN_TASK.div_ceil(self.outputs)
    }

    /// Losses `[views b]` and statistics `[views b, 3]`: the largest scaled logit, the logarithm of the sum of
    /// exponentials relative to it, the sum of targets.
    pub(crate) fn forward(self) -> (Vec<f32>, Vec<f32>) {
        let rows = self.logits.len() / self.outputs;
        let mut losses = vec![0.0; rows];
        let mut statistics = vec![0.0; rows * STATISTICS];
        losses
            .par_iter_mut()
            .zip(statistics.par_chunks_mut(STATISTICS))
            .enumerate()
            .with_min_len(self.rows_of_a_task())
            .for_each(|(row, (loss, statistics))| {
                let result = dispatch(Forward {
                    row: self.row(row),
                    scale: self.scale,
                });
                *loss = result.loss;
                statistics.copy_from_slice(&result.statistics);
            });
        (losses, statistics)
    }

    /// The gradient for the logits, given those for the losses.
    pub(crate) fn backward(self, statistics: &[f32], loss_grads: &[f32]) -> Vec<f32> {
        let mut grads = vec![0.0; self.logits.len()];
        grads
            .par_chunks_mut(self.outputs)
            .zip(statistics.par_chunks(STATISTICS))
            .zip(loss_grads)
            .enumerate()
            .with_min_len(self.rows_of_a_task())
            .for_each(|(row, ((grads, statistics), loss_grad))| {
                dispatch(Backward {
                    row: self.row(row),
                    scale: self.scale,
                    statistics,
                    loss_grad: *loss_grad,
                    grads,
                });
            });
        grads
    }
}

struct Forward<'a> {
    row: Row<'a>,
    scale: f32,
}

struct RowLoss {
    loss: f32,
    statistics: [f32; STATISTICS],
}

impl Kernel for Forward<'_> {
    type Output = RowLoss;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> RowLoss {
        let logits = self.row.logits;
        let max = largest(logits) * self.scale;
        let mut sums = [0.0f64; STATISTICS];
        match self.row.second {
            None => {
                let blocks = logits.chunks(SUM_BLOCK);
                for (logits, targets) in blocks.zip(self.row.targets.chunks(SUM_BLOCK)) {
                    add_block::<FMA>(&mut sums, logits, self.scale, max, |at| targets[at]);
                }
            }
            Some(second) => {
                let blocks = logits.chunks(SUM_BLOCK);
                let targets = self.row.targets.chunks(SUM_BLOCK);
                for ((logits, first), second) in blocks.zip(targets).zip(second.chunks(SUM_BLOCK)) {
                    let (first, second) = (&first[..logits.len()], &second[..logits.len()]);
                    add_block::<FMA>(&mut sums, logits, self.scale, max, |at| {
                        first[at] + second[at]
                    });
                }
            }
        }
        let [exponentials, product, mass] = sums;
        let log_sum = exponentials.ln();
        RowLoss {
            loss: (mass * log_sum - product) as f32,
            statistics: [max, log_sum as f32, mass as f32],
        }
    }
}

#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = lanes[lane].max(chunk[lane]);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max)
}

/// Adds the exponentials, the products of targets and logits, and the targets.
#[inline(always)]
fn add_block<const FMA: bool>(
    sums: &mut [f64; STATISTICS],
    logits: &[f32],
    scale: f32,
    max: f32,
    target: impl Fn(usize) -> f32,
) {
    let mut lanes = [[0.0f32; LANES]; STATISTICS];
    let whole = logits.len() / LANES * LANES;
    let mut add = |lane: usize, at: usize| {
        let logit = mul_add::<FMA>(logits[at], scale, -max);
        let target = target(at);
        lanes[0][lane] += exp::<FMA>(logit);
        lanes[1][lane] = mul_add::<FMA>(target, logit, lanes[1][lane]);
        lanes[2][lane] += target;
    };
    for start in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            add(lane, start + lane);
        }
    }
    for at in whole..logits.len() {
        add(at - whole, at);
    }
    for (sum, lanes) in sums.iter_mut().zip(lanes) {
        *sum += f64::from(lanes.iter().sum::<f32>());
    }
}

struct Backward<'a> {
    row: Row<'a>,
    scale: f32,
    statistics: &'a [f32],
    loss_grad: f32,
    grads: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let [max, log_sum, mass] = [0, 1, 2].map(|at| self.statistics[at]);
        let (scale, factor) = (self.scale, self.loss_grad * self.scale);
        let grad = |logit: f32, target: f32| {
            let probability = exp::<FMA>(mul_add::<FMA>(logit, scale, -max) - log_sum);
            (mass * probability - target) * factor
        };
        let values = self.grads.iter_mut().zip(self.row.logits);
        match self.row.second {
            None => {
                for ((out, logit), target) in values.zip(self.row.targets) {
                    *out = grad(*logit, *target);
                }
            }
            Some(second) => {
                for (((out, logit), first), second) in values.zip(self.row.targets).zip(second) {
                    *out = grad(*logit, first + second);
                }
            }
        }
    }
}

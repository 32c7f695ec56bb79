//! Stochastic depth (Huang et al., 2016): in training a residual branch is left out for some samples.
//!
//! The rate grows linearly with depth from 0 in the first block. A branch of a sample is kept where
//! `floor(keep + u)` is 1, `u` being uniform in `[0, 1)`, and is then divided by `keep`.
//!
//! The draws are the caller's: no generator advances between steps, so that a run that is resumed
//! draws what an uninterrupted one draws.

use std::fmt::Debug;

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::backend::Backend;

/// Where the uniform numbers of a pass come from.
pub trait DropPathDraws: Debug {
    /// One number in `[0, 1)` for each sample, for residual branch `branch`: 2 i is the attention branch of
    /// block i, counted from 0, and 2 i + 1 its MLP branch.
    fn uniform(&self, branch: usize, samples: usize) -> Vec<f64>;
}

/// Draws that are a function of these numbers alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeededDraws {
    /// The run's seed.
    pub seed: u64,
    /// The optimizer step.
    pub step: u64,
    /// Which of the passes of the step it is; views of each size make a pass of their own.
    pub pass: u64,
}

impl DropPathDraws for SeededDraws {
    fn uniform(&self, branch: usize, samples: usize) -> Vec<f64> {
        // The 256-bit key is the name of the draw, thus two different draws share no stream.
        let mut key = [0; 32];
        for (slot, word) in key.as_chunks_mut::<8>().0.iter_mut().zip([
            self.seed,
            self.step,
            self.pass,
            branch as u64,
        ]) {
            *slot = word.to_le_bytes();
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        // Written out, so that the draws of a resumed run stay whatever a library release does.
        (0..samples)
            .map(|_| (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
            .collect()
    }
}

/// Stochastic depth of one pass.
#[derive(Debug, Clone, Copy)]
pub struct DropPath<'a> {
    /// Probability with which the branches of the last block are left out.
    pub rate: f64,
    /// The source of the draws.
    pub draws: &'a dyn DropPathDraws,
}

impl<'a> DropPath<'a> {
    /// Its part in block `block` of `depth`, counted from 0; `None` where nothing is ever left out.
    pub fn of_block(self, block: usize, depth: usize) -> Option<BlockDropPath<'a>> {
        let rate = self.rate * block as f64 / (depth - 1).max(1) as f64;
        (rate > 0.0).then_some(BlockDropPath {
            keep: 1.0 - rate,
            block,
            draws: self.draws,
        })
    }
}

/// A residual branch of a transformer block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// Multi-head self-attention.
    Attention,
    /// The multi-layer perceptron.
    Mlp,
}

/// Stochastic depth of one block in one pass.
#[derive(Debug, Clone, Copy)]
pub struct BlockDropPath<'a> {
    keep: f64,
    block: usize,
    draws: &'a dyn DropPathDraws,
}

impl BlockDropPath<'_> {
    /// Which samples keep the branch.
    pub fn keeps(self, branch: Branch, samples: usize) -> Vec<bool> {
        let row = 2 * self.block + usize::from(branch == Branch::Mlp);
        self.draws
            .uniform(row, samples)
            .into_iter()
            .map(|u| self.keep + u >= 1.0)
            .collect()
    }

    /// The branch with the samples that lose it at 0 and the others scaled, so that its mean stays.
    ///
    /// # Shapes
    /// `[b, n, dim]` to the same.
    pub fn apply<B: Backend>(self, x: Tensor<B, 3>, branch: Branch) -> Tensor<B, 3> {
        let [batch, _, _] = x.dims();
        let factors: Vec<f32> = self
            .keeps(branch, batch)
            .into_iter()
            .map(|kept| if kept { (1.0 / self.keep) as f32 } else { 0.0 })
            .collect();
        let factors = Tensor::from_data(TensorData::new(factors, [batch, 1, 1]), &x.device());
        x * factors
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::params::host_values;
    use burn_ndarray::NdArray;

    const DRAWS: SeededDraws = SeededDraws {
        seed: 3,
        step: 0,
        pass: 0,
    };

    #[test]
    fn each_of_seed_step_pass_and_branch_changes_the_draws() {
        let first = |draws: SeededDraws, branch| draws.uniform(branch, 4);
        let others = [
            first(SeededDraws { seed: 4, ..DRAWS }, 2),
            first(SeededDraws { step: 1, ..DRAWS }, 2),
            first(SeededDraws { pass: 1, ..DRAWS }, 2),
            first(DRAWS, 3),
        ];
        let base = first(DRAWS, 2);
        assert_eq!(base, first(DRAWS, 2));
        for (i, other) in others.iter().enumerate() {
            assert_ne!(&base, other, "change {i}");
        }
        assert_eq!(
            base,
            DRAWS.uniform(2, 9)[..4],
            "the batch size alone changes nothing"
        );
    }

    #[test]
    fn the_rate_grows_linearly_from_zero() {
        let path = DropPath {
            rate: 0.22,
            draws: &DRAWS,
        };
        assert!(path.of_block(0, 12).is_none());
        let keep = |block| path.of_block(block, 12).unwrap().keep;
        assert!((keep(1) - 0.98).abs() < 1e-12);
        assert!((keep(11) - 0.78).abs() < 1e-12);
        assert!(DropPath { rate: 0.0, ..path }.of_block(11, 12).is_none());
    }

    #[test]
    fn branches_are_kept_at_the_stated_rate_and_the_mean_stays() {
        const SAMPLES: usize = 20_000;
        let path = DropPath {
            rate: 0.3,
            draws: &DRAWS,
        };
        let last = path.of_block(11, 12).unwrap();
        let ones: Tensor<NdArray, 3> = Tensor::ones([SAMPLES, 1, 1], &Default::default());
        let kept = host_values(last.apply(ones, Branch::Mlp));
        let scale = (1.0_f64 / 0.7) as f32;
        assert!(kept.iter().all(|&v| v == 0.0 || v == scale));
        let rate = kept.iter().filter(|v| **v > 0.0).count() as f64 / SAMPLES as f64;
        // Five standard errors of a rate of 0.7.
        let limit = 5.0 * (0.7 * 0.3 / SAMPLES as f64).sqrt();
        assert!((rate - 0.7).abs() < limit, "kept {rate}");
    }

    #[test]
    fn the_two_branches_of_a_block_are_drawn_independently() {
        let path = DropPath {
            rate: 0.5,
            draws: &DRAWS,
        };
        let last = path.of_block(11, 12).unwrap();
        assert_ne!(
            last.keeps(Branch::Attention, 64),
            last.keeps(Branch::Mlp, 64)
        );
    }
}

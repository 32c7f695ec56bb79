//! The order of the images of an epoch and its cut into steps.

use crate::rng::{Draws, Purpose};
use crate::source::Locality;

/// The order of one epoch: a pure function of (number of images, seed, epoch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochPlan {
    order: Vec<usize>,
    batch_size: usize,
    keep_remainder: bool,
}

impl EpochPlan {
    /// A uniformly random order of `images` images, cut into steps of `batch_size`; the remainder that
    /// fills no step is dropped (it is another one in each epoch).
    pub fn new(images: usize, batch_size: usize, seed: u64, epoch: usize) -> Self {
        let mut order: Vec<usize> = (0..images).collect();
        Draws::new(seed, epoch as u64, 0, 0, Purpose::Order).shuffle(&mut order);
        Self {
            order,
            batch_size,
            keep_remainder: false,
        }
    }

    /// As [`Self::new`], for a source whose images are read in blocks: blocks in random order, and the images of
    /// [`Locality::together`] blocks at a time in random order.
    pub fn in_blocks(locality: &Locality, batch_size: usize, seed: u64, epoch: usize) -> Self {
        let mut draws = Draws::new(seed, epoch as u64, 0, 0, Purpose::Order);
        let blocks = locality
            .block_of
            .iter()
            .max()
            .map_or(0, |&last| last as usize + 1);
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); blocks];
        for (index, &block) in locality.block_of.iter().enumerate() {
            members[block as usize].push(index);
        }
        draws.shuffle(&mut members);
        let mut order = Vec::with_capacity(locality.block_of.len());
        for together in members.chunks(locality.together.max(1)) {
            let start = order.len();
            order.extend(together.iter().flatten());
            draws.shuffle(&mut order[start..]);
        }
        Self {
            order,
            batch_size,
            keep_remainder: false,
        }
    }

    /// The same order with a last, shorter step for the remainder, if there is one: each image is shown once.
    pub fn keeping_remainder(self, keep: bool) -> Self {
        Self {
            keep_remainder: keep,
            ..self
        }
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        match self.batch_size {
            0 => 0,
            size if self.keep_remainder => self.order.len().div_ceil(size),
            size => self.order.len() / size,
        }
    }

    /// Image indices of the whole epoch, a dropped remainder included.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Position in [`Self::order`] of the first image of a step.
    pub fn position(&self, step: usize) -> usize {
        step * self.batch_size
    }

    /// Image indices of one step; `None` from [`Self::steps`] on.
    pub fn step(&self, step: usize) -> Option<&[usize]> {
        if step >= self.steps() {
            return None;
        }
        let start = self.position(step);
        let end = self.order.len().min(start + self.batch_size);
        self.order.get(start..end)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_shows_each_image_at_most_once_and_drops_the_remainder() {
        let plan = EpochPlan::new(103, 10, 1, 0);
        assert_eq!(plan.steps(), 10);
        let mut seen: Vec<usize> = (0..10)
            .flat_map(|s| plan.step(s).unwrap().to_vec())
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100);
        assert!(plan.step(10).is_none());
    }

    #[test]
    fn a_kept_remainder_is_a_shorter_last_step_and_nothing_else() {
        let plan = EpochPlan::new(103, 10, 1, 0);
        let kept = plan.clone().keeping_remainder(true);
        assert_eq!((plan.steps(), kept.steps()), (10, 11));
        assert_eq!(kept.step(9), plan.step(9));
        assert_eq!(kept.step(10).unwrap(), &plan.order()[100..]);
        assert!(kept.step(11).is_none());
        // More than one batch of everything there is: one step of all.
        assert_eq!(
            EpochPlan::new(3, 4, 0, 0).keeping_remainder(true).steps(),
            1
        );
        assert_eq!(
            EpochPlan::new(20, 10, 0, 0).keeping_remainder(true).steps(),
            2
        );
    }

    #[test]
    fn order_depends_on_seed_and_epoch_alone() {
        let plan = EpochPlan::new(50, 7, 1, 2);
        assert_eq!(plan, EpochPlan::new(50, 7, 1, 2));
        assert_ne!(plan.order(), EpochPlan::new(50, 7, 1, 3).order());
        assert_ne!(plan.order(), EpochPlan::new(50, 7, 2, 2).order());
        assert_eq!(plan.order(), EpochPlan::new(50, 9, 1, 2).order());
    }

    #[test]
    fn blocks_are_shuffled_and_a_few_of_them_at_a_time() {
        // 20 blocks of 5 images, of which one has none left and one is shorter.
        let block_of: Vec<u32> = (0..97).map(|i| i / 5).filter(|&block| block != 7).collect();
        let images = block_of.len();
        let locality = Locality {
            block_of: block_of.clone(),
            together: 3,
        };
        let plan = EpochPlan::in_blocks(&locality, 4, 1, 0);
        let mut all = plan.order().to_vec();
        all.sort_unstable();
        assert_eq!(all, (0..images).collect::<Vec<_>>());
        // At no time are more blocks open than are read together.
        let mut windows = 0;
        let mut open: Vec<u32> = Vec::new();
        for &index in plan.order() {
            if !open.contains(&block_of[index]) {
                open.push(block_of[index]);
                if open.len() > 3 {
                    windows += 1;
                    open = vec![block_of[index]];
                }
            }
        }
        assert!(windows <= 7, "{windows}");
        assert_ne!(plan.order()[..15], {
            let mut sorted = plan.order()[..15].to_vec();
            sorted.sort_unstable();
            sorted
        });
        assert_ne!(plan, EpochPlan::in_blocks(&locality, 4, 1, 1));
        assert_eq!(plan, EpochPlan::in_blocks(&locality, 4, 1, 0));
    }

    #[test]
    fn degenerate_sizes_have_no_steps() {
        assert_eq!(EpochPlan::new(0, 4, 0, 0).steps(), 0);
        assert_eq!(EpochPlan::new(4, 0, 0, 0).steps(), 0);
        assert_eq!(EpochPlan::new(3, 4, 0, 0).steps(), 0);
    }
}

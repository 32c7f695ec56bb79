//! Which images make which batch.

use sslight_data::plan::EpochPlan;

/// One showing of an image: the name of its draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The pass over the images.
    pub epoch: usize,
    /// Index of the image in its set.
    pub index: usize,
}

/// The batches of training without end: images in a new random order each epoch, one epoch after another, gathered by shape (wider
/// than high, or not) so that little of a batch is padding. What does not fill a batch waits for the next epoch.
#[derive(Clone, Debug)]
pub struct GroupedOrder {
    /// Whether each image is wider than high.
    wide: Vec<bool>,
    batch_size: usize,
    seed: u64,
    epoch: usize,
    /// The order of the epoch, and how much of it is used.
    order: Vec<usize>,
    position: usize,
    /// Images that wait for company, high and wide ones.
    waiting: [Vec<Draw>; 2],
}

impl GroupedOrder {
    /// The order from the first step on; without any batch if there is no image or `batch_size` is 0.
    pub fn new(wide: Vec<bool>, batch_size: usize, seed: u64) -> Self {
        let order = order_of(wide.len(), seed, 0);
        Self {
            wide,
            batch_size,
            seed,
            epoch: 0,
            order,
            position: 0,
            waiting: [Vec::new(), Vec::new()],
        }
    }

    /// The order from a later step on. Every step before it is gone through, about a millisecond for a thousand batches.
    pub fn starting_at(mut self, step: usize) -> Self {
        if let Some(last) = step.checked_sub(1) {
            self.nth(last);
        }
        self
    }
}

fn order_of(images: usize, seed: u64, epoch: usize) -> Vec<usize> {
    EpochPlan::new(images, 1, seed, epoch).order().to_vec()
}

impl Iterator for GroupedOrder {
    type Item = Vec<Draw>;

    fn next(&mut self) -> Option<Vec<Draw>> {
        if self.wide.is_empty() || self.batch_size == 0 {
            return None;
        }
        loop {
            let Some(&index) = self.order.get(self.position) else {
                self.epoch += 1;
                self.position = 0;
                self.order = order_of(self.wide.len(), self.seed, self.epoch);
                continue;
            };
            self.position += 1;
            let group = &mut self.waiting[usize::from(self.wide[index])];
            group.push(Draw {
                epoch: self.epoch,
                index,
            });
            if group.len() == self.batch_size {
                return Some(std::mem::take(group));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn order(images: usize) -> GroupedOrder {
        GroupedOrder::new((0..images).map(|i| i % 3 == 0).collect(), 4, 7)
    }

    #[test]
    fn a_batch_has_images_of_one_shape() {
        for batch in order(50).take(100) {
            assert_eq!(batch.len(), 4);
            let wide: Vec<bool> = batch.iter().map(|draw| draw.index % 3 == 0).collect();
            assert!(wide.iter().all(|w| *w == wide[0]));
        }
    }

    #[test]
    fn each_image_is_shown_once_an_epoch() {
        let shown: Vec<Draw> = order(50).take(200).flatten().collect();
        for epoch in 0..15 {
            let mut seen: Vec<usize> = shown
                .iter()
                .filter(|draw| draw.epoch == epoch)
                .map(|draw| draw.index)
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..50).collect::<Vec<_>>(), "epoch {epoch}");
        }
    }

    #[test]
    fn a_later_start_gives_the_same_batches() {
        let all: Vec<Vec<Draw>> = order(50).take(60).collect();
        for step in [0, 1, 13, 49] {
            let rest: Vec<Vec<Draw>> = order(50).starting_at(step).take(60 - step).collect();
            assert_eq!(rest, all[step..], "step {step}");
        }
        let other = GroupedOrder::new((0..50).map(|i| i % 3 == 0).collect(), 4, 8);
        assert_ne!(other.take(60).collect::<Vec<_>>(), all);
    }

    #[test]
    fn fewer_images_than_a_batch_are_shown_again_and_none_give_none() {
        let batch = GroupedOrder::new(vec![true], 3, 0).next().unwrap();
        assert_eq!(batch.iter().map(|d| d.epoch).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(GroupedOrder::new(vec![], 3, 0).next().is_none());
        assert!(GroupedOrder::new(vec![true], 0, 0).next().is_none());
    }
}

//! The one source of randomness: a ChaCha8 stream whose 256-bit key *is* the name of the draw.
//!
//! A stream depends on (seed, epoch, index, view, purpose) and on nothing else: not on the thread that
//! asks, not on what was drawn before. The conversions from bits to numbers are written out here, so
//! that a sequence stays the same whatever a library release does to its distributions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for. Streams of different purposes share no bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The augmentation of one view of one image.
    View,
    /// The order of the images of an epoch.
    Order,
    /// Measurements, such as [`crate::pixel_scale`].
    Measurement,
    /// Which images of a class belong to a subset.
    Subset,
    /// Which images are held out to measure on.
    HoldOut,
}

impl Purpose {
    /// Written into the key. INVARIANT: never change a value, old runs could not be continued.
    fn tag(self) -> u32 {
        match self {
            Self::View => 1,
            Self::Order => 2,
            Self::Measurement => 3,
            Self::Subset => 4,
            Self::HoldOut => 5,
        }
    }
}

/// A stream of random draws.
#[derive(Clone, Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream named by its arguments. The key holds seed, epoch and index as 64-bit and view and
    /// purpose as 32-bit little-endian integers.
    pub fn new(seed: u64, epoch: u64, index: u64, view: u32, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&epoch.to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        key[24..28].copy_from_slice(&view.to_le_bytes());
        key[28..].copy_from_slice(&purpose.tag().to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The stream of one view of one image in one epoch.
    pub fn for_view(seed: u64, epoch: usize, index: usize, view: usize) -> Self {
        Self::new(seed, epoch as u64, index as u64, view as u32, Purpose::View)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        const SCALE: f64 = 1.0 / (1u64 << 53) as f64;
        (self.0.next_u64() >> 11) as f64 * SCALE
    }

    /// Uniform in [low, high); `low` if both are equal.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..bound, without bias; 0 if `bound` is 0.
    ///
    /// The high half of a 64x64-bit product, redrawn in the biased zone of its low half (Lemire,
    /// "Fast random integer generation in an interval", 2019).
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        if bound == 0 {
            return 0;
        }
        let biased = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= biased {
                return (product >> 64) as usize;
            }
        }
    }

    /// Puts the items in a uniformly random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, epoch: u64, index: u64, view: u32, purpose: Purpose) -> f64 {
        Draws::new(seed, epoch, index, view, purpose).unit()
    }

    #[test]
    fn each_part_of_the_name_changes_the_stream() {
        let base = first(1, 2, 3, 4, Purpose::View);
        assert_eq!(base, first(1, 2, 3, 4, Purpose::View));
        for other in [
            first(0, 2, 3, 4, Purpose::View),
            first(1, 3, 3, 4, Purpose::View),
            first(1, 2, 2, 4, Purpose::View),
            first(1, 2, 3, 5, Purpose::View),
            first(1, 2, 3, 4, Purpose::Order),
            first(1 << 40, 2, 3, 4, Purpose::View),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn bounded_draws_are_uniform() {
        let mut draws = Draws::for_view(0, 0, 0, 0);
        let mut counts = [0f64; 7];
        let n = 70_000;
        for _ in 0..n {
            counts[draws.below(7)] += 1.0;
        }
        let expected = f64::from(n) / 7.0;
        let chi_squared: f64 = counts
            .iter()
            .map(|c| (c - expected).powi(2) / expected)
            .sum();
        // The 99.99 % quantile of six degrees of freedom; the stream is fixed, so this cannot flicker.
        assert!(chi_squared < 27.9, "chi squared {chi_squared}");
    }

    #[test]
    fn unit_draws_have_the_mean_and_variance_of_the_uniform_law() {
        let mut draws = Draws::for_view(9, 0, 0, 0);
        let n = 100_000;
        let values: Vec<f64> = (0..n).map(|_| draws.unit()).collect();
        assert!(values.iter().all(|v| (0.0..1.0).contains(v)));
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        // Five standard errors of each estimate.
        assert!(
            (mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / n as f64).sqrt(),
            "{mean}"
        );
        assert!(
            (variance - 1.0 / 12.0).abs() < 5.0 * (1.0 / 180.0 / n as f64).sqrt(),
            "{variance}"
        );
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_moves_things() {
        let mut items: Vec<usize> = (0..1000).collect();
        Draws::new(3, 0, 0, 0, Purpose::Order).shuffle(&mut items);
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_range_gives_zero() {
        assert_eq!(Draws::for_view(0, 0, 0, 0).below(0), 0);
    }
}

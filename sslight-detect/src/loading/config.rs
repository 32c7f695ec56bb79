//! Settings of a loader.

use super::LoadingError;

/// How images are prepared. The defaults are those of detectron2's standard recipe for COCO.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadingConfig {
    /// Images a batch.
    pub batch_size: usize,
    /// Seed of order and augmentation.
    pub seed: u64,
    /// Pixels that the shorter side may get in training; each is as likely.
    pub short_sides: Vec<usize>,
    /// Pixels that the shorter side gets when a detector is measured.
    pub test_side: usize,
    /// Pixels that the longer side has at most.
    pub longest_side: usize,
    /// Probability of a mirror image in training.
    pub flip: f64,
    /// Channel means on the scale of 0 to 255.
    pub mean: [f32; 3],
    /// Channel standard deviations on that scale.
    pub std: [f32; 3],
    /// Sides of a batch are multiples of this: the coarsest stride of the network.
    pub multiple: usize,
    /// Whether targets have masks.
    pub masks: bool,
    /// Worker threads; zero counts as one. Does not change any batch.
    pub workers: usize,
    /// Batches that are prepared ahead; zero counts as one. Does not change any batch.
    pub prefetch: usize,
}

impl Default for LoadingConfig {
    fn default() -> Self {
        Self {
            batch_size: 16,
            seed: 0,
            short_sides: (640..=800).step_by(32).collect(),
            test_side: 800,
            longest_side: 1333,
            flip: 0.5,
            mean: [123.675, 116.28, 103.53],
            std: [58.395, 57.12, 57.375],
            multiple: 32,
            masks: true,
            workers: 1,
            prefetch: 2,
        }
    }
}

/// Largest side of an image in a batch, where one takes 3 GiB.
pub const LARGEST_SIDE: usize = 1 << 14;

impl LoadingConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// If a setting is outside its range.
    pub(super) fn validate(&self) -> Result<(), LoadingError> {
        let refuse = |setting, expected, got: String| {
            Err(LoadingError::Setting {
                setting,
                expected,
                got,
            })
        };
        let counts = [
            ("batch_size", self.batch_size),
            ("test_side", self.test_side),
            ("longest_side", self.longest_side),
            ("multiple", self.multiple),
        ];
        for (setting, value) in counts {
            if value == 0 {
                return refuse(setting, "at least 1", "0".into());
            }
        }
        if self.longest_side > LARGEST_SIDE {
            let got = self.longest_side.to_string();
            return refuse("longest_side", "at most 16384", got);
        }
        if self.short_sides.is_empty() || self.short_sides.contains(&0) {
            let got = format!("{:?}", self.short_sides);
            return refuse("short_sides", "one or more sides of at least 1", got);
        }
        if !(0.0..=1.0).contains(&self.flip) {
            return refuse("flip", "a probability in 0..=1", self.flip.to_string());
        }
        if !self.mean.iter().all(|mean| mean.is_finite()) {
            return refuse("mean", "three finite numbers", format!("{:?}", self.mean));
        }
        if !self.std.iter().all(|std| std.is_finite() && *std > 0.0) {
            return refuse("std", "three positive numbers", format!("{:?}", self.std));
        }
        Ok(())
    }
}

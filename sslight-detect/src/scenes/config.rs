//! What scenes are to be like.

use std::ops::RangeInclusive;

use sslight_data::Split;
use sslight_data::rng::Draws;

use super::SceneError;

/// Below this a garment cannot be told from another.
const SMALLEST: usize = 8;
/// Names of images have six digits.
const MOST_IMAGES: usize = 999_999;
/// Sides beyond this are mistakes.
const LONGEST_SIDE: usize = 4096;
/// Objects and distractors beyond this are mistakes.
const MOST_THINGS: usize = 200;
/// Largest share of an object that may be hidden: of less nothing can be known.
const MOST_HIDDEN: f64 = 0.9;

/// What scenes are to be like. The same settings give the same scenes.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneConfig {
    /// How many there are, 1 to 999 999.
    pub images: usize,
    /// What all draws follow from.
    pub seed: u64,
    /// Which garments are shown. The two parts share none.
    pub split: Split,
    /// Width and height of a scene in pixels, 32 to 4096.
    pub side: usize,
    /// How many objects are on a scene, uniform. Where no room is left there are fewer, but never none unless 0 was drawn.
    pub objects: RangeInclusive<usize>,
    /// Longer side of an object's box in pixels before anything hides a part of it, uniform; 8 to `side`.
    pub sizes: RangeInclusive<usize>,
    /// Largest share of an object's pixels that others and the border of the image may hide, 0 to 0.9.
    pub occlusion: f64,
    /// Objects are turned by up to this many degrees to either side, 0 to 180.
    pub rotation: f64,
    /// How many shapes of no class lie behind the objects, uniform.
    pub distractors: RangeInclusive<usize>,
}

impl Default for SceneConfig {
    fn default() -> Self {
        Self {
            images: 1000,
            seed: 0,
            split: Split::Train,
            side: 128,
            objects: 1..=5,
            sizes: 24..=72,
            occlusion: 0.4,
            rotation: 20.0,
            distractors: 2..=6,
        }
    }
}

impl SceneConfig {
    /// Whether scenes can be made of these settings.
    ///
    /// # Errors
    /// The first setting outside its range.
    pub(super) fn check(&self) -> Result<(), SceneError> {
        count("images", self.images, 1, MOST_IMAGES)?;
        count("side", self.side, 32, LONGEST_SIDE)?;
        counts("objects", &self.objects, 0, MOST_THINGS)?;
        counts("sizes", &self.sizes, SMALLEST, self.side)?;
        share("occlusion", self.occlusion, MOST_HIDDEN)?;
        share("rotation", self.rotation, 180.0)?;
        counts("distractors", &self.distractors, 0, MOST_THINGS)
    }

    /// All settings on one line.
    pub(super) fn told(&self) -> String {
        format!(
            "{} scenes of {} px, {} garments, seed {}, {} to {} objects of {} to {} px, at most {} hidden, turned by up to {} degrees, {} to {} distractors",
            self.images,
            self.side,
            self.split,
            self.seed,
            self.objects.start(),
            self.objects.end(),
            self.sizes.start(),
            self.sizes.end(),
            self.occlusion,
            self.rotation,
            self.distractors.start(),
            self.distractors.end(),
        )
    }
}

/// A number of a range, all of them as likely.
pub(super) fn one_of(range: &RangeInclusive<usize>, draws: &mut Draws) -> usize {
    range.start() + draws.below(range.end() - range.start() + 1)
}

fn count(setting: &'static str, got: usize, least: usize, most: usize) -> Result<(), SceneError> {
    counts(setting, &(got..=got), least, most)
}

fn counts(
    setting: &'static str,
    range: &RangeInclusive<usize>,
    least: usize,
    most: usize,
) -> Result<(), SceneError> {
    let (start, end) = (*range.start(), *range.end());
    if least <= start && start <= end && end <= most {
        return Ok(());
    }
    let got = match start == end {
        true => start.to_string(),
        false => format!("{start} to {end}"),
    };
    Err(SceneError::Setting {
        setting,
        expected: format!("{least} to {most}, the lower number first"),
        got,
    })
}

fn share(setting: &'static str, got: f64, most: f64) -> Result<(), SceneError> {
    // False for what is no number.
    if (0.0..=most).contains(&got) {
        return Ok(());
    }
    Err(SceneError::Setting {
        setting,
        expected: format!("0 to {most}"),
        got: got.to_string(),
    })
}

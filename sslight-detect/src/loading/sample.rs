//! One image of a batch: its draws, its pixels and what is on it.

use sslight_data::Image;
use sslight_data::decode::{self, DecodeOptions, decode_with};
use sslight_data::ops::Interpolation;
use sslight_data::ops::flip::flip_horizontal;
use sslight_data::ops::resize::resize;
use sslight_data::rng::Draws;

use super::{Draw, LoadingConfig, LoadingError, Targets};
use crate::annotations::{DetectionImage, DetectionSet};
use crate::masks::Mask;

/// Everything about a sample that does not need its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedSample {
    /// Index of the image in its set.
    pub index: usize,
    /// Width it is resized to.
    pub width: usize,
    /// Height it is resized to.
    pub height: usize,
    /// Whether it is mirrored, after that.
    pub flip: bool,
}

impl PlannedSample {
    /// The draws of training for an image, a function of (seed, epoch, index).
    pub(super) fn training(image: &DetectionImage, draw: Draw, config: &LoadingConfig) -> Self {
        let mut draws = Draws::for_view(config.seed, draw.epoch, draw.index, 0);
        let side = config.short_sides[draws.below(config.short_sides.len())];
        let flip = draws.unit() < config.flip;
        Self {
            flip,
            ..Self::plain(image, draw.index, side, config)
        }
    }

    /// An image as it is measured on.
    pub(super) fn test(image: &DetectionImage, index: usize, config: &LoadingConfig) -> Self {
        Self::plain(image, index, config.test_side, config)
    }

    fn plain(image: &DetectionImage, index: usize, side: usize, config: &LoadingConfig) -> Self {
        let (width, height) = resized(image.width, image.height, side, config.longest_side);
        Self {
            index,
            width,
            height,
            flip: false,
        }
    }

    /// How much longer the sides are than those of the original image, across and down.
    fn scale(&self, image: &DetectionImage) -> (f32, f32) {
        (
            (self.width as f64 / image.width as f64) as f32,
            (self.height as f64 / image.height as f64) as f32,
        )
    }

    /// Reads the image, resizes and mirrors it.
    ///
    /// # Errors
    /// If it cannot be read or decoded, or is of another size than its annotations say.
    pub(super) fn pixels(&self, image: &DetectionImage) -> Result<Image, LoadingError> {
        let bytes = decode::read_bytes(&image.path)?;
        let name = image.path.display().to_string();
        // Annotations are made of images as they are shown.
        let options = DecodeOptions {
            exif_orientation: true,
            ..DecodeOptions::default()
        };
        let decoded = decode_with(&bytes, &name, options)?;
        let found = (decoded.width, decoded.height);
        if found != (image.width, image.height) {
            return Err(LoadingError::Size {
                path: image.path.clone(),
                stated: (image.width, image.height),
                found,
            });
        }
        let mut resized = resize(&decoded, self.width, self.height, Interpolation::Bilinear);
        if self.flip {
            flip_horizontal(&mut resized);
        }
        Ok(resized)
    }

    /// The objects that are no crowds, as they are on the resized and mirrored image.
    ///
    /// # Errors
    /// If a mask is broken.
    pub(super) fn targets(
        &self,
        set: &DetectionSet,
        image: &DetectionImage,
        with_masks: bool,
    ) -> Result<Targets, LoadingError> {
        let (x, y) = self.scale(image);
        let (width, height) = (self.width as f32, self.height as f32);
        let mut targets = Targets::default();
        for object in image.objects.iter().filter(|object| !object.crowd) {
            let mut bounds = object.bounds.scaled(x, y);
            let segmentation = set.segmentation(object).filter(|_| with_masks);
            let mask = segmentation.map(Mask::new).transpose();
            let mask = mask.map_err(|error| LoadingError::Mask {
                path: image.path.clone(),
                annotation: object.id,
                reason: error.to_string(),
            })?;
            let mut mask = mask.flatten().map(|mask| mask.scaled(x, y));
            if self.flip {
                bounds = bounds.mirrored(width);
                mask = mask.map(|mask| mask.mirrored(width));
            }
            // Rounding can put a corner just outside, or the sides of a sliver on each other.
            let bounds = bounds.clipped(width, height);
            if bounds.is_proper() {
                targets.boxes.push(bounds);
                targets.classes.push(object.class);
                targets.masks.push(mask);
            }
        }
        Ok(targets)
    }
}

/// Width and height of an image whose shorter side gets `side` pixels, or fewer if the longer one would have more than `longest`:
/// detectron2's rule, with its rounding.
pub fn resized(width: usize, height: usize, side: usize, longest: usize) -> (usize, usize) {
    let (w, h) = (width as f64, height as f64);
    let scale = side as f64 / w.min(h);
    let (mut new_w, mut new_h) = if height < width {
        (scale * w, side as f64)
    } else {
        (side as f64, scale * h)
    };
    let longer = new_w.max(new_h);
    if longer > longest as f64 {
        let scale = longest as f64 / longer;
        (new_w, new_h) = (new_w * scale, new_h * scale);
    }
    let rounded = |side: f64| ((side + 0.5) as usize).max(1);
    (rounded(new_w), rounded(new_h))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_detectron2s() {
        assert_eq!(resized(640, 480, 800, 1333), (1067, 800));
        assert_eq!(resized(480, 640, 800, 1333), (800, 1067));
        assert_eq!(resized(640, 427, 800, 1333), (1199, 800));
        assert_eq!(resized(1000, 300, 800, 1333), (1333, 400));
        assert_eq!(resized(500, 500, 640, 1333), (640, 640));
        assert_eq!(resized(10_000, 1, 800, 1333), (1333, 1));
    }
}

//! Images of a batch, and what is on them.

use crate::geometry::BoundingBox;
use crate::masks::Mask;

/// What is to be found on one image of a batch; one entry an object in each list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// Boxes in pixels of the image as it is in the batch.
    pub boxes: Vec<BoundingBox>,
    /// Classes, indices into the classes of the set.
    pub classes: Vec<usize>,
    /// Masks in the same pixels; `None` of objects without a usable one, which the mask head does not learn from.
    pub masks: Vec<Option<Mask>>,
}

/// Prepared images with their targets.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionBatch {
    /// The step of training, or of going through a set.
    pub step: usize,
    /// Normalised samples, `[images, 3, height, width]`, each image in the left upper corner and zeros right of and below it.
    pub images: Vec<f32>,
    /// Height of the batch.
    pub height: usize,
    /// Width of the batch.
    pub width: usize,
    /// Height and width of each image without the padding.
    pub sizes: Vec<(usize, usize)>,
    /// What is on each image: objects that are no crowds.
    pub targets: Vec<Targets>,
    /// Index of each image in its set.
    pub indices: Vec<usize>,
    /// What coordinates on each image are multiplied with to be those on the original one, across and down. Mirror images, which
    /// only training has, are not turned back.
    pub to_original: Vec<(f32, f32)>,
}

impl DetectionBatch {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether it has no image.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

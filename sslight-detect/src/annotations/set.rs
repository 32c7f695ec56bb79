//! The set of annotated images.

use std::path::PathBuf;
use std::sync::Arc;

use hotcoco::{COCO, Segmentation};

use super::repairs::Repairs;
use crate::geometry::BoundingBox;

/// What is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// The id of its category in the annotation file, which result files name it by; `None` of a class that the file does not have
    /// ([`DetectionSet::with_classes_of`]).
    pub id: Option<u64>,
    /// Its name.
    pub name: String,
}

/// One object on an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Id of its annotation.
    pub id: u64,
    /// Its box in pixels of the image, clipped to it, of positive area.
    pub bounds: BoundingBox,
    /// Index into [`DetectionSet::classes`].
    pub class: usize,
    /// Whether it stands for a group (VOC: is difficult): never learnt from, and neither right nor wrong to find.
    pub crowd: bool,
    /// Area in square pixels as annotated, by which objects count as small or large: that of the mask, or of the box without one.
    pub area: f64,
    /// Whether [`DetectionSet::segmentation`] has a mask for it.
    pub has_mask: bool,
    /// Where its annotation is.
    pub(super) annotation: usize,
}

/// One image and what is on it.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionImage {
    /// Its id in the annotation file.
    pub id: u64,
    /// Its file.
    pub path: PathBuf,
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// The objects on it, in the order of the file.
    pub objects: Vec<Object>,
}

/// Annotated images, ordered by id. Opened by `open`, `open_coco` and `open_voc`; clones share what is large.
#[derive(Clone)]
pub struct DetectionSet {
    /// The images.
    pub images: Vec<DetectionImage>,
    /// The classes, ordered by id, or as those of another set ([`Self::with_classes_of`]); a class is known by its index here.
    pub classes: Vec<Class>,
    /// What was mended when the annotations were read.
    pub repairs: Repairs,
    /// Everything as the file has it: masks are read from here, and detectors are measured against it.
    pub(super) truth: Arc<COCO>,
}

impl DetectionSet {
    /// The mask of an object of this set: polygons in pixels of the image, or a run-length code of its size. `None` if it has none,
    /// or none that can be used.
    pub fn segmentation(&self, object: &Object) -> Option<&Segmentation> {
        let annotation = self.truth.dataset.annotations.get(object.annotation)?;
        annotation
            .segmentation
            .as_ref()
            .filter(|_| object.has_mask && annotation.id == object.id)
    }

    /// The images that something can be learnt from, and how many were dropped because no object is on them, or crowds alone.
    pub fn for_training(&self) -> (Self, usize) {
        let mut kept = self.clone();
        kept.images
            .retain(|image| image.objects.iter().any(|object| !object.crowd));
        let dropped = self.images.len() - kept.images.len();
        (kept, dropped)
    }

    /// Number of objects on all images, crowds included.
    pub fn objects(&self) -> usize {
        self.images.iter().map(|image| image.objects.len()).sum()
    }
}

impl std::fmt::Debug for DetectionSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DetectionSet")
            .field("images", &self.images.len())
            .field("objects", &self.objects())
            .field("classes", &self.classes.len())
            .field("repairs", &self.repairs)
            .finish()
    }
}

//! What a detector found, and COCO's file of it.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use hotcoco::Rle;
use hotcoco::mask::rle_to_string;
use serde::Serialize;

use super::{AnnotationError, Class, DetectionImage, DetectionSet};
use crate::geometry::BoundingBox;

/// One object that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Index of its image in [`DetectionSet::images`].
    pub image: usize,
    /// Index of its class in [`DetectionSet::classes`].
    pub class: usize,
    /// How sure it is; greater is surer.
    pub score: f32,
    /// Where it is, in pixels of the original image.
    pub bounds: BoundingBox,
    /// Its pixels, of the size of the original image; `None` of a detector without masks.
    pub mask: Option<Rle>,
}

impl Detection {
    /// The image and class that it is of.
    ///
    /// # Errors
    /// If the set has no such image or class, the mask is of another size than the image, or a number is not finite.
    pub(super) fn of<'a>(
        &self,
        set: &'a DetectionSet,
        index: usize,
    ) -> Result<(&'a DetectionImage, &'a Class), AnnotationError> {
        let missing = |what: &str, asked: usize, len: usize| AnnotationError::Detection {
            index,
            reason: format!("of {what} {asked}, but there are {len}"),
        };
        let image = set
            .images
            .get(self.image)
            .ok_or_else(|| missing("image", self.image, set.images.len()))?;
        let class = set
            .classes
            .get(self.class)
            .ok_or_else(|| missing("class", self.class, set.classes.len()))?;
        if let Some(mask) = &self.mask
            && (mask.w as usize, mask.h as usize) != (image.width, image.height)
        {
            return Err(AnnotationError::Detection {
                index,
                reason: format!(
                    "its mask has {}x{} pixels, but image {} has {}x{}",
                    mask.w, mask.h, image.id, image.width, image.height
                ),
            });
        }
        self.check_numbers(index)?;
        Ok((image, class))
    }

    /// A number that is not finite has no place among others, and JSON has no word for it.
    fn check_numbers(&self, index: usize) -> Result<(), AnnotationError> {
        let BoundingBox { x0, y0, x1, y1 } = self.bounds;
        // The sides are written, and can be infinite where the corners are not.
        let sides = [self.bounds.width(), self.bounds.height()];
        let numbers = [("score", self.score), ("box", x0), ("box", y0)]
            .into_iter()
            .chain([x1, y1].into_iter().chain(sides).map(|n| ("box", n)));
        for (what, value) in numbers {
            if !value.is_finite() {
                return Err(AnnotationError::NotFinite { index, what, value });
            }
        }
        Ok(())
    }
}

/// A line of the file.
#[derive(Serialize)]
struct Line {
    image_id: u64,
    category_id: u64,
    bbox: [f32; 4],
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    segmentation: Option<Code>,
}

/// A compressed run-length code.
#[derive(Serialize)]
struct Code {
    size: [u32; 2],
    counts: String,
}

/// Writes detections as COCO's result file: a JSON list with the ids of images and categories that the annotations have. Detections of
/// a class without an id are left out. The file is whole or not there.
///
/// # Errors
/// If a detection is of no image or class of the set, its mask is of another size than its image, its score or box is not finite, or
/// the file cannot be written.
pub fn write_results(
    set: &DetectionSet,
    detections: &[Detection],
    path: &Path,
) -> Result<(), AnnotationError> {
    let mut lines = Vec::with_capacity(detections.len());
    for (index, detection) in detections.iter().enumerate() {
        let (image, class) = detection.of(set, index)?;
        let Some(category_id) = class.id else {
            continue;
        };
        lines.push(Line {
            image_id: image.id,
            category_id,
            bbox: detection.bounds.to_xywh(),
            score: detection.score,
            segmentation: detection.mask.as_ref().map(|mask| Code {
                size: [mask.h, mask.w],
                counts: rle_to_string(mask),
            }),
        });
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let write = || {
        let mut file = BufWriter::new(File::create(partial)?);
        serde_json::to_writer(&mut file, &lines)?;
        file.flush()?;
        fs::rename(partial, path)
    };
    write().map_err(|source| {
        // The error that counts is the one above.
        let _ = fs::remove_file(partial);
        AnnotationError::Write {
            path: path.to_owned(),
            source,
        }
    })
}

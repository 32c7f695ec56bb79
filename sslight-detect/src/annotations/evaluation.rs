//! COCO's average precision.

use std::collections::HashSet;
use std::sync::Arc;

use hotcoco::mask::rle_to_string;
use hotcoco::params::IouType;
use hotcoco::{AccumulatedEval, Annotation, COCOeval, Segmentation};

use super::{AnnotationError, Class, Detection, DetectionImage, DetectionSet, is_polygon};

/// What has to overlap for a detection to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Boxes.
    Boxes,
    /// Masks. Detections without one do not count.
    Masks,
}

/// COCO's twelve numbers and those of each class, all in 0..=1. `None` where there is no object to find.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AveragePrecision {
    /// Average precision over overlaps of .50, .55, ... .95: the number that papers call AP.
    pub ap: Option<f64>,
    /// At an overlap of .50.
    pub ap50: Option<f64>,
    /// At an overlap of .75.
    pub ap75: Option<f64>,
    /// Of objects below 32x32 pixels.
    pub small: Option<f64>,
    /// Of objects from there to 96x96 pixels.
    pub medium: Option<f64>,
    /// Of larger objects.
    pub large: Option<f64>,
    /// Average recall with 1, 10 and 100 detections an image.
    pub recall: [Option<f64>; 3],
    /// Average recall of small, medium and large objects.
    pub recall_by_size: [Option<f64>; 3],
    /// Average precision of each class, in the order of [`DetectionSet::classes`].
    pub per_class: Vec<Option<f64>>,
}

/// Compares detections with what is annotated, as COCO's own program does: each image's best 100 of a class, crowds neither right nor
/// wrong, sizes by annotated areas. Without any detection everything is 0.
///
/// Objects are taken as the annotation file has them, those that training leaves out included; images are those of the set.
///
/// There is nothing to measure, and everything is `None`, by [`Measure::Masks`] on a set without masks; where some objects have one,
/// those without cannot be found. Detections of a class without an id, of which the file has no objects, are left out: they are
/// neither right nor wrong, as no average of COCO's is over such classes.
///
/// # Errors
/// If a detection is of no image or class of the set, its mask is of another size than its image, or its score or box is not finite.
pub fn evaluate(
    set: &DetectionSet,
    detections: &[Detection],
    measure: Measure,
) -> Result<AveragePrecision, AnnotationError> {
    let failed = |error: hotcoco::Error| AnnotationError::Measure {
        reason: error.to_string(),
    };
    let mut found = Vec::with_capacity(detections.len());
    for (index, detection) in detections.iter().enumerate() {
        let (image, class) = detection.of(set, index)?;
        found.extend(annotation(detection, image, class, measure));
    }
    if measure == Measure::Masks && !has_masks(set) {
        return Ok(AveragePrecision {
            per_class: vec![None; set.classes.len()],
            ..AveragePrecision::default()
        });
    }
    let found = set.truth.load_res_anns(found).map_err(failed)?;
    let iou = match measure {
        Measure::Boxes => IouType::Bbox,
        Measure::Masks => IouType::Segm,
    };
    let mut run = COCOeval::new(Arc::clone(&set.truth), found, iou);
    run.params.img_ids = set.images.iter().map(|image| image.id).collect();
    run.evaluate().map_err(failed)?;
    run.accumulate();
    // Computes the numbers; the lines are for a terminal.
    let _ = run.summarize_lines();
    let per_class = run.accumulated().map(|all| per_class(set, &run, all));
    let stats = run.stats().unwrap_or_default();
    let stat = |index: usize| stats.get(index).copied().filter(|value| *value >= 0.0);
    Ok(AveragePrecision {
        ap: stat(0),
        ap50: stat(1),
        ap75: stat(2),
        small: stat(3),
        medium: stat(4),
        large: stat(5),
        recall: [stat(6), stat(7), stat(8)],
        recall_by_size: [stat(9), stat(10), stat(11)],
        per_class: per_class.unwrap_or_default(),
    })
}

/// Whether a mask is there to be found on an image of the set, of an object with or without a box.
fn has_masks(set: &DetectionSet) -> bool {
    let images: HashSet<u64> = set.images.iter().map(|image| image.id).collect();
    let has_pixels = |mask: &Segmentation| match mask.polygons() {
        Some(polygons) => polygons.iter().any(|polygon| is_polygon(polygon)),
        None => true,
    };
    set.truth.dataset.annotations.iter().any(|annotation| {
        !annotation.iscrowd
            && images.contains(&annotation.image_id)
            && annotation.segmentation.as_ref().is_some_and(has_pixels)
    })
}

/// A detection as `hotcoco` takes it; `None` if it has nothing to measure.
fn annotation(
    detection: &Detection,
    image: &DetectionImage,
    class: &Class,
    measure: Measure,
) -> Option<Annotation> {
    let mut annotation = Annotation {
        image_id: image.id,
        category_id: class.id?,
        score: Some(f64::from(detection.score)),
        ..Annotation::default()
    };
    match measure {
        Measure::Boxes => annotation.bbox = Some(detection.bounds.to_xywh().map(f64::from)),
        // Without the box, whose area would decide otherwise whether the detection is small.
        Measure::Masks => {
            let mask = detection.mask.as_ref()?;
            annotation.segmentation = Some(Segmentation::CompressedRle {
                size: [mask.h, mask.w],
                counts: rle_to_string(mask),
            });
        }
    }
    Some(annotation)
}

/// The mean precision of each class over all overlaps and recalls, of objects of all sizes.
fn per_class(set: &DetectionSet, run: &COCOeval, all: &AccumulatedEval) -> Vec<Option<f64>> {
    let (area, most) = (run.params.all_area_idx(), run.params.max_det_idx());
    let of_class = |class: &Class| {
        let k = all.cat_ids.iter().position(|&id| Some(id) == class.id)?;
        let shape = all.shape;
        let cells = (0..shape.t).flat_map(|t| (0..shape.r).map(move |r| (t, r)));
        let values: Vec<f64> = cells
            .map(|(t, r)| all.precision[all.precision_idx(t, r, k, area, most)])
            .filter(|value| *value > -1.0)
            .collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    set.classes.iter().map(of_class).collect()
}

//! What a detector finds on annotated images, and how good that is.

use burn::tensor::{Tensor, TensorData};
use serde_json::{Map, Value};
use sslight_core::observe::StopHandle;
use sslight_data::progress::Work;
use sslight_models::backend::Backend;

use super::detector::{Scores, image_size};
use super::error::DetectError;
use crate::annotations::{AveragePrecision, Detection, DetectionSet, Measure, evaluate};
use crate::loading::{DetectionLoader, LoadingConfig};
use crate::masks::{MASK_THRESHOLD, paste};
use crate::model::{DetectedObject, DetectionLimits, MASK_SIDE, MaskRcnn};

/// How a detector is used.
#[derive(Debug, Clone)]
pub struct Use {
    /// How images are prepared, `batch_size` of them at once.
    pub loading: LoadingConfig,
    /// What is kept of what is found.
    pub limits: DetectionLimits,
}

/// Everything that is found on the images of a set.
///
/// # Errors
/// If an image cannot be read, or someone asked for the end.
pub fn find<B: Backend>(
    network: &MaskRcnn<B>,
    set: &DetectionSet,
    how: &Use,
    device: &B::Device,
    stop: &StopHandle,
) -> Result<Vec<Detection>, DetectError> {
    let loader = DetectionLoader::new(set.clone(), how.loading.clone())?;
    let mut found = Vec::new();
    let work = Work::begin("finding objects", "images", Some(set.images.len()));
    for batch in loader.testing() {
        let batch = batch?;
        if stop.is_requested() {
            return Err(DetectError::Interrupted);
        }
        work.add(batch.len());
        let shape = [batch.len(), 3, batch.height, batch.width];
        let images = Tensor::from_data(TensorData::new(batch.images, shape), device);
        let sizes: Vec<_> = batch.sizes.iter().map(|size| image_size(*size)).collect();
        let objects = network.detect(images, &sizes, how.limits);
        let rows = objects
            .into_iter()
            .zip(&batch.indices)
            .zip(&batch.to_original);
        for ((objects, index), scale) in rows {
            let image = &set.images[*index];
            for object in objects {
                let of = InOriginal::new(object, *scale, (image.width, image.height))?;
                found.push(Detection {
                    image: *index,
                    class: of.class,
                    score: of.score,
                    bounds: of.bounds,
                    mask: of.mask,
                });
            }
        }
    }
    Ok(found)
}

/// A found object in pixels of the original image.
pub(super) struct InOriginal {
    pub class: usize,
    pub score: f32,
    pub bounds: crate::geometry::BoundingBox,
    pub mask: Option<hotcoco::Rle>,
}

impl InOriginal {
    pub(super) fn new(
        object: DetectedObject,
        (x, y): (f32, f32),
        size: (usize, usize),
    ) -> Result<Self, DetectError> {
        let bounds = object.region.scaled(x, y);
        let paste = |mask: &Vec<f32>| paste(mask, MASK_SIDE, bounds, size, MASK_THRESHOLD);
        let mask = object.mask.as_ref().map(paste).transpose();
        let mask = mask.map_err(|error| crate::annotations::AnnotationError::Measure {
            reason: error.to_string(),
        })?;
        Ok(Self {
            class: object.class,
            score: object.score,
            bounds,
            mask,
        })
    }
}

/// Compares what was found with what is annotated.
///
/// # Errors
/// As [`evaluate`].
pub fn scores(set: &DetectionSet, found: &[Detection], masks: bool) -> Result<Scores, DetectError> {
    Ok(Scores {
        boxes: Some(evaluate(set, found, Measure::Boxes)?),
        masks: masks
            .then(|| evaluate(set, found, Measure::Masks))
            .transpose()?,
    })
}

impl Scores {
    /// The numbers in percent by name, as in `box_ap`; what there is nothing to measure by is absent.
    pub fn named(&self) -> Map<String, Value> {
        let of = |kind: &'static str, scores: &Option<AveragePrecision>| {
            let numbers = scores.as_ref().map_or(Vec::new(), |scores| {
                vec![
                    ("ap", scores.ap),
                    ("ap50", scores.ap50),
                    ("ap75", scores.ap75),
                    ("ap_small", scores.small),
                    ("ap_medium", scores.medium),
                    ("ap_large", scores.large),
                    ("ar1", scores.recall[0]),
                    ("ar10", scores.recall[1]),
                    ("ar100", scores.recall[2]),
                ]
            });
            let there = numbers
                .into_iter()
                .filter_map(|(name, share)| Some((name, share?)));
            there.map(move |(name, share)| (format!("{kind}_{name}"), percent(share).into()))
        };
        of("box", &self.boxes)
            .chain(of("mask", &self.masks))
            .collect()
    }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> f64 {
    100.0 * share
}

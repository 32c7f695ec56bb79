//! What a trained detector finds.

use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, softmax};
use sslight_models::BatchMode;
use sslight_models::backend::Backend;
use sslight_models::params::host_values;

use super::ProposalLimits;
use super::detector::MaskRcnn;
use super::heads::{BOX_SIDE, MASK_INPUT_SIDE, MASK_SIDE};
use super::proposals::{ImageSize, propose};
use super::regions::RegionReader;
use crate::geometry::{BoundingBox, BoxCoder, suppress_by_class};

/// An object that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectedObject {
    /// Where, in pixels of the tensor.
    pub region: BoundingBox,
    /// Its class, from 0.
    pub class: usize,
    /// The probability of the class.
    pub score: f32,
    /// How probably each cell of a grid of 28 times 28 over `region` belongs to it; `None` without a mask head.
    pub mask: Option<Vec<f32>>,
}

/// What is kept of what is found; the defaults are the reference's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectionLimits {
    /// Lower scores are dropped.
    pub score_above: f32,
    /// Detections of a class that overlap a better one by more are dropped.
    pub overlap: f32,
    /// Detections of an image.
    pub most: usize,
    /// Proposals of an image that are looked at; `None` is as many as the network's layout says.
    pub proposals: Option<usize>,
}

impl Default for DetectionLimits {
    fn default() -> Self {
        Self {
            score_above: 0.05,
            overlap: 0.5,
            most: 100,
            proposals: None,
        }
    }
}

impl<B: Backend> MaskRcnn<B> {
    /// The objects of each image, the best first; an image may have none.
    ///
    /// # Shapes
    /// images `[b, 3, h, w]`, sides multiples of [`size_divisor`](super::Layout::size_divisor), a size each.
    ///
    /// # Panics
    /// If there is not one size an image.
    pub fn detect(
        &self,
        images: Tensor<B, 4>,
        sizes: &[ImageSize],
        limits: DetectionLimits,
    ) -> Vec<Vec<DetectedObject>> {
        assert_eq!(images.dims()[0], sizes.len(), "one size an image");
        let levels = self.levels(images, BatchMode::Running);
        let anchors = self.anchors(&levels);
        let scores = self.rpn.forward(&levels);
        let of_layout = self.layout.inference;
        let kept = ProposalLimits {
            after: limits.proposals.unwrap_or(of_layout.after),
            ..of_layout
        };
        let proposals = propose(&scores, &anchors, sizes, kept);
        let regions: Vec<(usize, BoundingBox)> = proposals
            .iter()
            .enumerate()
            .flat_map(|(image, of)| of.iter().map(move |proposal| (image, proposal.region)))
            .collect();
        if regions.is_empty() {
            return vec![Vec::new(); sizes.len()];
        }
        let reader = RegionReader {
            levels: &levels,
            stages: &self.layout.stages,
            assignment: self.layout.levels,
        };
        let scores = self.roi_heads.boxes(reader.read(&regions, BOX_SIDE));
        let outputs = scores.logits.dims()[1];
        let probabilities = host_values(softmax(scores.logits, 1));
        let codes = host_values(scores.codes);
        let mut rows = regions
            .iter()
            .zip(probabilities.chunks(outputs))
            .zip(codes.chunks(4 * outputs));
        let mut found: Vec<Vec<DetectedObject>> = proposals
            .iter()
            .zip(sizes)
            .map(|(proposals, size)| {
                let rows = rows.by_ref().take(proposals.len());
                let rows = rows.map(|(((_, region), scores), codes)| (*region, scores, codes));
                best(rows, *size, limits)
            })
            .collect();
        self.add_masks(&reader, &mut found);
        found
    }

    fn add_masks(&self, reader: &RegionReader<'_, B>, found: &mut [Vec<DetectedObject>]) {
        let regions: Vec<_> = found
            .iter()
            .enumerate()
            .flat_map(|(image, of)| of.iter().map(move |one| (image, one.region)))
            .collect();
        if regions.is_empty() || !self.roi_heads.has_masks() {
            return;
        }
        let maps = reader.read(&regions, MASK_INPUT_SIDE);
        // The background is class 0.
        let classes: Vec<usize> = found.iter().flatten().map(|one| 1 + one.class).collect();
        let Some(logits) = self.roi_heads.masks(maps, &classes) else {
            return;
        };
        let masks = host_values(sigmoid(logits));
        let masks = masks.chunks(MASK_SIDE * MASK_SIDE);
        for (one, mask) in found.iter_mut().flatten().zip(masks) {
            one.mask = Some(mask.to_vec());
        }
    }
}

/// What is kept of an image's regions, each with its probabilities and codes by class.
fn best<'a>(
    rows: impl Iterator<Item = (BoundingBox, &'a [f32], &'a [f32])>,
    size: ImageSize,
    limits: DetectionLimits,
) -> Vec<DetectedObject> {
    let (mut regions, mut scores, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for (region, probabilities, codes) in rows {
        // The background is class 0.
        let of_classes = probabilities.iter().zip(codes.as_chunks::<4>().0).skip(1);
        for (class, (score, code)) in of_classes.enumerate() {
            if *score > limits.score_above {
                let decoded = size.clip(BoxCoder::DETECTIONS.decode(region, *code));
                if decoded.is_proper() {
                    regions.push(decoded);
                    scores.push(*score);
                    classes.push(class);
                }
            }
        }
    }
    let kept = suppress_by_class(&regions, &scores, &classes, limits.overlap);
    let kept = kept.into_iter().take(limits.most);
    kept.map(|at| DetectedObject {
        region: regions[at],
        class: classes[at],
        score: scores[at],
        mask: None,
    })
    .collect()
}

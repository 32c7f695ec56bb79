//! The losses of a batch: which anchors and proposals stand for which objects, and what the network says of them.

use burn::tensor::{Int, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use sslight_models::BatchMode;
use sslight_models::backend::Backend;

use super::detector::MaskRcnn;
use super::heads::{BOX_SIDE, MASK_INPUT_SIDE, MASK_SIDE};
use super::proposals::{AnchorScores, ImageSize, propose};
use super::regions::RegionReader;
use crate::geometry::{BoundingBox, BoxCoder, Label, Matcher};
use crate::losses::{absolute_sum, binary_cross_entropy_sum, cross_entropy_mean};

/// The masks of an image's objects.
pub trait ObjectMasks {
    /// What of an object's mask lies in `region`, on a grid of `side` times `side`, row by row, 1 inside and 0 outside; `None`
    /// if it has no mask.
    fn target(&self, object: usize, region: BoundingBox, side: usize) -> Option<Vec<f32>>;
}

/// Objects without masks.
pub struct NoMasks;

impl ObjectMasks for NoMasks {
    fn target(&self, _object: usize, _region: BoundingBox, _side: usize) -> Option<Vec<f32>> {
        None
    }
}

/// An image to learn from, in pixels of the tensor.
pub struct TrainingImage<'a> {
    /// Its size before padding.
    pub size: ImageSize,
    /// Its objects.
    pub objects: &'a [BoundingBox],
    /// The class of each, from 0.
    pub classes: &'a [usize],
    /// The mask of each.
    pub masks: &'a dyn ObjectMasks,
}

/// The terms of the loss, `[1]` each.
#[derive(Debug, Clone)]
pub struct DetectionLosses<B: Backend> {
    /// Whether anchors hold objects.
    pub objectness: Tensor<B, 1>,
    /// Where anchors' objects are.
    pub proposal_boxes: Tensor<B, 1>,
    /// Classes of proposals.
    pub classes: Tensor<B, 1>,
    /// Boxes of proposals.
    pub boxes: Tensor<B, 1>,
    /// Masks of proposals; `None` without a mask head, or if no proposal of the batch stands for an object with a mask.
    pub masks: Option<Tensor<B, 1>>,
}

impl<B: Backend> DetectionLosses<B> {
    /// Their sum.
    pub fn total(&self) -> Tensor<B, 1> {
        let boxes = self.objectness.clone() + self.proposal_boxes.clone();
        let total = boxes + self.classes.clone() + self.boxes.clone();
        match &self.masks {
            Some(masks) => total + masks.clone(),
            None => total,
        }
    }
}

/// A proposal that was drawn.
struct Example {
    image: usize,
    region: BoundingBox,
    /// The object that it stands for, in its image.
    object: Option<usize>,
}

impl<B: Backend> MaskRcnn<B> {
    /// The losses of a batch; `random` draws the anchors and proposals that they are taken over.
    ///
    /// # Shapes
    /// images `[b, 3, h, w]`, sides multiples of [`size_divisor`](super::Layout::size_divisor), a lesson each.
    ///
    /// # Panics
    /// If there is not one lesson an image, or not one class of the detector's an object.
    pub fn losses(
        &self,
        images: Tensor<B, 4>,
        lessons: &[TrainingImage<'_>],
        mode: BatchMode,
        random: &mut ChaCha8Rng,
    ) -> DetectionLosses<B> {
        assert_eq!(images.dims()[0], lessons.len(), "one lesson an image");
        for lesson in lessons {
            assert!(
                lesson.classes.len() == lesson.objects.len()
                    && lesson.classes.iter().all(|class| *class < self.classes),
                "MaskRcnn::losses: {} objects have the classes {:?} of {}",
                lesson.objects.len(),
                lesson.classes,
                self.classes
            );
        }
        let levels = self.levels(images, mode);
        let anchors = self.anchors(&levels);
        let scores = self.rpn.forward(&levels);
        let sizes: Vec<ImageSize> = lessons.iter().map(|lesson| lesson.size).collect();
        let proposals = propose(&scores, &anchors, &sizes, self.layout.training);
        let anchors: Vec<BoundingBox> = anchors.into_iter().flatten().collect();
        let [objectness, proposal_boxes] = self.anchor_losses(scores, &anchors, lessons, random);

        let mut examples = Vec::new();
        for (image, (lesson, proposals)) in lessons.iter().zip(proposals).enumerate() {
            let proposals = proposals.into_iter().map(|proposal| proposal.region);
            // The objects themselves are proposals too, so that there is something to learn from at the start.
            let regions: Vec<_> = proposals.chain(lesson.objects.iter().copied()).collect();
            examples.extend(self.examples(image, &regions, lesson, random));
        }
        let reader = RegionReader {
            levels: &levels,
            stages: &self.layout.stages,
            assignment: self.layout.levels,
        };
        let [classes, boxes] = self.box_losses(&reader, &examples, lessons);
        DetectionLosses {
            objectness,
            proposal_boxes,
            classes,
            boxes,
            masks: self.mask_loss(&reader, &examples, lessons),
        }
    }

    fn anchor_losses(
        &self,
        scores: AnchorScores<B>,
        anchors: &[BoundingBox],
        lessons: &[TrainingImage<'_>],
        random: &mut ChaCha8Rng,
    ) -> [Tensor<B, 1>; 2] {
        let sampler = self.layout.anchor_sampler;
        let (mut places, mut targets) = (Vec::new(), Vec::new());
        let (mut object_places, mut codes) = (Vec::new(), Vec::new());
        for (image, lesson) in lessons.iter().enumerate() {
            let labels = Matcher::ANCHORS.labels(anchors, lesson.objects);
            let sampled = sampler.draw(&labels, random);
            let first = image * anchors.len();
            for at in sampled.objects {
                if let Label::Object(object) = labels[at] {
                    places.push((first + at) as i32);
                    targets.push(1.0);
                    object_places.push((first + at) as i32);
                    let object = lesson.objects[object];
                    codes.extend(BoxCoder::PROPOSALS.encode(anchors[at], object));
                }
            }
            for at in sampled.background {
                places.push((first + at) as i32);
                targets.push(0.0);
            }
        }
        let count = (sampler.boxes * lessons.len().max(1)) as f64;
        let logits: Tensor<B, 1> = scores.logits.flatten(0, 1);
        let objectness = over(logits, &places, |logits| {
            let targets = Tensor::from_data(targets.as_slice(), &logits.device());
            binary_cross_entropy_sum(logits, targets)
        });
        let boxes = code_loss(scores.codes, &object_places, codes);
        [objectness / count, boxes / count]
    }

    /// Some of the regions of an image, with what they stand for.
    fn examples(
        &self,
        image: usize,
        regions: &[BoundingBox],
        lesson: &TrainingImage<'_>,
        random: &mut ChaCha8Rng,
    ) -> Vec<Example> {
        let labels = Matcher::PROPOSALS.labels(regions, lesson.objects);
        let sampled = self.layout.proposal_sampler.draw(&labels, random);
        let drawn = sampled.objects.into_iter().chain(sampled.background);
        let example = |at: usize| Example {
            image,
            region: regions[at],
            object: match labels[at] {
                Label::Object(object) => Some(object),
                Label::Background | Label::Ignored => None,
            },
        };
        drawn.map(example).collect()
    }

    fn box_losses(
        &self,
        reader: &RegionReader<'_, B>,
        examples: &[Example],
        lessons: &[TrainingImage<'_>],
    ) -> [Tensor<B, 1>; 2] {
        let device = reader.levels[0].device();
        if examples.is_empty() {
            return [Tensor::zeros([1], &device), Tensor::zeros([1], &device)];
        }
        let regions: Vec<_> = examples.iter().map(|of| (of.image, of.region)).collect();
        let scores = self.roi_heads.boxes(reader.read(&regions, BOX_SIDE));
        let outputs = scores.logits.dims()[1];
        let (mut labels, mut places, mut codes) = (Vec::new(), Vec::new(), Vec::new());
        for (row, example) in examples.iter().enumerate() {
            let lesson = &lessons[example.image];
            // The background is class 0.
            let label = example
                .object
                .map_or(0, |object| 1 + lesson.classes[object]);
            labels.push(label as i32);
            if let Some(object) = example.object {
                places.push((row * outputs + label) as i32);
                let object = lesson.objects[object];
                codes.extend(BoxCoder::DETECTIONS.encode(example.region, object));
            }
        }
        let labels = Tensor::<B, 1, Int>::from_data(labels.as_slice(), &device);
        let boxes = code_loss(scores.codes, &places, codes);
        [
            cross_entropy_mean(scores.logits, labels),
            boxes / examples.len() as f64,
        ]
    }

    fn mask_loss(
        &self,
        reader: &RegionReader<'_, B>,
        examples: &[Example],
        lessons: &[TrainingImage<'_>],
    ) -> Option<Tensor<B, 1>> {
        if !self.roi_heads.has_masks() {
            return None;
        }
        let (mut regions, mut targets, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        for example in examples {
            let lesson = &lessons[example.image];
            if let Some(object) = example.object
                && let Some(mask) = lesson.masks.target(object, example.region, MASK_SIDE)
            {
                regions.push((example.image, example.region));
                targets.extend(mask);
                classes.push(1 + lesson.classes[object]);
            }
        }
        if regions.is_empty() {
            return None;
        }
        let maps = reader.read(&regions, MASK_INPUT_SIDE);
        let logits = self.roi_heads.masks(maps, &classes)?;
        let count = targets.len();
        let targets = Tensor::from_data(targets.as_slice(), &logits.device());
        Some(binary_cross_entropy_sum(logits.reshape([count]), targets) / count as f64)
    }
}

/// The loss of the rows at these places; of none it is a zero that depends on `rows`, so that there is a gradient (of zeros)
/// even then.
fn over<B: Backend, const D: usize>(
    rows: Tensor<B, D>,
    places: &[i32],
    loss: impl FnOnce(Tensor<B, D>) -> Tensor<B, 1>,
) -> Tensor<B, 1> {
    if places.is_empty() {
        return rows.sum() * 0.0;
    }
    let device = rows.device();
    loss(rows.select(0, indices(places, &device)))
}

/// The summed distance of the codes at these places, counted over both leading dimensions, from `targets`.
fn code_loss<B: Backend>(codes: Tensor<B, 3>, places: &[i32], targets: Vec<f32>) -> Tensor<B, 1> {
    over(codes.flatten::<2>(0, 1), places, |codes| {
        let targets = Tensor::from_data(TensorData::new(targets, codes.dims()), &codes.device());
        absolute_sum(codes, targets)
    })
}

fn indices<B: Backend>(places: &[i32], device: &B::Device) -> Tensor<B, 1, Int> {
    Tensor::from_data(places, device)
}

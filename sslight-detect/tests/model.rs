//! A whole Mask R-CNN against an assembly of torchvision's parts (`golden/model.py`): losses, gradients, detections.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;

use burn::backend::Autodiff;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sslight_detect::geometry::{BoundingBox, Sampler};
use sslight_detect::model::{
    DetectionLimits, ImageSize, Layout, MASK_SIDE, MaskRcnn, MaskRcnnConfig, ObjectMasks,
    ProposalLimits, TrainingImage,
};
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::nn::ParamInit;
use sslight_models::params::{self, host_values};
use sslight_models::weights::{self, WeightMap};
use sslight_models::{BackboneKind, BatchMode};
use support::{Golden, assert_close};

type Cpu = Autodiff<Flex>;
/// For single elements of gradients, where single precision has the sign of some activations otherwise than double has it:
/// PyTorch's own gradients in single precision are off by up to 1.6e-2 of the largest of a tensor here.
type Exact = Autodiff<NdArray<f64>>;

/// A network with its golden numbers.
struct Case {
    backbone: BackboneKind,
    file: &'static str,
    limits: ProposalLimits,
}

const RESNET18: Case = Case {
    backbone: BackboneKind::ResNet18,
    file: "model.safetensors",
    limits: ProposalLimits {
        before: 40,
        after: 24,
    },
};
const MOBILENET_V2: Case = Case {
    backbone: BackboneKind::MobileNetV2,
    file: "model_mobilenet_v2.safetensors",
    limits: ProposalLimits {
        before: 16,
        after: 10,
    },
};

const CLASSES: usize = 3;
const IMAGES: [usize; 4] = [2, 3, 64, 96];
const SIZES: [ImageSize; 2] = [
    ImageSize {
        height: 64,
        width: 96,
    },
    ImageSize {
        height: 60,
        width: 80,
    },
];
const FIRST: [BoundingBox; 2] = [
    BoundingBox::new(5.0, 6.0, 40.0, 50.0),
    BoundingBox::new(50.0, 10.0, 90.0, 60.0),
];
const SECOND: [BoundingBox; 1] = [BoundingBox::new(20.0, 12.0, 70.0, 48.0)];

/// Of losses and gradients, relative to the largest of a tensor.
const TOLERANCE: f64 = 1e-3;

/// Gradients that are nothing but rounding, as parts of the longest: of shifts that the next normalisation takes out again, of which
/// MobileNetV2 has some after its linear layers.
const NOTHING: f64 = 1e-9;

/// Values in [-1, 1), of the name and the index alone: `formula` of the golden numbers.
fn formula(name: &str, count: usize) -> Vec<f32> {
    let step = |h: u32, byte: u8| h.wrapping_mul(31).wrapping_add(u32::from(byte));
    let start = name.bytes().fold(0u32, step);
    let value = |index: usize| {
        let mut x = (index as u32)
            .wrapping_mul(2_654_435_761)
            .wrapping_add(start);
        x ^= x >> 16;
        x = x.wrapping_mul(0x045d_9f3b);
        x ^= x >> 16;
        (f64::from(x) / f64::from(1u32 << 31) - 1.0) as f32
    };
    (0..count).map(value).collect()
}

fn weight(name: &str, shape: &[usize]) -> Vec<f32> {
    let values = formula(name, shape.iter().product()).into_iter();
    if name.ends_with("running_var") || (shape.len() == 1 && name.ends_with("weight")) {
        return values.map(|value| 1.0 + 0.25 * value).collect();
    }
    if shape.len() == 1 {
        return values.map(|value| 0.1 * value).collect();
    }
    let small = ["bbox_pred", "cls_logits", "cls_score"];
    let gain = if small.iter().any(|part| name.contains(part)) {
        0.1
    } else {
        1.0
    };
    let fan_in: usize = shape[1..].iter().product();
    let scale = (gain * (3.0 / fan_in as f64).sqrt()) as f32;
    values.map(|value| value * scale).collect()
}

fn detector<B: Backend>(case: &Case) -> MaskRcnn<B> {
    let config = MaskRcnnConfig {
        backbone: case.backbone,
        classes: CLASSES,
        masks: true,
    };
    let detector: MaskRcnn<B> = config
        .init(&mut ParamInit::zeros(&Default::default()))
        .unwrap();
    let tensors = weights::named_tensors(&detector);
    let weights: WeightMap = tensors
        .into_iter()
        .map(|tensor| {
            let values = weight(&tensor.name, &tensor.shape);
            (tensor.name, (tensor.shape, values))
        })
        .collect();
    let all = Sampler {
        boxes: 100_000,
        most_objects: 100_000,
    };
    let layout = Layout {
        training: case.limits,
        inference: case.limits,
        anchor_sampler: all,
        proposal_sampler: all,
        ..Layout::of(case.backbone).unwrap()
    };
    weights::load_named(detector, &weights)
        .unwrap()
        .with_layout(layout)
}

fn images<B: Backend>(name: &str) -> Tensor<B, 4> {
    let [_, channels, height, width] = IMAGES;
    let mut values = formula(name, IMAGES.iter().product());
    for (at, value) in values.iter_mut().enumerate() {
        let size = SIZES[at / (channels * height * width)];
        if at / width % height >= size.height || at % width >= size.width {
            *value = 0.0;
        }
    }
    Tensor::from_data(TensorData::new(values, IMAGES), &Default::default())
}

/// Ellipses that fill the boxes of objects.
struct Ellipses<'a>(&'a [BoundingBox]);

impl ObjectMasks for Ellipses<'_> {
    fn target(&self, object: usize, region: BoundingBox, side: usize) -> Option<Vec<f32>> {
        let of = self.0[object];
        let inside = |x: f32, y: f32| {
            let dx = (x - (of.x0 + of.x1) / 2.0) / (of.width() / 2.0);
            let dy = (y - (of.y0 + of.y1) / 2.0) / (of.height() / 2.0);
            dx * dx + dy * dy <= 1.0
        };
        let place =
            |at: usize, start: f32, length: f32| start + (at as f32 + 0.5) * length / side as f32;
        let cells = (0..side).flat_map(|row| (0..side).map(move |column| (row, column)));
        Some(
            cells
                .map(|(row, column)| {
                    let x = place(column, region.x0, region.width());
                    let y = place(row, region.y0, region.height());
                    f32::from(u8::from(inside(x, y)))
                })
                .collect(),
        )
    }
}

fn lessons<'a>(masks: &'a [Ellipses<'a>; 2]) -> [TrainingImage<'a>; 2] {
    [
        TrainingImage {
            size: SIZES[0],
            objects: &FIRST,
            classes: &[0, 2],
            masks: &masks[0],
        },
        TrainingImage {
            size: SIZES[1],
            objects: &SECOND,
            classes: &[1],
            masks: &masks[1],
        },
    ]
}

/// Gradients by the names of parameters; those that the loss does not depend on are absent.
fn gradients<B: AutodiffBackend>(
    detector: &MaskRcnn<B>,
    loss: Tensor<B, 1>,
) -> HashMap<String, Vec<f32>> {
    let grads = GradientsParams::from_grads(loss.backward(), detector);
    let parameters = params::parameters(detector).into_iter();
    let of = |parameter: params::ParameterInfo| {
        let values = match parameter.shape.len() {
            1 => grads
                .get::<B::InnerBackend, 1>(parameter.id)
                .map(host_values),
            2 => grads
                .get::<B::InnerBackend, 2>(parameter.id)
                .map(host_values),
            _ => grads
                .get::<B::InnerBackend, 4>(parameter.id)
                .map(host_values),
        };
        values.map(|values| (parameter.name, values))
    };
    parameters.filter_map(of).collect()
}

/// The losses, and the gradient of their sum, compared with the golden losses and norms.
fn learned<B: AutodiffBackend>(case: &Case, golden: &Golden) -> HashMap<String, Vec<f32>> {
    let detector = detector::<B>(case);
    let masks = [Ellipses(&FIRST), Ellipses(&SECOND)];
    let losses = detector.losses(
        images(&golden.metadata("images")),
        &lessons(&masks),
        BatchMode::Batch,
        &mut ChaCha8Rng::seed_from_u64(0),
    );
    let terms = [
        losses.objectness.clone(),
        losses.proposal_boxes.clone(),
        losses.classes.clone(),
        losses.boxes.clone(),
        losses.masks.clone().unwrap(),
    ];
    for (at, (term, want)) in terms.into_iter().zip(golden.values("losses")).enumerate() {
        let got = host_values(term);
        assert_close(&format!("loss {at}"), &got, &[want], TOLERANCE);
    }
    let found = gradients(&detector, losses.total());
    let names = golden.metadata("parameters");
    let norms = golden.values("grad_norms");
    assert_eq!(names.lines().count(), found.len());
    let largest = norms.iter().copied().fold(0.0, f64::max);
    for (name, want) in names.lines().zip(norms) {
        let grad = &found[name];
        let square: f64 = grad.iter().map(|g| f64::from(*g).powi(2)).sum();
        let length = square.sqrt();
        if want < NOTHING * largest {
            assert!(length < 1e-5 * largest, "{name}: {length} of {largest}");
        } else {
            assert_close(name, &[length as f32], &[want], TOLERANCE);
        }
    }
    found
}

#[test]
fn losses_and_lengths_of_gradients() {
    for case in [RESNET18, MOBILENET_V2] {
        learned::<Cpu>(&case, &Golden::open(case.file));
    }
}

fn gradients_are_equal(case: &Case, least: usize) {
    let golden = Golden::open(case.file);
    let found = learned::<Exact>(case, &golden);
    let names = golden.names();
    let mut compared = 0;
    for name in names.iter().filter_map(|name| name.strip_prefix("grad.")) {
        let want = golden.values(&format!("grad.{name}"));
        if want.iter().all(|want| want.abs() < NOTHING) {
            continue;
        }
        assert_close(name, &found[name], &want, TOLERANCE);
        compared += 1;
    }
    assert!(compared > least, "{compared}");
}

#[test]
fn losses_and_gradients_in_double_precision() {
    gradients_are_equal(&RESNET18, 20);
}

#[test]
fn losses_and_gradients_of_mobilenet_v2_in_double_precision() {
    gradients_are_equal(&MOBILENET_V2, 20);
}

#[test]
fn detections() {
    for case in [RESNET18, MOBILENET_V2] {
        detections_are_equal(&case);
    }
}

fn detections_are_equal(case: &Case) {
    let golden = Golden::open(case.file);
    let detector = detector::<Flex>(case);
    let images = images(&golden.metadata("images"));
    let found = detector.detect(images, &SIZES, DetectionLimits::default());
    let counts: Vec<usize> = found.iter().map(Vec::len).collect();
    assert_eq!(counts, golden.indices("detect.counts"));
    let found: Vec<_> = found.into_iter().flatten().collect();
    let classes: Vec<usize> = found.iter().map(|one| one.class).collect();
    assert_eq!(classes, golden.indices("detect.classes"));
    let scores: Vec<f32> = found.iter().map(|one| one.score).collect();
    assert_close("scores", &scores, &golden.values("detect.scores"), 1e-4);
    let corners: Vec<f32> = found
        .iter()
        .flat_map(|one| [one.region.x0, one.region.y0, one.region.x1, one.region.y1])
        .collect();
    assert_close("boxes", &corners, &golden.values("detect.boxes"), 1e-4);
    let masks: Vec<&Vec<f32>> = found.iter().map(|one| one.mask.as_ref().unwrap()).collect();
    let cells = (MASK_SIDE * MASK_SIDE) as f32;
    let means: Vec<f32> = masks
        .iter()
        .map(|mask| mask.iter().sum::<f32>() / cells)
        .collect();
    assert_close(
        "mask means",
        &means,
        &golden.values("detect.mask_means"),
        1e-4,
    );
    let every = (masks.len() / 6).max(1);
    let some: Vec<f32> = masks
        .iter()
        .step_by(every)
        .copied()
        .flatten()
        .copied()
        .collect();
    assert_close("masks", &some, &golden.values("detect.masks"), 1e-4);
}

#[test]
fn a_batch_in_which_nothing_is_to_be_found_has_finite_losses_and_gradients() {
    let detector = detector::<Cpu>(&RESNET18);
    let nothing = Ellipses(&[]);
    let lessons = SIZES.map(|size| TrainingImage {
        size,
        objects: &[],
        classes: &[],
        masks: &nothing,
    });
    let losses = detector.losses(
        images("images.5"),
        &lessons,
        BatchMode::Batch,
        &mut ChaCha8Rng::seed_from_u64(0),
    );
    assert!(losses.masks.is_none());
    assert_eq!(host_values(losses.proposal_boxes.clone()), [0.0]);
    assert_eq!(host_values(losses.boxes.clone()), [0.0]);
    let total = losses.total();
    assert!(host_values(total.clone())[0].is_finite());
    let found = gradients(&detector, total);
    assert!(found.len() > 60, "{}", found.len());
    for (name, grad) in found {
        assert!(grad.iter().all(|g| g.is_finite()), "{name}");
    }
}

//! Boxes against torchvision's numbers (`golden/geometry.py`).
#![allow(clippy::unwrap_used)]

mod support;

use sslight_detect::geometry::{
    AnchorCell, BoundingBox, BoxCoder, LevelAssignment, suppress, suppress_by_class,
};
use support::{Golden, assert_close};

/// Rounding of single precision, relative to the largest value of a tensor.
const TOLERANCE: f64 = 1e-6;

fn golden() -> Golden {
    Golden::open("geometry.safetensors")
}

fn boxes(golden: &Golden, name: &str) -> Vec<BoundingBox> {
    let values = golden.floats(name);
    let corners = values.as_chunks::<4>().0.iter();
    corners
        .map(|[x0, y0, x1, y1]| BoundingBox::new(*x0, *y0, *x1, *y1))
        .collect()
}

fn corners(of: impl IntoIterator<Item = BoundingBox>) -> Vec<f32> {
    let corners = of.into_iter().map(|of| [of.x0, of.y0, of.x1, of.y1]);
    corners.flatten().collect()
}

#[test]
fn intersection_over_union() {
    let golden = golden();
    let (left, right) = (boxes(&golden, "iou.left"), boxes(&golden, "iou.right"));
    let got: Vec<f32> = left
        .iter()
        .flat_map(|left| right.iter().map(|right| left.iou(*right)))
        .collect();
    assert_close("iou", &got, &golden.values("iou.value"), TOLERANCE);
    assert!(got.contains(&1.0));
}

#[test]
fn box_codes() {
    let golden = golden();
    let references = boxes(&golden, "coder.references");
    let targets = boxes(&golden, "coder.targets");
    let codes = golden.floats("coder.codes");
    for (name, coder) in [
        ("proposals", BoxCoder::PROPOSALS),
        ("detections", BoxCoder::DETECTIONS),
    ] {
        let pairs = references.iter().zip(&targets);
        let encoded: Vec<f32> = pairs
            .flat_map(|(reference, target)| coder.encode(*reference, *target))
            .collect();
        let want = golden.values(&format!("coder.{name}.encoded"));
        assert_close(name, &encoded, &want, 2.0 * TOLERANCE);
        let pairs = references.iter().zip(codes.as_chunks::<4>().0);
        let decoded = pairs.map(|(reference, code)| coder.decode(*reference, *code));
        let want = golden.values(&format!("coder.{name}.decoded"));
        assert_close(name, &corners(decoded), &want, TOLERANCE);
    }
}

#[test]
fn a_code_that_is_decoded_is_the_box() {
    let golden = golden();
    let references = boxes(&golden, "coder.references");
    for (reference, target) in references.iter().zip(boxes(&golden, "coder.targets")) {
        let code = BoxCoder::DETECTIONS.encode(*reference, target);
        let again = BoxCoder::DETECTIONS.decode(*reference, code);
        let want: Vec<f64> = corners([target]).into_iter().map(f64::from).collect();
        assert_close("box", &corners([again]), &want, 1e-5);
    }
}

#[test]
fn anchors() {
    let golden = golden();
    const RATIOS: [f32; 3] = [0.5, 1.0, 2.0];
    let resnet = [
        (4, &[32.0][..], [5, 7]),
        (8, &[64.0], [3, 4]),
        (64, &[512.0], [1, 2]),
    ];
    let mobilenet = [
        (16, &[32.0, 64.0, 128.0][..], [4, 3]),
        (32, &[64.0, 128.0, 256.0], [2, 2]),
    ];
    for (name, levels) in [("resnet", &resnet[..]), ("mobilenet_v2", &mobilenet)] {
        for (level, (stride, sizes, [height, width])) in levels.iter().enumerate() {
            let cell = AnchorCell::new(*stride, sizes, &RATIOS);
            let name = format!("anchors.{name}.{level}");
            let got = corners(cell.grid(*height, *width));
            assert_close(&name, &got, &golden.values(&name), TOLERANCE);
        }
    }
}

#[test]
fn suppression_with_ties_and_copies() {
    let golden = golden();
    let boxes = boxes(&golden, "nms.boxes");
    let scores = golden.floats("nms.scores");
    for threshold in ["0.3", "0.5", "0.7"] {
        let want = golden.indices(&format!("nms.kept.{threshold}"));
        let got = suppress(&boxes, &scores, threshold.parse().unwrap());
        assert_eq!(got, want, "{threshold}");
    }
    let classes = golden.indices("nms.classes");
    let got = suppress_by_class(&boxes, &scores, &classes, 0.5);
    assert_eq!(got, golden.indices("nms.by_class"));
}

#[test]
fn an_overlap_of_the_threshold_itself_suppresses_nothing() {
    let golden = golden();
    let boxes = boxes(&golden, "nms.boxes");
    assert_eq!(boxes[200].iou(boxes[201]), 0.5);
    assert_eq!(suppress(&boxes[200..202], &[2.0, 1.5], 0.5), [0, 1]);
}

#[test]
fn levels() {
    let golden = golden();
    let assignment = LevelAssignment {
        finest: 2,
        coarsest: 5,
    };
    let regions = boxes(&golden, "levels.regions");
    let got: Vec<usize> = regions.iter().map(|of| assignment.level(*of)).collect();
    assert_eq!(got, golden.indices("levels.level"));
    let mut seen = got.clone();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [0, 1, 2, 3]);
}

//! Average precision against pycocotools: `golden/coco.py` made annotations, detections and numbers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hotcoco::mask::rle_from_string;
use serde::Deserialize;
use serde_json::Value;
use sslight_detect::annotations::{
    AveragePrecision, Detection, DetectionSet, Measure, evaluate, write_results,
};
use sslight_detect::geometry::BoundingBox;

#[derive(Deserialize)]
struct Found {
    image_id: u64,
    category_id: u64,
    bbox: [f32; 4],
    score: f32,
    segmentation: Code,
}

#[derive(Deserialize)]
struct Code {
    size: [u32; 2],
    counts: String,
}

#[derive(Deserialize)]
struct Expected {
    stats: [f64; 12],
    per_class: BTreeMap<u64, f64>,
}

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn set() -> DetectionSet {
    let folder = tempfile::tempdir().unwrap();
    let content = fs::read_to_string(golden().join("coco.json")).unwrap();
    let content: Value = serde_json::from_str(&content).unwrap();
    for image in content["images"].as_array().unwrap() {
        // The size is annotated, so that no file is opened.
        fs::write(folder.path().join(image["file_name"].as_str().unwrap()), "").unwrap();
    }
    DetectionSet::open_coco(&golden().join("coco.json"), folder.path()).unwrap()
}

fn detections(set: &DetectionSet) -> Vec<Detection> {
    let content = fs::read_to_string(golden().join("coco_detections.json")).unwrap();
    let found: Vec<Found> = serde_json::from_str(&content).unwrap();
    assert!(found.len() > 150);
    let detection = |found: Found| Detection {
        image: set
            .images
            .iter()
            .position(|i| i.id == found.image_id)
            .unwrap(),
        class: set
            .classes
            .iter()
            .position(|c| c.id == Some(found.category_id))
            .unwrap(),
        score: found.score,
        bounds: BoundingBox::from_xywh(found.bbox),
        mask: {
            let [height, width] = found.segmentation.size;
            Some(rle_from_string(&found.segmentation.counts, height, width).unwrap())
        },
    };
    found.into_iter().map(detection).collect()
}

/// The twelve numbers in pycocotools' order, -1 where there is nothing to find.
fn stats(got: &AveragePrecision) -> [f64; 12] {
    let [one, ten, hundred] = got.recall;
    let [small, medium, large] = got.recall_by_size;
    [
        got.ap, got.ap50, got.ap75, got.small, got.medium, got.large, one, ten, hundred, small,
        medium, large,
    ]
    .map(|value| value.unwrap_or(-1.0))
}

#[test]
fn average_precision_is_that_of_pycocotools() {
    let set = set();
    let detections = detections(&set);
    let expected = fs::read_to_string(golden().join("coco_expected.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_str(&expected).unwrap();
    for (name, measure) in [("boxes", Measure::Boxes), ("masks", Measure::Masks)] {
        let got = evaluate(&set, &detections, measure).unwrap();
        let expected = &expected[name];
        for (index, (got, want)) in stats(&got).iter().zip(expected.stats).enumerate() {
            assert!(
                (got - want).abs() < 1e-9,
                "{name} {index}: {got}, not {want}"
            );
        }
        assert!(got.ap.is_some_and(|ap| ap > 0.1), "{name}: {:?}", got.ap);
        assert_eq!(got.per_class.len(), expected.per_class.len());
        for (class, got) in set.classes.iter().zip(&got.per_class) {
            let (got, want) = (got.unwrap_or(-1.0), expected.per_class[&class.id.unwrap()]);
            assert!(
                (got - want).abs() < 1e-9,
                "{name} {}: {got}, not {want}",
                class.name
            );
        }
        // Of one class there is nothing.
        assert_eq!(got.per_class.iter().filter(|ap| ap.is_none()).count(), 1);
    }
}

#[test]
fn nothing_found_is_worth_nothing() {
    let set = set();
    for measure in [Measure::Boxes, Measure::Masks] {
        let got = evaluate(&set, &[], measure).unwrap();
        assert_eq!(
            (got.ap, got.ap50, got.recall),
            (Some(0.0), Some(0.0), [Some(0.0); 3])
        );
    }
    // Detections without masks, measured by masks.
    let mut plain = detections(&set);
    plain.iter_mut().for_each(|detection| detection.mask = None);
    assert_eq!(
        evaluate(&set, &plain, Measure::Masks).unwrap().ap,
        Some(0.0)
    );
    assert!(evaluate(&set, &plain, Measure::Boxes).unwrap().ap > Some(0.0));
}

#[test]
fn detections_of_no_image_class_or_score_are_errors() {
    let set = set();
    let good = detections(&set).remove(0);
    let fails = |change: fn(&mut Detection), part: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let error = evaluate(&set, &[good.clone(), bad], Measure::Boxes).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    fails(|d| d.image = 99, "detection 1: of image 99");
    fails(|d| d.class = 99, "detection 1: of class 99");
    fails(|d| d.score = f32::NAN, "NaN");
    fails(
        |d| d.mask = Some(hotcoco::Rle::new(1, 1, vec![1]).unwrap()),
        "1x1",
    );
}

#[test]
fn result_files_name_images_and_categories_as_the_annotations_do() {
    let set = set();
    let detections = detections(&set);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    write_results(&set, &detections, &path).unwrap();
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let (written, given) = (read(&path), read(&golden().join("coco_detections.json")));
    assert_eq!(written.as_array().unwrap().len(), detections.len());
    for (written, given) in written
        .as_array()
        .unwrap()
        .iter()
        .zip(given.as_array().unwrap())
    {
        for key in ["image_id", "category_id", "segmentation", "bbox"] {
            assert_eq!(written[key], given[key], "{key}");
        }
        let score = |value: &Value| value["score"].as_f64().unwrap() as f32;
        assert_eq!(score(written), score(given));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(write_results(&set, &detections, &folder.path().join("no/where.json")).is_err());
}

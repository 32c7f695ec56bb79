//! Detections that cannot be written or measured.
#![allow(clippy::unwrap_used)]

use std::fs;

use hotcoco::Rle;
use serde_json::{Value, json};
use sslight_detect::annotations::{
    AnnotationError, Detection, DetectionSet, Measure, evaluate, write_results,
};
use sslight_detect::geometry::BoundingBox;
use tempfile::TempDir;

/// One image of 8x6 with one object of two classes.
fn set(segmentation: Value, crowd: u8) -> DetectionSet {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.png"), "").unwrap();
    let content = json!({
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3], "area": 9, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [4, 1, 3, 3], "area": 9, "iscrowd": crowd,
             "segmentation": segmentation},
        ],
    });
    let path = folder.path().join("a.json");
    fs::write(&path, content.to_string()).unwrap();
    DetectionSet::open_coco(&path, folder.path()).unwrap()
}

fn detection() -> Detection {
    Detection {
        image: 0,
        class: 0,
        score: 0.5,
        bounds: BoundingBox::new(1.0, 1.0, 4.0, 4.0),
        mask: Some(Rle::new(6, 8, vec![0, 48]).unwrap()),
    }
}

#[test]
fn numbers_that_are_not_finite_are_errors_and_leave_no_file() {
    let set = set(Value::Null, 0);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("results.json");
    let refused = |change: fn(&mut Detection), part: &str| {
        let mut bad = detection();
        change(&mut bad);
        let all = [detection(), bad];
        for error in [
            write_results(&set, &all, &path).unwrap_err(),
            evaluate(&set, &all, Measure::Boxes).unwrap_err(),
        ] {
            assert!(matches!(error, AnnotationError::NotFinite { .. }));
            let message = error.to_string();
            assert!(message.starts_with("detection 1: its "), "{message}");
            assert!(message.contains(part), "`{part}` is not in `{message}`");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    };
    refused(|d| d.score = f32::NAN, "score is not finite (NaN)");
    refused(|d| d.score = f32::INFINITY, "score is not finite (inf)");
    refused(|d| d.bounds.x0 = f32::NAN, "box is not finite (NaN)");
    refused(
        |d| d.bounds.y1 = f32::NEG_INFINITY,
        "box is not finite (-inf)",
    );
    // Both corners are finite, the width is not.
    refused(
        |d| (d.bounds.x0, d.bounds.x1) = (f32::MIN, f32::MAX),
        "box is not finite (inf)",
    );
    write_results(&set, &[detection()], &path).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_cannot_be_put_in_place_leaves_no_part_of_it() {
    let set = set(Value::Null, 0);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("results.json");
    // A folder in its place.
    fs::create_dir_all(path.join("full")).unwrap();
    let error = write_results(&set, &[detection()], &path).unwrap_err();
    assert!(matches!(error, AnnotationError::Write { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn by_masks_there_is_nothing_to_measure_on_a_set_without_any() {
    let crowd = json!({"size": [6, 8], "counts": [0, 48]});
    for set in [
        set(Value::Null, 0),
        set(json!([]), 0),
        set(json!([[1, 1, 2, 2]]), 0),
        // What a crowd covers is not to be found.
        set(crowd, 1),
    ] {
        let got = evaluate(&set, &[detection()], Measure::Masks).unwrap();
        let numbers = [got.ap, got.ap50, got.ap75, got.small, got.medium, got.large];
        assert_eq!(numbers, [None; 6]);
        assert_eq!((got.recall, got.recall_by_size), ([None; 3], [None; 3]));
        assert_eq!(got.per_class, [None, None]);
        let boxes = evaluate(&set, &[detection()], Measure::Boxes).unwrap();
        assert!(boxes.ap.is_some_and(|ap| ap > 0.0));
        // Detections are checked all the same.
        let mut bad = detection();
        bad.class = 7;
        assert!(evaluate(&set, &[bad], Measure::Masks).is_err());
    }
    // One mask is enough to measure by, without it everything is missed.
    let one = set(json!([[4, 1, 7, 1, 7, 4, 4, 4]]), 0);
    let got = evaluate(&one, &[], Measure::Masks).unwrap();
    assert_eq!(got.ap, Some(0.0));
}

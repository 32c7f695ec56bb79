//! What happens to annotations that are as they should be, odd, or wrong.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use hotcoco::Segmentation;
use serde_json::{Value, json};
use sslight_detect::annotations::{AnnotationError, DetectionSet};
use tempfile::TempDir;

/// A folder with the images `a.png` (8x6) and `b.png` (5x9).
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    image::RgbImage::new(8, 6)
        .save(folder.path().join("a.png"))
        .unwrap();
    image::RgbImage::new(5, 9)
        .save(folder.path().join("b.png"))
        .unwrap();
    folder
}

/// Two images, categories out of order with a gap, one box with a mask on the first image.
fn coco() -> Value {
    json!({
        "images": [
            {"id": 20, "file_name": "b.png", "width": 5, "height": 9},
            {"id": 10, "file_name": "a.png", "width": 8, "height": 6},
        ],
        "categories": [{"id": 40, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": [{
            "id": 1, "image_id": 10, "category_id": 40, "bbox": [1, 2, 3, 3], "area": 4.5, "iscrowd": 0,
            "segmentation": [[1, 2, 4, 2, 4, 5]],
        }],
    })
}

/// `coco` with another list of annotations.
fn with(annotations: Value) -> Value {
    let mut coco = coco();
    coco["annotations"] = annotations;
    coco
}

fn write(folder: &TempDir, content: &str) -> PathBuf {
    let path = folder.path().join("instances.json");
    fs::write(&path, content).unwrap();
    path
}

fn open(content: &Value) -> Result<DetectionSet, AnnotationError> {
    let folder = folder();
    let json = write(&folder, &content.to_string());
    DetectionSet::open_coco(&json, folder.path())
}

/// The message of an error, which is one line.
fn refused(content: &Value) -> String {
    let message = open(content).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[track_caller]
fn assert_has(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in `{message}`");
    }
}

#[test]
fn a_set_has_images_and_classes_in_the_order_of_their_ids() {
    let set = open(&coco()).unwrap();
    let ids: Vec<u64> = set.images.iter().map(|image| image.id).collect();
    assert_eq!(ids, [10, 20]);
    let classes: Vec<(u64, &str)> = set
        .classes
        .iter()
        .map(|c| (c.id.unwrap(), &*c.name))
        .collect();
    assert_eq!(classes, [(7, "dog"), (40, "cat")]);
    let object = &set.images[0].objects[0];
    assert_eq!((object.id, object.class, object.crowd), (1, 1, false));
    assert_eq!(object.bounds.to_xywh(), [1.0, 2.0, 3.0, 3.0]);
    assert_eq!(object.area, 4.5);
    assert!(matches!(
        set.segmentation(object),
        Some(Segmentation::Polygon(polygons)) if polygons[0].len() == 6
    ));
    assert!(set.repairs.is_empty() && set.images[1].objects.is_empty());
}

#[test]
fn training_leaves_out_images_without_objects_or_with_crowds_alone() {
    let crowd = json!({"id": 2, "image_id": 20, "category_id": 7, "bbox": [0, 0, 4, 4], "iscrowd": 1,
        "segmentation": {"size": [9, 5], "counts": [0, 45]}});
    let mut annotations = coco()["annotations"].clone();
    annotations.as_array_mut().unwrap().push(crowd);
    let (training, dropped) = open(&with(annotations)).unwrap().for_training();
    assert_eq!((training.images.len(), dropped), (1, 1));
    assert_eq!(training.images[0].id, 10);
}

#[test]
fn boxes_are_clipped_and_those_without_area_left_out() {
    let on_a =
        |id: u64, bbox: Value| json!({"id": id, "image_id": 10, "category_id": 7, "bbox": bbox});
    let set = open(&with(json!([
        on_a(1, json!([-2, 1, 6, 20])),
        on_a(2, json!([1, 1, 0, 3])),
        on_a(3, json!([1, 1, 3, -3])),
        on_a(4, json!([30, 30, 3, 3])),
        on_a(5, json!([1e300, 1, 3, 3])),
        on_a(6, Value::Null),
        on_a(7, json!([0, 0, 8, 6])),
    ])))
    .unwrap();
    let objects = &set.images[0].objects;
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0].bounds.to_xywh(), [0.0, 1.0, 4.0, 5.0]);
    assert_eq!(objects[1].bounds.to_xywh(), [0.0, 0.0, 8.0, 6.0]);
    // Areas that are not annotated are those of the boxes.
    assert_eq!(objects[1].area, 48.0);
    assert_eq!(
        (set.repairs.clipped.count, &set.repairs.clipped.first[..]),
        (1, &[1][..])
    );
    assert_eq!(set.repairs.left_out.first, [2, 3, 4, 5, 6]);
    assert_has(
        &set.repairs.to_string(),
        &["clipped", "annotations 2, 3, 4, 5, 6"],
    );
}

#[test]
fn masks_without_three_points_are_not_used_and_their_boxes_are() {
    let of = |id: u64, segmentation: Value| json!({"id": id, "image_id": 10, "category_id": 7, "bbox": [1, 1, 3, 3], "segmentation": segmentation});
    let set = open(&with(json!([
        of(1, json!([])),
        of(2, json!([[]])),
        of(3, json!([[1, 1, 2, 2]])),
        of(4, json!([[1, 1, 2, 2, 3]])),
        of(5, json!([[1, 1], [1, 1, 3, 1, 3, 3]])),
        of(6, Value::Null),
    ])))
    .unwrap();
    let masks: Vec<bool> = set.images[0].objects.iter().map(|o| o.has_mask).collect();
    assert_eq!(masks, [false, false, false, false, true, false]);
    let objects = &set.images[0].objects;
    assert!(set.segmentation(&objects[0]).is_none());
    assert!(set.segmentation(&objects[4]).is_some());
    // The last one has no mask to be unusable.
    assert_eq!(set.repairs.without_mask.first, [1, 2, 3, 4]);
}

#[test]
fn broken_run_length_codes_name_their_annotation() {
    let of = |segmentation: Value| {
        with(
            json!([{"id": 5, "image_id": 10, "category_id": 7, "bbox": [1, 1, 3, 3], "segmentation": segmentation}]),
        )
    };
    for counts in [json!([1, 400]), json!([1, 4]), json!("#~~"), json!("1")] {
        let message = refused(&of(json!({"size": [6, 8], "counts": counts})));
        assert_has(&message, &["annotation 5", "image 10", "run-length"]);
    }
    let message = refused(&of(json!({"size": [8, 6], "counts": [0, 48]})));
    assert_has(&message, &["annotation 5", "6x8", "8x6"]);
    let good = open(&of(json!({"size": [6, 8], "counts": [0, 48]}))).unwrap();
    assert!(good.images[0].objects[0].has_mask);
    assert_eq!(good.images[0].objects[0].area, 48.0);
}

#[test]
fn references_to_nothing_name_what_is_nearest() {
    let of = |image: u64, category: u64| {
        with(json!([{"id": 5, "image_id": image, "category_id": category, "bbox": [1, 1, 3, 3]}]))
    };
    let message = refused(&of(10, 41));
    assert_has(&message, &["annotation 5", "category 41", "nearest is 40"]);
    let message = refused(&of(12, 40));
    assert_has(&message, &["annotation 5", "image 12", "nearest is 10"]);
}

#[test]
fn ids_are_unique() {
    let mut twice = coco();
    let again = twice["annotations"][0].clone();
    twice["annotations"].as_array_mut().unwrap().push(again);
    assert_has(&refused(&twice), &["annotations", "id 1"]);
    let mut twice = coco();
    twice["images"][0]["id"] = json!(10);
    assert_has(&refused(&twice), &["images", "id 10"]);
    let mut twice = coco();
    twice["categories"][0]["id"] = json!(7);
    assert_has(&refused(&twice), &["categories", "id 7"]);
}

#[test]
fn missing_images_are_counted_and_the_first_is_named() {
    let mut content = coco();
    content["images"][1]["file_name"] = json!("gone.png");
    assert_has(&refused(&content), &["1 of 2 images", "gone.png"]);
    content["images"][1]["file_name"] = json!("");
    assert_has(&refused(&content), &["image 10", "file_name"]);
}

#[test]
fn empty_lists_are_errors() {
    for key in ["images", "categories"] {
        let mut content = coco();
        content[key] = json!([]);
        content["annotations"] = json!([]);
        assert_has(&refused(&content), &[key]);
    }
    assert!(open(&with(json!([]))).unwrap().images.len() == 2);
}

#[test]
fn what_is_no_json_is_told_by_line_and_column() {
    let folder = folder();
    let whole = serde_json::to_string_pretty(&coco()).unwrap();
    for (content, part) in [
        (whole[..whole.len() / 2].to_owned(), "EOF"),
        (whole.replace("4.5", "NaN"), "expected value"),
        (whole.replace("4.5", "1e999"), "out of range"),
        (whole.replace("\"id\": 1,", "\"id\": -1,"), "-1"),
        (String::new(), "EOF"),
        ("{\"images\": {}}".into(), "expected a sequence"),
    ] {
        let json = write(&folder, &content);
        let error = DetectionSet::open_coco(&json, folder.path()).unwrap_err();
        assert!(matches!(error, AnnotationError::Json { .. }), "{error:?}");
        assert_has(
            &error.to_string(),
            &["instances.json: line ", "column ", part],
        );
    }
}

#[test]
fn sizes_that_are_not_annotated_are_read_from_the_images() {
    let mut content = coco();
    for image in content["images"].as_array_mut().unwrap() {
        image.as_object_mut().unwrap().remove("width");
        image.as_object_mut().unwrap().remove("height");
    }
    let set = open(&content).unwrap();
    assert_eq!((set.images[0].width, set.images[0].height), (8, 6));
    assert_eq!((set.images[1].width, set.images[1].height), (5, 9));

    let folder = folder();
    fs::write(folder.path().join("a.png"), "no image").unwrap();
    let json = write(&folder, &content.to_string());
    let error = DetectionSet::open_coco(&json, folder.path()).unwrap_err();
    assert_has(&error.to_string(), &["a.png", "no size"]);
}

/// A VOC annotation of an image with one box in its left upper corner.
fn voc(image: &str, class: &str, width: u32, difficult: u32) -> String {
    format!(
        "<annotation><filename>{image}</filename><size><width>{width}</width><height>6</height></size>\
         <object><name>{class}</name><difficult>{difficult}</difficult>\
         <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>2</ymax></bndbox></object></annotation>"
    )
}

#[test]
fn voc_folders_are_read_with_their_images() {
    let root = folder();
    let set_of = |annotations: &str, images: &str| -> PathBuf {
        let name = format!("set {annotations}-{images}");
        let folder = root.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::create_dir_all(folder.join(annotations)).unwrap();
        fs::create_dir_all(folder.join(images)).unwrap();
        for (name, class, difficult) in [("a", "dog", 0), ("b", "cat", 1)] {
            let xml = voc(&format!("{name}.png"), class, 8, difficult);
            fs::write(
                folder.join(annotations).join(name).with_extension("xml"),
                xml,
            )
            .unwrap();
            let from = root.path().join("a.png");
            fs::copy(from, folder.join(images).join(name).with_extension("png")).unwrap();
        }
        folder
    };
    for folder in [
        set_of("Annotations", "JPEGImages"),
        set_of(".", "images"),
        set_of(".", "."),
    ] {
        let set = DetectionSet::open_voc(&folder).unwrap();
        assert_eq!(
            set.classes.iter().map(|c| &*c.name).collect::<Vec<_>>(),
            ["cat", "dog"]
        );
        let dog = &set.images[0].objects[0];
        // VOC counts pixels from 1 and has both ends inside.
        assert_eq!(dog.bounds.to_xywh(), [0.0, 0.0, 3.0, 2.0]);
        assert_eq!((dog.class, dog.crowd, dog.has_mask), (1, false, false));
        assert!(set.images[1].objects[0].crowd);
        assert_eq!(
            DetectionSet::open(&folder, None).unwrap().images,
            set.images
        );
    }
    let folder = set_of("Annotations", "elsewhere");
    let error = DetectionSet::open_voc(&folder).unwrap_err();
    assert_has(&error.to_string(), &["a.png", "JPEGImages"]);
    let images = folder.join("elsewhere");
    assert!(DetectionSet::open(&folder, Some(&images)).is_ok());
    fs::write(folder.join("Annotations/c.xml"), "<annotation><object>").unwrap();
    let error = DetectionSet::open(&folder, Some(&images)).unwrap_err();
    assert_has(&error.to_string(), &["c.xml"]);
}

#[test]
fn the_kind_of_annotations_is_found_out() {
    let root = folder();
    let open = |path: &Path| DetectionSet::open(path, None);
    let error = open(root.path()).unwrap_err();
    assert!(
        matches!(error, AnnotationError::UnknownKind { .. }),
        "{error}"
    );
    let error = open(&root.path().join("none.json")).unwrap_err();
    assert!(matches!(error, AnnotationError::Read { .. }), "{error}");

    let json = write(&root, &coco().to_string());
    assert_eq!(open(&json).unwrap().images.len(), 2);
    assert_eq!(open(root.path()).unwrap().images.len(), 2);
    fs::write(root.path().join("other.json"), "{}").unwrap();
    assert_has(
        &open(root.path()).unwrap_err().to_string(),
        &["2 .json files"],
    );

    // As COCO lies on disks.
    let (annotations, images) = (root.path().join("annotations"), root.path().join("val2017"));
    fs::create_dir(&annotations).unwrap();
    fs::create_dir(&images).unwrap();
    let json = annotations.join("instances_val2017.json");
    fs::copy(root.path().join("instances.json"), &json).unwrap();
    assert_has(
        &open(&json).unwrap_err().to_string(),
        &["b.png", "a.png", "val2017"][1..],
    );
    for name in ["a.png", "b.png"] {
        fs::rename(root.path().join(name), images.join(name)).unwrap();
    }
    assert_eq!(open(&json).unwrap().images.len(), 2);
}

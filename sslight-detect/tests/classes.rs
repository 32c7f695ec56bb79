//! A validation file that numbers its classes otherwise than the training file.
#![allow(clippy::unwrap_used)]

use std::fs;

use serde_json::{Value, json};
use sslight_detect::annotations::{
    AnnotationError, Class, Detection, DetectionSet, Measure, evaluate, write_results,
};
use sslight_detect::geometry::BoundingBox;
use tempfile::TempDir;

/// One image of 20x10 with categories of these ids and names, and an object of each of these categories.
fn set(categories: &[(u64, &str)], objects: &[u64]) -> DetectionSet {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.png"), "").unwrap();
    let categories: Vec<Value> = categories
        .iter()
        .map(|(id, name)| json!({"id": id, "name": name}))
        .collect();
    let annotations: Vec<Value> = (1u64..)
        .zip(objects)
        .map(|(id, category)| {
            json!({"id": id, "image_id": 1, "category_id": category, "bbox": [2 * id, 1, 2, 6], "area": 12})
        })
        .collect();
    let content = json!({
        "images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}],
        "categories": categories, "annotations": annotations,
    });
    let path = folder.path().join("a.json");
    fs::write(&path, content.to_string()).unwrap();
    DetectionSet::open_coco(&path, folder.path()).unwrap()
}

fn training() -> DetectionSet {
    set(&[(1, "dog"), (2, "cat"), (3, "horse")], &[1, 2, 3])
}

fn classes(set: &DetectionSet) -> Vec<(Option<u64>, &str)> {
    set.classes.iter().map(|c| (c.id, &*c.name)).collect()
}

/// What a perfect detector of the training set finds: the class of each object by its name there.
fn perfect(set: &DetectionSet, training: &[Class]) -> Vec<Detection> {
    let objects = &set.images[0].objects;
    let found = objects.iter().map(|object| {
        let name = &set.classes[object.class].name;
        Detection {
            image: 0,
            class: training.iter().position(|c| c.name == *name).unwrap(),
            score: 0.9,
            bounds: object.bounds,
            mask: None,
        }
    });
    found.collect()
}

#[test]
fn objects_get_the_class_of_the_same_name_and_keep_the_ids_of_their_file() {
    let training = training();
    // Other ids, another order, and an unused class that the training set lacks.
    let own = set(&[(5, "cat"), (9, "unused"), (12, "dog")], &[12, 5, 12]);
    let found = perfect(&own, &training.classes);
    // The numbers of the training set are not those of this file.
    let before = evaluate(&own, &found, Measure::Boxes).unwrap();
    assert_eq!(before.ap, Some(0.0));

    let shared = own.with_classes_of(&training).unwrap();
    assert_eq!(
        classes(&shared),
        [(Some(12), "dog"), (Some(5), "cat"), (None, "horse")]
    );
    let of_objects: Vec<usize> = shared.images[0].objects.iter().map(|o| o.class).collect();
    assert_eq!(of_objects, [0, 1, 0]);
    let after = evaluate(&shared, &found, Measure::Boxes).unwrap();
    assert!(after.ap.is_some_and(|ap| ap > 0.999), "{:?}", after.ap);
    assert_eq!(after.per_class.len(), 3);
    assert!(after.per_class[0].is_some() && after.per_class[1].is_some());
    assert_eq!(after.per_class[2], None);
}

#[test]
fn detections_of_classes_that_the_file_lacks_are_left_out() {
    let training = training();
    let shared = set(&[(5, "cat")], &[5]).with_classes_of(&training).unwrap();
    let mut found = perfect(&shared, &training.classes);
    found.push(Detection {
        class: 2,
        score: 0.99,
        bounds: BoundingBox::new(0.0, 0.0, 5.0, 5.0),
        ..found[0].clone()
    });
    let got = evaluate(&shared, &found, Measure::Boxes).unwrap();
    assert!(got.ap.is_some_and(|ap| ap > 0.999), "{:?}", got.ap);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("results.json");
    write_results(&shared, &found, &path).unwrap();
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let ids: Vec<&Value> = written
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["category_id"])
        .collect();
    assert_eq!(ids, [&json!(5)]);
}

#[test]
fn objects_of_a_class_that_is_not_there_are_an_error_with_the_nearest_names() {
    let own = || set(&[(1, "hoarse"), (2, "dog")], &[1, 2, 1]);
    let error = own().with_classes_of(&training()).unwrap_err();
    assert!(matches!(error, AnnotationError::UnknownClass { .. }));
    let message = error.to_string();
    for part in ["class hoarse", "2 objects", "nearest are horse, "] {
        assert!(message.contains(part), "`{part}` is not in `{message}`");
    }
    // On images that are not measured on, they do no harm.
    let mut none = own();
    none.images.clear();
    assert!(none.with_classes_of(&training()).is_ok());
}

#[test]
fn classes_of_one_name_stay_apart_and_a_set_fits_itself() {
    let twice = || set(&[(3, "dog"), (4, "dog"), (8, "cat")], &[4, 3, 8]);
    let other = set(&[(1, "cat"), (2, "dog"), (7, "dog")], &[]);
    let shared = twice().with_classes_of(&other).unwrap();
    assert_eq!(
        classes(&shared),
        [(Some(8), "cat"), (Some(3), "dog"), (Some(4), "dog")]
    );
    let of_objects: Vec<usize> = shared.images[0].objects.iter().map(|o| o.class).collect();
    assert_eq!(of_objects, [2, 1, 0]);
    let same = twice().with_classes_of(&twice()).unwrap();
    assert_eq!(classes(&same), classes(&twice()));
    assert_eq!(same.images[0].objects, twice().images[0].objects);
    // Capitals make another class.
    let error = twice().with_classes_of(&set(&[(1, "Dog"), (2, "cat")], &[]));
    assert!(error.unwrap_err().to_string().contains("nearest are Dog"));
}

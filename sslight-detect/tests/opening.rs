//! Which files are taken for annotations, and lists of a part of them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use sslight_detect::annotations::{AnnotationError, DetectionSet};
use tempfile::TempDir;

const COCO: &str = r#"{"images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
    "categories": [{"id": 1, "name": "dog"}], "annotations": []}"#;

/// A VOC data set of three images, each with an object of a class of its own.
fn voc(root: &Path) -> PathBuf {
    let folder = root.join("VOC2007");
    for part in ["Annotations", "JPEGImages", "ImageSets/Main"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    for (name, class) in [("000001", "dog"), ("000002", "cat"), ("000003", "cow")] {
        let xml = format!(
            "<annotation><filename>{name}.jpg</filename><size><width>8</width><height>6</height></size>\
             <object><name>{class}</name><difficult>0</difficult>\
             <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>2</ymax></bndbox></object></annotation>"
        );
        fs::write(folder.join(format!("Annotations/{name}.xml")), xml).unwrap();
        fs::write(folder.join(format!("JPEGImages/{name}.jpg")), "").unwrap();
    }
    folder
}

fn names(set: &DetectionSet) -> Vec<String> {
    let stem = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    set.images.iter().map(|image| stem(&image.path)).collect()
}

#[test]
fn endings_may_be_in_capitals() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.png"), "").unwrap();
    fs::write(folder.path().join("A.JSON"), COCO).unwrap();
    let set = DetectionSet::open(folder.path(), None).unwrap();
    assert_eq!(set.images.len(), 1);
    assert!(DetectionSet::open(&folder.path().join("A.JSON"), None).is_ok());
    fs::write(folder.path().join("b.json"), COCO).unwrap();
    let error = DetectionSet::open(folder.path(), None).unwrap_err();
    assert!(error.to_string().contains("2 .json files"), "{error}");
    let xml = folder.path().join("A.XML");
    fs::write(&xml, "<annotation/>").unwrap();
    let error = DetectionSet::open(&xml, None).unwrap_err();
    assert!(matches!(error, AnnotationError::UnknownKind { .. }));
}

#[test]
fn voc_annotations_with_capitals_are_not_passed_over() {
    let root = TempDir::new().unwrap();
    let folder = voc(root.path());
    let of = |name: &str| folder.join("Annotations").join(name);
    fs::rename(of("000002.xml"), of("000002.XML")).unwrap();
    for error in [
        DetectionSet::open(&folder, None).unwrap_err(),
        DetectionSet::open_voc(&folder).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(message.contains("000002.XML"), "{message}");
        assert!(message.contains("capitals"), "{message}");
    }
}

#[test]
fn a_list_opens_its_part_of_a_voc_data_set_with_all_classes() {
    let root = TempDir::new().unwrap();
    let folder = voc(root.path());
    let write = |name: &str, content: &str| {
        let path = folder.join("ImageSets/Main").join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let open = |path: &Path| DetectionSet::open(path, None);
    let training = open(&write("train.txt", "000003\n000001\n")).unwrap();
    assert_eq!(names(&training), ["000001", "000003"]);
    assert_eq!(training.objects(), 2);
    let validation = open(&write("val.TXT", "\r\n000002\r\n")).unwrap();
    assert_eq!(names(&validation), ["000002"]);
    assert_eq!(validation.classes, training.classes);
    assert_eq!(training.classes.len(), 3);
    // The list of a class: not on it, difficult, on it.
    let of_class = write("dog_train.txt", "000001 -1\n000002  0\n000003  1\n");
    assert_eq!(names(&open(&of_class).unwrap()), ["000002", "000003"]);

    let error = open(&write("wrong.txt", "000001\n000009\n")).unwrap_err();
    assert!(matches!(error, AnnotationError::NotListed { .. }));
    let message = error.to_string();
    assert!(
        message.contains("000009") && message.contains("wrong.txt"),
        "{message}"
    );
    let error = open(&write("empty.txt", "\n")).unwrap_err();
    assert!(matches!(error, AnnotationError::NoImages { .. }), "{error}");
    let elsewhere = root.path().join("train.txt");
    fs::write(&elsewhere, "000001\n").unwrap();
    let error = open(&elsewhere).unwrap_err();
    assert!(
        matches!(error, AnnotationError::UnknownKind { .. }),
        "{error}"
    );
    // Images elsewhere, as for a folder.
    let moved = root.path().join("moved");
    fs::rename(folder.join("JPEGImages"), &moved).unwrap();
    let list = folder.join("ImageSets/Main/train.txt");
    assert_eq!(
        DetectionSet::open(&list, Some(&moved))
            .unwrap()
            .images
            .len(),
        2
    );
}

//! Composed scenes as a folder: what is written is what was drawn, and nothing else is touched.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use sslight_detect::annotations::{Detection, DetectionSet, Measure, evaluate};
use sslight_detect::scenes::{Composer, SceneConfig, SceneError, compose};

fn config() -> SceneConfig {
    SceneConfig {
        images: 12,
        seed: 3,
        ..SceneConfig::default()
    }
}

/// Every file of a folder with its content, in order.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

fn contents(folder: &Path) -> Vec<Vec<u8>> {
    files(folder).into_iter().map(|(_, bytes)| bytes).collect()
}

#[test]
fn what_is_read_back_is_what_was_drawn() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("new/scenes");
    let config = config();
    let summary = compose(&config, &folder).unwrap();
    // Nothing of the draft stays.
    assert_eq!(fs::read_dir(root.path().join("new")).unwrap().count(), 1);

    let set = DetectionSet::open(&folder, None).unwrap();
    assert!(set.repairs.is_empty());
    assert_eq!((summary.images, summary.found), (12, false));
    assert_eq!(set.images.len(), 12);
    assert_eq!(set.objects(), summary.objects);
    let composer = Composer::new(&config).unwrap();
    let names: Vec<&str> = set.classes.iter().map(|class| &*class.name).collect();
    assert_eq!(names, composer.classes());
    for (index, image) in set.images.iter().enumerate() {
        let scene = composer.scene(index).unwrap();
        let bytes = fs::read(&image.path).unwrap();
        assert_eq!(
            sslight_data::decode::decode(&bytes, "").unwrap(),
            scene.image
        );
        assert_eq!(image.objects.len(), scene.objects.len());
        for (read, drawn) in image.objects.iter().zip(&scene.objects) {
            let mask = set.segmentation(read).unwrap().to_rle(0, 0).unwrap();
            assert_eq!(mask, drawn.mask);
            assert_eq!((read.class, read.bounds), (drawn.class, drawn.bounds));
            assert_eq!(read.area, drawn.area as f64);
            assert!(!read.crowd);
        }
    }
    // A perfect detector is perfect.
    let found = detections(&set);
    for measure in [Measure::Boxes, Measure::Masks] {
        let ap = evaluate(&set, &found, measure).unwrap().ap;
        assert!(ap.is_some_and(|ap| ap > 0.999), "{ap:?}");
    }
}

/// Everything that is annotated, as if it had been found.
fn detections(set: &DetectionSet) -> Vec<Detection> {
    let mut found = Vec::new();
    for (index, image) in set.images.iter().enumerate() {
        for object in &image.objects {
            found.push(Detection {
                image: index,
                class: object.class,
                score: 0.9,
                bounds: object.bounds,
                mask: Some(set.segmentation(object).unwrap().to_rle(0, 0).unwrap()),
            });
        }
    }
    found
}

#[test]
fn the_same_settings_give_the_same_bytes_and_others_do_not() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, config: &SceneConfig| {
        let folder = root.path().join(name);
        compose(config, &folder).unwrap();
        contents(&folder)
    };
    let first = write("first", &config());
    assert_eq!(first.len(), 13);
    assert_eq!(first, write("second", &config()));
    let seed = SceneConfig {
        seed: 4,
        ..config()
    };
    assert_ne!(first[1], write("third", &seed)[1]);
    // A scene does not depend on how many there are.
    let fewer = SceneConfig {
        images: 5,
        ..config()
    };
    assert_eq!(first[1..6], write("fourth", &fewer)[1..]);
}

#[test]
fn bad_settings_are_errors_that_name_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |change: fn(&mut SceneConfig)| -> String {
        let mut config = config();
        change(&mut config);
        let error = compose(&config, &folder.path().join("scenes")).unwrap_err();
        assert!(matches!(error, SceneError::Setting { .. }), "{error}");
        error.to_string()
    };
    for (message, part) in [
        (refused(|c| c.images = 0), "images: expected 1 to 999999"),
        (refused(|c| c.images = usize::MAX), "images"),
        (refused(|c| c.side = 0), "side: expected 32 to 4096"),
        (refused(|c| c.side = usize::MAX), "side"),
        (
            refused(|c| c.objects = std::ops::RangeInclusive::new(5, 1)),
            "objects: expected 0 to 200, the lower number first, got 5 to 1",
        ),
        (refused(|c| c.objects = 0..=usize::MAX), "objects"),
        (
            refused(|c| c.sizes = 24..=129),
            "sizes: expected 8 to 128, the lower number first, got 24 to 129",
        ),
        (refused(|c| c.sizes = 0..=24), "sizes"),
        (
            refused(|c| c.occlusion = 1.0),
            "occlusion: expected 0 to 0.9",
        ),
        (refused(|c| c.occlusion = f64::NAN), "occlusion"),
        (refused(|c| c.rotation = -1.0), "rotation"),
        (refused(|c| c.distractors = 0..=1000), "distractors"),
    ] {
        assert!(message.contains(part), "`{part}` is not in `{message}`");
        assert!(message.contains("change the setting"), "{message}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_with_something_else_is_left_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let config = SceneConfig {
        images: 2,
        ..config()
    };
    let occupied = |folder: &Path, config: &SceneConfig| {
        let before = files(root.path());
        let error = compose(config, folder).unwrap_err();
        assert!(matches!(error, SceneError::Occupied { .. }), "{error}");
        assert_eq!(files(root.path()), before);
    };
    // An empty one is taken.
    let folder = root.path().join("scenes");
    fs::create_dir(&folder).unwrap();
    let first = compose(&config, &folder).unwrap();
    // The same scenes are found, others are not written over them.
    let before = files(root.path());
    let again = compose(&config, &folder).unwrap();
    assert!(again.found && !first.found);
    assert_eq!(again.classes, first.classes);
    assert_eq!(files(root.path()), before);
    let other = SceneConfig {
        seed: 9,
        ..config.clone()
    };
    occupied(&folder, &other);
    fs::remove_file(folder.join("images/000002.png")).unwrap();
    occupied(&folder, &config);

    let folder = root.path().join("mine");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "keep").unwrap();
    occupied(&folder, &config);
    let file = root.path().join("file");
    fs::write(&file, "keep").unwrap();
    occupied(&file, &config);
    assert!(matches!(
        compose(&config, &root.path().join("gone/..")),
        Err(SceneError::NoName { .. } | SceneError::Occupied { .. })
    ));
    assert!(matches!(
        compose(&config, &file.join("below")),
        Err(SceneError::Write { .. } | SceneError::Occupied { .. })
    ));
}

//! Composed scenes: what is on them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use hotcoco::Rle;
use hotcoco::mask::{area, decode, to_bbox};
use sslight_data::source::EmbeddedSource;
use sslight_data::{ImageSource, Split};
use sslight_detect::scenes::{Composer, SceneConfig};

fn config() -> SceneConfig {
    SceneConfig {
        images: 12,
        seed: 3,
        ..SceneConfig::default()
    }
}

#[test]
fn boxes_are_tight_areas_exact_and_no_pixel_is_in_two_masks() {
    let config = SceneConfig {
        objects: 4..=8,
        side: 96,
        ..config()
    };
    let composer = Composer::new(&config).unwrap();
    let mut touching = 0;
    for index in 0..config.images {
        let scene = composer.scene(index).unwrap();
        let mut owners = vec![0u32; 96 * 96];
        for object in &scene.objects {
            assert_eq!(area(&object.mask), object.area as u64);
            let bounds = object.bounds.to_xywh().map(f64::from);
            assert_eq!(to_bbox(&object.mask), bounds);
            let mask = decode(&object.mask);
            (0..owners.len()).for_each(|at| owners[at] += u32::from(mask[at]));
        }
        assert!(owners.iter().all(|count| *count <= 1));
        let boxes: Vec<_> = scene.objects.iter().map(|o| o.bounds).collect();
        for (at, first) in boxes.iter().enumerate() {
            let others = &boxes[at + 1..];
            touching += others
                .iter()
                .filter(|b| b.intersection(*first) > 0.0)
                .count();
        }
    }
    assert!(touching > 5, "scenes without occlusion are too easy");
}

#[test]
fn no_object_is_hidden_more_than_is_asked_for() {
    // All objects are as large as they are asked to be, so that none can hide without it showing.
    let of = |occlusion| SceneConfig {
        objects: 6..=6,
        sizes: 40..=40,
        rotation: 0.0,
        occlusion,
        ..config()
    };
    let shares = |occlusion: f64| -> Vec<f64> {
        let composer = Composer::new(&of(occlusion)).unwrap();
        let scenes = (0..12).map(|index| composer.scene(index).unwrap());
        scenes
            .flat_map(|scene| scene.objects)
            .map(|object| {
                f64::from(object.bounds.width().max(object.bounds.height())).min(40.0) / 40.0
            })
            .collect()
    };
    // Nothing may be hidden: every box has its whole longer side.
    assert!(shares(0.0).iter().all(|share| *share > 0.94));
    assert!(shares(0.6).iter().any(|share| *share < 0.9));
}

#[test]
fn training_and_validation_share_no_garment_and_no_layout() {
    let validation = SceneConfig {
        split: Split::Validation,
        ..config()
    };
    let pixels = |config: &SceneConfig| -> BTreeSet<Vec<u8>> {
        let composer = Composer::new(config).unwrap();
        let source = EmbeddedSource::new(config.split).unwrap();
        let scenes = (0..12).map(|index| composer.scene(index).unwrap());
        scenes
            .flat_map(|scene| scene.objects)
            .map(|object| {
                assert_eq!(source.label(object.garment), Some(object.class));
                let name = composer.garment_name(object.garment);
                assert!(name.contains(config.split.name()), "{name}");
                source.image(object.garment).unwrap().pixels
            })
            .collect()
    };
    let (training, held_out) = (pixels(&config()), pixels(&validation));
    assert!(training.len() > 20 && training.is_disjoint(&held_out));
    // Without objects nothing but the part could make a difference.
    let background = |config: SceneConfig| {
        let config = SceneConfig {
            objects: 0..=0,
            ..config
        };
        Composer::new(&config).unwrap().scene(0).unwrap().image
    };
    assert_ne!(background(config()), background(validation));
}

#[test]
fn all_classes_are_shown_and_no_scene_is_empty() {
    let config = SceneConfig {
        images: 60,
        ..config()
    };
    let composer = Composer::new(&config).unwrap();
    let (mut classes, mut counts) = (BTreeSet::new(), BTreeSet::new());
    for index in 0..config.images {
        let scene = composer.scene(index).unwrap();
        counts.insert(scene.objects.len());
        classes.extend(scene.objects.iter().map(|object| object.class));
    }
    assert_eq!(classes.len(), 10);
    assert_eq!(counts, (1..=5).collect());
    let none = SceneConfig {
        objects: 0..=0,
        ..config
    };
    let scene = Composer::new(&none).unwrap().scene(0).unwrap();
    assert!(scene.objects.is_empty());
}

#[test]
fn every_garment_of_both_parts_can_be_cut_out() {
    // One object as large as the scene: if it covered nothing there would be none.
    for split in [Split::Train, Split::Validation] {
        let config = SceneConfig {
            split,
            side: 32,
            sizes: 32..=32,
            objects: 1..=1,
            occlusion: 0.0,
            distractors: 0..=0,
            ..config()
        };
        let composer = Composer::new(&config).unwrap();
        for index in 0..200 {
            let scene = composer.scene(index).unwrap();
            let [object] = &scene.objects[..] else {
                panic!("scene {index}: {}", scene.objects.len());
            };
            let longer = object.bounds.width().max(object.bounds.height());
            assert!(object.area > 60 && longer >= 30.0, "scene {index}");
        }
    }
}

#[test]
fn masks_have_the_size_of_the_scene() {
    let scene = Composer::new(&config()).unwrap().scene(1).unwrap();
    for object in &scene.objects {
        let Rle { h, w, .. } = object.mask;
        assert_eq!((h, w), (128, 128));
    }
}

//! Batches of annotated images: what is in them, and what they depend on.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use sslight_detect::annotations::DetectionSet;
use sslight_detect::loading::{
    DetectionBatch, DetectionLoader, LoadingConfig, LoadingError, PlannedSample,
};
use tempfile::TempDir;

/// Black images of many shapes with a red rectangle each, annotated by its box and, in turn, by a polygon, a run-length code and
/// no mask. The first image also has a crowd.
fn data(images: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut entries, mut annotations) = (Vec::new(), Vec::new());
    for id in 0..images {
        let (width, height) = (30 + 7 * (id % 3) as u32, 30 + 9 * (id % 2) as u32);
        let (x, y, w, h) = (2 + id as u32 % 5, 4, 9, 12 + id as u32 % 4);
        let inside = |column, row| (x..x + w).contains(&column) && (y..y + h).contains(&row);
        let picture = RgbImage::from_fn(width, height, |column, row| {
            Rgb(if inside(column, row) {
                [255, 0, 0]
            } else {
                [0, 0, 0]
            })
        });
        picture
            .save(folder.path().join(format!("{id}.png")))
            .unwrap();
        entries.push(
            json!({"id": id, "file_name": format!("{id}.png"), "width": width, "height": height}),
        );
        let mut runs = vec![x * height + y];
        for column in 0..w {
            let last = column + 1 == w;
            runs.push(h);
            runs.push(if last {
                (width - x - w) * height + height - y - h
            } else {
                height - h
            });
        }
        let segmentation = match id % 3 {
            0 => json!([[x, y, x + w, y, x + w, y + h, x, y + h]]),
            1 => json!({"size": [height, width], "counts": runs}),
            _ => Value::Null,
        };
        annotations.push(
            json!({"id": id + 1, "image_id": id, "category_id": 3 + id % 2, "bbox": [x, y, w, h],
            "area": w * h, "iscrowd": 0, "segmentation": segmentation}),
        );
    }
    annotations.push(
        json!({"id": 900, "image_id": 0, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1}),
    );
    let content = json!({"images": entries, "annotations": annotations,
        "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}]});
    fs::write(folder.path().join("instances.json"), content.to_string()).unwrap();
    folder
}

fn open(folder: &TempDir) -> DetectionSet {
    DetectionSet::open_coco(&folder.path().join("instances.json"), folder.path()).unwrap()
}

fn config() -> LoadingConfig {
    LoadingConfig {
        batch_size: 3,
        seed: 5,
        short_sides: vec![40, 50, 60],
        test_side: 45,
        longest_side: 100,
        multiple: 16,
        ..LoadingConfig::default()
    }
}

fn loader(folder: &TempDir, config: LoadingConfig) -> DetectionLoader {
    DetectionLoader::new(open(folder), config).unwrap()
}

fn batches(loader: &DetectionLoader, from: usize, count: usize) -> Vec<DetectionBatch> {
    let batches = loader.training(from).take(count);
    batches.collect::<Result<_, _>>().unwrap()
}

#[test]
fn batches_depend_on_seed_and_step_alone() {
    let folder = data(11);
    let all = batches(&loader(&folder, config()), 0, 12);
    for (workers, prefetch, from) in [(1, 1, 0), (3, 4, 0), (2, 2, 7)] {
        let other = LoadingConfig {
            workers,
            prefetch,
            ..config()
        };
        let got = batches(&loader(&folder, other), from, 12 - from);
        assert!(got == all[from..], "{workers} workers from step {from}");
    }
    let other = LoadingConfig {
        seed: 6,
        ..config()
    };
    assert!(batches(&loader(&folder, other), 0, 12) != all);
    assert_eq!(
        all.iter().map(|b| b.step).collect::<Vec<_>>(),
        (0..12).collect::<Vec<_>>()
    );
}

#[test]
fn sides_and_mirror_images_are_drawn_evenly_and_shapes_are_together() {
    let folder = data(12);
    let loader = loader(&folder, config());
    let set = loader.set();
    let plan: Vec<Vec<PlannedSample>> = loader.plan(0).take(1000).collect();
    let mut sides = [0; 3];
    let mut flips = 0;
    for sample in plan.iter().flatten() {
        let side = sample.width.min(sample.height);
        sides[[40, 50, 60].iter().position(|s| *s == side).unwrap()] += 1;
        flips += usize::from(sample.flip);
    }
    // Five standard deviations of 3000 draws.
    assert!(sides.iter().all(|n| (870..1130).contains(n)), "{sides:?}");
    assert!((1363..1637).contains(&flips), "{flips}");
    for batch in &plan {
        let wide = batch
            .iter()
            .map(|s| set.images[s.index].width > set.images[s.index].height);
        let wide: Vec<bool> = wide.collect();
        assert!(wide.iter().all(|w| *w == wide[0]));
    }
}

#[test]
fn images_are_normalised_and_padded_with_zeros() {
    let folder = data(11);
    let loader = loader(&folder, config());
    let (mean, std) = (config().mean, config().std);
    for (batch, plan) in batches(&loader, 0, 6).iter().zip(loader.plan(0)) {
        assert_eq!((batch.width % 16, batch.height % 16), (0, 0));
        assert_eq!(
            batch.images.len(),
            batch.len() * 3 * batch.height * batch.width
        );
        let tallest = batch.sizes.iter().map(|size| size.0).max().unwrap();
        assert!(batch.height - tallest < 16);
        for (row, sample) in plan.iter().enumerate() {
            let (height, width) = batch.sizes[row];
            assert_eq!(
                (height, width, batch.indices[row]),
                (sample.height, sample.width, sample.index)
            );
            let image = &loader.set().images[sample.index];
            let (x, y) = batch.to_original[row];
            assert!((x * width as f32 - image.width as f32).abs() < 1e-3);
            assert!((y * height as f32 - image.height as f32).abs() < 1e-3);
            let at = |channel: usize, y: usize, x: usize| {
                batch.images[((row * 3 + channel) * batch.height + y) * batch.width + x]
            };
            let bounds = batch.targets[row].boxes[0];
            let middle = (
                ((bounds.y0 + bounds.y1) / 2.0) as usize,
                ((bounds.x0 + bounds.x1) / 2.0) as usize,
            );
            for channel in 0..3 {
                let red = if channel == 0 { 255.0 } else { 0.0 };
                assert_eq!(
                    at(channel, middle.0, middle.1),
                    (red - mean[channel]) / std[channel]
                );
                assert_eq!(
                    at(channel, height - 1, width - 1),
                    (0.0 - mean[channel]) / std[channel]
                );
                if height < batch.height {
                    assert_eq!(at(channel, height, 0), 0.0);
                }
                if width < batch.width {
                    assert_eq!(at(channel, height - 1, width), 0.0);
                }
            }
        }
    }
}

#[test]
fn boxes_and_masks_go_with_their_image() {
    let folder = data(12);
    let loader = loader(&folder, config());
    let mut seen = [0; 4];
    for (batch, plan) in batches(&loader, 0, 16).iter().zip(loader.plan(0)) {
        for (row, sample) in plan.iter().enumerate() {
            let targets = &batch.targets[row];
            // The crowd is no target.
            assert_eq!(
                (targets.boxes.len(), targets.classes[0]),
                (1, sample.index % 2)
            );
            let bounds = targets.boxes[0];
            // Red inside, black outside, wherever the draws have put it.
            let red = |x: f32, y: f32| {
                let at = (row * 3 * batch.height + y as usize) * batch.width + x as usize;
                batch.images[at] > 0.0
            };
            let middle = (bounds.y0 + bounds.y1) / 2.0;
            assert!(red(bounds.x0 + 3.0, middle) && red(bounds.x1 - 3.0, middle));
            assert!(!red(bounds.x0 - 2.0, middle) && !red(bounds.x1 + 2.0, middle));
            let Some(mask) = &targets.masks[0] else {
                assert_eq!(sample.index % 3, 2);
                continue;
            };
            seen[sample.index % 3 * 2 + usize::from(sample.flip)] += 1;
            // Over its own box the mask is full, over one of twice the width, half full: left, as both begin at one place.
            assert!(
                mask.target(bounds, 14)
                    .unwrap()
                    .iter()
                    .filter(|v| **v == 0.0)
                    .count()
                    <= 14
            );
            let mut wide = bounds;
            wide.x1 += bounds.width();
            let target = mask.target(wide, 14).unwrap();
            for line in target.chunks(14).skip(1).take(12) {
                assert!(line[1..6].iter().all(|v| *v == 1.0), "{line:?}");
                assert!(line[8..].iter().all(|v| *v == 0.0), "{line:?}");
            }
        }
    }
    assert!(seen.iter().all(|n| *n > 2), "{seen:?}");
    let boxes_alone = LoadingConfig {
        masks: false,
        ..config()
    };
    let batch = &batches(&crate::loader(&folder, boxes_alone), 0, 1)[0];
    assert!(
        batch
            .targets
            .iter()
            .flat_map(|t| &t.masks)
            .all(Option::is_none)
    );
}

#[test]
fn a_detector_is_measured_on_each_image_once_in_order() {
    let folder = data(8);
    let batches: Vec<DetectionBatch> = loader(&folder, config())
        .testing()
        .collect::<Result<_, _>>()
        .unwrap();
    let indices: Vec<Vec<usize>> = batches.iter().map(|b| b.indices.clone()).collect();
    assert_eq!(indices, [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7]]);
    for (height, width) in batches.iter().flat_map(|b| &b.sizes) {
        assert_eq!(*height.min(width), 45);
    }
    // Not mirrored: the box is where it was annotated.
    let bounds = batches[0].targets[0].boxes[0].scaled(30.0 / 45.0, 30.0 / 45.0);
    assert!((bounds.x0 - 2.0).abs() < 1e-4 && (bounds.y0 - 4.0).abs() < 1e-4);
}

#[test]
fn an_image_that_cannot_be_used_is_named_and_ends_the_stream() {
    let first_error = |folder: &TempDir| {
        let mut stream = loader(folder, config()).testing();
        assert!(stream.next().unwrap().is_ok());
        let error = stream.next().unwrap().unwrap_err();
        assert!(stream.next().is_none());
        error
    };
    let folder = data(8);
    fs::write(folder.path().join("4.png"), "no image").unwrap();
    let error = first_error(&folder);
    assert!(matches!(error, LoadingError::Image(_)), "{error:?}");
    assert!(error.to_string().contains("4.png"), "{error}");

    RgbImage::new(9, 8)
        .save(folder.path().join("4.png"))
        .unwrap();
    let message = first_error(&folder).to_string();
    assert!(
        message.contains("4.png: has 9x8 pixels") && message.contains("for 37x30"),
        "{message}"
    );

    fs::remove_file(folder.path().join("4.png")).unwrap();
    assert!(
        DetectionSet::open_coco(&folder.path().join("instances.json"), Path::new("nowhere"))
            .is_err()
    );
}

#[test]
fn streams_end_early_without_waiting_for_all_that_was_planned() {
    let folder = data(11);
    let many = LoadingConfig {
        workers: 2,
        prefetch: 50,
        ..config()
    };
    let loader = loader(&folder, many);
    drop(loader.training(0));
    let mut stream = loader.training(3);
    assert_eq!(stream.next().unwrap().unwrap().step, 3);
}

#[test]
fn settings_have_ranges_and_something_has_to_be_there() {
    let folder = data(3);
    let refused = |change: fn(&mut LoadingConfig)| {
        let mut config = config();
        change(&mut config);
        let error = DetectionLoader::new(open(&folder), config).err().unwrap();
        error.to_string()
    };
    assert!(refused(|c| c.batch_size = 0).starts_with("batch_size"));
    assert!(refused(|c| c.short_sides = vec![]).starts_with("short_sides"));
    assert!(refused(|c| c.short_sides = vec![0]).starts_with("short_sides"));
    assert!(refused(|c| c.longest_side = 0).starts_with("longest_side"));
    assert!(refused(|c| c.longest_side = usize::MAX).contains("16384"));
    assert!(refused(|c| c.flip = f64::NAN).starts_with("flip"));
    assert!(refused(|c| c.std[1] = 0.0).starts_with("std"));
    assert!(refused(|c| c.multiple = 0).starts_with("multiple"));
    let mut empty = open(&folder);
    empty.images.clear();
    let error = DetectionLoader::new(empty, config()).err().unwrap();
    assert!(matches!(error, LoadingError::Empty));
}

#[test]
fn resizing_is_pillows() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let content =
        json!({"images": [{"id": 1, "file_name": "resize.png"}], "categories": [{"id": 1}]});
    let annotations = folder.path().join("instances.json");
    fs::write(&annotations, content.to_string()).unwrap();
    let bytes = fs::read(golden.join("resize.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for side in [12, 29, 48] {
        let raw = LoadingConfig {
            test_side: side,
            mean: [0.0; 3],
            std: [1.0; 3],
            multiple: 1,
            ..config()
        };
        let set = DetectionSet::open_coco(&annotations, &golden).unwrap();
        let mut stream = DetectionLoader::new(set, raw).unwrap().testing();
        let batch = stream.next().unwrap().unwrap();
        let expected = file.tensor(&side.to_string()).unwrap();
        assert_eq!(expected.shape(), [3, batch.height, batch.width]);
        let expected: Vec<f32> = expected.data().iter().map(|e| f32::from(*e)).collect();
        assert_eq!(batch.images, expected, "{side}");
    }
}

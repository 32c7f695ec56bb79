//! Detectors in whole runs: what they learn, what continues them, and what of annotations ends them.

use std::fs;
use std::path::{Path, PathBuf};

use burn_flex::Flex;
use serde_json::{Value, json};
use sslight_core::config::VerbKeys;
use sslight_core::observe::{End, StopHandle, Summary};
use sslight_core::run::{DetectionRecord, RunError};
use sslight_data::Split;
use sslight_detect::annotations::DetectionSet;
use sslight_detect::model::DetectionLimits;
use sslight_detect::scenes::{SceneConfig, compose};
use sslight_detect::training::{
    DetectConfig, DetectError, SavedDetector, Use, configs, find, train,
};
use sslight_models::weights::WeightsFile;

use crate::runs::{Cpu, NEVER, lines, losses, options};

/// Settings with which a step takes a moment.
const SMALL: &[&str] = &[
    "backbone=mobilenet_v2",
    "batch_size=2",
    "log_every=1",
    "optim.base_lr=0.02",
    "input.short_sides=[48,64]",
    "input.test_side=64",
    "input.longest_side=128",
    "sampling.anchors=32",
    "sampling.proposals=8",
    "test.proposals=8",
];

fn scenes(folder: &Path, images: usize, side: usize) -> String {
    let config = SceneConfig {
        images,
        seed: 5,
        split: Split::Train,
        side,
        sizes: side * 3 / 16..=side * 9 / 16,
        ..SceneConfig::default()
    };
    compose(&config, folder).unwrap();
    folder.display().to_string()
}

fn run(words: &[String], stop_after: usize) -> Result<Summary, DetectError> {
    let resolved = DetectConfig::default().resolve(configs(), words)?;
    train::<Cpu>(&resolved, &Default::default(), options(stop_after))
}

fn words(base: &[&str], data: &str, out: &Path, more: &[&str]) -> Vec<String> {
    let own = [format!("data={data}"), format!("out={}", out.display())];
    let words = base.iter().chain(more).map(ToString::to_string);
    words.chain(own).collect()
}

fn record(out: &Path) -> DetectionRecord {
    let text = fs::read_to_string(out.join("results.jsonl")).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn eight_scenes_are_learned_by_heart_boxes_and_masks() {
    let folder = tempfile::tempdir().unwrap();
    let data = scenes(&folder.path().join("scenes"), 8, 128);
    let out = folder.path().join("run");
    let more = [
        "steps=180",
        "eval_every=0",
        "input.flip=0",
        "input.short_sides=[128]",
        "optim.warmup_steps=40",
        &format!("val_data={data}"),
    ];
    let summary = run(&words(&["detect/scenes"], &data, &out, &more), NEVER).unwrap();
    assert_eq!(summary.end, End::Completed);
    let score = |name: &str| summary.scores[name].as_f64().unwrap();
    assert!(score("box_ap50") > 90.0, "{:?}", summary.scores);
    assert!(score("mask_ap50") > 90.0, "{:?}", summary.scores);
    let record = record(&out);
    assert_eq!(record.scores, summary.scores);
    assert_eq!((record.validation_images, record.classes), (8, 10));
    let of_classes = record
        .per_class
        .iter()
        .filter(|class| class.mask_ap.is_some());
    assert!(of_classes.count() >= 3, "{:?}", record.per_class);
    assert_eq!(record.paper, None);
}

#[test]
fn a_run_that_is_stopped_goes_on_to_the_same_losses_and_weights() {
    let folder = tempfile::tempdir().unwrap();
    let data = scenes(&folder.path().join("scenes"), 5, 64);
    let out = |name: &str| folder.path().join(name);
    let more = ["steps=8", "eval_every=2", &format!("val_data={data}")];
    let whole = run(&words(SMALL, &data, &out("whole"), &more), NEVER).unwrap();
    let parted = words(SMALL, &data, &out("parted"), &more);
    let first = run(&parted, 4).unwrap();
    assert_eq!((first.end, first.steps), (End::Interrupted, 4));
    let second = run(&parted, NEVER).unwrap();
    assert_eq!((second.end, second.steps), (End::Completed, 8));
    assert_eq!(losses(&out("whole")), losses(&out("parted")));
    assert_eq!(whole.scores, second.scores);
    let weights = |name: &str| fs::read(out(name).join("detector.safetensors")).unwrap();
    assert!(weights("whole") == weights("parted"));
    // Once done, the same command does nothing again.
    let results = fs::read_to_string(out("parted").join("results.jsonl")).unwrap();
    assert_eq!(results.lines().count(), 1, "{results}");
    let third = run(&parted, NEVER).unwrap();
    let again = fs::read_to_string(out("parted").join("results.jsonl")).unwrap();
    assert_eq!(again, results);
    assert_eq!((third.steps, third.scores), (8, second.scores));
    let kinds = lines(&out("parted"))
        .iter()
        .filter(|line| line["kind"] == "epoch")
        .count();
    assert_eq!(kinds, 2);
}

fn tensors(path: &Path) -> std::collections::BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(path).unwrap();
    let file = WeightsFile::open(&bytes).unwrap();
    let entries = file.entries().iter();
    entries
        .map(|entry| (entry.name.clone(), file.values(entry).unwrap()))
        .collect()
}

#[test]
fn frozen_normalisation_stays_as_it_is_and_everything_else_moves() {
    let folder = tempfile::tempdir().unwrap();
    let data = scenes(&folder.path().join("scenes"), 4, 64);
    let out = |steps: usize| folder.path().join(steps.to_string());
    for steps in [1, 3] {
        let limit = format!("max_steps={steps}");
        let more = ["norm=frozen", "steps=20", "optim.warmup_steps=0", &limit];
        run(&words(SMALL, &data, &out(steps), &more), NEVER).unwrap();
    }
    let at = |steps: usize| tensors(&out(steps).join("detector.safetensors"));
    let (early, late) = (at(1), at(3));
    let is_norm =
        |name: &str, count: usize| name.starts_with("backbone.body") && early[name].len() == count;
    let mut norms = 0;
    for (name, before) in &early {
        let same = before == &late[name];
        // The only tensors of a backbone with as many values as it has channels.
        let of_norm = ["running_mean", "running_var"]
            .iter()
            .any(|end| name.ends_with(end))
            || late.contains_key(
                &name
                    .replace(".weight", ".running_mean")
                    .replace(".bias", ".running_mean"),
            ) && is_norm(name, before.len());
        norms += usize::from(of_norm);
        assert_eq!(same, of_norm, "{name}");
    }
    assert_eq!(norms, 52 * 4);
}

#[test]
fn one_image_is_looked_at_as_a_set_of_images_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = scenes(&folder.path().join("scenes"), 3, 64);
    let out = folder.path().join("run");
    run(&words(SMALL, &data, &out, &["steps=3"]), NEVER).unwrap();
    let device = Default::default();
    let detector = SavedDetector::<Flex>::open(&out, &device).unwrap();
    assert_eq!(
        (detector.step, detector.masks, detector.classes.len()),
        (Some(3), true, 10)
    );
    let set = DetectionSet::open(Path::new(&data), None).unwrap();
    let limits = DetectionLimits {
        score_above: 0.0,
        most: 5,
        ..DetectionLimits::default()
    };
    let how = Use {
        loading: detector.loading.clone(),
        limits,
    };
    let stop = StopHandle::new();
    let found = find(&detector.network, &set, &how, &device, &stop).unwrap();
    for (index, image) in set.images.iter().enumerate() {
        let pixels = sslight_data::decode::read(&image.path).unwrap();
        let looked = detector.look(&pixels, &detector.loading, limits).unwrap();
        let of_set: Vec<_> = found.iter().filter(|found| found.image == index).collect();
        assert_eq!(looked.len(), 5);
        for (one, other) in looked.iter().zip(of_set) {
            assert_eq!((one.class, one.score), (other.class, other.score));
            assert_eq!((one.bounds, &one.mask), (other.bounds, &other.mask));
        }
    }
}

/// Annotations of one image of 64 x 48 pixels.
fn annotations(folder: &Path, objects: Value) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 3, y as u8 * 4, 90]))
        .save(folder.join("a.png"))
        .unwrap();
    let text = json!({
        "images": [{"id": 7, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 9, "name": "cat"}, {"id": 3, "name": "dog"}],
        "annotations": objects,
    });
    fs::write(folder.join("a.json"), text.to_string()).unwrap();
    folder.to_owned()
}

fn object(id: u64, bbox: [f64; 4], segmentation: Value) -> Value {
    json!({"id": id, "image_id": 7, "category_id": 9, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0,
           "segmentation": segmentation})
}

#[test]
fn odd_annotations_are_mended_or_left_out_and_the_losses_stay_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let polygon = json!([[4.0, 4.0, 30.0, 4.0, 30.0, 30.0, 4.0, 30.0]]);
    // Beside a good object: one that reaches out of the image, one without area, one with a polygon of two points, one so
    // small that no anchor is like it, and a category without objects.
    let data = annotations(
        &folder.path().join("data"),
        json!([
            object(1, [4.0, 4.0, 26.0, 26.0], polygon),
            object(2, [50.0, 30.0, 40.0, 40.0], json!([])),
            object(3, [10.0, 10.0, 0.0, 5.0], json!([])),
            object(4, [30.0, 20.0, 12.0, 12.0], json!([[1.0, 1.0, 2.0, 2.0]])),
            object(5, [2.0, 40.0, 1.0, 1.0], json!([])),
        ]),
    );
    let out = folder.path().join("run");
    let val = format!("val_data={}", data.display());
    let more = ["steps=4", &val, "masks=true"];
    let data = data.display().to_string();
    let summary = run(&words(SMALL, &data, &out, &more), NEVER).unwrap();
    assert_eq!(summary.end, End::Completed);
    assert!(losses(&out).iter().all(|(_, loss)| loss.is_finite()));
    let log = fs::read_to_string(out.join("train.log")).unwrap();
    assert!(log.contains("warning"), "{log}");
    // The order of the file's categories is by id, and both are there.
    let detector = SavedDetector::<Flex>::open(&out, &Default::default()).unwrap();
    assert_eq!(detector.classes, ["dog", "cat"]);
    assert!(
        summary.scores.contains_key("box_ap"),
        "{:?}",
        summary.scores
    );
}

#[test]
fn objects_that_no_proposal_is_like_and_images_on_which_nothing_is_found_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    // Anchors are 32 pixels and more; objects themselves are proposals too, so that one of no size but a dot is left.
    let dot = json!([object(1, [2.0, 2.0, 0.4, 0.4], json!([]))]);
    let data = annotations(&folder.path().join("data"), dot);
    let out = folder.path().join("run");
    let val = format!("val_data={}", data.display());
    let more = [
        "steps=3",
        &val,
        "test.score_above=1.0",
        "optim.warmup_steps=0",
    ];
    let summary = run(
        &words(SMALL, &data.display().to_string(), &out, &more),
        NEVER,
    )
    .unwrap();
    assert!(losses(&out).iter().all(|(_, loss)| loss.is_finite()));
    // Nothing reaches a score above 1: nothing is found, which is an average precision of 0 and no error.
    assert_eq!(summary.scores["box_ap"], 0.0);
}

fn refused(words: &[String]) -> String {
    run(words, NEVER).unwrap_err().to_string()
}

#[test]
fn annotations_that_cannot_be_trained_on_are_refused_before_a_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let out = at("run");
    let good = object(1, [4.0, 4.0, 26.0, 26.0], json!([]));
    let of = |name: &str, objects: Value, more: &[&str]| {
        let data = annotations(&at(name), objects).display().to_string();
        refused(&words(SMALL, &data, &out, more))
    };
    let text = of("none", json!([]), &[]);
    assert!(text.contains("none has an object"), "{text}");
    let text = of("no masks", json!([good.clone()]), &["masks=true"]);
    assert!(
        text.contains("masks=true") && text.contains("no masks"),
        "{text}"
    );
    let code = json!({"size": [48, 64], "counts": "!!"});
    let text = of(
        "broken",
        json!([object(1, [4.0, 4.0, 9.0, 9.0], code)]),
        &[],
    );
    assert!(
        text.contains("annotation 1") && text.contains("run-length"),
        "{text}"
    );
    let mut other = good.clone();
    other["category_id"] = 8.into();
    let text = of("category", json!([other]), &[]);
    assert!(text.contains("category 8"), "{text}");

    let data = annotations(&at("gone"), json!([good.clone()]));
    fs::remove_file(data.join("a.png")).unwrap();
    let text = refused(&words(SMALL, &data.display().to_string(), &out, &[]));
    assert!(text.contains("a.png"), "{text}");

    let data = annotations(&at("data"), json!([good]))
        .display()
        .to_string();
    let text = refused(&words(SMALL, &data, &out, &["backbone=vit_tiny_16"]));
    assert!(
        text.contains("backbone") && text.contains("resnet18"),
        "{text}"
    );
    let text = refused(&words(SMALL, &data, &out, &["init=/nowhere"]));
    assert!(text.contains("/nowhere"), "{text}");
    let scenes = scenes(&at("scenes"), 2, 64);
    let text = refused(&words(SMALL, &data, &out, &[&format!("val_data={scenes}")]));
    assert!(text.contains("class"), "{text}");
    assert!(!out.exists());
}

#[test]
fn a_folder_of_another_run_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let data = scenes(&folder.path().join("scenes"), 3, 64);
    let out = folder.path().join("run");
    run(&words(SMALL, &data, &out, &["steps=2"]), NEVER).unwrap();
    let text = refused(&words(SMALL, &data, &out, &["steps=3"]));
    assert!(text.contains("steps is 3 here and 2 there"), "{text}");
    let pretraining = crate::runs::words("embedded", &out, &[]);
    let error = crate::runs::train::<Cpu>(&pretraining, NEVER).unwrap_err();
    assert!(matches!(error, RunError::OtherVerb { .. }), "{error}");

    let images = crate::runs::image_folder(&folder.path().join("images"));
    let other = folder.path().join("other");
    let tiny = crate::runs::words(&images, &other, &["max_steps=1"]);
    crate::runs::train::<Cpu>(&tiny, NEVER).unwrap();
    let text = refused(&words(SMALL, &data, &other, &["steps=2"]));
    assert!(text.contains("sslight pretrain"), "{text}");
    // Its backbone is what a detector begins with, though.
    let begun = folder.path().join("begun");
    let init = format!("init={}", other.display());
    run(&words(SMALL, &data, &begun, &["steps=1", &init]), NEVER).unwrap();
    let told = lines(&begun);
    assert!(
        told.iter().any(|line| line["name"] == "weights_loaded"),
        "{told:?}"
    );
}

//! Whole runs of every method on a small folder of images.

use std::path::Path;

use serde_json::Value;
use sslight_core::observe::End;
use sslight_core::run::RunError;

use crate::runs::{Cpu, NEVER, image_folder, lines, losses, train, words};

const METHODS: [&str; 5] = ["dino", "swav", "moco", "simclr", "supervised"];

/// The words of a run of a method: 24 images, 3 steps an epoch.
fn words_of(method: &str, data: &str, out: &Path, more: &[&str]) -> Vec<String> {
    let method = format!("method={method}");
    let own = [
        method.as_str(),
        "model.small_input=false",
        "swav.hidden_dim=16",
        "swav.out_dim=8",
        "swav.prototypes=6",
        "swav.queue_length=16",
        "swav.queue_start_epoch=0",
        "moco.hidden_dim=16",
        "moco.out_dim=8",
        "moco.queue_length=20",
        "simclr.hidden_dim=16",
        "simclr.out_dim=8",
    ];
    words(data, out, &[&own[..], more].concat())
}

/// The lines of `metrics.jsonl` of a kind.
fn of_kind(out: &Path, kind: &str) -> Vec<Value> {
    lines(out)
        .into_iter()
        .filter(|line| line["kind"] == kind)
        .collect()
}

#[test]
fn every_method_trains_evaluates_and_reports_the_keys_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    for method in METHODS {
        let out = folder.path().join(method);
        let command = words_of(method, &data, &out, &["probe=true"]);
        let summary = train::<Cpu>(&command, NEVER).unwrap();
        assert_eq!((summary.end, summary.steps), (End::Completed, 6));
        let steps = of_kind(&out, "step");
        assert_eq!(steps.len(), 6);
        for step in &steps {
            let has = |key: &str| step.get(key).is_some();
            assert!(step["loss"].as_f64().unwrap().is_finite(), "{method}");
            assert_eq!(has("loss_global"), method != "supervised", "{method}");
            let crops = !["simclr", "supervised"].contains(&method);
            assert_eq!(has("loss_local"), crops, "{method}");
            assert_eq!(has("ema_momentum"), ["dino", "moco"].contains(&method));
            assert_eq!(has("teacher_temp"), method == "dino");
        }
        if method == "moco" {
            assert_eq!(steps[0]["ema_momentum"], 0.999);
        }
    }
}

#[test]
fn every_method_that_stops_anywhere_goes_on_with_the_same_losses() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    for method in ["swav", "moco", "simclr", "supervised"] {
        let whole = folder.path().join(format!("{method}-whole"));
        train::<Cpu>(&words_of(method, &data, &whole, &[]), NEVER).unwrap();
        // After an epoch, and in the middle of one, when SwAV's queue is in use and MoCo's has wrapped.
        for stop_after in [3, 4] {
            let out = folder.path().join(format!("{method}-{stop_after}"));
            let command = words_of(method, &data, &out, &[]);
            let first = train::<Cpu>(&command, stop_after).unwrap();
            assert_eq!((first.end, first.steps), (End::Interrupted, stop_after));
            let second = train::<Cpu>(&command, NEVER).unwrap();
            assert_eq!((second.end, second.steps), (End::Completed, 6));
            assert_eq!(losses(&out), losses(&whole), "{method} {stop_after}");
        }
    }
}

#[test]
fn the_probe_is_scored_on_validation_images_at_the_end_of_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data/train"));
    image_folder(&folder.path().join("data/val"));
    let root = folder.path().join("data");
    for (method, probe) in [("moco", "probe=true"), ("supervised", "probe=false")] {
        let out = folder.path().join(method);
        let val = format!("val_data={}", root.join("val").display());
        let more = [probe, val.as_str(), "eval.knn_every=1", "eval.knn_k=3"];
        train::<Cpu>(&words_of(method, &data, &out, &more), NEVER).unwrap();
        let epochs = of_kind(&out, "epoch");
        assert_eq!(epochs.len(), 2);
        for epoch in epochs {
            let accuracy = epoch["probe_top1"].as_f64().unwrap();
            assert!((0.0..=100.0).contains(&accuracy), "{method}: {accuracy}");
        }
    }
    // Without a probe the key is absent.
    let out = folder.path().join("none");
    let val = format!("val_data={}", root.join("val").display());
    let more = [val.as_str(), "eval.knn_every=1", "eval.knn_k=3"];
    train::<Cpu>(&words_of("moco", &data, &out, &more), NEVER).unwrap();
    assert!(
        of_kind(&out, "epoch")
            .iter()
            .all(|epoch| epoch.get("probe_top1").is_none())
    );
}

#[test]
fn a_checkpoint_of_another_method_or_network_is_refused_with_the_keys_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let first = folder.path().join("first");
    train::<Cpu>(&words_of("moco", &data, &first, &["max_steps=1"]), NEVER).unwrap();
    let resume = format!("resume={}", first.display());
    let refused = |method: &str, more: &[&str]| -> RunError {
        let out = folder.path().join("second");
        let more = [&[resume.as_str(), "max_steps=2"], more].concat();
        let error = train::<Cpu>(&words_of(method, &data, &out, &more), NEVER).unwrap_err();
        assert!(!out.exists());
        error
    };
    let error = refused("swav", &[]);
    assert!(error.is_usage());
    assert_eq!(
        error.to_string(),
        format!(
            "{resume}: holds a checkpoint that this configuration cannot continue: method is \"swav\" here and \
             \"moco\" there; give the values that it has there"
        )
    );
    let error = refused("moco", &["moco.out_dim=16"]);
    assert!(
        error
            .to_string()
            .contains("moco.out_dim is 16 here and 8 there"),
        "{error}"
    );
    // What does not shape tensors may differ.
    let out = folder.path().join("third");
    let more = [resume.as_str(), "max_steps=2", "optim.base_lr=0.01"];
    let summary = train::<Cpu>(&words_of("moco", &data, &out, &more), NEVER).unwrap();
    assert_eq!(summary.steps, 2);
}

#[test]
fn a_run_does_not_go_on_with_images_whose_classes_or_sizes_are_not_those_of_its_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let data = image_folder(&root);
    for (method, automatic) in [("supervised", ""), ("moco", "moco.queue_length=auto")] {
        let out = folder.path().join(method);
        let more: Vec<&str> = [automatic, "max_steps=1"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        train::<Cpu>(&words_of(method, &data, &out, &more), NEVER).unwrap();
    }
    let other = folder.path().join("other");
    let more_data = image_folder(&other);
    for class in ["class2", "class3"] {
        std::fs::create_dir(other.join(class)).unwrap();
        for index in 0..12 {
            let from = other.join(format!("class0/{index:02}.png"));
            std::fs::copy(from, other.join(format!("{class}/{index:02}.png"))).unwrap();
        }
    }
    let refused = |method: &str, more: &[&str]| {
        let out = folder.path().join("second");
        let resume = format!("resume={}", folder.path().join(method).display());
        let words = [&[resume.as_str(), "max_steps=2"], more].concat();
        let error = train::<Cpu>(&words_of(method, &more_data, &out, &words), NEVER).unwrap_err();
        assert!(error.is_usage() && !out.exists());
        error.to_string()
    };
    let error = refused("supervised", &[]);
    assert!(
        error.contains("data is of 4 classes here and of 2 classes there"),
        "{error}"
    );
    let error = refused("moco", &["moco.queue_length=auto"]);
    assert!(
        error.contains("moco.queue_length is 16 here and 8 there"),
        "{error}"
    );
    // The same folder with another class, and the same command.
    std::fs::rename(other.join("class2"), root.join("class2")).unwrap();
    let again = words_of(
        "supervised",
        &data,
        &folder.path().join("supervised"),
        &["max_steps=2"],
    );
    let error = train::<Cpu>(&again, NEVER).unwrap_err().to_string();
    assert!(
        error.contains("data is of 3 classes here and of 2 classes there"),
        "{error}"
    );
}

#[test]
fn a_run_that_goes_on_with_more_images_says_what_that_means() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    let data = image_folder(&root);
    let out = folder.path().join("run");
    let words = |steps: &str| words_of("dino", &data, &out, &[steps]);
    train::<Cpu>(&words("max_steps=1"), NEVER).unwrap();
    std::fs::copy(root.join("class0/00.png"), root.join("class0/12.png")).unwrap();
    train::<Cpu>(&words("max_steps=2"), NEVER).unwrap();
    let log = std::fs::read_to_string(out.join("train.log")).unwrap();
    assert!(
        log.contains(
            "warning: the checkpoint of step 1 was trained on 24 images, and there are 25 now"
        ),
        "{log}"
    );
}

#[test]
fn images_that_are_too_few_for_a_stated_size_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = image_folder(&folder.path().join("data"));
    let out = folder.path().join("run");
    let words = words_of("swav", &data, &out, &["swav.prototypes=100"]);
    let error = train::<Cpu>(&words, NEVER).unwrap_err();
    assert!(error.is_usage());
    assert_eq!(
        error.to_string(),
        "command line: swav.prototypes is 100, but must be at most 24, the number of training images; auto would be 2"
    );
    assert!(!out.exists());
}

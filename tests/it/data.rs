//! Runs on other data than a folder: the same losses from any source, hold-out, decoding, and going on in an epoch.

use std::fs;
use std::path::Path;

use sslight_core::config::resolve;
use sslight_core::run::{open_both, open_validation};

use crate::runs::{Cpu, NEVER, lines, losses, train, words};

/// The twelve images that `sslight-data` tests its sources on.
fn source(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sslight-data/tests/data/sources");
    folder.join(name).display().to_string()
}

/// Three steps an epoch.
const SMALL: &[&str] = &["batch_size=4", "eval.knn_k=3"];

#[test]
fn the_same_images_give_the_same_losses_whatever_holds_them() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name.replace('/', "-"));
        let more = [SMALL, more].concat();
        train::<Cpu>(&words(&source(name), &out, &more), NEVER).unwrap();
        losses(&out)
    };
    let expected = run("folder", &[]);
    assert_eq!(expected.len(), 6);
    for name in [
        "list.csv",
        "webdataset-json",
        "hdf5-latest/train.h5",
        "named.parquet",
    ] {
        assert_eq!(run(name, &[]), expected, "{name}");
    }
    for (name, cache) in [("packed.tar", "cache=bytes"), ("list.txt", "cache=pixels")] {
        assert_eq!(
            run(name, &[cache, "cache_gb=0.000002"]),
            expected,
            "{name} {cache}"
        );
    }
}

#[test]
fn a_run_on_shards_or_parquet_goes_on_in_the_middle_of_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["webdataset-cls", "hub"] {
        let whole = folder.path().join(format!("{name}-whole"));
        train::<Cpu>(&words(&source(name), &whole, SMALL), NEVER).unwrap();
        let parts = folder.path().join(format!("{name}-parts"));
        for stop_after in [2, 4, NEVER] {
            let more = [SMALL, &["workers=2"]].concat();
            train::<Cpu>(&words(&source(name), &parts, &more), stop_after).unwrap();
        }
        assert_eq!(losses(&parts), losses(&whole), "{name}");
    }
}

#[test]
fn images_that_are_held_out_are_measured_on_and_not_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let held_out = ["holdout_per_class=1", "eval.knn_every=1", "epochs=1"];
    let more = [SMALL, &held_out].concat();
    let given = words(&source("folder"), &out, &more);
    let summary = train::<Cpu>(&given, NEVER).unwrap();
    // Nine of twelve images are left to train on.
    assert_eq!(summary.steps, 2);
    let mut scored = lines(&out)
        .into_iter()
        .filter(|line| line["kind"] == "epoch");
    assert!(scored.next_back().unwrap()["knn_top1"].is_number());

    let config = resolve(&given).unwrap().config;
    let (train_images, held_out) = open_both(&config).unwrap();
    let held_out = held_out.unwrap();
    let names = |source: &dyn sslight_data::ImageSource| -> Vec<String> {
        (0..source.len()).map(|index| source.name(index)).collect()
    };
    let (trained, measured) = (names(&*train_images), names(&*held_out));
    assert_eq!((trained.len(), measured.len()), (9, 3));
    assert!(measured.iter().all(|name| !trained.contains(name)));
    // Another seed of the run is measured on the same images, another seed of the hold-out on others.
    let measured_with = |word: &str| {
        let given = [given.clone(), vec![word.to_owned()]].concat();
        let config = resolve(&given).unwrap().config;
        names(&*open_validation(&config).unwrap().unwrap())
    };
    assert_eq!(measured_with("seed=7"), measured);
    assert_ne!(measured_with("holdout_seed=7"), measured);
    let half = [given.clone(), vec!["train_fraction=0.5".to_owned()]].concat();
    let config = resolve(&half).unwrap().config;
    let (some, held_out) = open_both(&config).unwrap();
    assert_eq!((some.len(), names(&*held_out.unwrap())), (6, measured));
}

#[test]
fn keys_of_data_that_exclude_each_other_are_refused() {
    let refused = |more: &[&str]| {
        let words = words("embedded", Path::new("unused"), more);
        resolve(&words).err().unwrap().to_string()
    };
    let message = refused(&["holdout_per_class=5", "holdout_fraction=0.1"]);
    assert!(message.contains("holdout_fraction"), "{message}");
    let message = refused(&["holdout_per_class=5", "val_data=embedded"]);
    assert!(
        message.contains("val_data") && message.contains("take the images to measure on from data"),
        "{message}"
    );
    let message = refused(&["train_fraction=0"]);
    assert!(message.contains("train_fraction"), "{message}");
    let message = refused(&["cache=byte"]);
    assert!(
        message.contains("cache") && message.contains("bytes"),
        "{message}"
    );
}

#[test]
fn large_jpeg_files_are_decoded_smaller_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for index in 0..4u32 {
        let image = image::RgbImage::from_fn(320, 256, |x, y| {
            image::Rgb([(x * (index + 1) / 4) as u8, (y / 2) as u8, 90])
        });
        image.save(data.join(format!("{index}.jpg"))).unwrap();
    }
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let more = [SMALL, more].concat();
        train::<Cpu>(&words(data.to_str().unwrap(), &out, &more), NEVER).unwrap();
        losses(&out)
    };
    // Other pixels, so other losses; how near the pixels are is tested where they are decoded.
    let (exact, scaled) = (run("exact", &[]), run("scaled", &["scaled_decoding=true"]));
    assert_eq!(exact.len(), scaled.len());
    assert_ne!(exact, scaled);
    let config = resolve(&words(
        data.to_str().unwrap(),
        Path::new("unused"),
        &["scaled_decoding=true"],
    ));
    let source = sslight_core::run::open_train(&config.unwrap().config).unwrap();
    // The smallest view's crops have 16 * 16 / 0.3 * 4/3 pixels or 8 * 8 / 0.05 * 4/3: a quarter of 320 x 256 is enough.
    let image = source.image(0).unwrap();
    assert_eq!((image.width, image.height), (80, 64));
}

#[test]
fn batches_of_bytes_train_alike() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, word: &str| {
        let out = folder.path().join(name);
        let more = [SMALL, &[word]].concat();
        train::<Cpu>(&words(&source("folder"), &out, &more), NEVER).unwrap();
        losses(&out)
    };
    let (floats, bytes) = (
        run("floats", "u8_batches=false"),
        run("bytes", "u8_batches=true"),
    );
    assert_eq!(bytes.len(), 6);
    // Later losses are of weights that the other rounding has moved apart.
    let (first, of_bytes) = (floats[0].1, bytes[0].1);
    assert!((first - of_bytes).abs() < 1e-3, "{first} and {of_bytes}");
    assert!(bytes.iter().all(|(_, loss)| loss.is_finite()));
}

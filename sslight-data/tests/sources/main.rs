//! Every kind of source against the same images, written by other programs (`tests/data/write_sources.py`).
#![allow(clippy::unwrap_used)]

mod bad;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use sslight_data::views::Crops;
use sslight_data::{
    DataError, HostBatch, Image, ImageSource, Loader, LoaderConfig, OpenOptions, Split, ViewRecipe,
    open_with, validation_of_with,
};

const CLASSES: [&str; 3] = ["cat", "dog", "owl"];

fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources");
    folder.join(name).to_str().unwrap().to_owned()
}

/// Checks what a message says.
fn has(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// The usual options, with unpacked archives in a folder of the build.
fn options() -> OpenOptions {
    OpenOptions {
        cache_folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        ..OpenOptions::default()
    }
}

fn open(spec: &str, split: Split) -> Result<Arc<dyn ImageSource>, DataError> {
    open_with(spec, split, &options())
}

fn validation_of(spec: &str) -> Result<Option<Arc<dyn ImageSource>>, DataError> {
    validation_of_with(spec, &options())
}

/// The twelve images in their order, by another way than any source's.
fn expected() -> Vec<Image> {
    let names = (0..12).map(|i| format!("folder/{0}/{0}_{1:03}.png", CLASSES[i / 4], i % 4));
    names
        .map(|name| {
            let image = image::open(data(&name)).unwrap().into_rgb8();
            Image::from_rgb(32, 32, image.into_raw()).unwrap()
        })
        .collect()
}

fn loader(source: &Arc<dyn ImageSource>, workers: usize) -> Loader {
    let mut recipe = ViewRecipe::dino_cnn(Crops::Baseline);
    recipe.views.truncate(4);
    for (i, view) in recipe.views.iter_mut().enumerate() {
        view.size = if i < 2 { 16 } else { 8 };
    }
    let config = LoaderConfig {
        batch_size: 3,
        seed: 5,
        workers,
        ..LoaderConfig::default()
    };
    Loader::new(Arc::clone(source), recipe, config).unwrap()
}

fn batches(loader: &Loader, epoch: usize, from: usize) -> Vec<HostBatch> {
    let stream = loader.epoch(epoch, from);
    stream.collect::<Result<_, _>>().unwrap()
}

/// The same in gray: their red channel.
fn expected_in_gray() -> Vec<Image> {
    let gray = |image: Image| {
        let red: Vec<u8> = image.pixels.iter().step_by(3).copied().collect();
        Image::from_gray(image.width, image.height, &red).unwrap()
    };
    expected().into_iter().map(gray).collect()
}

/// What each source has to do.
fn check(spec: &str, classes: &[&str]) {
    check_images(spec, classes, &expected());
}

fn check_images(spec: &str, classes: &[&str], expected: &[Image]) {
    let source = open(spec, Split::Train).unwrap();
    assert_eq!(source.len(), 12, "{spec}");
    assert_eq!(source.class_names(), classes, "{spec}");
    for (index, image) in expected.iter().enumerate() {
        assert_eq!(&source.image(index).unwrap(), image, "{spec} image {index}");
        let label = (!classes.is_empty()).then_some(index / 4);
        assert_eq!(source.label(index), label, "{spec} image {index}");
    }
    let names: Vec<String> = (0..12).map(|index| source.name(index)).collect();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{spec}: {name} twice");
    }
    let beyond = source.image(12).unwrap_err().to_string();
    assert!(
        beyond.contains("image 12") && beyond.contains("there are 12"),
        "{beyond}"
    );
    assert!(source.label(12).is_none() && !source.name(12).is_empty());
    let described = source.describe();
    assert!(described.contains("12 images"), "{described}");

    let of_one = loader(&source, 1);
    let whole: Vec<Vec<HostBatch>> = (0..2).map(|epoch| batches(&of_one, epoch, 0)).collect();
    assert_eq!(whole[0].len(), 4, "{spec}");
    assert_ne!(whole[0][0].indices, whole[1][0].indices, "{spec}");
    for workers in [2, 4] {
        let of_many = loader(&source, workers);
        assert_eq!(
            batches(&of_many, 0, 0),
            whole[0],
            "{spec} with {workers} workers"
        );
    }
    // A later run that enters the second epoch in its middle, with the data opened anew.
    let again = open(spec, Split::Train).unwrap();
    assert_eq!(batches(&loader(&again, 2), 1, 2), whole[1][2..], "{spec}");
}

/// A split of every second image.
fn check_validation(spec: &str) {
    let source = validation_of(spec).unwrap().unwrap();
    assert_eq!(source.len(), 6, "{spec}");
    for (index, image) in expected().iter().step_by(2).enumerate() {
        assert_eq!(&source.image(index).unwrap(), image, "{spec}");
        assert_eq!(source.label(index), Some(index / 2), "{spec}");
    }
    let train = open(spec, Split::Train).unwrap();
    assert_eq!(train.class_names(), source.class_names(), "{spec}");
}

#[test]
fn a_folder() {
    check(&data("folder"), &CLASSES);
    assert!(validation_of(&data("folder")).unwrap().is_none());
}

#[test]
fn lists() {
    check(&data("list.csv"), &CLASSES);
    check(&data("list.txt"), &[]);
    check(&data("folder/subset.txt"), &CLASSES);
}

#[test]
fn webdataset_shards() {
    let numbers = ["0", "1", "2"];
    check(&data("webdataset-cls"), &numbers);
    check(&data("webdataset-cls/{000000..000002}.tar"), &numbers);
    check(&data("webdataset-cls/*.tar"), &numbers);
    check(&data("webdataset-json"), &CLASSES);
    check(&data("webdataset-compressed"), &numbers);
}

#[test]
fn packed_folders() {
    check(&data("packed.tar"), &CLASSES);
    check(&data("packed-split.tgz"), &CLASSES);
    check_validation(&data("packed-split.tgz"));
    assert!(validation_of(&data("packed.tar")).unwrap().is_none());
}

#[test]
fn hdf5_in_the_layout_of_the_papers_code() {
    for version in ["hdf5-earliest", "hdf5-latest"] {
        check(&data(version), &CLASSES);
        check_validation(&data(version));
        check(&data(&format!("{version}/train.h5")), &CLASSES);
    }
}

#[test]
fn parquet_as_the_hub_has_it() {
    check(&data("hub"), &CLASSES);
    check_validation(&data("hub"));
    check(&data("hub/data/train-*.parquet"), &CLASSES);
    check(&data("named.parquet"), &CLASSES);
    check(&data("unlabelled.parquet"), &[]);
    // Test images of the hub have the label -1.
    check(&data("hidden.parquet"), &[]);
}

#[test]
fn rows_without_an_image_or_a_label_are_unreadable_images() {
    let source = open(&data("some-missing.parquet"), Split::Train).unwrap();
    assert_eq!((source.len(), source.class_names().len()), (12, 3));
    let message = |index: usize| source.image(index).unwrap_err().to_string();
    has(
        &message(4),
        &[
            "some-missing.parquet/dog_000.png: the row has no label",
            "add its label",
        ],
    );
    has(
        &message(7),
        &["some-missing.parquet row 7: the row has no bytes of an image"],
    );
    assert!(source.image(5).is_ok() && source.image(11).is_ok());
}

#[test]
fn cifar_in_its_binary_version() {
    let ten = open(&data("cifar-10-batches-bin"), Split::Train).unwrap();
    let names: Vec<&str> = ten.class_names().iter().map(String::as_str).collect();
    assert_eq!(names[..4], ["cat", "dog", "owl", "class 3"]);
    check(&data("cifar-10-batches-bin"), &names);
    check_validation(&data("cifar-10-batches-bin"));
    let numbers: Vec<String> = (0..100).map(|class| class.to_string()).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    check(&data("cifar-100-binary"), &numbers);
    check_validation(&data("cifar-100-binary"));
}

#[test]
fn idx_files() {
    let classes = ["0", "1", "2"];
    check_images(&data("idx"), &classes, &expected_in_gray());
    let file = data("idx/train-images-idx3-ubyte.gz");
    check_images(&file, &classes, &expected_in_gray());
    let validation = validation_of(&data("idx")).unwrap().unwrap();
    assert_eq!((validation.len(), validation.label(5)), (6, Some(2)));
    assert_eq!(validation.image(1).unwrap(), expected_in_gray()[2]);
}

#[test]
fn several_sources_are_one_and_classes_of_one_name_are_one() {
    let joined = |names: &[&str]| names.iter().map(|n| data(n)).collect::<Vec<_>>().join(",");
    let both = open(&joined(&["list.csv", "hub"]), Split::Train).unwrap();
    assert_eq!(
        (both.len(), both.class_names()),
        (24, &CLASSES.map(String::from)[..])
    );
    let images = expected();
    for index in 0..24 {
        assert_eq!(both.image(index).unwrap(), images[index % 12]);
        assert_eq!(both.label(index), Some(index % 12 / 4));
    }
    assert_eq!(
        batches(&loader(&both, 1), 0, 0),
        batches(&loader(&both, 4), 0, 0)
    );
    let text = both.describe();
    assert!(
        text.starts_with("24 images, 3 classes") && text.contains("Parquet"),
        "{text}"
    );
    let shards = "webdataset-json/{000000..000001}.tar";
    let half = open(&joined(&[shards, "list.txt"]), Split::Train).unwrap();
    assert_eq!(
        (half.len(), half.class_names().len(), half.label(0)),
        (20, 0, None)
    );
    let validation = validation_of(&joined(&["hub", "list.csv", "hdf5-latest"])).unwrap();
    assert_eq!(validation.unwrap().len(), 12);
}

#[test]
fn labels_can_be_left_out() {
    let options = OpenOptions {
        labels: false,
        ..options()
    };
    for name in [
        "folder",
        "list.csv",
        "webdataset-cls",
        "packed.tar",
        "hdf5-latest",
        "hub",
        "wrong-label.parquet",
        "cifar-10-batches-bin",
    ] {
        let source = open_with(&data(name), Split::Train, &options).unwrap();
        assert_eq!(
            (source.len(), source.class_names().len()),
            (12, 0),
            "{name}"
        );
        assert!(source.label(3).is_none(), "{name}");
        let classes = source.name(0) != source.name(11);
        assert!(classes, "{name}");
    }
}

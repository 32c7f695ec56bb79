#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;
use std::io::Write;

fn images(count: u32, samples: &[u8]) -> Vec<u8> {
    let mut bytes = IMAGES_MAGIC.to_vec();
    for d in [count, 2, 3] {
        bytes.extend(d.to_be_bytes());
    }
    bytes.extend(samples);
    bytes
}

fn labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = LABELS_MAGIC.to_vec();
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_folder_gives_each_split_its_files_packed_or_plain() {
    let dir = tempfile::tempdir().unwrap();
    let samples: Vec<u8> = (0..12).collect();
    fs::write(
        dir.path().join("train-images-idx3-ubyte.gz"),
        gzip(&images(2, &samples)),
    )
    .unwrap();
    fs::write(dir.path().join("train-labels-idx1-ubyte"), labels(&[4, 1])).unwrap();
    fs::write(
        dir.path().join("t10k-images.idx3-ubyte"),
        images(1, &samples[6..]),
    )
    .unwrap();
    let spec = dir.path().to_str().unwrap();
    let train = crate::source::open(spec, Split::Train).unwrap();
    assert_eq!(
        (train.len(), train.label(0), train.label(1)),
        (2, Some(4), Some(1))
    );
    assert_eq!(train.class_names().len(), 5);
    assert_eq!(train.image(1).unwrap().pixel(2, 1), [11; 3]);
    let validation = crate::source::validation_of(spec).unwrap().unwrap();
    assert_eq!((validation.len(), validation.label(0)), (1, None));
    assert!(validation.class_names().is_empty());
}

#[test]
fn one_image_file_is_a_source_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("extra-images-idx3-ubyte.gz");
    fs::write(&path, gzip(&images(1, &[9; 6]))).unwrap();
    let spec = path.to_str().unwrap();
    assert_eq!(crate::source::open(spec, Split::Train).unwrap().len(), 1);
    assert!(crate::source::validation_of(spec).unwrap().is_none());
}

#[test]
fn damaged_files_are_refused_with_the_reason() {
    let cases = [
        (images(3, &[0; 12]), "header promises [3, 2, 3]"),
        (labels(&[1]), "magic number"),
        (IMAGES_MAGIC.to_vec(), "header ends after 4 bytes"),
        (images(0, &[]), "no pixels"),
    ];
    for (bytes, part) in cases {
        let message = parse_images(bytes.into(), None, "x")
            .err()
            .unwrap()
            .to_string();
        assert!(
            message.starts_with("x: ") && message.contains(part),
            "{message}"
        );
    }
    let unequal = parse_images(images(1, &[0; 6]).into(), Some(vec![1, 2]), "x");
    assert!(unequal.err().unwrap().to_string().contains("2 labels"));
    let mut packed = gzip(&images(2, &[0; 12]));
    packed.truncate(20);
    assert!(decompress(&packed, "x").is_err());
}

#[test]
fn a_folder_without_the_split_says_what_it_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("t10k-images-idx3-ubyte"),
        images(1, &[0; 6]),
    )
    .unwrap();
    let error = crate::source::open(dir.path().to_str().unwrap(), Split::Train);
    let message = error.err().unwrap().to_string();
    assert!(message.contains("train-images-idx3-ubyte"), "{message}");
}

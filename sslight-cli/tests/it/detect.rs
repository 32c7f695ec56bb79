//! `sslight detect`, as a user meets it: files, exit codes, what is refused.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{run, stderr, stdout};

const TRAIN: &[&str] = &[
    "detect",
    "train",
    "--quiet",
    "data=scenes/train",
    "val_data=scenes/val",
    "backbone=mobilenet_v2",
    "batch_size=2",
    "steps=2",
    "input.short_sides=[64]",
    "input.test_side=64",
    "input.longest_side=128",
    "sampling.anchors=32",
    "sampling.proposals=8",
    "test.proposals=8",
    "out=run",
];

/// Scenes and a detector that has seen them twice.
fn trained(folder: &Path) {
    let compose = [
        "detect",
        "compose",
        "out=scenes",
        "side=64",
        "train=3",
        "val=2",
    ];
    assert!(run(folder, &compose).status.success());
    let trained = run(folder, TRAIN);
    assert!(trained.status.success(), "{}", stderr(&trained));
}

fn json(folder: &Path, file: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap()
}

fn code(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = run(folder, words);
    (output.status.code().unwrap(), stderr(&output))
}

#[test]
fn a_detector_is_trained_measured_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder);

    let dry = run(folder, &[TRAIN, &["--dry-run"]].concat());
    let text = stdout(&dry);
    assert!(dry.status.success(), "{}", stderr(&dry));
    for part in [
        "sampling.proposals",
        "command line",
        "learning rate / 10 at steps 1",
        "3 images",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let eval = [
        "detect",
        "eval",
        "run",
        "--json",
        "--quiet",
        "--write",
        "found.json",
        "test.score_above=0",
    ];
    let measured = run(folder, &eval);
    let record: Value = serde_json::from_str(&stdout(&measured)).unwrap();
    assert_eq!(record["kind"], "detect");
    assert_eq!(
        (&record["validation_images"], &record["train_images"]),
        (&2.into(), &3.into())
    );
    assert_eq!(record["settings"]["test.score_above"], 0.0);
    for score in ["box_ap", "mask_ap75", "box_ar100"] {
        assert!(record["scores"][score].is_number(), "{score}: {record}");
    }
    let found = json(folder, "found.json");
    assert!(
        found
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["segmentation"]["counts"].is_string())
    );
    // The training's own measurement and this one.
    let results = fs::read_to_string(folder.join("run/results.jsonl")).unwrap();
    assert_eq!(results.lines().count(), 2);
    let table = stdout(&run(folder, &["results", "run"]));
    assert!(
        table.contains("mask AP") && table.lines().count() == 3,
        "{table}"
    );

    // A folder with folders below and a file twice.
    fs::create_dir_all(folder.join("photos/best/val")).unwrap();
    let image = folder.join("scenes/val/images/000001.png");
    for to in ["photos/a.png", "photos/best/a.png", "photos/best/val/b.PNG"] {
        fs::copy(&image, folder.join(to)).unwrap();
    }
    fs::write(folder.join("photos/broken.jpg"), "no picture").unwrap();
    let predict = [
        "detect",
        "predict",
        "run",
        "photos",
        "out=shown",
        "test.score_above=0",
        "test.most=2",
    ];
    let shown = run(folder, &predict);
    assert!(shown.status.success(), "{}", stderr(&shown));
    assert!(stderr(&shown).contains("broken.jpg"), "{}", stderr(&shown));
    for name in ["a.png", "a-2.png", "b.png"] {
        assert!(folder.join("shown").join(name).is_file(), "{name}");
    }
    let lines = json(folder, "shown/detections.json");
    assert_eq!(lines.as_array().unwrap().len(), 6);
    let images = json(folder, "shown/images.json");
    assert_eq!(
        (&images[2]["id"], &images[2]["width"]),
        (&3.into(), &64.into())
    );
    let categories = json(folder, "scenes/train/annotations.json")["categories"].clone();
    let of = |line: &Value| {
        let is_its = |category: &&Value| category["id"] == line["category_id"];
        categories.as_array().unwrap().iter().find(is_its).unwrap()["name"].clone()
    };
    assert!(
        lines
            .as_array()
            .unwrap()
            .iter()
            .all(|line| of(line) == line["category"])
    );

    // The file alone is enough, without a run around it.
    fs::create_dir(folder.join("alone")).unwrap();
    fs::copy(
        folder.join("run/detector.safetensors"),
        folder.join("alone/d.safetensors"),
    )
    .unwrap();
    fs::write(folder.join("config.toml"), "a = 1").unwrap();
    let alone = [
        "detect",
        "predict",
        "alone/d.safetensors",
        "photos/a.png",
        "out=shown2",
    ];
    assert_eq!(code(folder, &alone).0, 0);
    // And a detector's backbone is what another begins with.
    let begun = [TRAIN, &["init=run", "out=begun", "max_steps=1"]].concat();
    assert_eq!(code(folder, &begun), (0, String::new()));
}

#[test]
fn a_photo_that_lies_on_its_side_is_looked_at_upright() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder);
    let mut jpeg = Vec::new();
    image::RgbImage::from_fn(48, 32, |x, y| image::Rgb([x as u8 * 5, y as u8 * 7, 60]))
        .write_with_encoder(image::codecs::jpeg::JpegEncoder::new(&mut jpeg))
        .unwrap();
    // An EXIF segment with the one entry that the picture is to be turned by a quarter (orientation 6).
    let entry = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0];
    let tiff = [&b"MM\0*\0\0\0\x08\0\x01"[..], &entry, &[0; 4]].concat();
    let body = [&b"Exif\0\0"[..], &tiff].concat();
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    let turned = [&jpeg[..2], &[0xff, 0xe1], &length, &body, &jpeg[2..]].concat();
    fs::create_dir(folder.join("photos")).unwrap();
    fs::write(folder.join("photos/p.jpg"), turned).unwrap();
    let predict = ["detect", "predict", "run", "photos/p.jpg", "out=shown"];
    assert_eq!(code(folder, &predict).0, 0);
    let images = json(folder, "shown/images.json");
    assert_eq!(
        (&images[0]["width"], &images[0]["height"]),
        (&32.into(), &48.into())
    );
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder);
    let image = "scenes/val/images/000001.png";
    let before = fs::read(folder.join(image)).unwrap();
    fs::write(
        folder.join("cut.safetensors"),
        &fs::read(folder.join("run/detector.safetensors")).unwrap()[..5000],
    )
    .unwrap();
    let pretrain = [
        "pretrain",
        "--quiet",
        "data=scenes/train/images",
        "use_labels=false",
        "batch_size=2",
        "max_steps=1",
        "out=pre",
        "backbone=mobilenet_v2",
        "views.global.size=32",
        "dino.out_dim=8",
        "dino.hidden_dim=8",
        "dino.bottleneck_dim=4",
    ];
    let pretrained = run(folder, &pretrain);
    assert!(pretrained.status.success(), "{}", stderr(&pretrained));
    for (words, expected, part) in [
        (
            &["detect", "predict", "run", image, "out=scenes/val/images"][..],
            2,
            "among the images",
        ),
        (
            &[
                "detect",
                "predict",
                "run",
                "scenes/val",
                "out=scenes/val/shown",
            ],
            0,
            "",
        ),
        (
            &[
                "detect",
                "predict",
                "run",
                "scenes/val",
                "out=scenes/val/shown",
            ],
            2,
            "among the images",
        ),
        (
            &["detect", "predict", "run", "nowhere.png"],
            3,
            "nowhere.png",
        ),
        (&["detect", "predict", "run", "run"], 2, "holds no image"),
        (&["detect", "predict", "run", "test.most=3"], 2, "no image"),
        (
            &["detect", "predict", "run", image, "tset.most=3"],
            2,
            "test.most",
        ),
        (
            &["detect", "predict", "run", image, "seed=3"],
            2,
            "how a detector is trained",
        ),
        (&["detect", "predict", "pre", image], 3, "detect train"),
        (
            &["detect", "predict", "pre/backbone.safetensors", image],
            3,
            "detector",
        ),
        (
            &["detect", "predict", "cut.safetensors", image],
            3,
            "cut.safetensors",
        ),
        (&["detect", "eval", "typo"], 3, "typo"),
        (&["detect", "eval", "run", "val_data=nowhere"], 3, "nowhere"),
        (
            &["detect", "eval", "run", "input.flip=1"],
            2,
            "how a detector is trained",
        ),
        (
            &[
                "detect",
                "train",
                "data=scenes/train",
                "backbone=vit_tiny_16",
                "out=x",
            ],
            2,
            "resnet18",
        ),
        (
            &[
                "detect",
                "train",
                "data=scenes/train",
                "input.short_sides=[20000]",
                "out=x",
            ],
            2,
            "input.short_sides",
        ),
        (
            &[
                "detect",
                "train",
                "detect/dino-resnet8-sslight",
                "data=scenes/train",
            ],
            2,
            "detect/dino-resnet18-sslight",
        ),
        (&["detect", "train", "out=x"], 2, "data=PATH"),
        (
            &["detect", "train", "data=scenes/train", "out=pre"],
            2,
            "sslight pretrain",
        ),
        (
            &[
                "pretrain",
                "data=scenes/train/images",
                "batch_size=2",
                "out=run",
            ],
            2,
            "sslight detect train",
        ),
        (
            &[
                "detect",
                "compose",
                "out=scenes",
                "side=64",
                "train=9",
                "val=2",
            ],
            2,
            "scenes",
        ),
        (
            &[
                "detect",
                "compose",
                "out=small",
                "side=33",
                "train=1",
                "val=1",
            ],
            0,
            "",
        ),
    ] {
        let (got, said) = code(folder, words);
        assert_eq!(got, expected, "{words:?}: {said}");
        assert!(said.contains(part), "{words:?}: {said}");
    }
    assert!(!folder.join("x").exists());
    assert!(fs::read(folder.join(image)).unwrap() == before);
}

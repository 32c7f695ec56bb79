//! The verbs that show images to a trained network: embed, neighbours, project, attention.

use std::fs;
use std::path::Path;

use crate::program::{run, stderr, stdout};

/// What a verb printed; it must have gone well.
fn done(folder: &Path, words: &[&str]) -> (String, String) {
    let output = run(folder, words);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{words:?}: {}",
        stderr(&output)
    );
    (stdout(&output), stderr(&output))
}

fn refused(folder: &Path, words: &[&str], code: i32) -> String {
    let output = run(folder, words);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{words:?}: {}",
        stderr(&output)
    );
    assert_eq!(stdout(&output), "", "{words:?}");
    stderr(&output)
}

#[test]
fn a_run_gives_features_neighbours_and_a_projection() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    done(
        folder,
        &["pretrain", "debug/tiny", "backbone=resnet18", "out=a", "-q"],
    );

    let (told, _) = done(
        folder,
        &["embed", "a", "split=validation", "out=f/a.csv", "--json"],
    );
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["images"], &told["dim"]), (&1000.into(), &512.into()));
    let wait = told["data_wait"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&wait), "{wait}");
    let lines = fs::read_to_string(folder.join("f/a.csv")).unwrap();
    assert_eq!(lines.lines().count(), 1001);
    assert!(lines.contains("\nembedded validation image 0,9,Ankle boot,"));

    let again = ["embed", "a", "split=validation", "out=f/a.csv"];
    assert_eq!(
        refused(folder, &again, 2),
        "error: out=f/a.csv: is there already; give another path, or overwrite=true to replace it\n"
    );

    let words = [
        "neighbors",
        "a",
        "split=validation",
        "queries=2",
        "k=3",
        "out=n.png",
    ];
    let (told, _) = done(folder, &words);
    assert!(
        told.starts_with("2 queries, 3 neighbours each among 1,000 images, "),
        "{told}"
    );
    let words = ["project", "a", "split=validation", "points=50", "out=p.svg"];
    let (told, _) = done(folder, &words);
    assert!(told.starts_with("pca of 50 images; "), "{told}");

    assert_eq!(
        refused(folder, &["attention", "a", "out=attention"], 2),
        "error: resnet18 is a convolutional network and has no attention; vit_tiny_16, vit_tiny_32, \
         vit_small_16 have it. For resnet18 see `sslight neighbours` and `sslight project`\n"
    );
}

#[test]
fn words_that_make_no_sense_are_refused_before_any_work() {
    let root = tempfile::tempdir().unwrap();
    for (words, message) in [
        (
            &["embed", "none"][..],
            "error: command line: out is missing; write out=features.parquet\n",
        ),
        (
            &["embed", "none", "out=a.csv", "spilt=train"],
            "error: command line: unknown key spilt; did you mean split?\n",
        ),
        (
            &["embed", "none", "out=a.txt"],
            "error: out=a.txt: its ending names no kind of file that can be written; end it with .safetensors, \
             .csv or .parquet, or say which with format=\n",
        ),
        (
            &["project", "none", "out=a.svg", "method=tsn"],
            "error: command line: method is tsn, but must be one of pca, tsne; did you mean tsne?\n",
        ),
        (
            &["neighbours", "none", "out=a.png", "k=0"],
            "error: command line: k is 0, but must be an integer of at least 1\n",
        ),
    ] {
        assert_eq!(refused(root.path(), words, 2), message, "{words:?}");
    }
}

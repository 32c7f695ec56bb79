//! The verb `knn` with files of weights: what it tells on which stream.

use std::path::Path;
use std::process::Output;

use crate::program::{run, stderr};

const CHECKPOINT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/DINO_mobilenet_v2_last_ckpt.pth.tar"
);

fn sslight(folder: &Path, words: &[&str]) -> (Output, String) {
    let output = run(folder, words);
    let messages = stderr(&output);
    (output, messages)
}

#[test]
fn a_checkpoint_is_scored_and_standard_error_says_which_weights_were_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (output, messages) = sslight(folder.path(), &["knn", CHECKPOINT, "debug/tiny", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{messages}");
    let start = "note: 260 matched of mobilenet_v2 under module.student.backbone.*; left out ";
    assert!(messages.starts_with(start), "{messages}");
    assert!(messages.contains(" of other parts ("), "{messages}");
    let end = format!("; from {CHECKPOINT} (PyTorch, its state_dict)\n");
    assert!(messages.ends_with(&end), "{messages}");
    let score: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(score["knn_top1"].is_number(), "{score}");
}

#[test]
fn weights_of_another_network_are_refused_with_the_file_and_advice() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| sslight(folder.path(), words);
    let words = ["pretrain", "debug/tiny", "backbone=resnet18", "out=a"];
    let (output, messages) = run(&words);
    assert_eq!(output.status.code(), Some(0), "{messages}");
    // The run's own weights are all that there is in its file.
    let (output, messages) = run(&["knn", "a"]);
    assert_eq!((output.status.code(), messages.as_str()), (Some(0), ""));

    let (output, messages) = run(&["knn", "a", "backbone=resnet34"]);
    assert_eq!(output.status.code(), Some(3), "{messages}");
    let start = "error: a/backbone.safetensors: does not fit resnet34: 100 matched, 80 missing (";
    assert!(messages.starts_with(start), "{messages}");
    let end = "; check backbone and model.small_input\n";
    assert!(messages.ends_with(end), "{messages}");
}

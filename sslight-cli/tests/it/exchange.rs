//! The verbs `export`, `import` and `inspect`. What other programs make of the files is `tests/recipes/round_trip.py`'s.

use std::path::Path;

use serde_json::Value;

use crate::program::{run, stderr, stdout};

const CHECKPOINT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/DINO_mobilenet_v2_last_ckpt.pth.tar"
);

/// The JSON that the program prints, which ends well.
fn json(folder: &Path, words: &[&str]) -> Value {
    let output = run(folder, words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exit code and messages of words that are refused.
fn refused(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output = run(folder, words);
    (output.status.code(), stderr(&output))
}

fn file_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn the_references_checkpoint_comes_in_with_a_report_of_every_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["import", CHECKPOINT, "out=a.safetensors", "--json"];
    let report = json(folder.path(), &words);
    assert_eq!(report["backbone"], "mobilenet_v2");
    assert_eq!(report["prefix"], "module.student.backbone.");
    assert_eq!(report["complete"], true);
    let count = |key: &str| report[key].as_array().unwrap().len();
    let counts = [
        "matched",
        "missing",
        "unexpected",
        "mismatched",
        "heads",
        "others",
    ]
    .map(count);
    assert_eq!(counts, [260, 0, 0, 0, 0, 38]);

    let inspected = json(folder.path(), &["inspect", "a.safetensors", "--json"]);
    assert_eq!(inspected["format"], "safetensors");
    assert_eq!(inspected["sha256"], report["out_sha256"]);
    assert_eq!(inspected["metadata"]["source_sha256"], report["sha256"]);
    assert_eq!(inspected["network"]["backbone"], "mobilenet_v2");
    assert_eq!(inspected["network"]["parameters"], 2_223_872);
    assert_eq!(inspected["tensors"].as_array().unwrap().len(), 260);
    let (code, messages) = refused(folder.path(), &words);
    assert_eq!(code, Some(3));
    assert_eq!(
        messages,
        "error: a.safetensors: is there already; choose another file with out=FILE, or give overwrite=true\n"
    );

    // The teacher is there without its backbone.
    let words = ["import", CHECKPOINT, "role=teacher", "out=t.safetensors"];
    let (code, messages) = refused(folder.path(), &words);
    assert_eq!(code, Some(3), "{messages}");
    assert!(messages.contains("it holds no teacher of"), "{messages}");
    assert_eq!(file_names(folder.path()), ["a.safetensors"]);
}

#[test]
fn what_does_not_fit_is_reported_and_written_only_in_part() {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "import",
        CHECKPOINT,
        "backbone=resnet18",
        "out=a.safetensors",
    ];
    let (code, messages) = refused(folder.path(), &words);
    assert_eq!(code, Some(3), "{messages}");
    assert!(messages.starts_with("error: "), "{messages}");
    assert!(file_names(folder.path()).is_empty());
    for (words, message) in [
        (
            ["export", CHECKPOINT, "dtyp=f16"],
            "error: command line: unknown key dtyp; did you mean dtype?\n",
        ),
        (
            ["import", CHECKPOINT, "backbone=resnet81"],
            "error: command line: backbone is resnet81, but must be one of mobilenet_v2, resnet18, resnet34, resnet50, \
             vit_tiny_16, vit_tiny_32, vit_small_16; did you mean resnet18?\n",
        ),
        (
            ["inspect", CHECKPOINT, "features=a"],
            "error: command line: features=FILE and out=FILE belong together; give both or none\n",
        ),
    ] {
        assert_eq!(
            refused(folder.path(), &words),
            (Some(2), message.to_owned())
        );
    }
}

#[test]
fn a_run_goes_out_by_role_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["pretrain", "debug/tiny", "max_steps=2", "out=a"];
    let (code, messages) = refused(folder.path(), &words);
    assert_eq!(code, Some(0), "{messages}");

    let export = |more: &[&str]| {
        let words: Vec<&str> = ["export", "a", "--json"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        json(folder.path(), &words)
    };
    let student = export(&[]);
    let name = student["path"].as_str().unwrap();
    assert_eq!(name, "a/mobilenet_v2-student-step-2-f32.safetensors");
    // The same weights again are the same bytes.
    let again = export(&["out=again.safetensors"]);
    assert_eq!(again["sha256"], student["sha256"]);
    let teacher = export(&["role=teacher", "head=true", "out=t.safetensors"]);
    // 260 and a counter for each of 52 normalisations, and the head.
    assert_eq!(student["tensors"], 260 + 52);
    assert!(teacher["tensors"].as_u64() > student["tensors"].as_u64());

    let backbone = json(folder.path(), &["inspect", "t.safetensors", "--json"]);
    // The head has two normalisations, whose counters are no tensors of ours.
    let heads = backbone["network"]["heads"].as_u64().unwrap();
    assert_eq!(heads + 2 + 260 + 52, teacher["tensors"].as_u64().unwrap());
    assert_eq!(backbone["network"]["role"], "teacher");
    assert_eq!(backbone["metadata"]["role"], "teacher");
    assert_eq!(backbone["metadata"]["step"], "2");
    assert_eq!(backbone["metadata"]["names"], "torchvision");
    let run_folder = json(folder.path(), &["inspect", "a", "--json"]);
    assert_eq!(
        run_folder["roles"],
        serde_json::json!(["student", "teacher"])
    );

    let back = json(
        folder.path(),
        &["import", "t.safetensors", "out=b.safetensors", "--json"],
    );
    assert_eq!(
        (&back["complete"], &back["role"]),
        (&true.into(), &"teacher".into())
    );
    let model = export(&["format=onnx", "out=a.onnx"]);
    let bytes = std::fs::read(folder.path().join("a.onnx")).unwrap();
    assert_eq!(model["bytes"], bytes.len());
    let (code, messages) = refused(folder.path(), &["export", "a", "format=onnx", "dtype=f16"]);
    assert_eq!(
        (code, messages.as_str()),
        (
            Some(2),
            "error: format=onnx writes the backbone in f32; leave out dtype\n"
        )
    );
    let output = run(
        folder.path(),
        &["export", "t.safetensors", "out=c.safetensors"],
    );
    assert!(stdout(&output).contains("torchvision.models.mobilenet_v2(weights=None)"));
}

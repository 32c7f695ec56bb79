//! Weights that are damaged or hostile: exit code 3, and one line that says which file, what is wrong and what to do.

use std::path::Path;

use crate::program::{run, stderr};

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read(folder.join(name)).unwrap()
}

/// A safetensors file of this header.
fn safetensors(header: &str, values: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        values,
    ]
    .concat()
}

#[test]
fn files_that_are_no_good_give_one_line_and_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = fixture("tests/fixtures/DINO_mobilenet_v2_last_ckpt.pth.tar");
    let legacy = fixture("sslight-models/tests/pytorch/legacy.pt");
    let tensor = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut huge = safetensors(tensor, &[0; 4]);
    huge[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    let zeros = "0".repeat(64);
    let changed = format!(
        r#"{{"__metadata__":{{"tensor_data_sha256":"{zeros}"}},{}"#,
        &tensor[1..]
    );
    for (name, bytes, problem) in [
        ("empty", Vec::new(), "neither a safetensors file"),
        ("text", b"weights".to_vec(), "neither a safetensors file"),
        (
            "huge",
            huge,
            "it states a header of 1152921504606846976 bytes",
        ),
        (
            "cut",
            safetensors(tensor, &[0; 3]),
            "tensor a: its values end at byte 4 of 3",
        ),
        (
            "changed",
            safetensors(&changed, &[0; 4]),
            "damaged: the checksum of its values",
        ),
        (
            "other",
            safetensors(tensor, &[0; 4]),
            "no tensor has the name",
        ),
        (
            "cursor",
            safetensors(&tensor.replace("\"a\"", "\"\\u001b[2J\\n\""), &[0; 4]),
            "no tensor has the name",
        ),
        (
            "cut_zip",
            checkpoint[..checkpoint.len() / 2].to_vec(),
            "not a readable zip archive",
        ),
        ("cut_legacy", legacy[..legacy.len() - 1].to_vec(), "cut off"),
        (
            "code",
            fixture("sslight-models/tests/pytorch/unknown_class.pt"),
            "__main__.Extra is none of the classes",
        ),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let words = ["knn", name, "data=embedded", "backbone=mobilenet_v2"];
        let output = run(folder.path(), &words);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{name}: {message}");
        assert!(
            message.starts_with(&format!("error: {name}: ")),
            "{message}"
        );
        assert!(message.contains(problem), "{name}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(
            !message.trim_end().contains(char::is_control),
            "{message:?}"
        );
        assert!(output.stdout.is_empty(), "{name}");
    }
}

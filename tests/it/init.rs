//! Runs that start from the weights of a file.

use std::fs;
use std::path::{Path, PathBuf};

use burn::backend::Autodiff;
use burn_flex::Flex;
use safetensors::SafeTensors;
use sslight_core::config::resolve;
use sslight_core::run::{RunError, check_init};

use crate::runs::{image_folder, lines, train, words};

const BACKBONE: &str = "backbone.safetensors";
const GOLDEN: &str = "fixtures/DINO_mobilenet_v2_last_ckpt.pth.tar";

/// Two steps with a learning rate and weight decay of zero: parameters stay what they were at the start.
const STILL: &[&str] = &[
    "max_steps=2",
    "optim.base_lr=0",
    "optim.min_lr=0",
    "optim.weight_decay=0",
    "optim.weight_decay_end=0",
];

struct Folders {
    _root: tempfile::TempDir,
    data: String,
    out: PathBuf,
}

fn folders() -> Folders {
    let root = tempfile::tempdir().unwrap();
    let data = image_folder(&root.path().join("images"));
    Folders {
        data,
        out: root.path().join("run"),
        _root: root,
    }
}

impl Folders {
    fn beside(&self, name: &str) -> PathBuf {
        self.out.with_file_name(name)
    }

    fn run(&self, out: &Path, more: &[&str]) -> Result<(), RunError> {
        let words = words(&self.data, out, &[STILL, more].concat());
        train::<Autodiff<Flex>>(&words, usize::MAX).map(|_| ())
    }
}

/// The parameters of an exported backbone, without the running statistics, which move without a learning rate.
fn parameters(run: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = fs::read(run.join(BACKBONE)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut parameters: Vec<_> = file
        .iter()
        .filter(|(name, _)| !name.contains("running_"))
        .map(|(name, view)| (name.to_string(), view.data().to_vec()))
        .collect();
    parameters.sort();
    parameters
}

fn log(run: &Path) -> String {
    fs::read_to_string(run.join("train.log")).unwrap()
}

fn event(run: &Path) -> serde_json::Value {
    let mut lines = lines(run).into_iter();
    lines
        .find(|line| line["name"] == "weights_loaded")
        .unwrap_or_default()
}

#[test]
fn a_run_starts_from_the_backbone_of_another_run_and_says_so() {
    let folders = folders();
    let first = folders.beside("first");
    folders
        .run(&first, &["seed=1", "backbone=resnet18"])
        .unwrap();
    let plain = folders.beside("plain");
    folders
        .run(&plain, &["seed=2", "backbone=resnet18"])
        .unwrap();
    assert_ne!(parameters(&plain), parameters(&first));

    let init = format!("init={}", first.display());
    folders
        .run(&folders.out, &["seed=2", "backbone=resnet18", &init])
        .unwrap();
    assert_eq!(parameters(&folders.out), parameters(&first));
    let event = event(&folders.out);
    assert_eq!(event["matched"], 100);
    assert_eq!(event["missing"], 0);
    assert_eq!(event["sha256"].as_str().map(str::len), Some(12));
    let log = log(&folders.out);
    assert!(
        log.contains("init: 100 matched of resnet18; from "),
        "{log}"
    );
}

#[test]
fn the_references_checkpoint_starts_a_run() {
    let folders = folders();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let init = format!("init={}", golden.display());
    let words = ["backbone=mobilenet_v2", "model.small_input=false", &init];
    folders.run(&folders.out, &words).unwrap();
    let event = event(&folders.out);
    assert_eq!(event["prefix"], "module.student.backbone.");
    assert_eq!(event["matched"], 260);
    let (name, bytes) = &parameters(&folders.out)[0];
    assert_eq!(name, "features.0.0.weight");
    // The checkpoint holds the same values uncompressed.
    let golden = fs::read(golden).unwrap();
    let is_in_file = golden.windows(bytes.len()).any(|window| window == bytes);
    assert!(is_in_file, "{name} is not that of the checkpoint");
}

#[test]
fn a_file_that_does_not_fit_leaves_no_run_behind_and_half_of_it_is_loaded_only_when_asked() {
    let folders = folders();
    let first = folders.beside("first");
    folders.run(&first, &["backbone=resnet18"]).unwrap();
    let init = format!("init={}", first.display());
    let error = folders
        .run(&folders.out, &["backbone=resnet34", &init])
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("does not fit resnet34: 100 matched, 80 missing (layer1.2.conv1.weight"),
        "{message}"
    );
    assert!(message.contains("init_partial=true"), "{message}");
    assert!(!folders.out.exists());

    let words = ["backbone=resnet34", &init, "init_partial=true"];
    folders.run(&folders.out, &words).unwrap();
    assert_eq!(event(&folders.out)["missing"], 80);
    assert!(log(&folders.out).contains("warning: init: 100 matched, 80 missing"));
    let loaded = parameters(&folders.out);
    for parameter in parameters(&first) {
        assert!(loaded.contains(&parameter), "{}", parameter.0);
    }
}

#[test]
fn a_missing_file_ends_the_run_before_it_begins() {
    let folders = folders();
    let missing = folders.beside("missing.pth");
    let init = format!("init={}", missing.display());
    let error = folders.run(&folders.out, &[&init]).unwrap_err();
    assert!(error.to_string().contains("missing.pth"), "{error}");
    assert!(!folders.out.exists());
}

#[test]
fn a_run_that_goes_on_does_not_read_the_file_again_and_says_so() {
    let folders = folders();
    let first = folders.beside("first");
    folders.run(&first, &["backbone=resnet18"]).unwrap();
    let init = format!("init={}", first.display());
    let words = ["backbone=resnet18", &init];
    folders.run(&folders.out, &words).unwrap();
    let before = parameters(&folders.out);
    fs::remove_dir_all(&first).unwrap();
    let longer = ["backbone=resnet18", &init, "max_steps=3"];
    folders.run(&folders.out, &longer).unwrap();
    assert_eq!(parameters(&folders.out), before);
    let log = log(&folders.out);
    assert!(
        log.contains("is not read again: the checkpoint of step 2 has the weights"),
        "{log}"
    );
}

#[test]
fn a_check_before_a_run_says_what_would_be_loaded() {
    type B = Flex;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let check = |more: &str| {
        let words = [
            "data=embedded".to_string(),
            "backbone=mobilenet_v2".to_string(),
            more.to_string(),
        ];
        check_init::<B>(&resolve(&words).unwrap().config, &Default::default())
    };
    assert_eq!(check("seed=1").unwrap(), None);
    let text = check(&format!("init={}", golden.display()));
    let text = text.unwrap().unwrap_or_default();
    assert!(
        text.starts_with(
            "init: 260 matched of mobilenet_v2 under module.student.backbone.*; left out 38 of other parts \
             (module.student.head.mlp.0.weight, "
        ) && text.contains("(PyTorch, its state_dict, sha256 "),
        "{text}"
    );
}

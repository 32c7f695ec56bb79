//! The golden numbers of networks and heads, through the code that `sslight selftest` runs.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use burn::backend::Autodiff;
use burn_flex::Flex;
use serde_json::{Value, json};
use sslight_selftest::{Filter, Outcome, run};

/// Every case whose kind or name starts with `prefix` passes, and there are `count` of them.
fn cases_pass(prefix: &str, count: usize) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let mut failed = Vec::new();
    let filter = Filter::prefixes([prefix]);
    let result = run::<Autodiff<Flex>>(&dir, &Default::default(), &filter, &mut |report| {
        println!("{report}");
        if report.outcome != Outcome::Passed {
            failed.push(report.to_string());
        }
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    match result {
        Ok(totals) => assert_eq!(totals.passed, count, "{prefix}"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn convolutional_backbones_agree() {
    cases_pass("backbone.cnn", 8);
}

#[test]
fn vision_transformers_agree() {
    cases_pass("backbone.vit_tiny", 6);
    cases_pass("backbone.vit_small", 2);
}

#[test]
fn stochastic_depth_agrees() {
    cases_pass("backbone.vit_droppath", 1);
}

#[test]
fn resized_positions_agree() {
    cases_pass("posembed", 6);
}

#[test]
fn heads_agree() {
    cases_pass("head.dino", 6);
    cases_pass("head.swav", 3);
    cases_pass("head.moco", 3);
}

#[test]
fn names_and_shapes_of_complete_models_agree() {
    cases_pass("checkpoint.keys", 1);
}

#[test]
fn the_references_checkpoint_agrees() {
    cases_pass("checkpoint.dino_mobilenet_v2", 1);
}

/// The failure of the checkpoint's case with one thing of its manifest entry changed.
fn altered(change: impl Fn(&mut Value)) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let text = std::fs::read_to_string(fixtures.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let mut cases = manifest["cases"].as_array().unwrap().iter();
    let mut case = cases
        .find(|case| case["kind"] == "checkpoint")
        .unwrap()
        .clone();
    let dir = tempfile::tempdir().unwrap();
    for file in [&case["file"], &case["params"]["checkpoint"]] {
        let name = file.as_str().unwrap();
        std::fs::copy(fixtures.join(name), dir.path().join(name)).unwrap();
    }
    change(&mut case);
    let manifest = json!({"format": manifest["format"], "cases": [case]});
    std::fs::write(dir.path().join("manifest.json"), manifest.to_string()).unwrap();
    let mut outcome = None;
    run::<Autodiff<Flex>>(
        dir.path(),
        &Default::default(),
        &Filter::all(),
        &mut |report| {
            outcome = Some(report.outcome.clone());
        },
    )
    .unwrap();
    match outcome {
        Some(Outcome::Failed(failures)) => failures.join("; "),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_checkpoint_that_is_not_the_manifests_fails() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 11] = [
        (
            |case| case["params"]["epoch"] = json!(21),
            "epoch is Some(20), expected 21",
        ),
        (
            |case| case["params"]["steps"] = json!(7),
            "steps is Some(740), expected 7",
        ),
        (
            |case| case["params"]["config_values"]["USE_FP16"] = json!(0),
            "config USE_FP16 is not 0",
        ),
        (
            |case| case["params"]["config_values"]["SOLVER.NOTHING"] = json!(1),
            "config SOLVER.NOTHING is not 1",
        ),
        (
            |case| case["params"]["param_groups"][2]["lr"] = json!(0.0053846153846153),
            "lr of an optimizer group is not",
        ),
        (
            |case| case["params"]["param_groups"][1]["n"] = json!(16),
            "an optimizer group does not hold parameters 40..56",
        ),
        (
            |case| {
                let order = case["params"]["optimizer_param_order"].as_array_mut();
                order.unwrap().swap(3, 4);
            },
            "parameters 0..40 of the optimizer are not our group's",
        ),
        (
            |case| case["params"]["num_batches_tracked"]["head"] = json!(741),
            "num_batches_tracked: the values differ",
        ),
        (
            |case| case["inputs"][0]["role"] = json!("bias"),
            "module.student.backbone.encoder.0.0.weight: the values differ",
        ),
        (
            |case| case["params"]["missing_prefix"] = json!("module.teacher."),
            "is there, expected none",
        ),
        (
            |case| {
                let outputs = case["outputs"].as_array_mut().unwrap().iter_mut();
                let mut sums = outputs.filter(|output| output["name"] == "state_dict_sums");
                let index = sums.next().unwrap()["index"].as_array_mut();
                index.unwrap().swap(0, 1);
            },
            "in another order, than the manifest's",
        ),
    ];
    for (change, expected) in cases {
        let failure = altered(change);
        assert!(failure.contains(expected), "{failure}, not {expected}");
    }
}

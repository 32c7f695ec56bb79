//! The golden numbers of networks and heads, through the code that `sslight selftest` runs.

use std::path::Path;

use burn::backend::Autodiff;
use burn_flex::Flex;
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

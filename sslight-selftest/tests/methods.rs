//! The golden numbers of losses and methods, on burn-flex.

use std::path::Path;

use burn::backend::Autodiff;
use burn_flex::Flex;
use sslight_selftest::{Filter, Outcome, run};

/// Runs the cases of a kind and expects each to pass, and this many of them.
fn all_pass(kind: &str, cases: usize) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let mut others = Vec::new();
    let filter = Filter::prefixes([kind]);
    let totals = run::<Autodiff<Flex>>(&dir, &Default::default(), &filter, &mut |report| {
        println!("{report}");
        if report.outcome != Outcome::Passed {
            others.push(report.to_string());
        }
    });
    assert!(others.is_empty(), "{}", others.join("\n"));
    match totals {
        Ok(totals) => assert_eq!(totals.passed, cases, "{kind}"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn sinkhorn_codes_agree() {
    all_pass("loss.sinkhorn", 3);
}

#[test]
fn the_swav_loss_agrees_with_and_without_a_queue() {
    all_pass("loss.swav", 3);
}

#[test]
fn the_moco_loss_agrees_with_one_and_with_several_queries() {
    all_pass("loss.moco", 3);
}

#[test]
fn the_learning_rate_of_a_linear_probe_agrees() {
    all_pass("eval.linear_lr", 3);
}

#[test]
fn top_k_accuracies_agree() {
    all_pass("eval.topk", 2);
}

#[test]
fn training_steps_of_dino_agree() {
    all_pass("train.dino", 7);
}

#[test]
fn training_steps_of_swav_agree() {
    all_pass("train.swav", 3);
}

#[test]
fn training_steps_of_moco_agree() {
    all_pass("train.moco", 6);
}

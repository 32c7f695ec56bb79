//! The golden numbers, on both CPU back ends, through the code that `sslight selftest` runs.

use std::collections::BTreeMap;
use std::path::Path;

use burn::backend::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use sslight_models::backend::AutodiffBackend;
use sslight_selftest::{Filter, Outcome, run};

/// Every kind with a case that passes, and how many do. A kind that silently becomes skipped, or a
/// case that is lost from the folder, changes this table and fails the tests.
const PASSING: [(&str, usize); 46] = [
    ("backbone.cnn", 8),
    ("backbone.vit", 8),
    ("backbone.vit_droppath", 1),
    ("checkpoint", 1),
    ("checkpoint.keys", 1),
    ("crop_params.fallback", 1),
    ("crop_params.pixel_scale_ratio", 1),
    ("crop_params.stats", 8),
    ("eval.knn", 4),
    ("eval.linear_lr", 3),
    ("eval.topk", 2),
    ("head.dino", 6),
    ("head.moco", 3),
    ("head.swav", 3),
    ("loss.dino", 6),
    ("loss.moco", 3),
    ("loss.sinkhorn", 3),
    ("loss.swav", 3),
    ("optim.adamw", 3),
    ("optim.lars", 5),
    ("optim.lars_cls", 2),
    ("optim.sgd", 1),
    ("optim.sgd_cls", 1),
    ("optim.sgd_nesterov", 1),
    ("posembed", 6),
    ("schedule.cosine", 4),
    ("schedule.multistep", 1),
    ("schedule.paper", 3),
    ("schedule.teacher_temp", 3),
    ("train.dino", 7),
    ("train.moco", 6),
    ("train.swav", 3),
    ("transform.blur", 2),
    ("transform.brightness", 1),
    ("transform.contrast", 1),
    ("transform.crop_resize", 10),
    ("transform.eval", 5),
    ("transform.grayscale", 1),
    ("transform.hflip", 1),
    ("transform.hue", 1),
    ("transform.images", 1),
    ("transform.jitter", 4),
    ("transform.normalise", 1),
    ("transform.saturation", 1),
    ("transform.solarize", 1),
    ("transform.views", 3),
];

/// Runs every case and compares the outcome with [`PASSING`].
fn every_case_agrees<B: AutodiffBackend>() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut passed: BTreeMap<String, usize> = BTreeMap::new();
    let mut failed = Vec::new();
    let result = run::<B>(&dir, &B::Device::default(), &Filter::all(), &mut |report| {
        println!("{report}");
        match report.outcome {
            Outcome::Passed => *passed.entry(report.kind.clone()).or_default() += 1,
            Outcome::Failed(_) => failed.push(report.to_string()),
            Outcome::Skipped(_) => {}
        }
    });
    let totals = match result {
        Ok(totals) => totals,
        Err(error) => panic!("{error}"),
    };
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let expected: BTreeMap<String, usize> = PASSING
        .iter()
        .map(|(kind, count)| (kind.to_string(), *count))
        .collect();
    assert_eq!(passed, expected);
    assert_eq!(totals.passed, passed.values().sum::<usize>());
    assert_eq!(totals.failed, 0);
}

#[test]
fn every_case_agrees_on_flex() {
    every_case_agrees::<Autodiff<Flex>>();
}

#[test]
fn every_case_agrees_on_ndarray() {
    every_case_agrees::<Autodiff<NdArray>>();
}

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

//! `sslight selftest`.

use serde::Serialize;
use sslight_core::config::{BackendChoice, UnknownWord};
use sslight_selftest::{CaseReport, Filter};

use crate::args::SelftestArgs;
use crate::backend::{self, Engine, with_engine};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told {
    passed: usize,
    failed: usize,
    skipped: usize,
    cases: Vec<Case>,
}

#[derive(Debug, Serialize)]
struct Case {
    name: String,
    kind: String,
    /// `passed`, `failed` or `skipped`.
    outcome: &'static str,
    /// What is wrong, or why it was skipped.
    reasons: Vec<String>,
    /// Largest deviation as a share of the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    closest: Option<f64>,
}

impl From<&CaseReport> for Case {
    fn from(case: &CaseReport) -> Self {
        let (outcome, reasons) = match &case.outcome {
            sslight_selftest::Outcome::Passed => ("passed", Vec::new()),
            sslight_selftest::Outcome::Failed(reasons) => ("failed", reasons.clone()),
            sslight_selftest::Outcome::Skipped(reason) => ("skipped", vec![reason.clone()]),
        };
        Self {
            name: case.name.clone(),
            kind: case.kind.clone(),
            outcome,
            reasons,
            closest: case.closest,
        }
    }
}

/// Runs the selected cases: a line a case, then the counts alone on the last line.
pub fn run(args: &SelftestArgs) -> Result<Outcome, CliError> {
    let (engine, filter) = read_words(&args.words)?;
    let mut cases = Vec::new();
    let mut report = |case: &CaseReport| {
        ui::tell(&case.to_string());
        cases.push(Case::from(case));
    };
    let totals = with_engine!(engine, |B, device| {
        sslight_selftest::run::<B>(&args.dir, &device, &filter, &mut report)
    })?;
    let told = Told {
        passed: totals.passed,
        failed: totals.failed,
        skipped: totals.skipped,
        cases,
    };
    ui::show(args.output.json, &told, || totals.to_string())?;
    Ok(if totals.failed == 0 {
        Outcome::Done
    } else {
        Outcome::ChecksFailed
    })
}

/// `backend=NAME` and the cases.
fn read_words(words: &[String]) -> Result<(Engine, Filter), CliError> {
    let mut choice = BackendChoice::Auto;
    let mut cases = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some(("backend", name)) => {
                choice = name.parse().map_err(|error: UnknownWord| {
                    CliError::Usage(format!("command line: backend {error}"))
                })?;
            }
            Some((key, _)) => {
                return Err(CliError::Usage(format!(
                    "command line: selftest has no key {key}, only backend"
                )));
            }
            None => cases.push(word.clone()),
        }
    }
    Ok((backend::choose(choice)?, Filter::prefixes(cases)))
}

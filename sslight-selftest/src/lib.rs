//! `sslight selftest`: runs a folder of golden numbers on a back end and compares.
//!
//! The folder's manifest names cases, their parameters and the tensors that must come out; the
//! README beside it defines everything exactly. One file of `cases` carries out one kind by
//! calling the same code that training calls. [`run`] reports each case as passed, failed or
//! skipped, and only a kind that this build has no code for is skipped.

mod cases;
mod compare;
mod error;
mod formula;
mod manifest;
mod names;
mod tensors;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use sslight_models::backend::AutodiffBackend;

use cases::CaseContext;
use compare::{Outputs, Verdict};
use error::CaseError;
use manifest::Manifest;
use tensors::TensorFile;

pub use error::SelftestError;
pub use manifest::Case;

/// Which cases to run.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    prefixes: Vec<String>,
}

impl Filter {
    /// Every case.
    pub fn all() -> Self {
        Self::default()
    }

    /// The cases whose name or kind starts with one of `prefixes`; none given means every case.
    pub fn prefixes<S: Into<String>>(prefixes: impl IntoIterator<Item = S>) -> Self {
        Self {
            prefixes: prefixes.into_iter().map(Into::into).collect(),
        }
    }

    /// Whether `case` is to be run.
    pub fn selects(&self, case: &Case) -> bool {
        let starts = |p: &String| case.name.starts_with(p) || case.kind.starts_with(p);
        self.prefixes.is_empty() || self.prefixes.iter().any(starts)
    }
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Every output of the manifest was produced and is within its tolerance.
    Passed,
    /// One sentence for each thing that is wrong.
    Failed(Vec<String>),
    /// This build has no code for the case, for the reason given.
    Skipped(String),
}

/// What is said of one case.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// Name of the case.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Largest deviation of its outputs as a share of the limit (1 is just within), where compared.
    pub closest: Option<f64>,
}

impl fmt::Display for CaseReport {
    /// `passed  NAME (deviation at most 3 % of the limit)` and the like; failures on lines of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Passed => {
                write!(f, "passed   {}", self.name)?;
                match self.closest {
                    Some(share) if share > 0.0 => {
                        write!(
                            f,
                            " (deviation at most {:.2} % of the limit)",
                            100.0 * share
                        )
                    }
                    _ => Ok(()),
                }
            }
            Outcome::Skipped(reason) => write!(f, "skipped  {}: {reason}", self.name),
            Outcome::Failed(failures) => {
                write!(f, "FAILED   {}", self.name)?;
                failures
                    .iter()
                    .try_for_each(|line| write!(f, "\n         {line}"))
            }
        }
    }
}

/// How many cases ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cases with every output within tolerance.
    pub passed: usize,
    /// Cases with something missing or wrong.
    pub failed: usize,
    /// Cases that this build has no code for.
    pub skipped: usize,
}

impl fmt::Display for Totals {
    /// `N passed, N failed, N skipped`, the last line of `sslight selftest`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// Runs the cases of the fixture folder `dir` that `filter` selects on `device`, in the manifest's
/// order, and hands each verdict to `report` as it is reached.
///
/// A case that panics or whose files are damaged fails by itself; the others go on.
///
/// # Errors
/// When the manifest cannot be read or the filter selects nothing.
pub fn run<B: AutodiffBackend>(
    dir: &Path,
    device: &B::Device,
    filter: &Filter,
    report: &mut dyn FnMut(&CaseReport),
) -> Result<Totals, SelftestError> {
    let manifest = Manifest::read(dir)?;
    if !manifest.cases.iter().any(|case| filter.selects(case)) {
        let kinds: BTreeSet<&str> = manifest.cases.iter().map(|c| c.kind.as_str()).collect();
        return Err(SelftestError::NothingSelected {
            path: Manifest::path(dir),
            wanted: filter.prefixes.join(" or "),
            kinds: kinds.into_iter().collect::<Vec<_>>().join(", "),
        });
    }
    let mut totals = Totals::default();
    for case in manifest.cases.iter().filter(|case| filter.selects(case)) {
        let (outcome, closest) = match carry_out::<B>(case, dir, device) {
            Ok(Verdict { failures, closest }) if failures.is_empty() => {
                (Outcome::Passed, Some(closest))
            }
            Ok(Verdict { failures, closest }) => (Outcome::Failed(failures), Some(closest)),
            Err(CaseError::NotCovered(reason)) => (Outcome::Skipped(reason), None),
            Err(CaseError::Failed(message)) => (Outcome::Failed(vec![message]), None),
        };
        match outcome {
            Outcome::Passed => totals.passed += 1,
            Outcome::Failed(_) => totals.failed += 1,
            Outcome::Skipped(_) => totals.skipped += 1,
        }
        report(&CaseReport {
            name: case.name.clone(),
            kind: case.kind.clone(),
            outcome,
            closest,
        });
    }
    Ok(totals)
}

/// Runs one case and judges it.
fn carry_out<B: AutodiffBackend>(
    case: &Case,
    dir: &Path,
    device: &B::Device,
) -> Result<Verdict, CaseError> {
    let runner = cases::runner::<B>(&case.kind).ok_or_else(|| {
        CaseError::NotCovered(format!("kind {} is not in this build yet", case.kind))
    })?;
    // The list of names is JSON, which its runner reads itself.
    let stored = if case.file.ends_with(".json") {
        TensorFile::default()
    } else {
        TensorFile::read(&dir.join(&case.file))?
    };
    let context = CaseContext::new(case, dir, &stored);
    let produced = guarded(|| runner(&context, device))?;
    Ok(compare::judge(case, &stored, &produced))
}

/// The result of `case`, with a panic inside it turned into a failure.
fn guarded(case: impl FnOnce() -> Result<Outputs, CaseError>) -> Result<Outputs, CaseError> {
    catch_unwind(AssertUnwindSafe(case))
        .unwrap_or_else(|panic| Err(CaseError::Failed(panic_message(panic.as_ref()))))
}

/// The text of a caught panic.
fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("the case panicked: {text}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn_flex::Flex;

    /// Runs a manifest with the given cases in an otherwise empty folder.
    fn reports(cases: &str, filter: &Filter) -> Result<(Vec<CaseReport>, Totals), SelftestError> {
        let dir = tempfile::tempdir().unwrap();
        let manifest = format!(r#"{{"format": 1, "cases": [{cases}]}}"#);
        std::fs::write(dir.path().join("manifest.json"), manifest).unwrap();
        let mut reports = Vec::new();
        let totals = run::<Autodiff<Flex>>(dir.path(), &Default::default(), filter, &mut |r| {
            reports.push(r.clone());
        })?;
        Ok((reports, totals))
    }

    const TWO: &str = r#"{"name": "new.a", "kind": "new", "file": "a"},
        {"name": "loss.dino.b", "kind": "loss.dino", "file": "b.safetensors"}"#;

    #[test]
    fn an_unknown_kind_is_skipped_and_a_missing_file_fails_only_its_case() {
        let (reports, totals) = reports(TWO, &Filter::all()).unwrap();
        let reason = "kind new is not in this build yet".to_string();
        assert_eq!(reports[0].outcome, Outcome::Skipped(reason));
        assert!(
            matches!(&reports[1].outcome, Outcome::Failed(why) if why[0].contains("cannot read"))
        );
        assert_eq!(totals.to_string(), "0 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_filter_selects_by_the_beginning_of_name_or_kind() {
        let (reports, _) = reports(TWO, &Filter::prefixes(["loss"])).unwrap();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].name, "loss.dino.b");
    }

    #[test]
    fn a_filter_that_selects_nothing_is_an_error_that_lists_the_kinds() {
        let error = reports(TWO, &Filter::prefixes(["los.", "x"])).unwrap_err();
        let message = error.to_string();
        assert!(
            message.ends_with(
                "no case name or kind starts with los. or x; the manifest has the kinds loss.dino, new"
            ),
            "{message}"
        );
    }

    #[test]
    fn a_folder_without_manifest_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let run =
            run::<Autodiff<Flex>>(dir.path(), &Default::default(), &Filter::all(), &mut |_| {});
        assert!(matches!(run, Err(SelftestError::Manifest { .. })));
    }

    #[test]
    fn a_panic_inside_a_case_is_its_failure() {
        let caught = guarded(|| panic!("shapes differ"));
        assert_eq!(
            caught.unwrap_err().to_string(),
            "the case panicked: shapes differ"
        );
    }
}

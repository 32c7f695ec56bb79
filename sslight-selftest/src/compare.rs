//! Judging what a case returned against what its manifest entry expects.
//!
//! The walk goes over the manifest's outputs, never over what a runner happened to return, so an
//! output that was not produced is a failure and cannot be forgotten.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::CaseError;
use crate::manifest::{Case, Output};
use crate::tensors::{HostTensor, TensorFile};

/// What the runner of a case returns for one output.
#[derive(Debug, Clone)]
pub(crate) enum Produced {
    /// Numbers to be compared element by element.
    Tensor(HostTensor),
    /// Means of random draws of our own, compared with the fixture's by their standard errors.
    Means {
        /// One mean per row of the expected table.
        means: Vec<f64>,
        /// Number of draws behind each mean.
        draws: usize,
    },
}

/// Everything a runner produced, by output name.
pub(crate) type Outputs = BTreeMap<String, Produced>;

/// The verdict on a case.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// One sentence for each output that is missing or out of tolerance.
    pub(crate) failures: Vec<String>,
    /// Largest deviation of all outputs, as a share of its limit; exact matches count as 0.
    pub(crate) closest: f64,
}

impl Verdict {
    fn note(&mut self, share: f64) {
        // `max` would drop a NaN, which must not look like a good match.
        if share.is_nan() || share > self.closest {
            self.closest = share;
        }
    }
}

/// Compares every output that `case` lists with `produced`.
pub(crate) fn judge(case: &Case, stored: &TensorFile, produced: &Outputs) -> Verdict {
    let mut verdict = Verdict::default();
    for output in &case.outputs {
        let result = match produced.get(&output.name) {
            None => Err(CaseError::failed("the case runner did not produce it")),
            Some(Produced::Tensor(got)) => tensor(output, stored, got, &mut verdict),
            Some(Produced::Means { means, draws }) => {
                statistics(case, output, stored, means, *draws, &mut verdict)
            }
        };
        if let Err(error) = result {
            verdict.failures.push(format!("{}: {error}", output.name));
        }
    }
    verdict
}

/// The element furthest beyond its limit.
struct Worst {
    at: Vec<usize>,
    got: f64,
    expected: f64,
    limit: f64,
    beyond: usize,
    elements: usize,
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "element {:?}: got {:e}, expected {:e}, off by {:.3e} with limit {:.3e} ({} of {} elements beyond their limits)",
            self.at,
            self.got,
            self.expected,
            (self.got - self.expected).abs(),
            self.limit,
            self.beyond,
            self.elements,
        )
    }
}

/// Rule for tensors: `|got - expected| <= limit` for every element, with the limit
/// `atol + rtol |expected|` or the stored one, and the relative L2 distance where it is bounded.
fn tensor(
    output: &Output,
    stored: &TensorFile,
    got: &HostTensor,
    verdict: &mut Verdict,
) -> Result<(), CaseError> {
    if is_statistics(output) {
        return Err(CaseError::failed(
            "expected means of random draws, the case runner returned a tensor",
        ));
    }
    let expected = stored.get(&output.name)?;
    for (what, value) in [
        ("manifest", &output.shape),
        ("fixture file", &expected.shape),
    ] {
        if got.shape != *value {
            return Err(CaseError::failed(format!(
                "shape {:?}, the {what} has {value:?}",
                got.shape
            )));
        }
    }
    if got.values.len() != got.shape.iter().product::<usize>() {
        return Err(CaseError::failed(format!(
            "{} elements for shape {:?}",
            got.values.len(),
            got.shape
        )));
    }
    if expected.values.dtype() != output.dtype
        || expected.values.is_integer() != got.values.is_integer()
    {
        return Err(CaseError::failed(format!(
            "element type {}, the fixture file has {} and the manifest {}",
            got.values.dtype(),
            expected.values.dtype(),
            output.dtype
        )));
    }
    let limits = limits(output, stored, expected)?;
    let expected = expected.values.to_f64();
    let got_values = got.values.to_f64();

    let mut worst: Option<(f64, usize)> = None;
    let mut beyond = 0;
    for (i, ((&got, &want), &limit)) in got_values.iter().zip(&expected).zip(&limits).enumerate() {
        let share = share_of_limit((got - want).abs(), limit);
        verdict.note(share);
        if is_beyond(share) {
            beyond += 1;
            if worst.is_none_or(|(most, _)| share.is_nan() || share > most) {
                worst = Some((share, i));
            }
        }
    }
    if let Some((_, i)) = worst {
        return Err(CaseError::failed(Worst {
            at: coordinates(i, &got.shape),
            got: got_values[i],
            expected: expected[i],
            limit: limits[i],
            beyond,
            elements: expected.len(),
        }));
    }
    if let Some(limit) = output.rel_l2 {
        let distance = norm(got_values.iter().zip(&expected).map(|(g, e)| g - e));
        let scale = norm(expected.iter().copied());
        let share = share_of_limit(distance, limit * scale);
        verdict.note(share);
        if is_beyond(share) {
            return Err(CaseError::failed(format!(
                "L2 distance {distance:.3e} is beyond {limit:.3e} of the expected norm {scale:.3e}, though every element is within its limit"
            )));
        }
    }
    Ok(())
}

/// Absolute limit of each element.
fn limits(
    output: &Output,
    stored: &TensorFile,
    expected: &HostTensor,
) -> Result<Vec<f64>, CaseError> {
    match output.tol.as_deref() {
        None => Ok(expected
            .values
            .to_f64()
            .iter()
            .map(|e| output.atol + output.rtol * e.abs())
            .collect()),
        Some("elementwise") => {
            let atol = stored.get(&format!("{}#atol", output.name))?;
            if atol.shape != expected.shape {
                return Err(CaseError::failed(format!(
                    "its elementwise tolerance has shape {:?}, expected {:?}",
                    atol.shape, expected.shape
                )));
            }
            Ok(atol.values.to_f64())
        }
        Some(other) => Err(CaseError::failed(format!(
            "unknown tolerance mode {other}, this build knows elementwise"
        ))),
    }
}

/// Whether an output is a table of means, standard deviations (of whatever one draw is) and
/// standard errors.
fn is_statistics(output: &Output) -> bool {
    let columns = output.columns.as_deref().unwrap_or_default();
    matches!(columns, [mean, std, stderr] if mean == "mean" && std.starts_with("std") && stderr == "stderr")
}

/// Rule for random draws: `|mean - expected| <= 5 sqrt(stderr^2 + std^2 / n)`, and `10 / n` more
/// for the rate of an event that may not have happened once in the fixture's draws.
fn statistics(
    case: &Case,
    output: &Output,
    stored: &TensorFile,
    means: &[f64],
    draws: usize,
    verdict: &mut Verdict,
) -> Result<(), CaseError> {
    if !is_statistics(output) || case.tolerance.rule.is_none() {
        return Err(CaseError::failed(
            "expected a tensor, the case runner returned means of random draws",
        ));
    }
    let table = stored.get(&output.name)?;
    let index = case
        .index(&output.name)
        .ok_or_else(|| CaseError::failed("the manifest does not name its rows"))?;
    if table.shape != output.shape || table.shape != [means.len(), 3] {
        return Err(CaseError::failed(format!(
            "{} means, the manifest has shape {:?} and the fixture file {:?}",
            means.len(),
            output.shape,
            table.shape
        )));
    }
    if index.len() != means.len() {
        return Err(CaseError::failed(format!(
            "{} rows are named, {} expected",
            index.len(),
            means.len()
        )));
    }
    let n = draws as f64;
    let mut wrong = Vec::new();
    let table = table.values.to_f64();
    for ((row, name), &got) in table.as_chunks::<3>().0.iter().zip(index).zip(means) {
        let [mean, std, stderr] = *row;
        let rare_event = if name == "is_fallback_box" {
            10.0 / n
        } else {
            0.0
        };
        let limit = 5.0 * (stderr * stderr + std * std / n).sqrt() + rare_event;
        let share = share_of_limit((got - mean).abs(), limit);
        verdict.note(share);
        if is_beyond(share) {
            wrong.push(format!(
                "{name}: mean {got} over {draws} draws, expected {mean} within {limit:.3e}"
            ));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(CaseError::failed(wrong.join("; ")))
    }
}

/// Deviation over limit; 0 for an exact match even where the limit is 0.
fn share_of_limit(deviation: f64, limit: f64) -> f64 {
    if deviation == 0.0 {
        0.0
    } else {
        deviation / limit
    }
}

/// Whether a share of the limit is a failure; not-a-number is.
fn is_beyond(share: f64) -> bool {
    share.is_nan() || share > 1.0
}

/// Euclidean norm in float64.
fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// Position of row-major element `i` along each axis.
fn coordinates(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for (slot, &extent) in at.iter_mut().zip(shape).rev() {
        *slot = i % extent;
        i /= extent;
    }
    at
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

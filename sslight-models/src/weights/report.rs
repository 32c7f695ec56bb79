//! How weights compare with a network, and loading those that fit.

use std::collections::HashSet;
use std::fmt;

use burn::module::Module;
use burn::tensor::Tensor;

use super::{WeightMap, WeightsError};
use crate::backend::Backend;
use crate::params;

/// Names that a message lists.
const NAMED: usize = 3;

/// How a set of weights compares with a network.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors that fit.
    pub matched: usize,
    /// Names that the network has and the file lacks.
    pub missing: Vec<String>,
    /// Names that the file has and the network lacks.
    pub unexpected: Vec<String>,
    /// Names whose shapes differ, with expected and found shape.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl LoadReport {
    /// Compares the tensors of `module` with names and shapes.
    pub fn of<'n, B: Backend, M: Module<B>>(
        module: &M,
        found: impl IntoIterator<Item = (&'n str, &'n [usize])>,
    ) -> Self {
        let found: std::collections::HashMap<&str, &[usize]> = found.into_iter().collect();
        let mut report = Self::default();
        let mut known = HashSet::new();
        params::for_each(module, |name, _, _: Tensor<B, 1>, shape| {
            known.insert(name.to_string());
            match found.get(name) {
                None => report.missing.push(name.to_string()),
                Some(found) if *found != shape => {
                    let mismatch = (name.to_string(), shape.to_vec(), found.to_vec());
                    report.mismatched.push(mismatch);
                }
                Some(_) => report.matched += 1,
            }
        });
        let unexpected = found.keys().filter(|name| !known.contains(**name));
        report.unexpected = unexpected.map(|name| (*name).to_string()).collect();
        report.unexpected.sort();
        report
    }

    /// Whether every tensor found its place.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} matched", self.matched)?;
        for (what, names) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            if !names.is_empty() {
                write!(f, ", {} {what} ({})", names.len(), first_names(names))?;
            }
        }
        if let Some((name, expected, found)) = self.mismatched.first() {
            write!(
                f,
                ", {} of another shape (first {}: expected {expected:?}, found {found:?})",
                self.mismatched.len(),
                super::shown::shown(name)
            )?;
        }
        Ok(())
    }
}

/// The first names of a list, with dots if there are more.
pub(crate) fn first_names(names: &[String]) -> String {
    let shown = &names[..names.len().min(NAMED)];
    let more = if names.len() > NAMED { " ..." } else { "" };
    let shown: Vec<String> = shown.iter().map(|name| super::shown::shown(name)).collect();
    format!("{}{more}", shown.join(", "))
}

/// `module` with these weights, every parameter and buffer of it.
///
/// # Errors
/// [`WeightsError::Mismatch`] if a name is missing or unexpected or a shape differs.
pub fn load_named<B: Backend, M: Module<B>>(
    module: M,
    weights: &WeightMap,
) -> Result<M, WeightsError> {
    let found = weights
        .iter()
        .map(|(name, (shape, _))| (name.as_str(), shape.as_slice()));
    let report = LoadReport::of::<B, M>(&module, found);
    if !report.is_complete() {
        return Err(WeightsError::Mismatch(report));
    }
    Ok(assign(module, weights, |name| Some(name)))
}

/// `module` with the weights that `place` finds for its names, which must have the right shapes; the rest stays.
///
/// # Panics
/// If a shape is of another size.
pub fn assign<B: Backend, M: Module<B>>(
    module: M,
    weights: &WeightMap,
    place: impl Fn(&str) -> Option<&str>,
) -> M {
    params::map_each(module, |name, old: Tensor<B, 1>, _| {
        let (_, values) = weights.get(place(name)?)?;
        Some(params::flat_tensor(values.clone(), &old.device()))
    })
}

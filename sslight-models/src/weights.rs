//! Weights as safetensors in torchvision's names, and loading that says what did not fit.

use std::collections::{BTreeMap, HashMap};

use burn::module::Module;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use thiserror::Error;

use crate::backend::Backend;
use crate::params::{self, NamedTensor};

/// Tensors by name: shape and row-major values.
pub type WeightMap = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// Why weights were not loaded. Nothing has changed then.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The bytes are no safetensors file.
    #[error("not a readable safetensors file: {0}")]
    Format(#[from] SafeTensorError),
    /// An element type that is not handled.
    #[error("tensor {name} has element type {dtype:?}; expected F32")]
    ElementType {
        /// The tensor.
        name: String,
        /// What the file says.
        dtype: Dtype,
    },
    /// Names or shapes do not fit the network.
    #[error("the weights do not fit the network: {0}")]
    Mismatch(LoadReport),
}

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
    /// Whether every tensor found its place.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }
}

impl std::fmt::Display for LoadReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} matched", self.matched)?;
        for (what, names) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            if let Some(first) = names.first() {
                write!(f, ", {} {what} (first {first})", names.len())?;
            }
        }
        if let Some((name, expected, found)) = self.mismatched.first() {
            write!(
                f,
                ", {} of another shape (first {name}: expected {expected:?}, found {found:?})",
                self.mismatched.len()
            )?;
        }
        Ok(())
    }
}

/// All parameters and buffers of a module under their names.
pub fn named_tensors<B: Backend, M: Module<B>>(module: &M) -> Vec<NamedTensor> {
    params::named_tensors(module)
}

/// Compares names and shapes without changing anything.
pub fn compare<B: Backend, M: Module<B>>(module: &M, weights: &WeightMap) -> LoadReport {
    let mut report = LoadReport::default();
    let mut known = std::collections::HashSet::new();
    params::for_each(module, |name, _, _: burn::tensor::Tensor<B, 1>, shape| {
        known.insert(name.to_string());
        match weights.get(name) {
            None => report.missing.push(name.to_string()),
            Some((found, _)) if found != shape => {
                report
                    .mismatched
                    .push((name.to_string(), shape.to_vec(), found.clone()));
            }
            Some(_) => report.matched += 1,
        }
    });
    report.unexpected = weights
        .keys()
        .filter(|name| !known.contains(*name))
        .cloned()
        .collect();
    report.unexpected.sort();
    report
}

/// `module` with these weights, every parameter and buffer of it.
///
/// # Errors
/// [`WeightsError::Mismatch`] if a name is missing or unexpected or a shape differs.
pub fn load_named<B: Backend, M: Module<B>>(
    module: M,
    weights: &WeightMap,
) -> Result<M, WeightsError> {
    let report = compare(&module, weights);
    if !report.is_complete() {
        return Err(WeightsError::Mismatch(report));
    }
    Ok(params::map_each(
        module,
        |name, old: burn::tensor::Tensor<B, 1>, _| {
            weights
                .get(name)
                .map(|(_, values)| params::flat_tensor(values.clone(), &old.device()))
        },
    ))
}

/// A safetensors file of `tensors` with string metadata.
///
/// # Errors
/// [`WeightsError::Format`] if shapes and values disagree.
pub fn to_safetensors(
    tensors: &[NamedTensor],
    metadata: BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, bytes)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?;
            Ok((tensor.name.clone(), view))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    let metadata: HashMap<String, String> = metadata.into_iter().collect();
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// The tensors and the metadata of a safetensors file.
///
/// # Errors
/// [`WeightsError::Format`] or [`WeightsError::ElementType`].
pub fn from_safetensors(
    bytes: &[u8],
) -> Result<(WeightMap, BTreeMap<String, String>), WeightsError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(bytes)?;
    let mut weights = WeightMap::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(WeightsError::ElementType {
                name,
                dtype: view.dtype(),
            });
        }
        let values = view
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        weights.insert(name, (view.shape().to_vec(), values));
    }
    Ok((weights, metadata.into_iter().collect()))
}

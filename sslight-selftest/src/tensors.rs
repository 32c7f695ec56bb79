//! Tensors on the host: what the fixture files store, what the formula makes, what a case returns.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

use crate::error::CaseError;

/// Row-major elements of one of the four types that the fixtures use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    U8(Vec<u8>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// A row-major array with its extents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HostTensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

impl Values {
    /// The element type's name in a manifest.
    pub(crate) fn dtype(&self) -> &'static str {
        match self {
            Self::U8(_) => "U8",
            Self::I64(_) => "I64",
            Self::F32(_) => "F32",
            Self::F64(_) => "F64",
        }
    }

    /// Whether the elements are integers, which the fixtures compare without tolerance.
    pub(crate) fn is_integer(&self) -> bool {
        matches!(self, Self::U8(_) | Self::I64(_))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Every element as float64, the precision of all comparisons. The integers of the fixtures
    /// (pixels, labels, indices) are far below 2^53, so nothing is rounded.
    pub(crate) fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::U8(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Self::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Self::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Self::F64(v) => v.clone(),
        }
    }
}

impl HostTensor {
    pub(crate) fn u8(shape: impl Into<Vec<usize>>, values: Vec<u8>) -> Self {
        Self::new(shape, Values::U8(values))
    }

    pub(crate) fn i64(shape: impl Into<Vec<usize>>, values: Vec<i64>) -> Self {
        Self::new(shape, Values::I64(values))
    }

    pub(crate) fn f32(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self::new(shape, Values::F32(values))
    }

    pub(crate) fn f64(shape: impl Into<Vec<usize>>, values: Vec<f64>) -> Self {
        Self::new(shape, Values::F64(values))
    }

    fn new(shape: impl Into<Vec<usize>>, values: Values) -> Self {
        Self {
            shape: shape.into(),
            values,
        }
    }

    /// The elements as float32; stored float64 numbers are rounded.
    pub(crate) fn into_f32(self) -> Vec<f32> {
        match self.values {
            Values::F32(v) => v,
            other => other.to_f64().into_iter().map(|x| x as f32).collect(),
        }
    }
}

/// The tensors of one safetensors file.
#[derive(Debug, Default)]
pub(crate) struct TensorFile {
    path: PathBuf,
    tensors: HashMap<String, HostTensor>,
}

impl TensorFile {
    /// Reads every tensor of the file at `path`.
    ///
    /// # Errors
    /// When the file is missing, is not a safetensors file, or has a tensor of another type than
    /// U8, I64, F32 and F64.
    pub(crate) fn read(path: &Path) -> Result<Self, CaseError> {
        let bytes = std::fs::read(path)
            .map_err(|e| CaseError::failed(format!("{}: cannot read: {e}", path.display())))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| {
            CaseError::failed(format!("{}: not a safetensors file: {e}", path.display()))
        })?;
        let mut tensors = HashMap::new();
        for (name, view) in file.tensors() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::U8 => Values::U8(data.to_vec()),
                Dtype::I64 => Values::I64(words(data, i64::from_le_bytes)),
                Dtype::F32 => Values::F32(words(data, f32::from_le_bytes)),
                Dtype::F64 => Values::F64(words(data, f64::from_le_bytes)),
                other => {
                    return Err(CaseError::failed(format!(
                        "{}: tensor {name} has type {other:?}, expected U8, I64, F32 or F64",
                        path.display()
                    )));
                }
            };
            let shape = view.shape().to_vec();
            tensors.insert(name, HostTensor { shape, values });
        }
        Ok(Self {
            path: path.to_path_buf(),
            tensors,
        })
    }

    /// The tensor of that name.
    ///
    /// # Errors
    /// When the file has none.
    pub(crate) fn get(&self, name: &str) -> Result<&HostTensor, CaseError> {
        self.tensors.get(name).ok_or_else(|| {
            CaseError::failed(format!("{}: no tensor named {name}", self.path.display()))
        })
    }
}

/// Little-endian words of `N` bytes.
fn words<const N: usize, T>(data: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().copied().map(read).collect()
}

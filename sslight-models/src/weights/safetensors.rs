//! Weights as a safetensors file.

use std::collections::{BTreeMap, HashMap};

use ::safetensors::tensor::{Dtype, TensorView};
use ::safetensors::{SafeTensorError, serialize};

use super::{ElementType, WeightsError, with_checksum};
use crate::params::NamedTensor;

/// A safetensors file of `tensors` with string metadata and a [checksum](with_checksum).
///
/// # Errors
/// [`WeightsError::Safetensors`] if shapes and values disagree.
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
    with_checksum(&serialize(views, Some(metadata))?)
}

/// A safetensors element type as ours; `None` for one that is not handled.
pub(super) fn element_type(dtype: Dtype) -> Option<ElementType> {
    Some(match dtype {
        Dtype::F64 => ElementType::F64,
        Dtype::F32 => ElementType::F32,
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::Bf16,
        Dtype::I64 => ElementType::I64,
        Dtype::I32 => ElementType::I32,
        Dtype::I16 => ElementType::I16,
        Dtype::I8 => ElementType::I8,
        Dtype::U8 => ElementType::U8,
        Dtype::BOOL => ElementType::Bool,
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

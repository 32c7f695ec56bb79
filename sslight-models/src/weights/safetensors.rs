//! Weights as a safetensors file.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ::safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};

use super::{ElementType, Precision, WeightsError, with_checksum};
use crate::params::NamedTensor;

/// What PyTorch's normalisation keeps beside its running statistics.
const COUNTER: &str = "num_batches_tracked";
/// One of these.
const RUNNING_MEAN: &str = "running_mean";

/// The entry of the header that is no tensor.
const METADATA: &str = "__metadata__";
/// Bytes of the header's length, and what the values are aligned to.
const ALIGNMENT: usize = 8;

/// A tensor as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTensor {
    /// Its name.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub element: ElementType,
    /// Little-endian values in row-major order.
    pub bytes: Vec<u8>,
}

impl StoredTensor {
    /// A tensor of floats.
    ///
    /// # Errors
    /// [`WeightsError::OutOfRange`] for a value that the precision cannot hold.
    pub fn floats(tensor: &NamedTensor, precision: Precision) -> Result<Self, WeightsError> {
        Ok(Self {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            element: precision.element(),
            bytes: precision.encode(&tensor.name, &tensor.values)?,
        })
    }

    /// The counter of batches that PyTorch's normalisation expects beside these running statistics; ours keeps none,
    /// and evaluation does not look at it. `None` for any other tensor.
    pub fn counter_of(tensor: &NamedTensor) -> Option<Self> {
        let layer = tensor.name.strip_suffix(RUNNING_MEAN)?;
        Some(Self {
            name: format!("{layer}{COUNTER}"),
            shape: Vec::new(),
            element: ElementType::I64,
            bytes: 0_i64.to_le_bytes().to_vec(),
        })
    }
}

/// A safetensors file of `tensors` with string metadata and a [checksum](with_checksum).
///
/// # Errors
/// [`WeightsError::Safetensors`] if shapes and values disagree.
pub fn to_safetensors(
    tensors: &[NamedTensor],
    metadata: BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    let stored = tensors
        .iter()
        .map(|tensor| StoredTensor::floats(tensor, Precision::F32));
    stored_to_safetensors(&stored.collect::<Result<Vec<_>, _>>()?, metadata)
}

/// A safetensors file of tensors of any element types, with string metadata: equal content is equal bytes, which the
/// crate's own writer, whose metadata come in the order of a hash table, does not give.
///
/// # Errors
/// [`WeightsError::Safetensors`] if shapes and values disagree.
pub fn stored_to_safetensors(
    tensors: &[StoredTensor],
    metadata: BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    let mut tensors: Vec<&StoredTensor> = tensors.iter().collect();
    // Wide elements first, so that all are aligned.
    tensors.sort_by_key(|tensor| (Reverse(tensor.element.size()), &tensor.name));
    let mut header = Map::new();
    header.insert(METADATA.to_string(), json!(metadata));
    let mut end = 0;
    for tensor in &tensors {
        let dtype = dtype(tensor.element);
        // Checks the shape against the values.
        TensorView::new(dtype, tensor.shape.clone(), &tensor.bytes)?;
        let start = end;
        end += tensor.bytes.len();
        let info = json!({"dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert(tensor.name.clone(), info);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    let mut file = Vec::with_capacity(ALIGNMENT + header.len() + end);
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header);
    for tensor in tensors {
        file.extend(&tensor.bytes);
    }
    with_checksum(&file)
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

fn dtype(element: ElementType) -> Dtype {
    match element {
        ElementType::F64 => Dtype::F64,
        ElementType::F32 => Dtype::F32,
        ElementType::F16 => Dtype::F16,
        ElementType::Bf16 => Dtype::BF16,
        ElementType::I64 => Dtype::I64,
        ElementType::I32 => Dtype::I32,
        ElementType::I16 => Dtype::I16,
        ElementType::I8 => Dtype::I8,
        ElementType::U8 => Dtype::U8,
        ElementType::Bool => Dtype::BOOL,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ::safetensors::SafeTensors;

    use super::*;

    fn named(name: &str, shape: &[usize], values: &[f32]) -> NamedTensor {
        NamedTensor {
            name: name.to_string(),
            shape: shape.to_vec(),
            values: values.to_vec(),
        }
    }

    #[test]
    fn the_crates_reader_finds_every_tensor_and_text() {
        let mean = named("bn1.running_mean", &[2], &[0.5, -2.0]);
        let tensors = [
            StoredTensor::floats(&named("w", &[1, 2], &[1.0, 3.0]), Precision::Bf16).unwrap(),
            StoredTensor::floats(&mean, Precision::F32).unwrap(),
            StoredTensor::counter_of(&mean).unwrap(),
        ];
        let texts = BTreeMap::from([("format".to_string(), "pt".to_string())]);
        let bytes = stored_to_safetensors(&tensors, texts).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.len(), 3);
        for tensor in &tensors {
            let view = file.tensor(&tensor.name).unwrap();
            assert_eq!(element_type(view.dtype()), Some(tensor.element));
            assert_eq!(view.shape(), tensor.shape);
            assert_eq!(view.data(), tensor.bytes);
            // Where a program may look at them as numbers.
            let place = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
            assert!(place.is_multiple_of(tensor.element.size()));
        }
        assert_eq!(tensors[2].name, "bn1.num_batches_tracked");
    }

    #[test]
    fn values_that_are_not_those_of_the_shape_are_refused() {
        let error = to_safetensors(&[named("w", &[3], &[1.0])], BTreeMap::new());
        assert!(matches!(error, Err(WeightsError::Safetensors(_))));
    }
}
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod damaged;

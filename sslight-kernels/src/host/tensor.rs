//! Tensors of the CPU engines as slices.

use burn::tensor::{TensorData, TensorMetadata};
use burn_flex::FlexTensor;
use burn_ndarray::NdArrayTensor;

use crate::backend::Backend;

/// A tensor whose `f32` values lie in memory that the kernels can read.
pub(crate) trait HostTensor: TensorMetadata {
    /// The same values in row-major order without gaps.
    fn contiguous(&self) -> Self;

    /// The values of a contiguous tensor of `f32`.
    fn values(&self) -> &[f32];

    /// A contiguous tensor of these values.
    fn from_values(values: Vec<f32>, dims: &[usize]) -> Self;

    /// The values of a contiguous tensor of `f32`, copied first if anything else shares them.
    fn values_mut(&mut self) -> &mut [f32];

    /// [`contiguous`](Self::contiguous) by value, which leaves no second owner behind.
    fn into_contiguous(self) -> Self {
        self.contiguous()
    }
}

impl HostTensor for FlexTensor {
    fn contiguous(&self) -> Self {
        self.to_contiguous()
    }

    fn values(&self) -> &[f32] {
        self.storage()
    }

    fn from_values(values: Vec<f32>, dims: &[usize]) -> Self {
        Self::from_data(TensorData::new(values, dims.to_vec()))
    }

    fn values_mut(&mut self) -> &mut [f32] {
        self.storage_mut()
    }
}

impl HostTensor for NdArrayTensor {
    fn contiguous(&self) -> Self {
        match self {
            Self::F32(storage) if !storage.view().is_standard_layout() => {
                let values = storage.view().iter().copied().collect();
                Self::from_values(values, storage.shape())
            }
            _ => self.clone(),
        }
    }

    fn values(&self) -> &[f32] {
        let slice = match self {
            Self::F32(storage) => storage.view().to_slice(),
            _ => None,
        };
        match slice {
            Some(slice) => slice,
            None => panic!(
                "HostTensor::values: {:?} is no contiguous f32",
                self.dtype()
            ),
        }
    }

    fn from_values(values: Vec<f32>, dims: &[usize]) -> Self {
        Self::from_data(TensorData::new(values, dims.to_vec()))
    }

    fn values_mut(&mut self) -> &mut [f32] {
        let dtype = self.dtype();
        let slice = match self {
            Self::F32(storage) => storage.ensure_owned().as_slice_mut(),
            _ => None,
        };
        match slice {
            Some(slice) => slice,
            None => panic!("HostTensor::values_mut: {dtype:?} is no contiguous f32"),
        }
    }
}

/// A backend on such tensors.
pub(crate) trait HostBackend: Backend<FloatTensorPrimitive: HostTensor> {}

impl<B: Backend<FloatTensorPrimitive: HostTensor>> HostBackend for B {}

pub(super) fn dims<const D: usize>(tensor: &impl TensorMetadata) -> [usize; D] {
    tensor.shape().dims()
}

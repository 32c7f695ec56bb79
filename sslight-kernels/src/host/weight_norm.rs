//! Weight normalisation on tensors of the CPU engines.

use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, TensorMetadata};

use super::tensor::{HostBackend, HostTensor, dims};
use crate::cpu::weight_norm;
use crate::profile::timed;
use crate::stock;

pub(super) fn forward<B: HostBackend>(
    direction: FloatTensor<B>,
    length: FloatTensor<B>,
) -> FloatTensor<B> {
    if direction.dtype() != DType::F32 {
        return stock::weight_norm::forward::<B>(direction, length);
    }
    let [direction, length] = [direction, length].map(HostTensor::into_contiguous);
    let dims = dims::<2>(&direction);
    let weight = timed(
        "weight norm forward",
        || 0.0,
        || weight_norm::forward(dims[1], direction.values(), length.values()),
    );
    HostTensor::from_values(weight, &dims)
}

pub(super) fn backward<B: HostBackend>(
    direction: FloatTensor<B>,
    length: FloatTensor<B>,
    weight_grad: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    if direction.dtype() != DType::F32 {
        return stock::weight_norm::backward::<B>(direction, length, weight_grad);
    }
    let [direction, length, grad] =
        [direction, length, weight_grad].map(HostTensor::into_contiguous);
    let dims = dims::<2>(&direction);
    let [direction_grad, length_grad] = timed(
        "weight norm backward",
        || 0.0,
        || weight_norm::backward(dims[1], direction.values(), length.values(), grad.values()),
    );
    [
        HostTensor::from_values(direction_grad, &dims),
        HostTensor::from_values(length_grad, &[dims[0], 1]),
    ]
}

//! Optimizer updates on tensors of the CPU engines.

use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, TensorMetadata};

use super::tensor::{HostBackend, HostTensor};
use crate::cpu::update;
use crate::stock;
use crate::update::{AdamWStep, MomentumStep};

pub(super) fn adamw_step<B: HostBackend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    moments: [FloatTensor<B>; 2],
    step: AdamWStep,
) -> (FloatTensor<B>, [FloatTensor<B>; 2]) {
    if param.dtype() != DType::F32 {
        return stock::adamw_step::<B>(param, grad, moments, step);
    }
    let grad = grad.contiguous();
    let mut param = param.into_contiguous();
    let [mut first, mut second] = moments.map(HostTensor::into_contiguous);
    update::adamw(
        param.values_mut(),
        grad.values(),
        first.values_mut(),
        second.values_mut(),
        step,
    );
    (param, [first, second])
}

pub(super) fn momentum_step<B: HostBackend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    velocity: FloatTensor<B>,
    step: MomentumStep,
) -> (FloatTensor<B>, FloatTensor<B>) {
    if param.dtype() != DType::F32 {
        return stock::momentum_step::<B>(param, grad, velocity, step);
    }
    let grad = grad.contiguous();
    let (mut param, mut velocity) = (param.into_contiguous(), velocity.into_contiguous());
    update::momentum(
        param.values_mut(),
        grad.values(),
        velocity.values_mut(),
        step,
    );
    (param, velocity)
}

pub(super) fn moving_average<B: HostBackend>(
    target: FloatTensor<B>,
    source: FloatTensor<B>,
    momentum: f64,
) -> FloatTensor<B> {
    if target.dtype() != DType::F32 {
        return stock::moving_average::<B>(target, source, momentum);
    }
    let source = source.contiguous();
    let mut target = target.into_contiguous();
    update::average(target.values_mut(), source.values(), momentum);
    target
}

pub(super) fn norm<B: HostBackend>(values: FloatTensor<B>) -> FloatTensor<B> {
    if values.dtype() != DType::F32 {
        return stock::norm::<B>(values);
    }
    let values = values.contiguous();
    let length = update::norm(values.values());
    HostTensor::from_values(vec![length], &[1])
}

//! Weight normalisation in terms of burn's operations.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;

use super::{primitive, tensor};

pub(crate) fn forward<B: Backend>(
    direction: FloatTensor<B>,
    length: FloatTensor<B>,
) -> FloatTensor<B> {
    let direction = tensor::<B, 2>(direction);
    let norm = norm(direction.clone());
    primitive(direction * (tensor::<B, 2>(length) / norm))
}

pub(crate) fn backward<B: Backend>(
    direction: FloatTensor<B>,
    length: FloatTensor<B>,
    weight_grad: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let (direction, grad) = (tensor::<B, 2>(direction), tensor::<B, 2>(weight_grad));
    let norm = norm(direction.clone());
    let unit = direction / norm.clone();
    let along = (unit.clone() * grad.clone()).sum_dim(1);
    let direction_grad = (grad - unit * along.clone()) * (tensor::<B, 2>(length) / norm);
    [primitive(direction_grad), primitive(along)]
}

fn norm<B: Backend>(direction: Tensor<B, 2>) -> Tensor<B, 2> {
    direction.powi_scalar(2).sum_dim(1).sqrt()
}

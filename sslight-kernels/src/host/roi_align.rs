//! RoIAlign on tensors of the CPU engines.

use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, TensorMetadata};

use super::tensor::{HostBackend, HostTensor, dims};
use crate::cpu::roi_align;
use crate::profile::timed;
use crate::roi_align::{Region, RoiAlignOptions};
use crate::stock;

pub(super) fn forward<B: HostBackend>(
    features: FloatTensor<B>,
    regions: &[Region],
    options: RoiAlignOptions,
) -> FloatTensor<B> {
    if features.dtype() != DType::F32 {
        return stock::roi_align::forward::<B>(features, regions, options);
    }
    let features = features.into_contiguous();
    let dims = dims::<4>(&features);
    let bins = timed(
        "roi align forward",
        || 0.0,
        || roi_align::forward(dims, features.values(), regions, options),
    );
    let side = options.output;
    HostTensor::from_values(bins, &[regions.len(), dims[1], side, side])
}

pub(super) fn backward<B: HostBackend>(
    regions: &[Region],
    options: RoiAlignOptions,
    feature_dims: [usize; 4],
    output_grad: FloatTensor<B>,
) -> FloatTensor<B> {
    if output_grad.dtype() != DType::F32 {
        return stock::roi_align::backward::<B>(regions, options, feature_dims, output_grad);
    }
    let grad = output_grad.into_contiguous();
    let features_grad = timed(
        "roi align backward",
        || 0.0,
        || roi_align::backward(feature_dims, regions, options, grad.values()),
    );
    HostTensor::from_values(features_grad, &feature_dims)
}

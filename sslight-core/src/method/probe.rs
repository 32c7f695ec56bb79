//! The joint online probe: a linear classifier on features that pass no gradient on, trained by the optimizer
//! of the method. It measures the features while they are learned and does not change them.

use burn::tensor::{Int, Tensor};
use sslight_models::backend::Backend;
use sslight_models::nn::Linear;
use sslight_models::params::constant;

use crate::loss::cross_entropy;

/// The probe's cross entropy; `None` without a probe or without labels.
///
/// # Shapes
/// features `[b, d]` of one view, labels `[b]` to `[1]`.
pub(super) fn probe_loss<B: Backend>(
    classifier: Option<&Linear<B>>,
    features: Tensor<B, 2>,
    labels: Option<&Tensor<B, 1, Int>>,
) -> Option<Tensor<B, 1>> {
    let logits = classifier?.forward(constant(features));
    Some(cross_entropy(logits, labels?.clone()))
}

/// The loss that is minimised: the method's and the probe's, unweighted.
pub(super) fn add_probe<B: Backend>(
    loss: Tensor<B, 1>,
    probe: Option<&Tensor<B, 1>>,
) -> Tensor<B, 1> {
    match probe {
        Some(probe) => loss + probe.clone(),
        None => loss,
    }
}

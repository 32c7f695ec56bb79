//! `backbone.cnn`: features, gradients and running statistics of a convolutional network with
//! stated weights, in evaluation, training and evaluation again.

use burn::tensor::Tensor;
use serde::Deserialize;
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::ParamInit;
use sslight_models::weights::load_named;
use sslight_models::{Backbone, BackboneKind, BatchMode};

use super::modules::{self, put_gradients, put_running_sums};
use super::{CaseContext, put, to_host};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::names::torchvision_name;

#[derive(Deserialize)]
struct Params {
    arch: String,
}

/// The backbone that the fixtures call `arch`, in its full-size form with arbitrary weights.
pub(crate) fn backbone<B: AutodiffBackend>(
    arch: &str,
    device: &B::Device,
) -> Result<Backbone<B>, CaseError> {
    let not_covered = || CaseError::NotCovered(format!("backbone {arch} is not in this build yet"));
    let kind: BackboneKind = arch.parse().map_err(|_| not_covered())?;
    kind.init(false, &mut ParamInit::new(0, device))
        .map_err(|_| not_covered())
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let Params { arch } = context.params()?;
    let rename = |name: &str| torchvision_name(&arch, name);
    let weights = context.weights("encoder.", |rest| rename(&format!("encoder.{rest}")))?;
    let net = load_named(backbone::<B>(&arch, device)?, &weights).map_err(CaseError::failed)?;
    let images: Tensor<B, 4> = context.tensor("input", device)?;
    let grad_out: Tensor<B, 2> = context.tensor("grad_out", device)?;

    let mut outputs = Outputs::new();
    for (features_name, prefix, mode) in [
        ("features_eval_before", "eval_", BatchMode::Running),
        ("features_train", "", BatchMode::Batch),
    ] {
        let features = net.forward(images.clone(), mode);
        put(&mut outputs, features_name, to_host(features.clone()));
        let tape = (features * grad_out.clone()).sum().backward();
        let gradients = modules::gradients(&net, &tape);
        put_gradients(context, &mut outputs, prefix, &gradients, &rename)?;
    }

    let tensors = modules::tensors_by_name(&net);
    let tensor = |name: &str| {
        tensors
            .get(&rename(name)?)
            .cloned()
            .ok_or_else(|| CaseError::failed(format!("the network has no tensor {name}")))
    };
    put_running_sums(context, &mut outputs, tensor)?;
    for name in context.outputs_of("buffer.") {
        put(
            &mut outputs,
            format!("buffer.{name}"),
            modules::host(&tensor(name)?),
        );
    }
    let features = net.forward(images, BatchMode::Running);
    put(&mut outputs, "features_eval_after", to_host(features));
    Ok(outputs)
}

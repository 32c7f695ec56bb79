//! `head.dino`: logits, bottleneck, gradients and running statistics of the DINO head.

use burn::tensor::Tensor;
use serde::Deserialize;
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::ParamInit;
use sslight_models::weights::load_named;
use sslight_models::{BatchMode, DinoHeadConfig};

use super::modules::{self, put_gradients};
use super::{CaseContext, put, to_host};
use crate::compare::Outputs;
use crate::error::CaseError;

#[derive(Deserialize)]
struct Params {
    in_dim: usize,
    hidden: usize,
    bottleneck: usize,
    out_dim: usize,
    layers: usize,
    use_bn: bool,
    norm_last_layer: bool,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let params: Params = context.params()?;
    let config = DinoHeadConfig {
        in_dim: params.in_dim,
        out_dim: params.out_dim,
        hidden_dim: params.hidden,
        bottleneck_dim: params.bottleneck,
        layers: params.layers,
        use_bn: params.use_bn,
        norm_last_layer: params.norm_last_layer,
    };
    let same = |name: &str| Ok(name.to_string());
    let head = load_named(
        config.init::<B>(&mut ParamInit::new(0, device)),
        &context.weights("", same)?,
    )
    .map_err(CaseError::failed)?;
    let input: Tensor<B, 2> = context.tensor("input", device)?;
    let grad_out: Tensor<B, 2> = context.tensor("grad_out", device)?;

    let mut outputs = Outputs::new();
    let logits = head.forward(input.clone(), BatchMode::Running);
    put(&mut outputs, "logits_eval_before", to_host(logits));

    let input = input.require_grad();
    // One pass in two halves, since a second one would move the running statistics again.
    let bottleneck = head.bottleneck(input.clone(), BatchMode::Batch);
    let logits = head.last_layer.forward(bottleneck.clone());
    put(&mut outputs, "bottleneck_train", to_host(bottleneck));
    put(&mut outputs, "logits_train", to_host(logits.clone()));
    let tape = (logits * grad_out).sum().backward();
    if let Some(gradient) = input.grad(&tape) {
        put(&mut outputs, "grad_input", to_host(gradient));
    }
    let gradients = modules::gradients(&head, &tape);
    put_gradients(context, &mut outputs, "", &gradients, &same)?;

    modules::put_buffers(context, &mut outputs, &head);
    let logits = head.forward(input, BatchMode::Running);
    put(&mut outputs, "logits_eval_after", to_host(logits));
    Ok(outputs)
}

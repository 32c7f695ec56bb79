//! `head.moco`: output, its direction, gradients and running statistics of the MoCo head.

use burn::tensor::Tensor;
use serde::Deserialize;
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::ParamInit;
use sslight_models::nn::activation::l2_normalize;
use sslight_models::weights::load_named;
use sslight_models::{BatchMode, MocoHeadConfig};

use super::modules::{self, put_gradients};
use super::{CaseContext, put, to_host};
use crate::compare::Outputs;
use crate::error::CaseError;

#[derive(Deserialize)]
struct Params {
    in_dim: usize,
    hidden: usize,
    out_dim: usize,
    layers: usize,
    use_bn: bool,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let params: Params = context.params()?;
    let config = MocoHeadConfig {
        in_dim: params.in_dim,
        out_dim: params.out_dim,
        hidden_dim: params.hidden,
        layers: params.layers,
        use_bn: params.use_bn,
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
    // Returns the direction, which is what the loss acts on.
    let mut pass = |input: Tensor<B, 2>, mode, when| {
        let output = head.forward(input, mode);
        let normalised = l2_normalize(output.clone());
        put(&mut outputs, format!("output_{when}"), to_host(output));
        put(
            &mut outputs,
            format!("normalised_{when}"),
            to_host(normalised.clone()),
        );
        normalised
    };
    pass(input.clone(), BatchMode::Running, "eval_before");
    let tracked = input.clone().require_grad();
    let normalised = pass(tracked.clone(), BatchMode::Batch, "train");
    pass(input, BatchMode::Running, "eval_after");

    let tape = (normalised * grad_out).sum().backward();
    if let Some(gradient) = tracked.grad(&tape) {
        put(&mut outputs, "grad_input", to_host(gradient));
    }
    let gradients = modules::gradients(&head, &tape);
    put_gradients(context, &mut outputs, "", &gradients, &same)?;
    modules::put_buffers(context, &mut outputs, &head);
    Ok(outputs)
}

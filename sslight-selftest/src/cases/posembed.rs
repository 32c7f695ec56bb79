//! `posembed`: a table of positional embeddings resized for another image size, and its gradient.

use burn::tensor::Tensor;
use serde::Deserialize;
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::pos_embed;

use super::{CaseContext, put, to_host};
use crate::compare::Outputs;
use crate::error::CaseError;

#[derive(Deserialize)]
struct Params {
    grid_out: usize,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let Params { grid_out } = context.params()?;
    let table: Tensor<B, 3> = context.tensor("pos_embed", device)?;
    let grad_out: Tensor<B, 3> = context.tensor("grad_out", device)?;
    let table = table.require_grad();
    let resized = pos_embed::resize(table.clone(), [grid_out, grid_out]);

    let mut outputs = Outputs::new();
    let rows: Tensor<B, 2> = resized.clone().squeeze_dim(0);
    put(&mut outputs, "out", to_host(rows));
    let tape = (resized * grad_out).sum().backward();
    if let Some(gradient) = table.grad(&tape) {
        let gradient: Tensor<_, 2> = gradient.squeeze_dim(0);
        put(&mut outputs, "grad_pos_embed", to_host(gradient));
    }
    Ok(outputs)
}

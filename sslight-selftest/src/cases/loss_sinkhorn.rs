//! `loss.sinkhorn`: the codes of a matrix of scores.

use serde::Deserialize;
use sslight_core::loss::sinkhorn::sinkhorn;
use sslight_models::backend::AutodiffBackend;

use super::{CaseContext, put, to_host};
use crate::compare::Outputs;
use crate::error::CaseError;

#[derive(Deserialize)]
struct Params {
    iterations: usize,
    epsilon: f64,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let p: Params = context.params()?;
    let scores = context.tensor::<B::InnerBackend, 2>("scores", device)?;
    let mut outputs = Outputs::new();
    let codes = sinkhorn(scores, p.epsilon, p.iterations);
    put(&mut outputs, "q", to_host(codes));
    Ok(outputs)
}

//! `eval.topk`: the accuracy of logits.

use serde::Deserialize;
use sslight_core::eval::topk_accuracy;

use super::{CaseContext, put};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

#[derive(Deserialize)]
struct Params {
    classes: usize,
    topk: Vec<usize>,
}

pub(crate) fn run(context: &CaseContext<'_>) -> Result<Outputs, CaseError> {
    let p: Params = context.params()?;
    let logits = context.input("logits")?.into_f32();
    let labels = context.labels("labels")?;
    let accuracies: Vec<f64> = p
        .topk
        .iter()
        .map(|k| topk_accuracy(&logits, p.classes, &labels, *k))
        .collect();
    let mut outputs = Outputs::new();
    let shape = [accuracies.len()];
    put(
        &mut outputs,
        "accuracy_percent",
        HostTensor::f64(shape, accuracies),
    );
    Ok(outputs)
}

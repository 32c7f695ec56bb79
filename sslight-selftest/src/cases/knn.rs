//! `eval.knn`: weighted nearest neighbours against a bank, and leave-one-out.

use serde::Deserialize;
use sslight_core::eval::FeatureSet;
use sslight_core::eval::knn::{KnnConfig, leave_one_out, with_bank};
use sslight_models::backend::AutodiffBackend;

use super::{CaseContext, put};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

#[derive(Deserialize)]
struct Params {
    k: usize,
    temperature: f64,
    leave_one_out: bool,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let params: Params = context.params()?;
    let config = KnnConfig {
        k: params.k,
        temperature: params.temperature,
    };
    let score = if params.leave_one_out {
        leave_one_out::<B::InnerBackend>(&feature_set(context, "")?, config, device)
    } else {
        let bank = feature_set(context, "bank_")?;
        with_bank::<B::InnerBackend>(&bank, &feature_set(context, "query_")?, config, device)
    }
    .map_err(CaseError::failed)?;

    let mut outputs = Outputs::new();
    put(&mut outputs, "top1", HostTensor::f64([1], vec![score.top1]));
    put(&mut outputs, "top5", HostTensor::f64([1], vec![score.top5]));
    let shape = [score.neighbours.len(), params.k];
    let neighbours = score
        .neighbours
        .iter()
        .flatten()
        .map(|&index| index as i64)
        .collect();
    put(
        &mut outputs,
        "neighbours",
        HostTensor::i64(shape, neighbours),
    );
    Ok(outputs)
}

/// The inputs `<prefix>features` and `<prefix>labels`.
fn feature_set(context: &CaseContext<'_>, prefix: &str) -> Result<FeatureSet, CaseError> {
    let features = context.input(&format!("{prefix}features"))?;
    let labels = context.labels(&format!("{prefix}labels"))?;
    let &[_, dim] = features.shape.as_slice() else {
        return Err(CaseError::failed(format!(
            "{prefix}features are not a matrix"
        )));
    };
    Ok(FeatureSet {
        dim,
        values: features.into_f32(),
        labels: Some(labels),
    })
}

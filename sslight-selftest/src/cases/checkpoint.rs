//! `checkpoint`: a checkpoint of the reference, read without running any of its code: weights bit by bit, the
//! configuration, the optimizer's state, the centre, and the student's features.

mod content;

use serde::Deserialize;
use serde_json::Value as Json;
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::weights::pytorch::{PytorchFile, Value};
use sslight_models::weights::{Import, WeightMap, WeightsFile, load_named};
use sslight_models::{BackboneKind, BatchMode};

use super::backbone::backbone;
use super::{CaseContext, put, to_host};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;
use content::Checkpoint;

#[derive(Deserialize)]
struct Params {
    checkpoint: String,
    arch: String,
    epoch: i64,
    steps: i64,
    key_prefix: String,
    missing_prefix: String,
    classes: usize,
    norm_last_layer: bool,
    optimizer_param_order: Vec<String>,
    param_groups: Vec<ParamGroup>,
    num_batches_tracked: Counters,
    config_values: serde_json::Map<String, Json>,
}

#[derive(Deserialize)]
struct ParamGroup {
    /// Number of parameters.
    n: usize,
    /// The rates and factors of the group.
    #[serde(flatten)]
    values: serde_json::Map<String, Json>,
}

#[derive(Deserialize)]
struct Counters {
    backbone: f64,
    head: f64,
}

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let params: Params = context.params()?;
    let path = context.beside(&params.checkpoint);
    let in_file = |e: &dyn std::fmt::Display| CaseError::failed(format!("{}: {e}", path.display()));
    let bytes = std::fs::read(&path).map_err(|e| in_file(&e))?;
    let format = PytorchFile::detect(&bytes).map_err(|e| in_file(&e))?;
    let format = format.ok_or_else(|| in_file(&"no PyTorch file"))?;
    let file = PytorchFile::parse(&bytes, format).map_err(|e| in_file(&e))?;
    let checkpoint = Checkpoint::of(&file).map_err(|e| in_file(&e))?;

    check_values(&checkpoint, &params)?;
    checkpoint.check_weights(context, &params)?;
    checkpoint.check_optimizer(&params)?;

    let mut outputs = Outputs::new();
    let sums = |what: &str, sums: Vec<f64>| (what.to_string(), HostTensor::f64([sums.len()], sums));
    let states = context.index("state_dict_sums")?;
    if !checkpoint.names().eq(states.iter().map(String::as_str)) {
        return Err(in_file(
            &"the tensors are others, or in another order, than the manifest's",
        ));
    }
    let of_state = states
        .iter()
        .map(|name| Ok(checkpoint.tensor(name)?.iter().sum()))
        .collect::<Result<_, CaseError>>()?;
    let momenta = context
        .index("optimizer_mu_sums")?
        .iter()
        .map(|name| checkpoint.momentum(name, &params.optimizer_param_order))
        .collect::<Result<Vec<_>, _>>()?;
    let of_momenta = momenta.iter().map(|mu| mu.iter().sum()).collect();
    let of_sizes = momenta.iter().map(|mu| mu.iter().map(|v| v.abs()).sum());
    for (name, sums) in [
        sums("state_dict_sums", of_state),
        sums("optimizer_mu_sums", of_momenta),
        sums("optimizer_mu_abs_sums", of_sizes.collect()),
    ] {
        put(&mut outputs, name, sums);
    }
    let center = checkpoint.center()?;
    put(
        &mut outputs,
        "center",
        HostTensor::f32([center.len()], center),
    );
    put_student::<B>(context, &mut outputs, &params, &bytes, device)?;
    Ok(outputs)
}

/// Outputs `features` and `probe_logits` of the student in evaluation, whose backbone comes in by the way that
/// `init` takes.
fn put_student<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    outputs: &mut Outputs,
    params: &Params,
    bytes: &[u8],
    device: &B::Device,
) -> Result<(), CaseError> {
    let kind: BackboneKind = params.arch.parse().map_err(CaseError::failed)?;
    let net = backbone::<B>(&params.arch, device)?;
    let file = WeightsFile::open(bytes).map_err(CaseError::failed)?;
    let import = Import::of(&net, kind, &file).map_err(CaseError::failed)?;
    let weights = import.weights(false).map_err(CaseError::failed)?;
    let net = load_named(net, &weights).map_err(CaseError::failed)?;

    let features_dim = net.features_dim();
    let probe = Linear::<B>::uniform(&mut ParamInit::new(0, device), features_dim, params.classes);
    let prefix = format!("{}classifier.", params.key_prefix);
    let mut weights = WeightMap::new();
    for entry in file.entries() {
        if let Some(name) = entry.name.strip_prefix(&prefix) {
            let values = file.values(entry).map_err(CaseError::failed)?;
            weights.insert(name.to_string(), (entry.shape.clone(), values));
        }
    }
    let probe = load_named(probe, &weights).map_err(CaseError::failed)?;

    let features = net.forward(context.tensor("input", device)?, BatchMode::Running);
    put(outputs, "features", to_host(features.clone()));
    put(outputs, "probe_logits", to_host(probe.forward(features)));
    Ok(())
}

/// Epoch, steps, and the configuration's values under their dotted names.
fn check_values(checkpoint: &Checkpoint<'_>, params: &Params) -> Result<(), CaseError> {
    for (key, expected) in [("epoch", params.epoch), ("steps", params.steps)] {
        let found = checkpoint.value(key)?.as_i64();
        if found != Some(expected) {
            return Err(CaseError::failed(format!(
                "{key} is {found:?}, expected {expected}"
            )));
        }
    }
    for (name, expected) in &params.config_values {
        let config = Some(checkpoint.value("config")?);
        let found = name
            .split('.')
            .fold(config, |node, key| node.and_then(|node| node.get(key)));
        if !found.is_some_and(|found| is_equal(found, expected)) {
            return Err(CaseError::failed(format!(
                "config {name} is not {expected}"
            )));
        }
    }
    Ok(())
}

/// Whether a value of the checkpoint is that of the manifest, type and all.
fn is_equal(found: Value<'_>, expected: &Json) -> bool {
    match expected {
        Json::Null => found.is_none(),
        Json::Bool(expected) => found.as_bool() == Some(*expected),
        Json::String(expected) => found.as_str() == Some(expected),
        Json::Number(expected) if expected.is_i64() => found.as_i64() == expected.as_i64(),
        Json::Number(expected) => found.as_f64() == expected.as_f64(),
        Json::Array(expected) => {
            let items = found.items();
            items.len() == expected.len()
                && items.zip(expected).all(|(found, e)| is_equal(found, e))
        }
        Json::Object(_) => false,
    }
}

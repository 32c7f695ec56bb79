//! `checkpoint.keys`: the tensors of complete models at paper size, by name, order and shape; how many values
//! are trained; and which optimizer group each trained parameter falls in.
//!
//! Networks and probe are built. How a method arranges them under prefixes is stated here.

use std::collections::BTreeMap;

use burn::module::Module;
use serde::Deserialize;
use sslight_core::optim::ParamGroup;
use sslight_models::backend::AutodiffBackend;
use sslight_models::nn::{Linear, ParamInit};
use sslight_models::params::{self, is_buffer};
use sslight_models::{DinoHeadConfig, MocoHeadConfig, SwavHeadConfig};

use super::CaseContext;
use super::backbone::backbone;
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::names::torchvision_name;

#[derive(Deserialize)]
struct Params {
    models: BTreeMap<String, Totals>,
    probe_classes: usize,
}

#[derive(Deserialize)]
struct Totals {
    tensors: usize,
}

/// A complete model in the file.
#[derive(Deserialize)]
struct Reference {
    state_dict: Vec<Key>,
    /// Number of values.
    trainable_parameters: usize,
    optimizer_groups: Vec<Vec<String>>,
}

type Key = (String, Vec<usize>);

/// State that is neither weight nor statistic: counters of batches, which ours does not keep, and MoCo's
/// queue, whose contents the cases of its loss compare.
const LEFT_OUT: [&str; 3] = ["num_batches_tracked", "queue", "queue_ptr"];

pub(crate) fn run<B: AutodiffBackend>(
    context: &CaseContext<'_>,
    device: &B::Device,
) -> Result<Outputs, CaseError> {
    let Params {
        models,
        probe_classes,
    } = context.params()?;
    let path = context.path();
    let unreadable =
        |e: &dyn std::fmt::Display| CaseError::failed(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&e))?;
    let mut references: BTreeMap<String, Reference> =
        serde_json::from_str(&text).map_err(|e| unreadable(&e))?;
    for (name, totals) in &models {
        let reference = references
            .remove(name)
            .filter(|reference| reference.state_dict.len() == totals.tensors)
            .ok_or_else(|| unreadable(&format!("no {name} of {} tensors", totals.tensors)))?;
        let (method, arch) = name
            .split_once('/')
            .ok_or_else(|| CaseError::failed(format!("{name} is not METHOD/ARCHITECTURE")))?;
        let model = model::<B>(method, arch, probe_classes, device)?;
        compare(arch, &reference, &model)
            .map_err(|error| CaseError::failed(format!("{name}: {error}")))?;
    }
    Ok(Outputs::new())
}

/// A tensor of ours.
#[derive(Clone)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    trained: bool,
}

/// The tensors of a method's complete model under the reference's prefixes, in its order.
fn model<B: AutodiffBackend>(
    method: &str,
    arch: &str,
    probe_classes: usize,
    device: &B::Device,
) -> Result<Vec<Tensor>, CaseError> {
    // The file's `vit_tiny` has the paper's main patch size.
    let kind = if arch == "vit_tiny" {
        "vit_tiny_16"
    } else {
        arch
    };
    let backbone = backbone::<B>(kind, device)?;
    let in_dim = backbone.features_dim();
    let init = &mut ParamInit::<B>::new(0, device);
    let (head, prefix, copy) = match method {
        "DINO" => {
            let cnn = arch != "vit_tiny";
            let config = DinoHeadConfig {
                in_dim,
                out_dim: if cnn { 4096 } else { 65_536 },
                hidden_dim: 2048,
                bottleneck_dim: 256,
                layers: 3,
                use_bn: cnn,
                norm_last_layer: cnn,
            };
            (tensors(&config.init(init)), "student", Some("teacher"))
        }
        "SWAV" => {
            let config = SwavHeadConfig {
                in_dim,
                out_dim: 128,
                hidden_dim: 4096,
                layers: 2,
                use_bn: true,
                prototypes: 3000,
            };
            (tensors(&config.init(init)), "network", None)
        }
        "MOCO" => {
            let config = MocoHeadConfig {
                in_dim,
                out_dim: 128,
                hidden_dim: 2048,
                layers: 2,
                use_bn: false,
            };
            (tensors(&config.init(init)), "encoder_q", Some("encoder_k"))
        }
        _ => return Err(CaseError::failed(format!("no method is named {method}"))),
    };
    let backbone = tensors(&backbone);
    let mut model = Vec::new();
    for (prefix, trained) in [(Some(prefix), true), (copy, false)] {
        let Some(prefix) = prefix else { continue };
        model.extend(under(&format!("{prefix}.backbone"), &backbone, trained));
        model.extend(under(&format!("{prefix}.head"), &head, trained));
    }
    let probe = tensors(&Linear::<B>::uniform(init, in_dim, probe_classes));
    model.extend(under("classifier", &probe, true));
    Ok(model)
}

fn tensors<B: AutodiffBackend, M: Module<B>>(module: &M) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    params::for_each(
        module,
        |name, _, flat: burn::tensor::Tensor<B, 1>, shape| {
            tensors.push(Tensor {
                name: name.to_string(),
                shape: shape.to_vec(),
                trained: !is_buffer(name) && flat.is_require_grad(),
            });
        },
    );
    tensors
}

/// The tensors below `prefix`; those of a copy that is not `trained` are not either.
fn under(prefix: &str, tensors: &[Tensor], trained: bool) -> impl Iterator<Item = Tensor> {
    tensors.iter().map(move |tensor| Tensor {
        name: format!("{prefix}.{}", tensor.name),
        shape: tensor.shape.clone(),
        trained: tensor.trained && trained,
    })
}

fn compare(arch: &str, reference: &Reference, ours: &[Tensor]) -> Result<(), CaseError> {
    let mut expected = Vec::new();
    for (name, shape) in &reference.state_dict {
        let last = name.rsplit('.').next().unwrap_or(name);
        if !LEFT_OUT.contains(&last) {
            expected.push((our_name(arch, name)?, shape.clone()));
        }
    }
    let found: Vec<Key> = ours
        .iter()
        .map(|tensor| (tensor.name.clone(), tensor.shape.clone()))
        .collect();
    same_list("tensors", &expected, &found)?;

    let trained: Vec<&Tensor> = ours.iter().filter(|tensor| tensor.trained).collect();
    let values: usize = trained
        .iter()
        .map(|t| t.shape.iter().product::<usize>())
        .sum();
    if values != reference.trainable_parameters {
        return Err(CaseError::failed(format!(
            "{values} trained values, expected {}",
            reference.trainable_parameters
        )));
    }

    // The reference makes no group without members.
    let groups: Vec<Vec<String>> = [ParamGroup::Regular, ParamGroup::Depthwise, ParamGroup::Bias]
        .map(|group| {
            let members = trained.iter().filter(|t| ParamGroup::of(&t.shape) == group);
            members
                .map(|tensor| tensor.name.clone())
                .collect::<Vec<_>>()
        })
        .into_iter()
        .filter(|members| !members.is_empty())
        .collect();
    let expected = reference
        .optimizer_groups
        .iter()
        .map(|names| names.iter().map(|name| our_name(arch, name)).collect())
        .collect::<Result<Vec<Vec<String>>, CaseError>>()?;
    if groups.len() != expected.len() {
        return Err(CaseError::failed(format!(
            "{} optimizer groups, expected {}",
            groups.len(),
            expected.len()
        )));
    }
    for (index, (expected, found)) in expected.iter().zip(&groups).enumerate() {
        same_list(
            &format!("members of optimizer group {index}"),
            expected,
            found,
        )?;
    }
    Ok(())
}

/// A name of the reference with the backbone's part in torchvision's names.
fn our_name(arch: &str, name: &str) -> Result<String, CaseError> {
    match name.split_once(".backbone.") {
        Some((network, rest)) if rest.starts_with("encoder.") => Ok(format!(
            "{network}.backbone.{}",
            torchvision_name(arch, rest)?
        )),
        _ => Ok(name.to_string()),
    }
}

fn same_list<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &[T],
    found: &[T],
) -> Result<(), CaseError> {
    if let Some(index) = expected.iter().zip(found).position(|(e, f)| e != f) {
        return Err(CaseError::failed(format!(
            "{what}: number {index} is {:?}, expected {:?}",
            found[index], expected[index]
        )));
    }
    if expected.len() != found.len() {
        return Err(CaseError::failed(format!(
            "{what}: {} of them, expected {}",
            found.len(),
            expected.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

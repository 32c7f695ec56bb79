//! The kinds of cases, one file a kind, and what they share: reading parameters and inputs.
//!
//! A runner calls the same functions that training and evaluation call, and returns a map from
//! output names to values. It decides nothing: the comparison walks the manifest.

mod backbone;
mod checkpoint;
mod checkpoint_keys;
mod crop_params;
mod head_dino;
mod head_moco;
mod head_swav;
mod knn;
mod loss_dino;
mod loss_moco;
mod loss_sinkhorn;
mod loss_swav;
mod modules;
mod optim;
mod posembed;
mod schedule;
mod topk;
mod train;
mod transform;
mod vit;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use serde::de::DeserializeOwned;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::weights::WeightMap;

use crate::compare::{Outputs, Produced};
use crate::error::CaseError;
use crate::formula::{self, Role};
use crate::manifest::{Case, Input};
use crate::tensors::{HostTensor, TensorFile, Values};

/// Carries out a case on a device.
pub(crate) type Runner<B> = fn(
    &CaseContext<'_>,
    &<B as burn::tensor::backend::BackendTypes>::Device,
) -> Result<Outputs, CaseError>;

/// The runner of a kind, or `None` if this build has none.
pub(crate) fn runner<B: AutodiffBackend>(kind: &str) -> Option<Runner<B>> {
    match kind {
        "backbone.cnn" => Some(backbone::run::<B>),
        "backbone.vit" => Some(vit::run::<B>),
        "backbone.vit_droppath" => Some(vit::run_drop_path::<B>),
        "checkpoint" => Some(checkpoint::run::<B>),
        "checkpoint.keys" => Some(checkpoint_keys::run::<B>),
        "posembed" => Some(posembed::run::<B>),
        "loss.dino" => Some(loss_dino::run::<B>),
        "loss.sinkhorn" => Some(loss_sinkhorn::run::<B>),
        "loss.swav" => Some(loss_swav::run::<B>),
        "loss.moco" => Some(loss_moco::run::<B>),
        "eval.knn" => Some(knn::run::<B>),
        "eval.topk" => Some(|context, _| topk::run(context)),
        "head.dino" => Some(head_dino::run::<B>),
        "head.moco" => Some(head_moco::run::<B>),
        "head.swav" => Some(head_swav::run::<B>),
        kind if transform::KINDS.contains(&kind) => Some(|context, _| transform::run(context)),
        kind if crop_params::KINDS.contains(&kind) => Some(|context, _| crop_params::run(context)),
        kind if optim::KINDS.contains(&kind) => Some(optim::run::<B>),
        kind if schedule::KINDS.contains(&kind) => Some(|context, _| schedule::run(context)),
        kind => train::runner::<B>(kind),
    }
}

/// A case with access to its parameters and inputs.
pub(crate) struct CaseContext<'a> {
    pub(crate) case: &'a Case,
    dir: &'a Path,
    stored: &'a TensorFile,
    inputs: HashMap<&'a str, &'a Input>,
}

impl<'a> CaseContext<'a> {
    pub(crate) fn new(case: &'a Case, dir: &'a Path, stored: &'a TensorFile) -> Self {
        let inputs = case
            .inputs
            .iter()
            .map(|input| (input.name.as_str(), input))
            .collect();
        Self {
            case,
            dir,
            stored,
            inputs,
        }
    }

    /// The parameters as the type of the kind.
    pub(crate) fn params<T: DeserializeOwned>(&self) -> Result<T, CaseError> {
        T::deserialize(&self.case.params)
            .map_err(|e| CaseError::failed(format!("params do not fit the kind: {e}")))
    }

    /// Input `name`, regenerated or read.
    pub(crate) fn input(&self, name: &str) -> Result<HostTensor, CaseError> {
        let input = self
            .inputs
            .get(name)
            .ok_or_else(|| CaseError::failed(format!("the case lists no input {name}")))?;
        match (input.role, &input.tensor, &input.file) {
            (Some(role), _, _) => {
                let key = format!("{}/{}", self.case.name, input.name);
                Ok(HostTensor::f32(
                    input.shape.clone(),
                    formula::values(&key, role, &input.shape),
                ))
            }
            (None, Some(tensor), None) => self.stored.get(tensor).cloned(),
            (None, Some(tensor), Some(file)) => {
                TensorFile::read(&self.dir.join(file))?.get(tensor).cloned()
            }
            (None, None, _) => Err(CaseError::failed(format!(
                "input {name} has neither a role nor a stored tensor"
            ))),
        }
    }

    /// The case's file, for kinds whose file holds no tensors.
    pub(crate) fn path(&self) -> PathBuf {
        self.beside(&self.case.file)
    }

    /// A file of the fixture folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A tensor stored in the case's file that is no listed input.
    pub(crate) fn stored(&self, name: &str) -> Result<&HostTensor, CaseError> {
        self.stored.get(name)
    }

    /// Input `name` as classes.
    pub(crate) fn labels(&self, name: &str) -> Result<Vec<usize>, CaseError> {
        let Values::I64(labels) = self.input(name)?.values else {
            return Err(CaseError::failed(format!("{name} are not I64")));
        };
        labels
            .into_iter()
            .map(|label| usize::try_from(label).map_err(CaseError::failed))
            .collect()
    }

    /// Input `name` on a device.
    pub(crate) fn tensor<B: Backend, const D: usize>(
        &self,
        name: &str,
        device: &B::Device,
    ) -> Result<Tensor<B, D>, CaseError> {
        let host = self.input(name)?;
        let shape: [usize; D] = host.shape.as_slice().try_into().map_err(|_| {
            CaseError::failed(format!(
                "input {name} has shape {:?}, expected {D} axes",
                host.shape
            ))
        })?;
        Ok(Tensor::from_data(
            TensorData::new(host.into_f32(), shape),
            device,
        ))
    }

    /// Every parameter and buffer whose name starts with `prefix`, under the name that `rename`
    /// gives to the rest. Counters of batches, which our batch normalisation does not keep, and
    /// network inputs are left out.
    pub(crate) fn weights(
        &self,
        prefix: &str,
        rename: impl Fn(&str) -> Result<String, CaseError>,
    ) -> Result<WeightMap, CaseError> {
        let mut weights = WeightMap::new();
        for input in &self.case.inputs {
            let Some(name) = input.name.strip_prefix(prefix) else {
                continue;
            };
            let is_weight = !matches!(
                input.role,
                None | Some(Role::ZeroI64 | Role::Input | Role::Unit)
            );
            if is_weight {
                let host = self.input(&input.name)?;
                weights.insert(rename(name)?, (host.shape.clone(), host.into_f32()));
            }
        }
        Ok(weights)
    }

    /// What the entries along the last axis of output `name` stand for.
    pub(crate) fn index(&self, name: &str) -> Result<&'a [String], CaseError> {
        self.case
            .index(name)
            .ok_or_else(|| CaseError::failed(format!("the manifest has no index for {name}")))
    }

    /// The rest of every output name that starts with `prefix`.
    pub(crate) fn outputs_of(&self, prefix: &str) -> impl Iterator<Item = &'a str> {
        self.case
            .outputs
            .iter()
            .filter_map(move |output| output.name.strip_prefix(prefix))
    }
}

/// Puts a tensor of results into the map.
pub(crate) fn put(outputs: &mut Outputs, name: impl Into<String>, tensor: HostTensor) {
    outputs.insert(name.into(), Produced::Tensor(tensor));
}

/// A device tensor as a result.
pub(crate) fn to_host<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> HostTensor {
    let shape = tensor.dims().to_vec();
    HostTensor::f32(shape, sslight_models::params::host_values(tensor))
}

/// Euclidean norm, summed in float64.
pub(crate) fn l2(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|&v| f64::from(v) * f64::from(v))
        .sum::<f64>()
        .sqrt()
}

/// A single number from a device.
pub(crate) fn scalar<B: Backend>(tensor: Tensor<B, 1>) -> f64 {
    tensor.into_data().iter::<f64>().next().unwrap_or(f64::NAN)
}

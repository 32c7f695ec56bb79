//! What a checkpoint of the reference holds.

use sslight_core::optim::ParamGroup;
use sslight_models::weights::names::is_batch_counter;
use sslight_models::weights::pytorch::{PytorchFile, TensorRef, Value};

use super::{Params, is_equal};
use crate::cases::CaseContext;
use crate::error::CaseError;
use crate::formula::Role;

/// An open checkpoint.
pub(super) struct Checkpoint<'a> {
    file: &'a PytorchFile<'a>,
    root: Value<'a>,
    /// Names and tensors of the state dict, in the file's order.
    tensors: Vec<(&'a str, &'a TensorRef)>,
}

impl<'a> Checkpoint<'a> {
    pub(super) fn of(file: &'a PytorchFile<'a>) -> Result<Self, CaseError> {
        let root = file
            .root()
            .ok_or_else(|| CaseError::failed("nothing was saved"))?;
        let states = root.get("state_dict");
        let states = states.ok_or_else(|| CaseError::failed("no state_dict"))?;
        if states.attribute("_metadata").is_none() {
            return Err(CaseError::failed("the state_dict has no _metadata"));
        }
        let tensors = states.entries().map(|(name, value)| {
            let tensor = name.as_str().zip(value.as_tensor());
            tensor.ok_or_else(|| CaseError::failed("an entry of the state_dict is no named tensor"))
        });
        Ok(Self {
            file,
            root,
            tensors: tensors.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.tensors.iter().map(|(name, _)| *name)
    }

    /// A value at the top.
    pub(super) fn value(&self, key: &str) -> Result<Value<'a>, CaseError> {
        let value = self.root.get(key);
        value.ok_or_else(|| CaseError::failed(format!("the checkpoint has no {key}")))
    }

    fn entry(&self, name: &str) -> Result<&'a TensorRef, CaseError> {
        let entry = self.tensors.iter().find(|(found, _)| *found == name);
        entry
            .map(|(_, tensor)| *tensor)
            .ok_or_else(|| CaseError::failed(format!("no tensor {name}")))
    }

    fn values(&self, tensor: &TensorRef) -> Result<Vec<u8>, CaseError> {
        self.file.values(tensor).map_err(CaseError::failed)
    }

    /// The values of a tensor of the state dict.
    pub(super) fn tensor(&self, name: &str) -> Result<Vec<f64>, CaseError> {
        let tensor = self.entry(name)?;
        Ok(tensor.element().to_f64(&self.values(tensor)?))
    }

    /// The momentum buffer of the parameter `name`, which the optimizer knows by its place in `order`.
    pub(super) fn momentum(&self, name: &str, order: &[String]) -> Result<Vec<f64>, CaseError> {
        let missing = || CaseError::failed(format!("the optimizer has no momentum of {name}"));
        let place = order.iter().position(|other| other == name);
        let place = place.and_then(|place| i64::try_from(place).ok());
        let states = self.value("optimizer")?.get("state");
        let momentum = states
            .zip(place)
            .and_then(|(states, place)| states.get_number(place)?.get("mu")?.as_tensor())
            .ok_or_else(missing)?;
        Ok(momentum.element().to_f64(&self.values(momentum)?))
    }

    /// DINO's centre.
    pub(super) fn center(&self) -> Result<Vec<f32>, CaseError> {
        let center = self.value("loss")?.get("center");
        let center = center
            .and_then(Value::as_tensor)
            .ok_or_else(|| CaseError::failed("the loss has no center"))?;
        Ok(center.element().to_f32(&self.values(center)?))
    }

    /// Every weight equals the formula bit by bit, the counters of batches are the manifest's, and what the file
    /// is said to leave out is not there.
    pub(super) fn check_weights(
        &self,
        context: &CaseContext<'_>,
        params: &Params,
    ) -> Result<(), CaseError> {
        let mut checked = 0;
        for input in &context.case.inputs {
            let name = format!("{}{}", params.key_prefix, input.name);
            let is_weight = !matches!(input.role, None | Some(Role::Input | Role::Unit));
            if !is_weight {
                continue;
            }
            if name.starts_with(&params.missing_prefix) {
                if self.entry(&name).is_ok() {
                    return Err(CaseError::failed(format!("{name} is there, expected none")));
                }
                continue;
            }
            let tensor = self.entry(&name)?;
            if tensor.shape() != input.shape {
                let message = format!("{name}: {:?}, expected {:?}", tensor.shape(), input.shape);
                return Err(CaseError::failed(message));
            }
            let equal = if is_batch_counter(&name) {
                let part = if name.contains(".backbone.") {
                    params.num_batches_tracked.backbone
                } else {
                    params.num_batches_tracked.head
                };
                self.tensor(&name)? == [part]
            } else {
                let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits);
                let found = tensor.element().to_f32(&self.values(tensor)?);
                bits(found).eq(bits(context.input(&input.name)?.into_f32()))
            };
            if !equal {
                return Err(CaseError::failed(format!("{name}: the values differ")));
            }
            checked += 1;
        }
        if checked != self.tensors.len() {
            let message = format!("{} tensors, {checked} of them known", self.tensors.len());
            return Err(CaseError::failed(message));
        }
        Ok(())
    }

    /// The groups have the manifest's rates and its parameters, which are those that our optimizer puts there.
    pub(super) fn check_optimizer(&self, params: &Params) -> Result<(), CaseError> {
        let groups = self.value("optimizer")?.get("param_groups");
        let groups: Vec<Value<'_>> = groups.into_iter().flat_map(Value::items).collect();
        if groups.len() != params.param_groups.len() {
            let expected = params.param_groups.len();
            return Err(CaseError::failed(format!(
                "{} optimizer groups, expected {expected}",
                groups.len()
            )));
        }
        let mut place = 0;
        let ours = [ParamGroup::Regular, ParamGroup::Depthwise, ParamGroup::Bias];
        for ((group, expected), ours) in groups.iter().zip(&params.param_groups).zip(ours) {
            for (name, expected) in &expected.values {
                if !group.get(name).is_some_and(|v| is_equal(v, expected)) {
                    let message = format!("{name} of an optimizer group is not {expected}");
                    return Err(CaseError::failed(message));
                }
            }
            let members = group.get("params").into_iter().flat_map(Value::items);
            let members: Option<Vec<i64>> = members.map(Value::as_i64).collect();
            let range = place..place + expected.n;
            if !members.is_some_and(|m| m.into_iter().eq(range.clone().map(|i| i as i64))) {
                let message = format!("an optimizer group does not hold parameters {range:?}");
                return Err(CaseError::failed(message));
            }
            let names = params.optimizer_param_order.get(range.clone());
            let expected = names.unwrap_or_default().iter().map(String::as_str);
            if !self
                .trained(params)
                .filter(|t| t.1 == ours)
                .map(|t| t.0)
                .eq(expected)
            {
                let message = format!("parameters {range:?} of the optimizer are not our group's");
                return Err(CaseError::failed(message));
            }
            place = range.end;
        }
        Ok(())
    }

    /// Names and groups of the parameters that are trained, by the names and shapes of the state dict.
    fn trained<'p>(&self, params: &'p Params) -> impl Iterator<Item = (&'a str, ParamGroup)>
    where
        'a: 'p,
    {
        let gain_is_fixed = params.norm_last_layer;
        self.tensors.iter().filter_map(move |(name, tensor)| {
            let name = name.strip_prefix(params.key_prefix.as_str())?;
            let trained = (name.starts_with("student.") || name.starts_with("classifier."))
                && !name.contains(".running_")
                && !is_batch_counter(name)
                && !(gain_is_fixed && name.ends_with("weight_g"));
            trained.then(|| (name, ParamGroup::of(tensor.shape())))
        })
    }
}

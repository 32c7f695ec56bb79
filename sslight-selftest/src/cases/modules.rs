//! Gradients and buffers of whole modules as the outputs of a case.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use sslight_models::backend::{AutodiffBackend, Backend};
use sslight_models::params::{ModulePath, NamedTensor};
use sslight_models::weights::named_tensors;

use super::{CaseContext, l2, put, to_host};
use crate::compare::Outputs;
use crate::error::CaseError;
use crate::tensors::HostTensor;

/// From a reference name to ours.
pub(crate) type Rename<'a> = &'a dyn Fn(&str) -> Result<String, CaseError>;

/// Gradients of a module's parameters, by name. Parameters without gradient are absent.
pub(crate) fn gradients<B: AutodiffBackend, M: Module<B>>(
    module: &M,
    gradients: &B::Gradients,
) -> HashMap<String, HostTensor> {
    struct Walk<'a, B: AutodiffBackend> {
        path: ModulePath,
        gradients: &'a B::Gradients,
        found: HashMap<String, HostTensor>,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Walk<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if let Some(gradient) = param.val().grad(self.gradients) {
                self.found.insert(self.path.name(), to_host(gradient));
            }
        }

        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, container: &str) {
            self.path.exit(container);
        }
    }
    let mut walk = Walk {
        path: ModulePath::default(),
        gradients,
        found: HashMap::new(),
    };
    module.visit(&mut walk);
    walk.found
}

/// Outputs `<prefix>grad_norms` and `<prefix>grad.<parameter>`.
pub(crate) fn put_gradients(
    context: &CaseContext<'_>,
    outputs: &mut Outputs,
    prefix: &str,
    gradients: &HashMap<String, HostTensor>,
    rename: Rename<'_>,
) -> Result<(), CaseError> {
    let of = |name: &str| {
        gradients
            .get(&rename(name)?)
            .ok_or_else(|| CaseError::failed(format!("parameter {name} got no gradient")))
    };
    let norms_name = format!("{prefix}grad_norms");
    let index = context.index(&norms_name)?;
    let norms = index
        .iter()
        .map(|name| Ok(l2(&of(name)?.clone().into_f32())))
        .collect::<Result<Vec<_>, CaseError>>()?;
    put(outputs, norms_name, HostTensor::f64([norms.len()], norms));
    let single = format!("{prefix}grad.");
    for name in context.outputs_of(&single) {
        put(outputs, format!("{single}{name}"), of(name)?.clone());
    }
    Ok(())
}

/// Tensors of a module by name.
pub(crate) fn tensors_by_name<B: Backend, M: Module<B>>(
    module: &M,
) -> HashMap<String, NamedTensor> {
    named_tensors(module)
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor))
        .collect()
}

/// Outputs `running_mean_sums` and `running_var_sums`, one sum over the channels for each batch
/// normalisation of the index, where the case has them; `statistic` finds the tensor of a reference name.
pub(crate) fn put_running_sums(
    context: &CaseContext<'_>,
    outputs: &mut Outputs,
    statistic: impl Fn(&str) -> Result<NamedTensor, CaseError>,
) -> Result<(), CaseError> {
    for buffer in ["running_mean", "running_var"] {
        let output = format!("{buffer}_sums");
        let Some(layers) = context.case.index(&output) else {
            continue;
        };
        let sums = layers
            .iter()
            .map(|layer| {
                let tensor = statistic(&format!("{layer}.{buffer}"))?;
                Ok(tensor.values.iter().map(|&v| f64::from(v)).sum())
            })
            .collect::<Result<Vec<f64>, CaseError>>()?;
        put(outputs, output, HostTensor::f64([sums.len()], sums));
    }
    Ok(())
}

/// A named tensor as a result.
pub(crate) fn host(tensor: &NamedTensor) -> HostTensor {
    HostTensor::f32(tensor.shape.clone(), tensor.values.clone())
}

/// Outputs `buffer.<name>`, for modules whose names are those of the reference.
pub(crate) fn put_buffers<B: Backend, M: Module<B>>(
    context: &CaseContext<'_>,
    outputs: &mut Outputs,
    module: &M,
) {
    let tensors = tensors_by_name(module);
    for name in context.outputs_of("buffer.") {
        // One that the module lacks is missing among the outputs, which the comparison reports.
        if let Some(tensor) = tensors.get(name) {
            put(outputs, format!("buffer.{name}"), host(tensor));
        }
    }
}

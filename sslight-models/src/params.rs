//! Named access to the parameters and buffers of a module.
//!
//! A name is the path of fields and indices, which is the key in a torchvision checkpoint:
//! `layer1.0.bn1.running_mean`. Variants of enums do not appear in it.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

use sslight_kernels::moving_average;

use crate::backend::{AutodiffBackend, Backend};

/// The path to the current node of a walk over a module.
#[derive(Debug, Default)]
pub struct ModulePath(Vec<String>);

impl ModulePath {
    /// To be called from a visitor's or mapper's `enter_module`.
    pub fn enter(&mut self, name: &str, container: &str) {
        if !is_enum(container) {
            self.0.push(name.to_string());
        }
    }

    /// To be called from a visitor's or mapper's `exit_module`.
    pub fn exit(&mut self, container: &str) {
        if !is_enum(container) {
            self.0.pop();
        }
    }

    /// The dotted name.
    pub fn name(&self) -> String {
        self.0.join(".")
    }
}

fn is_enum(container: &str) -> bool {
    container.starts_with("Enum:")
}

/// The values of a tensor as no part of any tape. `detach` alone leaves a leaf that asks for a gradient as one that
/// still does.
pub fn constant<B: burn::tensor::backend::Backend, const D: usize>(
    tensor: Tensor<B, D>,
) -> Tensor<B, D> {
    tensor.detach().set_require_grad(false)
}

/// Whether a name is that of a buffer, which neither gradients nor the EMA reach.
pub fn is_buffer(name: &str) -> bool {
    name.ends_with("running_mean") || name.ends_with("running_var")
}

/// A tensor of a module, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Dotted path.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f32>,
}

impl NamedTensor {
    /// Whether all values are numbers.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

/// All parameters and buffers of `module`, in the order of its fields.
pub fn named_tensors<B: Backend, M: Module<B>>(module: &M) -> Vec<NamedTensor> {
    let mut tensors = Vec::new();
    for_each(module, |name, _, tensor: Tensor<B, 1>, shape| {
        tensors.push(NamedTensor {
            name: name.to_string(),
            shape: shape.to_vec(),
            values: host_values(tensor),
        });
    });
    tensors
}

/// A parameter as the walk of [`parameters`] meets it.
#[derive(Debug, Clone)]
pub struct ParameterInfo {
    /// Dotted path.
    pub name: String,
    /// burn's identity, by which gradients and optimizer states are kept.
    pub id: ParamId,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Whether gradients are kept for it.
    pub trainable: bool,
}

/// The parameters (not the buffers) of `module`, in the order of its fields.
pub fn parameters<B: Backend, M: Module<B>>(module: &M) -> Vec<ParameterInfo> {
    let mut infos = Vec::new();
    for_each(module, |name, id, tensor: Tensor<B, 1>, shape| {
        if !is_buffer(name) {
            infos.push(ParameterInfo {
                name: name.to_string(),
                id,
                shape: shape.to_vec(),
                trainable: tensor.is_require_grad(),
            });
        }
    });
    infos
}

/// Calls `f` with name, identity, flattened tensor and shape of every parameter and buffer.
///
/// The flattened tensor still tells whether it [requires a gradient](Tensor::is_require_grad).
pub fn for_each<B: Backend, M: Module<B>>(
    module: &M,
    f: impl FnMut(&str, ParamId, Tensor<B, 1>, &[usize]),
) {
    struct Walk<F> {
        path: ModulePath,
        f: F,
    }
    impl<B: Backend, F: FnMut(&str, ParamId, Tensor<B, 1>, &[usize])> ModuleVisitor<B> for Walk<F> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let tensor = param.val();
            let tracked = tensor.is_require_grad();
            let shape = tensor.dims();
            let count: usize = shape.iter().product();
            let flat = tensor
                .detach()
                .reshape([count])
                .detach()
                .set_require_grad(tracked);
            (self.f)(&self.path.name(), param.id, flat, &shape);
        }

        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, container: &str) {
            self.path.exit(container);
        }
    }
    module.visit(&mut Walk {
        path: ModulePath::default(),
        f,
    });
}

/// Replaces every parameter and buffer for which `f` (name, flattened value, shape) returns a new
/// flattened value; identity and gradient flag stay.
pub fn map_each<B: Backend, M: Module<B>>(
    module: M,
    f: impl FnMut(&str, Tensor<B, 1>, &[usize]) -> Option<Tensor<B, 1>>,
) -> M {
    struct Walk<F> {
        path: ModulePath,
        f: F,
    }
    impl<B: Backend, F> ModuleMapper<B> for Walk<F>
    where
        F: FnMut(&str, Tensor<B, 1>, &[usize]) -> Option<Tensor<B, 1>>,
    {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            let name = self.path.name();
            param.map(|tensor| {
                let shape = tensor.dims();
                let tracked = tensor.is_require_grad();
                let count: usize = shape.iter().product();
                let flat = tensor.clone().detach().reshape([count]).detach();
                match (self.f)(&name, flat, &shape) {
                    Some(new) => new.reshape(shape).detach().set_require_grad(tracked),
                    None => tensor,
                }
            })
        }

        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, container: &str) {
            self.path.exit(container);
        }
    }
    module.map(&mut Walk {
        path: ModulePath::default(),
        f,
    })
}

/// `target` with the values of `source`: parameters and buffers, matched by name.
///
/// Unlike `clone()` the copy keeps its own identities and its own running statistics.
///
/// # Panics
/// If the two are not of the same architecture.
pub fn copy_values<B: Backend, M: Module<B>>(target: M, source: &M) -> M {
    let mut values = flat_tensors(source);
    map_each(target, |name, _, _| match values.remove(name) {
        Some(value) => Some(value),
        None => panic!("copy_values: the source has no tensor named {name}"),
    })
}

/// One step of the exponential moving average over parameters, matched by name:
/// `target = momentum * target + (1 - momentum) * source`. Buffers stay as they are, as in the
/// reference.
///
/// # Panics
/// If the two are not of the same architecture.
pub fn ema_update<B: AutodiffBackend, M: Module<B>>(target: M, source: &M, momentum: f64) -> M {
    let mut values = flat_tensors(source);
    map_each(target, |name, old, _| {
        if is_buffer(name) {
            return None;
        }
        let Some(new) = values.remove(name) else {
            panic!("ema_update: the source has no tensor named {name}");
        };
        let mixed = moving_average(old.inner(), new.inner(), momentum);
        Some(Tensor::from_inner(mixed))
    })
}

fn flat_tensors<B: Backend, M: Module<B>>(module: &M) -> HashMap<String, Tensor<B, 1>> {
    let mut values = HashMap::new();
    for_each(module, |name, _, tensor: Tensor<B, 1>, _| {
        values.insert(name.to_string(), tensor.detach());
    });
    values
}

/// The values of a tensor as `f32`, in row-major order.
pub fn host_values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    // Without a copy where the backend hands its memory over.
    data.into_vec()
        .unwrap_or_else(|error| unreachable!("values were made f32: {error:?}"))
}

/// A flat tensor of these values.
pub(crate) fn flat_tensor<B: Backend>(values: Vec<f32>, device: &B::Device) -> Tensor<B, 1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

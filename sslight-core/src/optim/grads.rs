//! Gradients by parameter name: norms, clipping, and removal for frozen layers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use sslight_models::backend::AutodiffBackend;
use sslight_models::params::ModulePath;

use super::rule::norm;

/// Added to a norm before dividing by it (torch's clipping).
const CLIP_EPSILON: f64 = 1e-6;

/// A gradient `[n]` scaled to a norm of at most `max_norm`, by `min(1, max_norm / (norm + 1e-6))`.
pub fn clip<B: sslight_models::backend::Backend>(
    grad: Tensor<B, 1>,
    max_norm: f64,
) -> Tensor<B, 1> {
    let coefficient = (norm(grad.clone()) + CLIP_EPSILON).recip() * max_norm;
    grad * coefficient.clamp_max(1.0)
}

/// Clips the gradient of each parameter of `module` by itself, as the reference does; 0 leaves all as they are.
pub fn clip_each<B: AutodiffBackend, M: Module<B>>(
    module: &M,
    grads: &mut GradientsParams,
    max_norm: f64,
) {
    if max_norm == 0.0 {
        return;
    }
    for_each_grad::<B, M>(module, grads, |_, grad| {
        grad.map(|grad| clip(grad, max_norm))
    });
}

/// Drops the gradients of all parameters of `module`, so that the optimizer passes them over.
pub fn drop_all<B: AutodiffBackend, M: Module<B>>(module: &M, grads: &mut GradientsParams) {
    for_each_grad::<B, M>(module, grads, |_, _| None);
}

/// Drops the gradients of some parameters, by name.
pub fn drop_some<B: AutodiffBackend, M: Module<B>>(
    module: &M,
    grads: &mut GradientsParams,
    mut drops: impl FnMut(&str) -> bool,
) {
    for_each_grad::<B, M>(module, grads, |name, grad| grad.filter(|_| !drops(name)));
}

/// The Euclidean norm of each parameter's gradient by name, `None` where there is none; reads from
/// the device.
pub fn norms<B: AutodiffBackend, M: Module<B>>(
    module: &M,
    grads: &mut GradientsParams,
) -> Vec<(String, Option<f64>)> {
    let mut norms = Vec::new();
    for_each_grad::<B, M>(module, grads, |name, grad| {
        let value = grad.clone().map(|grad| {
            let values = sslight_models::params::host_values(grad);
            // In f64: a sum of millions of f32 squares would lose digits.
            values
                .iter()
                .map(|v| f64::from(*v).powi(2))
                .sum::<f64>()
                .sqrt()
        });
        norms.push((name.to_string(), value));
        grad
    });
    norms
}

/// The Euclidean norm of each gradient, `[parameters]` in the order of [`names`]; 0 where there is none. Stays on the
/// device.
pub fn norm_of_each<B: AutodiffBackend, M: Module<B>>(
    module: &M,
    grads: &mut GradientsParams,
    device: &B::Device,
) -> Tensor<B::InnerBackend, 1> {
    let mut norms = Vec::new();
    for_each_grad::<B, M>(module, grads, |_, grad| {
        norms.push(match &grad {
            Some(grad) => sslight_kernels::norm(grad.clone()),
            None => Tensor::zeros([1], device),
        });
        grad
    });
    Tensor::cat(norms, 0)
}

/// The names of the parameters that may have a gradient.
pub fn names<B: AutodiffBackend, M: Module<B>>(module: &M) -> Vec<String> {
    let mut names = Vec::new();
    for_each_grad::<B, M>(module, &mut GradientsParams::new(), |name, grad| {
        names.push(name.to_string());
        grad
    });
    names
}

fn for_each_grad<B: AutodiffBackend, M: Module<B>>(
    module: &M,
    grads: &mut GradientsParams,
    f: impl FnMut(&str, Option<Tensor<B::InnerBackend, 1>>) -> Option<Tensor<B::InnerBackend, 1>>,
) {
    struct Walk<'a, F> {
        path: ModulePath,
        grads: &'a mut GradientsParams,
        f: F,
    }
    impl<B: AutodiffBackend, F> ModuleVisitor<B> for Walk<'_, F>
    where
        F: FnMut(&str, Option<Tensor<B::InnerBackend, 1>>) -> Option<Tensor<B::InnerBackend, 1>>,
    {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if !param.is_require_grad() {
                return;
            }
            let shape = param.val().dims();
            let count = shape.iter().product::<usize>();
            let grad = self
                .grads
                .remove::<B::InnerBackend, D>(param.id)
                .map(|grad| grad.reshape([count]));
            if let Some(grad) = (self.f)(&self.path.name(), grad) {
                self.grads
                    .register::<B::InnerBackend, D>(param.id, grad.reshape(shape));
            }
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
        grads,
        f,
    });
}

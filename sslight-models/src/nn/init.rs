//! Parameter initialisation, drawn on the host from one stated seed.
//!
//! burn draws parameters lazily from a process-wide generator of the backend. Drawing here makes a
//! network a function of its seed alone: the same on every backend, whatever else runs beside it.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};

use crate::backend::Backend;

/// A source of initial parameter values on one device.
pub struct ParamInit<B: Backend> {
    /// `None` gives zeros.
    rng: Option<ChaCha8Rng>,
    device: B::Device,
}

impl<B: Backend> ParamInit<B> {
    /// Values drawn from `seed`, placed on `device`.
    pub fn new(seed: u64, device: &B::Device) -> Self {
        Self {
            rng: Some(ChaCha8Rng::seed_from_u64(seed)),
            device: device.clone(),
        }
    }

    /// Zeros in the place of drawn values, for networks whose values are loaded.
    pub fn zeros(device: &B::Device) -> Self {
        Self {
            rng: None,
            device: device.clone(),
        }
    }

    /// The device that parameters are placed on.
    pub fn device(&self) -> &B::Device {
        &self.device
    }

    /// Independent normal values of mean 0.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Param<Tensor<B, D>> {
        match Normal::new(0.0, std) {
            Ok(normal) => self.draw(shape, normal),
            // A standard deviation is a constant of the architecture, never user input.
            Err(error) => panic!("ParamInit::normal: std {std}: {error}"),
        }
    }

    /// Kaiming's normal initialisation by fan-out with the gain of ReLU, `std = sqrt(2 / (out * kh * kw))`.
    ///
    /// As in torchvision the fan of a depthwise convolution is not divided by its groups.
    pub fn kaiming_fan_out(&mut self, shape: [usize; 4]) -> Param<Tensor<B, 4>> {
        self.normal(shape, kaiming_fan_out_std(&shape))
    }

    /// Independent uniform values in `[-bound, bound)`.
    pub fn uniform<const D: usize>(
        &mut self,
        shape: [usize; D],
        bound: f64,
    ) -> Param<Tensor<B, D>> {
        match Uniform::new(-bound, bound) {
            Ok(uniform) => self.draw(shape, uniform),
            Err(error) => panic!("ParamInit::uniform: bound {bound}: {error}"),
        }
    }

    /// One value everywhere.
    pub fn constant<const D: usize>(
        &mut self,
        shape: [usize; D],
        value: f64,
    ) -> Param<Tensor<B, D>> {
        Param::from_tensor(Tensor::full(shape, value, &self.device))
    }

    fn draw<const D: usize>(
        &mut self,
        shape: [usize; D],
        distribution: impl Distribution<f64>,
    ) -> Param<Tensor<B, D>> {
        let tensor = match &mut self.rng {
            Some(rng) => {
                let count = shape.iter().product();
                let values: Vec<f32> = (0..count)
                    .map(|_| distribution.sample(rng) as f32)
                    .collect();
                Tensor::from_data(TensorData::new(values, shape), &self.device)
            }
            None => Tensor::zeros(shape, &self.device),
        };
        Param::initialized(ParamId::new(), tensor.require_grad())
    }
}

/// `shape` is that of a convolution's weight, `[out, in / groups, kh, kw]`.
fn kaiming_fan_out_std(shape: &[usize]) -> f64 {
    let fan_out: usize = shape[0] * shape[2..].iter().product::<usize>();
    (2.0 / fan_out as f64).sqrt()
}

/// `module` with the weights of all its linear layers drawn again from N(0, `std`) and their biases at 0.
///
/// A [`PatchProjection`](super::PatchProjection), which is a convolution, is drawn by
/// [Kaiming fan-out](ParamInit::kaiming_fan_out) with its bias at 0. Everything else, and the identity and
/// gradient flag of all parameters, stays.
pub fn redraw_dense<B: Backend, M: Module<B>>(module: M, std: f64, init: &mut ParamInit<B>) -> M {
    struct Redraw<'a, B: Backend> {
        std: f64,
        init: &'a mut ParamInit<B>,
        /// Types of the modules around the current node, outermost first.
        containers: Vec<String>,
    }
    impl<B: Backend> ModuleMapper<B> for Redraw<'_, B> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            let is_patch_projection = match self.containers.last().map(String::as_str) {
                Some("Struct:Linear") => false,
                Some("Struct:PatchProjection") => true,
                _ => return param,
            };
            param.map(|old| {
                let tracked = old.is_require_grad();
                let shape = old.dims();
                let new = match (shape.len(), is_patch_projection) {
                    (1, _) => self.init.constant(shape, 0.0),
                    (_, true) => self.init.normal(shape, kaiming_fan_out_std(&shape)),
                    (_, false) => self.init.normal(shape, self.std),
                };
                new.val().detach().set_require_grad(tracked)
            })
        }

        fn enter_module(&mut self, _name: &str, container: &str) {
            self.containers.push(container.to_string());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.containers.pop();
        }
    }
    module.map(&mut Redraw {
        std,
        init,
        containers: Vec::new(),
    })
}

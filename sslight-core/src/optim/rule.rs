//! The update rules, on flattened parameters.

use burn::tensor::Tensor;
use sslight_kernels::{AdamWStep, MomentumStep, adamw_step, momentum_step};
use sslight_models::backend::Backend;

use super::groups::ParamSettings;

/// An update rule with its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Layer-wise adaptive rate scaling (You et al., 2017), with the decay inside the norm:
    /// `d = g + wd p`; if adapted and both norms are positive `d *= eta ||p|| / ||d||`;
    /// `mu = momentum mu + d`; `p -= lr mu`.
    Lars {
        /// Momentum.
        momentum: f64,
        /// Trust coefficient.
        eta: f64,
    },
    /// Stochastic gradient descent with L2 decay: `d = g + wd p`; `b = d` at first, then
    /// `b = momentum b + d`; `p -= lr b`, or with Nesterov `p -= lr (d + momentum b)`.
    Sgd {
        /// Momentum.
        momentum: f64,
        /// Look ahead.
        nesterov: bool,
    },
    /// Adam with decoupled decay (Loshchilov and Hutter, 2019): `p *= 1 - lr wd`, then the
    /// bias-corrected step with `eps` outside the root.
    AdamW {
        /// Decay rates of the two moments.
        betas: [f64; 2],
        /// Added to the root of the second moment.
        eps: f64,
    },
}

/// What a rule remembers of one parameter.
#[derive(Debug, Clone)]
pub struct ParamState<B: Backend> {
    /// Momentum of LARS and SGD, first moment of AdamW; flattened.
    pub first: Option<Tensor<B, 1>>,
    /// Second moment of AdamW; flattened.
    pub second: Option<Tensor<B, 1>>,
    /// Updates taken by this parameter, which is fewer than the run's where it was frozen.
    pub updates: usize,
}

impl<B: Backend> Default for ParamState<B> {
    fn default() -> Self {
        Self {
            first: None,
            second: None,
            updates: 0,
        }
    }
}

impl Rule {
    /// The parameter after one update.
    ///
    /// # Shapes
    /// parameter and gradient `[n]`, flattened, without gradient tape.
    pub fn update<B: Backend>(
        &self,
        param: Tensor<B, 1>,
        grad: Tensor<B, 1>,
        state: &mut ParamState<B>,
        settings: ParamSettings,
    ) -> Tensor<B, 1> {
        let ParamSettings {
            lr,
            weight_decay,
            adapt,
        } = settings;
        state.updates += 1;
        match *self {
            Self::Lars { momentum, eta } => {
                let step = MomentumStep {
                    lr,
                    weight_decay,
                    momentum,
                    nesterov: false,
                    trust: adapt.then_some(eta),
                };
                state.momentum(param, grad, step)
            }
            Self::Sgd { momentum, nesterov } => {
                let step = MomentumStep {
                    lr,
                    weight_decay,
                    momentum,
                    nesterov,
                    trust: None,
                };
                state.momentum(param, grad, step)
            }
            Self::AdamW { betas, eps } => {
                let step = AdamWStep {
                    lr,
                    weight_decay,
                    betas,
                    eps,
                    updates: state.updates,
                };
                let moments = state.first.take().zip(state.second.take());
                let moments = moments.map(|(first, second)| [first, second]);
                let (param, [first, second]) = adamw_step(param, grad, moments, step);
                state.first = Some(first);
                state.second = Some(second);
                param
            }
        }
    }
}

impl<B: Backend> ParamState<B> {
    fn momentum(
        &mut self,
        param: Tensor<B, 1>,
        grad: Tensor<B, 1>,
        step: MomentumStep,
    ) -> Tensor<B, 1> {
        let (param, velocity) = momentum_step(param, grad, self.first.take(), step);
        self.first = Some(velocity);
        param
    }
}

/// The Euclidean length, `[n]` to `[1]`.
pub(super) fn norm<B: Backend>(x: Tensor<B, 1>) -> Tensor<B, 1> {
    (x.clone() * x).sum().sqrt()
}

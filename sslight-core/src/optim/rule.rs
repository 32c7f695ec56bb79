//! The update rules, on flattened parameters.

use burn::tensor::Tensor;
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
                let direction = decayed(grad, &param, weight_decay);
                let direction = if adapt {
                    let ratio = trust_ratio(&param, &direction, eta);
                    direction * ratio
                } else {
                    direction
                };
                let velocity = accumulate(state.first.take(), direction, momentum);
                state.first = Some(velocity.clone());
                param - velocity * lr
            }
            Self::Sgd { momentum, nesterov } => {
                let direction = decayed(grad, &param, weight_decay);
                let buffer = accumulate(state.first.take(), direction.clone(), momentum);
                state.first = Some(buffer.clone());
                let step = if nesterov {
                    direction + buffer * momentum
                } else {
                    buffer
                };
                param - step * lr
            }
            Self::AdamW { betas, eps } => {
                let [beta1, beta2] = betas;
                let first = mix(state.first.take(), grad.clone(), beta1);
                let second = mix(state.second.take(), grad.clone() * grad, beta2);
                state.first = Some(first.clone());
                state.second = Some(second.clone());
                let updates = state.updates as i32;
                let correction1 = 1.0 - beta1.powi(updates);
                let correction2 = 1.0 - beta2.powi(updates);
                let denominator = second.sqrt() / correction2.sqrt() + eps;
                param * (1.0 - lr * weight_decay) - first / denominator * (lr / correction1)
            }
        }
    }
}

fn decayed<B: Backend>(
    grad: Tensor<B, 1>,
    param: &Tensor<B, 1>,
    weight_decay: f64,
) -> Tensor<B, 1> {
    if weight_decay == 0.0 {
        grad
    } else {
        grad + param.clone() * weight_decay
    }
}

fn accumulate<B: Backend>(
    velocity: Option<Tensor<B, 1>>,
    direction: Tensor<B, 1>,
    momentum: f64,
) -> Tensor<B, 1> {
    match velocity {
        Some(velocity) => velocity * momentum + direction,
        None => direction,
    }
}

fn mix<B: Backend>(moment: Option<Tensor<B, 1>>, new: Tensor<B, 1>, beta: f64) -> Tensor<B, 1> {
    let new = new * (1.0 - beta);
    match moment {
        Some(moment) => moment * beta + new,
        None => new,
    }
}

/// `eta ||param|| / ||direction||`, and 1 where either norm is zero; it stays on the device.
fn trust_ratio<B: Backend>(
    param: &Tensor<B, 1>,
    direction: &Tensor<B, 1>,
    eta: f64,
) -> Tensor<B, 1> {
    let param_norm = norm(param.clone());
    let direction_norm = norm(direction.clone());
    let degenerate = (param_norm.clone() * direction_norm.clone()).lower_equal_elem(0.0);
    (param_norm * eta / direction_norm).mask_fill(degenerate, 1.0)
}

/// The Euclidean length, `[n]` to `[1]`.
pub(super) fn norm<B: Backend>(x: Tensor<B, 1>) -> Tensor<B, 1> {
    (x.clone() * x).sum().sqrt()
}

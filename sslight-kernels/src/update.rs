//! Updates of parameters: optimizers and moving averages, on flattened tensors outside any graph.

use burn::tensor::Tensor;

use crate::backend::Backend;
use crate::stock::{primitive, tensor};

/// The constants of an AdamW update (Loshchilov and Hutter, 2019): `p *= 1 - lr wd`, then the
/// bias-corrected step with `eps` outside the root.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// Learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Updates of this parameter, this one included.
    pub updates: usize,
}

/// The constants of an update with momentum: `d = ratio (g + wd p)`; `v = momentum v + d`; `p -= lr v`, or
/// with Nesterov `p -= lr (d + momentum v)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentumStep {
    /// Learning rate.
    pub lr: f64,
    /// L2 weight decay.
    pub weight_decay: f64,
    /// Momentum.
    pub momentum: f64,
    /// Look ahead.
    pub nesterov: bool,
    /// The trust coefficient of LARS (You et al., 2017): `ratio = trust ||p|| / ||g + wd p||`, and 1
    /// where a norm is zero. Without it the ratio is 1.
    pub trust: Option<f64>,
}

/// The parameter and its two moments after an update; moments that are `None` count as zero.
///
/// # Shapes
/// All `[n]`.
pub fn adamw_step<B: Backend>(
    param: Tensor<B, 1>,
    grad: Tensor<B, 1>,
    moments: Option<[Tensor<B, 1>; 2]>,
    step: AdamWStep,
) -> (Tensor<B, 1>, [Tensor<B, 1>; 2]) {
    same_length("adamw_step", &param, &grad);
    let moments = moments.unwrap_or_else(|| [param.zeros_like(), param.zeros_like()]);
    let (param, moments) = B::adamw_step(
        primitive(param),
        primitive(grad),
        moments.map(primitive),
        step,
    );
    (tensor(param), moments.map(tensor))
}

/// The parameter and its velocity after an update; a velocity that is `None` counts as zero.
///
/// # Shapes
/// All `[n]`.
pub fn momentum_step<B: Backend>(
    param: Tensor<B, 1>,
    grad: Tensor<B, 1>,
    velocity: Option<Tensor<B, 1>>,
    step: MomentumStep,
) -> (Tensor<B, 1>, Tensor<B, 1>) {
    same_length("momentum_step", &param, &grad);
    let velocity = velocity.unwrap_or_else(|| param.zeros_like());
    let (param, velocity) =
        B::momentum_step(primitive(param), primitive(grad), primitive(velocity), step);
    (tensor(param), tensor(velocity))
}

/// `momentum * target + (1 - momentum) * source`.
///
/// # Shapes
/// All `[n]`.
pub fn moving_average<B: Backend>(
    target: Tensor<B, 1>,
    source: Tensor<B, 1>,
    momentum: f64,
) -> Tensor<B, 1> {
    same_length("moving_average", &target, &source);
    tensor(B::moving_average(
        primitive(target),
        primitive(source),
        momentum,
    ))
}

/// The Euclidean length, `[n]` to `[1]`.
pub fn norm<B: Backend>(values: Tensor<B, 1>) -> Tensor<B, 1> {
    tensor(B::norm(primitive(values)))
}

fn same_length<B: Backend>(what: &str, a: &Tensor<B, 1>, b: &Tensor<B, 1>) {
    let (a, b) = (a.dims(), b.dims());
    assert!(a == b, "{what}: shapes {a:?} and {b:?} differ");
}

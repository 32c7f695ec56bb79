//! Each operation of the crate: its operands, the naive formula, and the call.

mod conv;
mod detection;
mod head;
mod norm;
mod transformer;
mod update;

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Shape, Tensor};
use sslight_kernels as kernels;
use sslight_kernels::{
    Activation, AdamWStep, Backend, Before, MomentumStep, Normalization, Statistics,
};

use super::number::{Kinks, Number};

pub use conv::Conv;
pub use detection::RoiAlign;
pub use head::{CrossView, WeightNorm};
pub use norm::{BatchNorm, BatchNormAdd, NormConv, NormMaxPool, Source};
pub use transformer::{Attention, First, Linear, Patches};
pub use update::{Rule, Update};

/// One operand of an operation.
#[derive(Debug, Clone)]
pub struct Operand {
    pub name: &'static str,
    pub len: usize,
    /// Values are drawn from this range.
    pub range: [f32; 2],
    /// Whether gradients flow to it.
    pub differentiable: bool,
}

fn operand(name: &'static str, dims: &[usize], range: [f32; 2]) -> Operand {
    Operand {
        name,
        len: dims.iter().product(),
        range,
        differentiable: true,
    }
}

/// An operand without gradient.
fn given(name: &'static str, dims: &[usize], range: [f32; 2]) -> Operand {
    Operand {
        differentiable: false,
        ..operand(name, dims, range)
    }
}

/// An operation on flattened operands. The first output is the one that is differentiated.
pub trait Operation: std::fmt::Debug + Sync {
    fn operands(&self) -> Vec<Operand>;

    fn formula<N: Number>(&self, operands: &[Vec<N>], kinks: &mut Kinks) -> Vec<Vec<N>>;

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>>;

    /// Rounding allowed, in units of f32 epsilon times the [mass](Number::mass) of a result: forward, and of a derivative.
    ///
    /// The mass already has what a formula amplifies; the units are what single roundings add up to. Each is at most half a
    /// unit of a partial sum. In a sum of `n` terms one after the other they could reach `n / 2` units, but as their signs
    /// vary, their standard deviation is some `0.15 sqrt(n)` units: 0.3 units of each partial sum, and that is half the
    /// mass at the mean. The largest of a hundred thousand results is then at four to five of these. Partial
    /// sums in lanes, and terms of both signs, give less.
    ///
    /// Each operation allows about twice the largest error that is seen at any instruction set, which its test prints.
    fn units(&self) -> [f64; 2] {
        [3.6, 2.0]
    }

    /// The masses of the first output, where its values share their rounding.
    fn shared(&self, masses: Vec<f64>) -> Vec<f64> {
        masses
    }

    /// Whether outputs are operands, moved but not computed with.
    fn is_exact(&self) -> bool {
        false
    }

    /// Whether not-a-number may reach outputs that do not depend on it: Winograd's tiles are sums of what their outputs
    /// depend on together, and a weight that meets padding may be multiplied by its zeros.
    fn may_spread(&self) -> bool {
        false
    }
}

fn shaped<B: Backend, const D: usize>(flat: &Tensor<B, 1>, dims: [usize; D]) -> Tensor<B, D> {
    flat.clone().reshape(Shape::from(dims))
}

fn flat<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, 1> {
    let len = tensor.dims().iter().product::<usize>();
    tensor.reshape([len])
}

const UNIT: [f32; 2] = [-1.0, 1.0];
/// Of inputs to be normalised, which are not centred.
const UNEVEN: [f32; 2] = [-1.0, 2.0];
/// Scales so wide that the upper end of a ReLU6 is met.
const SCALES: [f32; 2] = [-4.0, 4.0];
const VARIANCES: [f32; 2] = [0.3, 2.0];
const EPS: f64 = 1e-5;

fn activated<N: Number>(activation: Activation, pre: N, kinks: &mut Kinks) -> N {
    const LOW: usize = 0;
    const HIGH: usize = 1;
    const IDENTITY: usize = 2;
    let value = pre.value();
    // PyTorch keeps not-a-number, which is neither below nor above anything.
    let part = match activation {
        Activation::None => return pre,
        Activation::Relu => kinks.choice(|| if value <= 0.0 { LOW } else { IDENTITY }),
        Activation::Relu6 => kinks.choice(|| match value {
            value if value <= 0.0 => LOW,
            value if value >= 6.0 => HIGH,
            _ => IDENTITY,
        }),
    };
    kinks.note(value, pre.mass());
    if activation == Activation::Relu6 {
        kinks.note(value - 6.0, pre.mass());
    }
    match part {
        LOW => N::zero(),
        HIGH => N::constant(6.0),
        _ => pre,
    }
}

/// Mean and biased variance.
fn moments<N: Number>(values: &[N]) -> [N; 2] {
    if let [value] = values {
        // Without any rounding, of which the bound for the general formula knows nothing; not-a-number stays.
        let var = if value.value().is_nan() {
            f64::NAN
        } else {
            0.0
        };
        return [*value, N::constant(var)];
    }
    let share = N::constant(1.0 / values.len() as f64);
    let mean = N::sum(values.iter().copied()) * share;
    let squares = values.iter().map(|x| (*x - mean) * (*x - mean));
    [mean, N::sum(squares) * share]
}

/// What batch normalisation makes of maps `[b, c, positions]`, and the statistics.
struct Normalized<N> {
    values: Vec<N>,
    mean: Vec<N>,
    var: Vec<N>,
}

/// By the statistics of the batch, or by given ones.
fn normalized<N: Number>(
    [batch, channels, positions]: [usize; 3],
    [x, weight, bias]: [&[N]; 3],
    given: Option<[&[N]; 2]>,
) -> Normalized<N> {
    let mut result = Normalized {
        values: x.to_vec(),
        mean: Vec::new(),
        var: Vec::new(),
    };
    for channel in 0..channels {
        let at =
            |image: usize, position: usize| (image * channels + channel) * positions + position;
        let [mean, var] = match given {
            Some([mean, var]) => [mean[channel], var[channel]],
            None => {
                let mut all = Vec::new();
                for image in 0..batch {
                    for position in 0..positions {
                        all.push(x[at(image, position)]);
                    }
                }
                moments(&all)
            }
        };
        let scale = weight[channel].over((var + N::constant(EPS)).sqrt());
        for image in 0..batch {
            for position in 0..positions {
                let at = at(image, position);
                result.values[at] = (x[at] - mean) * scale + bias[channel];
            }
        }
        result.mean.push(mean);
        result.var.push(var);
    }
    result
}

/// The softmax of numbers, and what is subtracted from them before: the largest, which changes nothing but the rounding.
fn exponentials<N: Number>(numbers: &[N]) -> (Vec<N>, N) {
    let largest = numbers
        .iter()
        .map(|number| number.value())
        .fold(f64::NEG_INFINITY, f64::max);
    let largest = N::constant(largest);
    let exponentials: Vec<N> = numbers.iter().map(|n| (*n - largest).exp()).collect();
    (exponentials, largest)
}

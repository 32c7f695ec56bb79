//! Each operation of the crate: its operands, the naive formula, and the call.

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Shape, Tensor};
use sslight_kernels as kernels;
use sslight_kernels::{
    Activation, AdamWStep, Backend, Before, MomentumStep, Normalization, Statistics,
};

use super::number::{Kinks, Number};

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

/// Sizes of a convolution; pairs are (vertical, horizontal).
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    pub batch: usize,
    pub channels: [usize; 2],
    pub groups: usize,
    pub size: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

impl Conv {
    /// The same on maps that are at least as large as the kernel, with their padding.
    pub fn fitted(mut self) -> Self {
        for axis in 0..2 {
            let least = self.kernel[axis].saturating_sub(2 * self.padding[axis]);
            self.size[axis] = self.size[axis].max(least).max(1);
        }
        self
    }

    fn x(&self) -> [usize; 4] {
        [self.batch, self.channels[0], self.size[0], self.size[1]]
    }

    fn weight(&self) -> [usize; 4] {
        let per_group = self.channels[0] / self.groups;
        [self.channels[1], per_group, self.kernel[0], self.kernel[1]]
    }

    fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            (self.size[axis] + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis] + 1
        })
    }

    /// Whether the crate may choose Winograd's algorithm.
    fn may_be_winograd(&self) -> bool {
        let panels = self.channels.map(|channels| channels.is_multiple_of(64));
        self.kernel == [3, 3] && self.stride == [1, 1] && panels == [true; 2] && self.groups == 1
    }

    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new(self.stride, self.padding, [1, 1], self.groups)
    }

    fn formula<N: Number>(&self, x: &[N], weight: &[N]) -> Vec<N> {
        let [height, width] = self.size;
        let [_, per_group, kernel_height, kernel_width] = self.weight();
        let [out_height, out_width] = self.output();
        let outputs_of_group = self.channels[1] / self.groups;
        let mut y = Vec::new();
        for image in 0..self.batch {
            for output in 0..self.channels[1] {
                let first = output / outputs_of_group * per_group;
                for oy in 0..out_height {
                    for ox in 0..out_width {
                        let mut sum = N::zero();
                        for input in 0..per_group {
                            for ky in 0..kernel_height {
                                for kx in 0..kernel_width {
                                    let iy = oy * self.stride[0] + ky;
                                    let ix = ox * self.stride[1] + kx;
                                    if iy < self.padding[0]
                                        || ix < self.padding[1]
                                        || iy - self.padding[0] >= height
                                        || ix - self.padding[1] >= width
                                    {
                                        continue;
                                    }
                                    let row = (image * self.channels[0] + first + input) * height
                                        + iy
                                        - self.padding[0];
                                    let from = row * width + ix - self.padding[1];
                                    let kernel = output * per_group + input;
                                    let by = (kernel * kernel_height + ky) * kernel_width + kx;
                                    sum = sum + x[from] * weight[by];
                                }
                            }
                        }
                        y.push(sum);
                    }
                }
            }
        }
        y
    }
}

impl Operation for Conv {
    fn operands(&self) -> Vec<Operand> {
        vec![
            operand("x", &self.x(), UNIT),
            operand("weight", &self.weight(), UNIT),
        ]
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        vec![Conv::formula(self, &operands[0], &operands[1])]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let x = shaped(&operands[0], self.x());
        let weight = shaped(&operands[1], self.weight());
        vec![flat(kernels::conv2d(x, weight, self.options()))]
    }

    /// The values of one of Winograd's tiles are sums of the same products, which round alike: an output at a corner, of
    /// few terms, is off by as much as its neighbours.
    fn shared(&self, mut masses: Vec<f64>) -> Vec<f64> {
        const TILE: usize = 4;
        if !self.may_be_winograd() {
            return masses;
        }
        let [height, width] = self.output();
        for map in masses.chunks_mut(height * width) {
            for top in (0..height).step_by(TILE) {
                for left in (0..width).step_by(TILE) {
                    let rows = top..(top + TILE).min(height);
                    let places: Vec<usize> = rows
                        .flat_map(|y| (left..(left + TILE).min(width)).map(move |x| y * width + x))
                        .collect();
                    let largest = places.iter().fold(0.0, |mass, at| map[*at].max(mass));
                    for at in places {
                        map[at] = largest;
                    }
                }
            }
        }
        masses
    }

    /// Winograd's points multiply by up to 4 what cancels later: twice the units of plain sums. Derivatives for values at a
    /// corner, whose own terms are few, are off by as much as their tile too.
    fn units(&self) -> [f64; 2] {
        if self.may_be_winograd() {
            [7.0, 4.0]
        } else {
            [3.6, 2.0]
        }
    }

    fn may_spread(&self) -> bool {
        true
    }
}

fn norm_operands(x: &[usize], channels: usize) -> Vec<Operand> {
    vec![
        operand("x", x, UNEVEN),
        operand("scale", &[channels], SCALES),
        operand("shift", &[channels], UNEVEN),
    ]
}

fn norm_of<B: Backend>(
    operands: &[Tensor<B, 1>],
    activation: Activation,
) -> Normalization<Tensor<B, 1>> {
    Normalization {
        weight: operands[1].clone(),
        bias: operands[2].clone(),
        eps: EPS,
        activation,
    }
}

/// Where the statistics of a normalisation come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Batch,
    Given,
}

fn statistics_operands(source: Source, channels: usize) -> Vec<Operand> {
    match source {
        Source::Batch => Vec::new(),
        Source::Given => vec![
            given("mean", &[channels], UNIT),
            given("var", &[channels], VARIANCES),
        ],
    }
}

/// The values, then for statistics of the batch those too.
fn with_statistics<N>(source: Source, values: Vec<N>, mean: Vec<N>, var: Vec<N>) -> Vec<Vec<N>> {
    match source {
        Source::Batch => vec![values, mean, var],
        Source::Given => vec![values],
    }
}

/// Batch normalisation.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm {
    pub dims: [usize; 3],
    pub activation: Activation,
    pub source: Source,
}

impl Operation for BatchNorm {
    fn units(&self) -> [f64; 2] {
        [1.4, 1.0]
    }

    fn operands(&self) -> Vec<Operand> {
        let channels = self.dims[1];
        let mut operands = norm_operands(&self.dims, channels);
        operands.extend(statistics_operands(self.source, channels));
        operands
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], kinks: &mut Kinks) -> Vec<Vec<N>> {
        let given = (self.source == Source::Given).then(|| [&operands[3][..], &operands[4][..]]);
        let norm = [&operands[0][..], &operands[1][..], &operands[2][..]];
        let Normalized { values, mean, var } = normalized(self.dims, norm, given);
        let values = values
            .into_iter()
            .map(|pre| activated(self.activation, pre, kinks))
            .collect();
        with_statistics(self.source, values, mean, var)
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let x = shaped(&operands[0], self.dims);
        let (weight, bias) = (operands[1].clone(), operands[2].clone());
        match self.source {
            Source::Batch => {
                let (y, mean, var) =
                    kernels::batch_norm_train(x, weight, bias, EPS, self.activation);
                vec![flat(y), mean, var]
            }
            Source::Given => {
                let (mean, var) = (operands[3].clone(), operands[4].clone());
                let statistics = Statistics { mean, var };
                let activation = self.activation;
                let y = kernels::batch_norm_running(x, weight, bias, statistics, EPS, activation);
                vec![flat(y)]
            }
        }
    }
}

/// Batch normalisation with a shortcut.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormAdd(pub BatchNorm);

impl Operation for BatchNormAdd {
    fn units(&self) -> [f64; 2] {
        [1.4, 1.0]
    }

    fn operands(&self) -> Vec<Operand> {
        let mut operands = self.0.operands();
        operands.push(operand("shortcut", &self.0.dims, [-2.0, 2.0]));
        operands
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], kinks: &mut Kinks) -> Vec<Vec<N>> {
        let BatchNorm {
            dims,
            activation,
            source,
        } = self.0;
        let given = (source == Source::Given).then(|| [&operands[3][..], &operands[4][..]]);
        let norm = [&operands[0][..], &operands[1][..], &operands[2][..]];
        let Normalized { values, mean, var } = normalized(dims, norm, given);
        let shortcut = &operands[operands.len() - 1];
        let values = values.into_iter().zip(shortcut);
        let values = values
            .map(|(value, shortcut)| activated(activation, value + *shortcut, kinks))
            .collect();
        with_statistics(source, values, mean, var)
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let dims = self.0.dims;
        let norm = norm_of(operands, self.0.activation);
        let x = shaped(&operands[0], dims);
        let shortcut = shaped(&operands[operands.len() - 1], dims);
        match self.0.source {
            Source::Batch => {
                let (y, Statistics { mean, var }) =
                    kernels::batch_norm_add_train(x, norm, shortcut);
                vec![flat(y), mean, var]
            }
            Source::Given => {
                let (mean, var) = (operands[3].clone(), operands[4].clone());
                let statistics = Statistics { mean, var };
                vec![flat(kernels::batch_norm_add_running(
                    x, norm, statistics, shortcut,
                ))]
            }
        }
    }
}

/// Convolution of what batch normalisation makes of the images.
#[derive(Debug, Clone, Copy)]
pub struct NormConv {
    pub conv: Conv,
    pub activation: Activation,
}

impl Operation for NormConv {
    fn units(&self) -> [f64; 2] {
        [1.8, 0.7]
    }

    fn operands(&self) -> Vec<Operand> {
        let mut operands = norm_operands(&self.conv.x(), self.conv.channels[0]);
        operands.push(operand("weight", &self.conv.weight(), UNIT));
        operands
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], kinks: &mut Kinks) -> Vec<Vec<N>> {
        let [batch, channels, height, width] = self.conv.x();
        let norm = [&operands[0][..], &operands[1][..], &operands[2][..]];
        let dims = [batch, channels, height * width];
        let Normalized { values, mean, var } = normalized(dims, norm, None);
        let values: Vec<N> = values
            .into_iter()
            .map(|pre| activated(self.activation, pre, kinks))
            .collect();
        vec![self.conv.formula(&values, &operands[3]), mean, var]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let norm = norm_of(operands, self.activation);
        let x = shaped(&operands[0], self.conv.x());
        let weight = shaped(&operands[3], self.conv.weight());
        let (y, Statistics { mean, var }) =
            kernels::norm_conv2d_train(x, norm, weight, self.conv.options());
        vec![flat(y), mean, var]
    }

    fn may_spread(&self) -> bool {
        true
    }
}

/// Max pooling of what batch normalisation makes of the images.
#[derive(Debug, Clone, Copy)]
pub struct NormMaxPool {
    pub dims: [usize; 4],
    pub activation: Activation,
    pub source: Source,
}

/// The largest value of a window, of equal ones the first; not-a-number if there is one.
fn largest<N: Number>(window: &[N], kinks: &mut Kinks) -> N {
    let chosen = kinks.choice(|| {
        let mut best = 0;
        for (at, value) in window.iter().enumerate() {
            if value.value() > window[best].value() || value.value().is_nan() {
                best = at;
            }
        }
        best
    });
    let best = window[chosen];
    for (at, value) in window.iter().enumerate() {
        // Where the activation is flat, values are equal without any rounding, and nothing changes either.
        let distance = best.value() - value.value();
        let flat = |value: f64| value == 0.0 || value == 6.0;
        if at != chosen && !(distance == 0.0 && flat(best.value())) {
            kinks.note(distance, best.mass() + value.mass());
        }
    }
    best
}

impl Operation for NormMaxPool {
    fn units(&self) -> [f64; 2] {
        [1.4, 1.0]
    }

    fn operands(&self) -> Vec<Operand> {
        let mut operands = norm_operands(&self.dims, self.dims[1]);
        operands.extend(statistics_operands(self.source, self.dims[1]));
        operands
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], kinks: &mut Kinks) -> Vec<Vec<N>> {
        let [batch, channels, height, width] = self.dims;
        let given = (self.source == Source::Given).then(|| [&operands[3][..], &operands[4][..]]);
        let norm = [&operands[0][..], &operands[1][..], &operands[2][..]];
        let dims = [batch, channels, height * width];
        let Normalized { values, mean, var } = normalized(dims, norm, given);
        let values: Vec<N> = values
            .into_iter()
            .map(|pre| activated(self.activation, pre, kinks))
            .collect();
        let mut pooled = Vec::new();
        for map in values.chunks(height * width) {
            for y in 0..height.div_ceil(2) {
                for x in 0..width.div_ceil(2) {
                    let mut window = Vec::new();
                    for row in (2 * y).max(1) - 1..(2 * y + 2).min(height) {
                        for column in (2 * x).max(1) - 1..(2 * x + 2).min(width) {
                            window.push(map[row * width + column]);
                        }
                    }
                    pooled.push(largest(&window, kinks));
                }
            }
        }
        with_statistics(self.source, pooled, mean, var)
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let norm = norm_of(operands, self.activation);
        let x = shaped(&operands[0], self.dims);
        match self.source {
            Source::Batch => {
                let (y, Statistics { mean, var }) = kernels::norm_max_pool_train(x, norm);
                vec![flat(y), mean, var]
            }
            Source::Given => {
                let (mean, var) = (operands[3].clone(), operands[4].clone());
                let statistics = Statistics { mean, var };
                vec![flat(kernels::norm_max_pool_running(x, norm, statistics))]
            }
        }
    }
}

/// What comes before a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    Nothing,
    LayerNorm,
    Gelu,
}

/// A linear layer.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    pub rows: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub first: First,
    pub bias: bool,
}

/// The normal distribution up to `z`: all terms of the series are positive (Abramowitz and Stegun, 26.2.11).
fn normal_up_to<N: Number>(z: N) -> N {
    let value = z.value();
    let density = (-0.5 * value * value).exp() / std::f64::consts::TAU.sqrt();
    let (mut term, mut sum, mut odd) = (value, value, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        odd += 2.0;
        term *= value * value / odd;
        sum += term;
    }
    let up_to = z.map([0.5 + density * sum, density, -value * density]);
    // As one half and the rest, or as one less the rest: rounding is relative to these.
    N::constant(0.5) + (up_to - N::constant(0.5))
}

impl Operation for Linear {
    /// Products of rows sum their terms one after the other: five standard deviations of 40 of them.
    fn units(&self) -> [f64; 2] {
        [5.0, 2.0]
    }

    fn operands(&self) -> Vec<Operand> {
        let range = if self.first == First::Gelu {
            [-4.0, 4.0]
        } else {
            UNEVEN
        };
        let mut operands = vec![
            operand("x", &[self.rows, self.inputs], range),
            operand("weight", &[self.outputs, self.inputs], UNIT),
        ];
        if self.bias {
            operands.push(operand("bias", &[self.outputs], UNIT));
        }
        if self.first == First::LayerNorm {
            operands.push(operand("scale", &[self.inputs], UNEVEN));
            operands.push(operand("shift", &[self.inputs], UNIT));
        }
        operands
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let norm = &operands[operands.len() - 2..];
        let mut y = Vec::new();
        for row in operands[0].chunks(self.inputs) {
            let row: Vec<N> = match self.first {
                First::Nothing => row.to_vec(),
                First::Gelu => row.iter().map(|z| *z * normal_up_to(*z)).collect(),
                First::LayerNorm => {
                    let [mean, var] = moments(row);
                    let std = (var + N::constant(EPS)).sqrt();
                    let affine = norm[0].iter().zip(&norm[1]);
                    row.iter()
                        .zip(affine)
                        .map(|(x, (scale, shift))| (*x - mean).over(std) * *scale + *shift)
                        .collect()
                }
            };
            for (output, weight) in operands[1].chunks(self.inputs).enumerate() {
                let product = N::sum(row.iter().zip(weight).map(|(x, weight)| *x * *weight));
                y.push(if self.bias {
                    product + operands[2][output]
                } else {
                    product
                });
            }
        }
        vec![y]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let x = shaped(&operands[0], [self.rows, self.inputs]);
        let weight = shaped(&operands[1], [self.outputs, self.inputs]);
        let norm = &operands[operands.len() - 2..];
        let before = match self.first {
            First::Nothing => Before::Nothing,
            First::Gelu => Before::Gelu,
            First::LayerNorm => Before::LayerNorm {
                weight: norm[0].clone(),
                bias: norm[1].clone(),
                eps: EPS,
            },
        };
        let bias = self.bias.then(|| operands[2].clone());
        vec![flat(kernels::linear(x, before, weight, bias))]
    }
}

/// Self-attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    pub batch: usize,
    pub tokens: usize,
    pub heads: usize,
    pub head_dim: usize,
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

impl Operation for Attention {
    fn units(&self) -> [f64; 2] {
        [0.7, 0.2]
    }

    fn operands(&self) -> Vec<Operand> {
        let row = 3 * self.heads * self.head_dim;
        vec![operand("qkv", &[self.batch, self.tokens, row], [-1.5, 1.5])]
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let Self {
            batch,
            tokens,
            heads,
            head_dim,
        } = *self;
        let scale = N::constant(1.0 / (head_dim as f64).sqrt());
        let dim = heads * head_dim;
        let mut mixed = vec![N::zero(); batch * tokens * dim];
        for image in 0..batch {
            for head in 0..heads {
                let at = |token: usize, part: usize, i: usize| {
                    let row = (image * tokens + token) * 3 + part;
                    operands[0][(row * heads + head) * head_dim + i]
                };
                for token in 0..tokens {
                    let scores: Vec<N> = (0..tokens)
                        .map(|other| {
                            let terms = (0..head_dim).map(|i| at(token, 0, i) * at(other, 1, i));
                            N::sum(terms) * scale
                        })
                        .collect();
                    let (weights, _) = exponentials(&scores);
                    let total = N::sum(weights.iter().copied());
                    for i in 0..head_dim {
                        let terms = weights.iter().enumerate();
                        let sum = N::sum(terms.map(|(other, w)| *w * at(other, 2, i)));
                        mixed[(image * tokens + token) * dim + head * head_dim + i] =
                            sum.over(total);
                    }
                }
            }
        }
        vec![mixed]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let dims = [self.batch, self.tokens, 3 * self.heads * self.head_dim];
        let qkv = shaped(&operands[0], dims);
        vec![flat(kernels::self_attention(qkv, self.heads))]
    }
}

/// Weight normalisation.
#[derive(Debug, Clone, Copy)]
pub struct WeightNorm {
    pub outputs: usize,
    pub inputs: usize,
}

impl Operation for WeightNorm {
    fn units(&self) -> [f64; 2] {
        [1.4, 0.7]
    }

    fn operands(&self) -> Vec<Operand> {
        vec![
            operand("direction", &[self.outputs, self.inputs], UNEVEN),
            operand("length", &[self.outputs], [0.5, 2.0]),
        ]
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let mut weight = Vec::new();
        for (row, length) in operands[0].chunks(self.inputs).zip(&operands[1]) {
            let norm = N::sum(row.iter().map(|value| *value * *value)).sqrt();
            weight.extend(row.iter().map(|value| value.over(norm) * *length));
        }
        vec![weight]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let direction = shaped(&operands[0], [self.outputs, self.inputs]);
        let length = shaped(&operands[1], [self.outputs, 1]);
        vec![flat(kernels::weight_norm(direction, length))]
    }
}

/// Cross entropies of views with the targets of other views.
#[derive(Debug, Clone, Copy)]
pub struct CrossView {
    pub batch: usize,
    pub views: usize,
    pub outputs: usize,
    pub temperature: f64,
}

impl Operation for CrossView {
    fn units(&self) -> [f64; 2] {
        [2.6, 0.4]
    }

    fn operands(&self) -> Vec<Operand> {
        vec![
            operand("logits", &[self.views, self.batch, self.outputs], UNIT),
            given("targets", &[2, self.batch, self.outputs], [0.0, 1.0]),
        ]
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let scale = N::constant(1.0 / self.temperature);
        let mut losses = Vec::new();
        for view in 0..self.views {
            for sample in 0..self.batch {
                let start = (view * self.batch + sample) * self.outputs;
                let logits: Vec<N> = operands[0][start..][..self.outputs]
                    .iter()
                    .map(|logit| *logit * scale)
                    .collect();
                let (exponentials, largest) = exponentials(&logits);
                let total = N::sum(exponentials).ln();
                let mut loss = N::zero();
                for target_view in (0..2).filter(|target| *target != view) {
                    let start = (target_view * self.batch + sample) * self.outputs;
                    let targets = &operands[1][start..][..self.outputs];
                    for (logit, target) in logits.iter().zip(targets) {
                        loss = loss + *target * (total - (*logit - largest));
                    }
                }
                losses.push(loss);
            }
        }
        vec![losses]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let logits = shaped(&operands[0], [self.views * self.batch, self.outputs]);
        let targets = shaped(&operands[1], [2 * self.batch, self.outputs]);
        vec![kernels::cross_view_entropy(
            logits,
            targets,
            self.temperature,
        )]
    }
}

/// Images cut into patches.
#[derive(Debug, Clone, Copy)]
pub struct Patches {
    pub dims: [usize; 4],
    pub side: usize,
}

impl Operation for Patches {
    fn operands(&self) -> Vec<Operand> {
        vec![operand("images", &self.dims, UNIT)]
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let [batch, channels, height, width] = self.dims;
        let mut patches = Vec::new();
        for image in 0..batch {
            for row in 0..height / self.side {
                for column in 0..width / self.side {
                    for channel in 0..channels {
                        for y in row * self.side..(row + 1) * self.side {
                            for x in column * self.side..(column + 1) * self.side {
                                let line = (image * channels + channel) * height + y;
                                patches.push(operands[0][line * width + x]);
                            }
                        }
                    }
                }
            }
        }
        vec![patches]
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let images = shaped(&operands[0], self.dims);
        vec![flat(kernels::patches(images, self.side))]
    }

    fn is_exact(&self) -> bool {
        true
    }
}

/// An update of parameters, which no gradient goes through.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    pub len: usize,
    pub rule: Rule,
}

/// What an update does.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    AdamW(AdamWStep),
    Momentum(MomentumStep),
    Average(f64),
}

impl Operation for Update {
    /// No gradient flows.
    fn units(&self) -> [f64; 2] {
        [2.5, 0.0]
    }

    fn operands(&self) -> Vec<Operand> {
        let len = &[self.len];
        let mut operands = vec![given("param", len, UNIT), given("grad", len, UNIT)];
        match self.rule {
            Rule::AdamW(_) => {
                operands.push(given("first", len, UNIT));
                operands.push(given("second", len, [0.0, 1.0]));
            }
            Rule::Momentum(_) => operands.push(given("velocity", len, UNIT)),
            Rule::Average(_) => {}
        }
        operands
    }

    fn formula<N: Number>(&self, operands: &[Vec<N>], _: &mut Kinks) -> Vec<Vec<N>> {
        let number = N::constant;
        let (params, grads) = (&operands[0], &operands[1]);
        match self.rule {
            Rule::AdamW(step) => {
                let [beta1, beta2] = step.betas;
                let mut outputs = vec![Vec::new(), Vec::new(), Vec::new()];
                for at in 0..self.len {
                    let (param, grad) = (params[at], grads[at]);
                    let first = operands[2][at] * number(beta1) + grad * number(1.0 - beta1);
                    let second =
                        operands[3][at] * number(beta2) + grad * grad * number(1.0 - beta2);
                    let correct = |beta: f64| number(1.0 - beta.powi(step.updates as i32));
                    let denominator = second.over(correct(beta2)).sqrt() + number(step.eps);
                    let change = first.over(correct(beta1)).over(denominator);
                    let kept = param * number(1.0 - step.lr * step.weight_decay);
                    outputs[0].push(kept - change * number(step.lr));
                    outputs[1].push(first);
                    outputs[2].push(second);
                }
                outputs
            }
            Rule::Momentum(step) => {
                let decayed: Vec<N> = (0..self.len)
                    .map(|at| grads[at] + params[at] * number(step.weight_decay))
                    .collect();
                let norm = |values: &[N]| N::sum(values.iter().map(|v| *v * *v)).sqrt();
                let ratio = match step.trust {
                    Some(trust) => (number(trust) * norm(params)).over(norm(&decayed)),
                    None => number(1.0),
                };
                let mut outputs = vec![Vec::new(), Vec::new()];
                for at in 0..self.len {
                    let direction = decayed[at] * ratio;
                    let velocity = operands[2][at] * number(step.momentum) + direction;
                    let change = if step.nesterov {
                        direction + velocity * number(step.momentum)
                    } else {
                        velocity
                    };
                    outputs[0].push(params[at] - change * number(step.lr));
                    outputs[1].push(velocity);
                }
                outputs
            }
            Rule::Average(momentum) => {
                let pairs = params.iter().zip(grads);
                let average = pairs.map(|(target, source)| {
                    *target * number(momentum) + *source * number(1.0 - momentum)
                });
                vec![average.collect()]
            }
        }
    }

    fn call<B: Backend>(&self, operands: &[Tensor<B, 1>]) -> Vec<Tensor<B, 1>> {
        let (param, grad) = (operands[0].clone(), operands[1].clone());
        match self.rule {
            Rule::AdamW(step) => {
                let moments = [operands[2].clone(), operands[3].clone()];
                let (param, [first, second]) =
                    kernels::adamw_step(param, grad, Some(moments), step);
                vec![param, first, second]
            }
            Rule::Momentum(step) => {
                let velocity = Some(operands[2].clone());
                let (param, velocity) = kernels::momentum_step(param, grad, velocity, step);
                vec![param, velocity]
            }
            Rule::Average(momentum) => vec![kernels::moving_average(param, grad, momentum)],
        }
    }
}

//! Batch normalisation, and what is computed with it.

use super::*;

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

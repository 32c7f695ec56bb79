//! Layers of vision transformers.

use super::*;

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

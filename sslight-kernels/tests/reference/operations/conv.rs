//! Convolutions.

use super::*;

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

    pub(super) fn x(&self) -> [usize; 4] {
        [self.batch, self.channels[0], self.size[0], self.size[1]]
    }

    pub(super) fn weight(&self) -> [usize; 4] {
        let per_group = self.channels[0] / self.groups;
        [self.channels[1], per_group, self.kernel[0], self.kernel[1]]
    }

    pub(super) fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            (self.size[axis] + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis] + 1
        })
    }

    /// Whether the crate may choose Winograd's algorithm.
    pub(super) fn may_be_winograd(&self) -> bool {
        let panels = self.channels.map(|channels| channels.is_multiple_of(64));
        self.kernel == [3, 3] && self.stride == [1, 1] && panels == [true; 2] && self.groups == 1
    }

    pub(super) fn options(&self) -> ConvOptions<2> {
        ConvOptions::new(self.stride, self.padding, [1, 1], self.groups)
    }

    pub(super) fn formula<N: Number>(&self, x: &[N], weight: &[N]) -> Vec<N> {
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

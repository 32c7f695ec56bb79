//! Weights to values at the points and back.

use pulp::{Simd, WithSimd};

use super::lines::{Buffer, LANES, Line, ROW, Row, gather, load, scatter, store};
use super::maps::{KernelGradients, Kernels, POINTS, SIDE, both_axes};

/// Positions of a kernel.
const KERNEL: usize = 9;

/// Which channels of a weight `[out, in, 3, 3]` a convolution sums over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    /// The input channels.
    Inputs,
    /// The output channels with the kernel turned by half a turn: the gradient to the input.
    Outputs,
}

/// Transforms the block of a weight from panel `from` (summed over) to panel `to`:
/// `result [point, from]` with `to` along the rows.
pub(super) struct FromWeight<'a> {
    pub(super) weight: &'a [f32],
    pub(super) in_channels: usize,
    pub(super) sum: Sum,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) buffer: &'a mut Buffer,
    pub(super) result: &'a mut [Row],
}

impl WithSimd for FromWeight<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let out_stride = self.in_channels * KERNEL;
        let lines: &mut [Line] = self.buffer.take(ROW * KERNEL);
        for block in 0..ROW / LANES {
            let (from, to) = (self.from * ROW, self.to * ROW + block * LANES);
            match self.sum {
                Sum::Inputs => {
                    let weight = &self.weight[to * out_stride + from * KERNEL..];
                    gather(weight, out_stride, lines);
                }
                Sum::Outputs => {
                    for (channel, lines) in lines.chunks_exact_mut(KERNEL).enumerate() {
                        let start = (from + channel) * out_stride + to * KERNEL;
                        gather(&self.weight[start..], KERNEL, lines);
                    }
                }
            }
            for (channel, kernel) in lines.chunks_exact(KERNEL).enumerate() {
                for part in 0..LANES / S::F32_LANES {
                    let mut square = [[simd.splat_f32s(0.0); 3]; 3];
                    for (index, line) in kernel.iter().enumerate() {
                        let index = match self.sum {
                            Sum::Inputs => index,
                            Sum::Outputs => KERNEL - 1 - index,
                        };
                        square[index / 3][index % 3] = load::<S>(line, part);
                    }
                    let values = both_axes::<S, Kernels, 3, SIDE>(simd, Kernels, &square);
                    for (y, values) in values.iter().enumerate() {
                        for (x, value) in values.iter().enumerate() {
                            let row = &mut self.result[(y * SIDE + x) * ROW + channel];
                            store::<S>(*value, &mut row[block * LANES..(block + 1) * LANES], part);
                        }
                    }
                }
            }
        }
    }
}

/// Writes the gradient of a block of a weight, given those for its values at the points,
/// `values [point, out]` with the input channels along the rows.
pub(super) struct ToWeight<'a> {
    pub(super) values: &'a [Row],
    pub(super) in_channels: usize,
    /// The panel of input channels.
    pub(super) panel: usize,
    /// The output channels of one panel, `[out, in, 3, 3]`.
    pub(super) gradient: &'a mut [f32],
}

impl WithSimd for ToWeight<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        debug_assert_eq!(self.values.len(), POINTS * ROW);
        let outputs = self.gradient.chunks_exact_mut(self.in_channels * KERNEL);
        for (output, gradient) in outputs.enumerate() {
            for block in 0..ROW / LANES {
                let mut lines = [[0.0; LANES]; KERNEL];
                for part in 0..LANES / S::F32_LANES {
                    let mut square = [[simd.splat_f32s(0.0); SIDE]; SIDE];
                    for (y, square) in square.iter_mut().enumerate() {
                        for (x, value) in square.iter_mut().enumerate() {
                            let row = &self.values[(y * SIDE + x) * ROW + output];
                            let lanes = &row[block * LANES..(block + 1) * LANES];
                            *value = load::<S>(lanes, part);
                        }
                    }
                    let kernel =
                        both_axes::<S, KernelGradients, SIDE, 3>(simd, KernelGradients, &square);
                    for (y, kernel) in kernel.iter().enumerate() {
                        for (x, value) in kernel.iter().enumerate() {
                            store::<S>(*value, &mut lines[y * 3 + x], part);
                        }
                    }
                }
                let start = (self.panel * ROW + block * LANES) * KERNEL;
                let mut kernels = gradient[start..][..LANES * KERNEL].chunks_exact_mut(KERNEL);
                scatter(&lines, |_| kernels.next().unwrap_or_default());
            }
        }
    }
}

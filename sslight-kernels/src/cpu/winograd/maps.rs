//! The linear maps of Winograd's convolution F(4x4, 3x3).
//!
//! Four outputs of a kernel of three are read off the product of two polynomials, which is fixed by its
//! values at five points and its leading coefficient. The points 0, ±1/√2 and ±√2 leave about twice the
//! rounding error of the plain sum, half of what the usual 0, ±1, ±2 leave: they are closed under
//! inversion, and every even power that the maps need is exact.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use pulp::Simd;

/// Outputs of a tile along an axis.
pub(super) const STEP: usize = 4;
/// Values of a tile along an axis after any of the maps from images or weights.
pub(super) const SIDE: usize = 6;
/// Values of a transformed tile.
pub(super) const POINTS: usize = SIDE * SIDE;

/// Half the product of the differences from one of ±1/√2 to the other points, inverted; and of ±√2.
const SCALES: [f32; 2] = [-2.0 / 3.0, 1.0 / 6.0];

/// A linear map of `I` values to `O`.
pub(super) trait Map<const I: usize, const O: usize>: Copy + Send + Sync {
    /// The map, on each lane.
    fn apply<S: Simd>(self, simd: S, values: [S::f32s; I]) -> [S::f32s; O];
}

/// Inputs of a tile to values at the points.
#[derive(Clone, Copy)]
pub(super) struct Inputs;

/// A kernel to values at the points.
#[derive(Clone, Copy)]
pub(super) struct Kernels;

/// Values at the points to outputs.
#[derive(Clone, Copy)]
pub(super) struct Outputs;

/// The transpose of [`Outputs`]: gradients for outputs to those for the values at the points.
#[derive(Clone, Copy)]
pub(super) struct OutputGradients;

/// The transpose of [`Kernels`]: gradients for the values at the points to those for the kernel.
#[derive(Clone, Copy)]
pub(super) struct KernelGradients;

impl Map<6, 6> for Inputs {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [a, b, c, d, e, f]: [S::f32s; 6]) -> [S::f32s; 6] {
        let near = [
            scaled(simd, -2.0, c, e),
            times(simd, FRAC_1_SQRT_2, scaled(simd, -2.0, b, d)),
        ];
        let far = [
            scaled(simd, -0.5, c, e),
            times(simd, SQRT_2, scaled(simd, -0.5, b, d)),
        ];
        [
            scaled(simd, -2.5, c, simd.add_f32s(a, e)),
            simd.add_f32s(near[0], near[1]),
            simd.sub_f32s(near[0], near[1]),
            simd.add_f32s(far[0], far[1]),
            simd.sub_f32s(far[0], far[1]),
            scaled(simd, -2.5, d, simd.add_f32s(b, f)),
        ]
    }
}

impl Map<3, 6> for Kernels {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [a, b, c]: [S::f32s; 3]) -> [S::f32s; 6] {
        let near = [
            times(simd, SCALES[0], scaled(simd, 0.5, c, a)),
            times(simd, SCALES[0] * FRAC_1_SQRT_2, b),
        ];
        let far = [
            times(simd, SCALES[1], scaled(simd, 2.0, c, a)),
            times(simd, SCALES[1] * SQRT_2, b),
        ];
        [
            a,
            simd.add_f32s(near[0], near[1]),
            simd.sub_f32s(near[0], near[1]),
            simd.add_f32s(far[0], far[1]),
            simd.sub_f32s(far[0], far[1]),
            c,
        ]
    }
}

impl Map<6, 4> for Outputs {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [zero, a, b, c, d, last]: [S::f32s; 6]) -> [S::f32s; 4] {
        let near = [simd.add_f32s(a, b), simd.sub_f32s(a, b)];
        let far = [simd.add_f32s(c, d), simd.sub_f32s(c, d)];
        [
            simd.add_f32s(zero, simd.add_f32s(near[0], far[0])),
            scaled(simd, SQRT_2, far[1], times(simd, FRAC_1_SQRT_2, near[1])),
            scaled(simd, 2.0, far[0], times(simd, 0.5, near[0])),
            scaled(
                simd,
                2.0 * SQRT_2,
                far[1],
                scaled(simd, 0.5 * FRAC_1_SQRT_2, near[1], last),
            ),
        ]
    }
}

impl Map<4, 6> for OutputGradients {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 6] {
        let near = [
            scaled(simd, 0.5, c, a),
            times(simd, FRAC_1_SQRT_2, scaled(simd, 0.5, d, b)),
        ];
        let far = [
            scaled(simd, 2.0, c, a),
            times(simd, SQRT_2, scaled(simd, 2.0, d, b)),
        ];
        [
            a,
            simd.add_f32s(near[0], near[1]),
            simd.sub_f32s(near[0], near[1]),
            simd.add_f32s(far[0], far[1]),
            simd.sub_f32s(far[0], far[1]),
            d,
        ]
    }
}

impl Map<6, 3> for KernelGradients {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, [zero, a, b, c, d, last]: [S::f32s; 6]) -> [S::f32s; 3] {
        let near = [simd.add_f32s(a, b), simd.sub_f32s(a, b)];
        let far = [simd.add_f32s(c, d), simd.sub_f32s(c, d)];
        [
            scaled(
                simd,
                SCALES[1],
                far[0],
                scaled(simd, SCALES[0], near[0], zero),
            ),
            scaled(
                simd,
                SCALES[1] * SQRT_2,
                far[1],
                times(simd, SCALES[0] * FRAC_1_SQRT_2, near[1]),
            ),
            scaled(
                simd,
                SCALES[1] * 2.0,
                far[0],
                scaled(simd, SCALES[0] * 0.5, near[0], last),
            ),
        ]
    }
}

/// `factor * x + y`
#[inline(always)]
fn scaled<S: Simd>(simd: S, factor: f32, x: S::f32s, y: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(factor), x, y)
}

#[inline(always)]
fn times<S: Simd>(simd: S, factor: f32, x: S::f32s) -> S::f32s {
    simd.mul_f32s(simd.splat_f32s(factor), x)
}

/// The map along both axes of a square.
#[inline(always)]
pub(super) fn both_axes<S: Simd, M: Map<I, O>, const I: usize, const O: usize>(
    simd: S,
    map: M,
    square: &[[S::f32s; I]; I],
) -> [[S::f32s; O]; O] {
    let zero = simd.splat_f32s(0.0);
    let mut half = [[zero; I]; O];
    for x in 0..I {
        let mut column = [zero; I];
        for y in 0..I {
            column[y] = square[y][x];
        }
        let column = map.apply(simd, column);
        for y in 0..O {
            half[y][x] = column[y];
        }
    }
    let mut result = [[zero; O]; O];
    for y in 0..O {
        result[y] = map.apply(simd, half[y]);
    }
    result
}

//! The 3x3 kernel along the columns of padded planes, from the last row to the first, a vector of columns at a time.
//!
//! Each vector of inputs is loaded once for the three rows of outputs that it reaches, whose sums roll on in registers from
//! row to row. Taken row by row, an output loads nine vectors, most of which lie across two cache lines.

use pulp::{Simd, WithSimd};

use super::TAPS;
use crate::cpu::simd::dispatch_vectors;

/// Where the inputs of a plane lie: rows of phase planes (see [`Layout`](super::planes::Layout)).
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// The phase planes, from what the kernel's first position sees of output (0, 0).
    pub(super) values: &'a [f32],
    pub(super) pitch: usize,
    /// 1 or 2.
    pub(super) stride: usize,
    /// Values of a phase plane.
    pub(super) phase_len: usize,
    /// Columns of the outputs.
    pub(super) width: usize,
}

/// Vectors of a row under the three columns of the kernel.
type Trio<S> = [<S as Simd>::f32s; 3];

impl Rows<'_> {
    /// Where row `row` of the padded input starts, in whole planes at stride 1 and in phases at stride 2.
    #[inline(always)]
    fn start(&self, row: usize) -> usize {
        row % self.stride * self.stride * self.phase_len + row / self.stride * self.pitch
    }

    /// What the columns of the kernel are apart.
    #[inline(always)]
    fn columns(&self) -> [usize; 3] {
        if self.stride == 1 {
            [0, 1, 2]
        } else {
            [0, self.phase_len, 1]
        }
    }

    /// Whether all that the kernel sees of `rows` rows of outputs, in whole vectors, lies within the values.
    #[inline(always)]
    fn hold(&self, rows: usize, lanes: usize) -> bool {
        let last_row = (rows - 1) * self.stride + 2;
        let last = (0..3).map(|back| self.start(last_row - back)).max();
        let reach = self.columns()[1].max(2) + self.width.next_multiple_of(lanes);
        last.is_some_and(|last| last + reach <= self.values.len())
    }

    /// The inputs of row `row` under the kernel's columns, for outputs from `column` on.
    ///
    /// # Safety
    /// The rows must [`hold`](Self::hold) outputs that see this row, in vectors of this length, and `column` be one of them.
    #[inline(always)]
    unsafe fn trio<S: Simd>(&self, row: usize, column: usize) -> Trio<S> {
        let start = self.start(row) + column;
        let [first, second, third] = self.columns();
        // SAFETY: the caller's promise.
        unsafe {
            [
                load::<S>(self.values, start + first),
                load::<S>(self.values, start + second),
                load::<S>(self.values, start + third),
            ]
        }
    }
}

/// # Safety
/// A vector from `start` on must lie within the values.
#[inline(always)]
unsafe fn load<S: Simd>(values: &[f32], start: usize) -> S::f32s {
    debug_assert!(start + S::F32_LANES <= values.len());
    // SAFETY: the caller's promise; a vector is a sequence of f32 that may lie anywhere.
    unsafe {
        values
            .as_ptr()
            .add(start)
            .cast::<S::f32s>()
            .read_unaligned()
    }
}

/// `sum` and what a row of the kernel adds to it.
#[inline(always)]
fn add<S: Simd>(simd: S, weights: &Trio<S>, inputs: &Trio<S>, sum: S::f32s) -> S::f32s {
    let sum = simd.mul_add_e_f32s(weights[2], inputs[2], sum);
    let sum = simd.mul_add_e_f32s(weights[1], inputs[1], sum);
    simd.mul_add_e_f32s(weights[0], inputs[0], sum)
}

struct Correlate<'a> {
    rows: Rows<'a>,
    weights: &'a [f32; TAPS],
    out: &'a mut [f32],
}

impl Correlate<'_> {
    #[inline(always)]
    fn put<S: Simd>(&mut self, simd: S, row: usize, column: usize, sum: S::f32s) {
        let row = &mut self.out[row * self.rows.width + column..][..self.rows.width - column];
        match S::as_mut_simd_f32s(row) {
            ([whole, ..], _) => *whole = sum,
            ([], part) => simd.partial_store_f32s(part, sum),
        }
    }
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (rows, width) = (self.rows, self.rows.width);
        let count = self.out.len() / width;
        if count == 0 {
            return;
        }
        assert!(rows.hold(count, S::F32_LANES));
        let zero = simd.splat_f32s(0.0);
        let mut weights = [[zero; 3]; 3];
        for (weights, values) in weights.iter_mut().zip(self.weights.chunks_exact(3)) {
            for (weight, value) in weights.iter_mut().zip(values) {
                *weight = simd.splat_f32s(*value);
            }
        }
        let [first, second, third] = weights;
        // The last vector of a row overlaps the one before.
        let last = width.saturating_sub(S::F32_LANES);
        for column in (0..width).step_by(S::F32_LANES) {
            let column = column.min(last);
            // SAFETY: by the assertion above, for all rows that `count` rows of outputs see.
            unsafe {
                let last_row = (count - 1) * rows.stride + 2;
                let mut here = add(simd, &third, &rows.trio::<S>(last_row, column), zero);
                if rows.stride == 1 {
                    let inputs = rows.trio::<S>(count, column);
                    here = add(simd, &second, &inputs, here);
                    let mut above = add(simd, &third, &inputs, zero);
                    for row in (0..count).rev() {
                        let inputs = rows.trio::<S>(row, column);
                        self.put(simd, row, column, add(simd, &first, &inputs, here));
                        here = add(simd, &second, &inputs, above);
                        above = add(simd, &third, &inputs, zero);
                    }
                } else {
                    for row in (0..count).rev() {
                        let inputs = rows.trio::<S>(2 * row + 1, column);
                        here = add(simd, &second, &inputs, here);
                        let inputs = rows.trio::<S>(2 * row, column);
                        self.put(simd, row, column, add(simd, &first, &inputs, here));
                        here = add(simd, &third, &inputs, zero);
                    }
                }
            }
        }
    }
}

/// `out [h', w']`, the sums of the kernel times what it sees.
///
/// # Panics
/// If `rows` do not hold all that is seen, in whole vectors.
pub(super) fn correlate(rows: Rows<'_>, weights: &[f32; TAPS], out: &mut [f32]) {
    dispatch_vectors(Correlate { rows, weights, out });
}

struct Dot<'a> {
    rows: Rows<'a>,
    outputs: &'a [f32],
}

impl WithSimd for Dot<'_> {
    type Output = [f32; TAPS];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; TAPS] {
        let (rows, width) = (self.rows, self.rows.width);
        let count = self.outputs.len() / width;
        if count == 0 {
            return [0.0; TAPS];
        }
        assert!(rows.hold(count, S::F32_LANES));
        let mut sums = [[simd.splat_f32s(0.0); 3]; 3];
        for column in (0..width).step_by(S::F32_LANES) {
            // SAFETY: by the assertion above, for all rows that `count` rows of outputs see.
            unsafe {
                let mut inputs = [
                    rows.trio::<S>(0, column),
                    rows.trio::<S>(1, column),
                    rows.trio::<S>(2, column),
                ];
                for (row, outputs) in self.outputs.chunks_exact(width).enumerate() {
                    if row > 0 {
                        let last = rows.trio::<S>(row * rows.stride + 2, column);
                        inputs = if rows.stride == 1 {
                            [inputs[1], inputs[2], last]
                        } else {
                            [inputs[2], rows.trio::<S>(2 * row + 1, column), last]
                        };
                    }
                    // Beyond the end of the row there are zeros.
                    let output = match S::as_simd_f32s(&outputs[column..]) {
                        ([whole, ..], _) => *whole,
                        ([], part) => simd.partial_load_f32s(part),
                    };
                    for (sums, inputs) in sums.iter_mut().zip(&inputs) {
                        for (sum, input) in sums.iter_mut().zip(inputs) {
                            *sum = simd.mul_add_e_f32s(output, *input, *sum);
                        }
                    }
                }
            }
        }
        let mut result = [0.0; TAPS];
        for (result, sum) in result.iter_mut().zip(sums.as_flattened()) {
            *result = simd.reduce_sum_f32s(*sum);
        }
        result
    }
}

/// For each position of the kernel the sum of `outputs [h', w']` times what it sees.
///
/// # Panics
/// If `rows` do not hold all that is seen, in whole vectors.
pub(super) fn dot(rows: Rows<'_>, outputs: &[f32]) -> [f32; TAPS] {
    dispatch_vectors(Dot { rows, outputs })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, whose sums are exact in any order.
    fn value(i: usize) -> f32 {
        ((i * 37 + 11) % 17) as f32 - 8.0
    }

    #[test]
    fn give_the_plain_loops() {
        for (stride, width, count) in [
            (1, 1, 1),
            (1, 7, 7),
            (1, 16, 2),
            (1, 23, 5),
            (2, 1, 1),
            (2, 9, 4),
            (2, 33, 3),
        ] {
            let pitch = width + 2 / stride;
            let phase_len = (count + 2 / stride) * pitch;
            let values: Vec<f32> = (0..stride * stride * phase_len + 16).map(value).collect();
            let rows = Rows {
                values: &values,
                pitch,
                stride,
                phase_len,
                width,
            };
            let seen = |y: usize, x: usize, tap: usize| {
                let (r, q) = (y * stride + tap / 3, x * stride + tap % 3);
                let phase = r % stride * stride + q % stride;
                values[phase * phase_len + r / stride * pitch + q / stride]
            };
            let weights: [f32; TAPS] = std::array::from_fn(|tap| value(tap + 3));
            let mut out = vec![f32::NAN; count * width];
            correlate(rows, &weights, &mut out);
            for (i, out) in out.iter().enumerate() {
                let term = |tap: usize| weights[tap] * seen(i / width, i % width, tap);
                let want: f32 = (0..TAPS).map(term).sum();
                assert_eq!(*out, want, "stride {stride}, {count} x {width}: {i}");
            }
            let outputs: Vec<f32> = (0..count * width).map(|i| value(i + 5)).collect();
            for (tap, got) in dot(rows, &outputs).into_iter().enumerate() {
                let term = |(i, y): (usize, &f32)| y * seen(i / width, i % width, tap);
                let want: f32 = outputs.iter().enumerate().map(term).sum();
                assert_eq!(got, want, "stride {stride}, {count} x {width}: tap {tap}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "hold")]
    fn values_that_are_too_few_are_refused() {
        let rows = Rows {
            values: &[1.0; 9],
            pitch: 3,
            stride: 1,
            phase_len: 9,
            width: 1,
        };
        correlate(rows, &[1.0; TAPS], &mut [0.0; 2]);
    }
}

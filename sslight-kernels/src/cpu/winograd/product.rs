//! Products of transformed tiles with transformed weights, point by point.
//!
//! Six rows of the result stay in registers: with 32 registers of 16 values that is 24 sums, four vectors
//! of the right operand and one value of the left, and ten loads for 24 multiply-adds.

use pulp::{Simd, WithSimd};

use super::lines::{ROW, Row, load, store};

/// Rows of the result that are summed at once.
const BLOCK: usize = 6;

/// For each point `result [n] += left * right`, or `=` without `add`; rows have [`ROW`] columns.
///
/// `SUM_ROWS` says what the sum runs over: the rows of both operands (the left is transposed), or the
/// columns of the left and the [`ROW`] rows of the right.
pub(super) struct Products<'a, const SUM_ROWS: bool> {
    pub(super) points: usize,
    pub(super) result: &'a mut [Row],
    pub(super) left: &'a [Row],
    pub(super) right: &'a [Row],
    pub(super) add: bool,
}

impl<const SUM_ROWS: bool> WithSimd for Products<'_, SUM_ROWS> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let points = self.points;
        let operands = self
            .left
            .chunks_exact(self.left.len() / points)
            .zip(self.right.chunks_exact(self.right.len() / points));
        let results = self.result.chunks_exact_mut(self.result.len() / points);
        for (result, (left, right)) in results.zip(operands) {
            for (index, result) in result.chunks_mut(BLOCK).enumerate() {
                let first = index * BLOCK;
                match result.len() {
                    1 => rows::<S, 1, SUM_ROWS>(simd, result, left, first, right, self.add),
                    2 => rows::<S, 2, SUM_ROWS>(simd, result, left, first, right, self.add),
                    3 => rows::<S, 3, SUM_ROWS>(simd, result, left, first, right, self.add),
                    4 => rows::<S, 4, SUM_ROWS>(simd, result, left, first, right, self.add),
                    5 => rows::<S, 5, SUM_ROWS>(simd, result, left, first, right, self.add),
                    _ => rows::<S, BLOCK, SUM_ROWS>(simd, result, left, first, right, self.add),
                }
            }
        }
    }
}

/// `R` rows of a result, from row `first` on; four vectors of columns at a time where there are 32 vector
/// registers, else two.
#[inline(always)]
fn rows<S: Simd, const R: usize, const SUM_ROWS: bool>(
    simd: S,
    result: &mut [Row],
    left: &[Row],
    first: usize,
    right: &[Row],
    add: bool,
) {
    let Some(result) = result.first_chunk_mut::<R>() else {
        return;
    };
    if S::F32_LANES == 16 {
        columns::<S, R, 4, SUM_ROWS>(simd, result, 0, left, first, right, add);
    } else {
        for part in 0..ROW / (2 * S::F32_LANES) {
            columns::<S, R, 2, SUM_ROWS>(simd, result, part * 2, left, first, right, add);
        }
    }
}

#[inline(always)]
fn columns<S: Simd, const R: usize, const V: usize, const SUM_ROWS: bool>(
    simd: S,
    result: &mut [Row; R],
    part: usize,
    left: &[Row],
    first: usize,
    right: &[Row],
    add: bool,
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    if add {
        for (sums, row) in sums.iter_mut().zip(result.iter()) {
            for (index, sum) in sums.iter_mut().enumerate() {
                *sum = load::<S>(row, part + index);
            }
        }
    }
    if SUM_ROWS {
        for (left, right) in left.iter().zip(right) {
            let Some(factors) = left[first..].first_chunk::<R>() else {
                return;
            };
            step::<S, R, V>(simd, &mut sums, factors, right, part);
        }
    } else {
        let (Some(left), Some(right)) =
            (left[first..].first_chunk::<R>(), right.first_chunk::<ROW>())
        else {
            return;
        };
        for (term, right) in right.iter().enumerate() {
            let mut factors = [0.0; R];
            for (factor, left) in factors.iter_mut().zip(left) {
                *factor = left[term];
            }
            step::<S, R, V>(simd, &mut sums, &factors, right, part);
        }
    }
    for (sums, row) in sums.iter().zip(result) {
        for (index, sum) in sums.iter().enumerate() {
            store::<S>(*sum, row, part + index);
        }
    }
}

#[inline(always)]
fn step<S: Simd, const R: usize, const V: usize>(
    simd: S,
    sums: &mut [[S::f32s; V]; R],
    factors: &[f32; R],
    right: &Row,
    part: usize,
) {
    let mut vectors = [simd.splat_f32s(0.0); V];
    for (index, vector) in vectors.iter_mut().enumerate() {
        *vector = load::<S>(right, part + index);
    }
    for (sums, factor) in sums.iter_mut().zip(factors) {
        let factor = simd.splat_f32s(*factor);
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            *sum = simd.mul_add_e_f32s(factor, vector, *sum);
        }
    }
}

//! Products of each row of one matrix with each row of another, `lhs * rhs^T` over long rows: the gradient of a 1x1
//! convolution's weight.
//!
//! A matrix product packs both operands first, one of them transposed, which takes longer than multiplying when there are
//! few rows. Here rows are read where they lie. The lanes of a vector are neighbouring terms, so that each product is a
//! vector of partial sums; these stay vectors until all terms are added.

use pulp::{Simd, WithSimd};

use super::matrix::Matrix;
use super::simd::{dispatch_vectors, sum_of_lanes};

/// Rows of either matrix that are multiplied with each other in registers.
const TILE: usize = 4;
/// Room for the partial sums of a product: the lanes of the widest vector.
const LANES: usize = 16;
/// Terms that are added at a time, so that the rows of a tile stay in the first cache.
const TERMS: usize = 512;
/// With more products than this their partial sums no longer stay in the second cache.
const MAX_PRODUCTS: usize = 6144;

/// The products of `lhs [m, k]` with `rhs [n, k]`, to which more terms can be added.
pub(crate) struct RowProducts {
    m: usize,
    n: usize,
    /// By tiles: `[m / TILE, n / TILE, TILE, TILE, LANES]`.
    sums: Vec<f32>,
}

impl RowProducts {
    /// Whether this is the faster way to so many products of `terms` terms.
    pub(crate) fn pays(m: usize, n: usize, terms: usize) -> bool {
        m * n <= MAX_PRODUCTS && terms >= 4 * LANES && terms.is_multiple_of(LANES)
    }

    /// Rows, at most, whose products with `rows` others are added up in the second cache.
    pub(crate) fn most(rows: usize) -> usize {
        (MAX_PRODUCTS / rows).max(1)
    }

    pub(crate) fn new(m: usize, n: usize) -> Self {
        Self {
            m,
            n,
            sums: vec![0.0; m.div_ceil(TILE) * n.div_ceil(TILE) * TILE * TILE * LANES],
        }
    }

    /// Adds `terms` terms; rows of both operands must be contiguous.
    ///
    /// # Panics
    /// If an operand is too short.
    pub(crate) fn add(&mut self, terms: usize, lhs: Matrix<'_>, rhs: Matrix<'_>) {
        debug_assert!(lhs.column_stride == 1 && rhs.column_stride == 1);
        for start in (0..terms).step_by(TERMS) {
            dispatch_vectors(Add {
                m: self.m,
                n: self.n,
                terms: start..(start + TERMS).min(terms),
                lhs,
                rhs,
                sums: &mut self.sums,
            });
        }
    }

    /// The products, `[m, n]`.
    pub(crate) fn finish(self) -> Vec<f32> {
        let mut products = vec![0.0; self.m * self.n];
        let (sums, _) = self.sums.as_chunks::<LANES>();
        let tiles = self.n.div_ceil(TILE);
        for (i, row) in products.chunks_exact_mut(self.n).enumerate() {
            for (j, product) in row.iter_mut().enumerate() {
                let tile = i / TILE * tiles + j / TILE;
                *product = sum_of_lanes(sums[(tile * TILE + i % TILE) * TILE + j % TILE]);
            }
        }
        products
    }
}

struct Add<'a> {
    m: usize,
    n: usize,
    terms: std::ops::Range<usize>,
    lhs: Matrix<'a>,
    rhs: Matrix<'a>,
    sums: &'a mut [f32],
}

impl<'a> Add<'a> {
    /// The terms of the rows of a tile, as vectors and what is left over. Where the matrix ends within the tile, its last
    /// row stands in; those products are not asked for.
    #[inline(always)]
    fn rows<S: Simd>(
        &self,
        matrix: Matrix<'a>,
        first: usize,
        rows: usize,
    ) -> [(&'a [S::f32s], &'a [f32]); TILE] {
        let mut parts: [(&[S::f32s], &[f32]); TILE] = [(&[], &[]); TILE];
        for (index, part) in parts.iter_mut().enumerate() {
            let start = (first + index).min(rows - 1) * matrix.row_stride;
            *part = S::as_simd_f32s(&matrix.data[start..][self.terms.clone()]);
        }
        parts
    }
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let columns = self.n.div_ceil(TILE);
        let sums = std::mem::take(&mut self.sums);
        for (tile, sums) in sums.chunks_exact_mut(TILE * TILE * LANES).enumerate() {
            let lhs = self.rows::<S>(self.lhs, tile / columns * TILE, self.m);
            let rhs = self.rows::<S>(self.rhs, tile % columns * TILE, self.n);
            let mut totals = [[simd.splat_f32s(0.0); TILE]; TILE];
            let (vectors, _) = S::as_mut_simd_f32s(sums);
            let each = LANES / S::F32_LANES;
            for (i, totals) in totals.iter_mut().enumerate() {
                for (j, total) in totals.iter_mut().enumerate() {
                    *total = vectors[(i * TILE + j) * each];
                }
            }
            let steps = lhs[0].0.len();
            let mut left: [&[S::f32s]; TILE] = [&[]; TILE];
            let mut right = left;
            for row in 0..TILE {
                left[row] = &lhs[row].0[..steps];
                right[row] = &rhs[row].0[..steps];
            }
            for step in 0..steps {
                for i in 0..TILE {
                    for j in 0..TILE {
                        totals[i][j] =
                            simd.mul_add_e_f32s(left[i][step], right[j][step], totals[i][j]);
                    }
                }
            }
            for (i, totals) in totals.iter().enumerate() {
                for (j, total) in totals.iter().enumerate() {
                    vectors[(i * TILE + j) * each] = *total;
                }
            }
            for (i, (_, lhs)) in lhs.iter().enumerate() {
                for (j, (_, rhs)) in rhs.iter().enumerate() {
                    let sums = &mut sums[(i * TILE + j) * LANES..][..LANES];
                    for ((sum, a), b) in sums.iter_mut().zip(*lhs).zip(*rhs) {
                        *sum += a * b;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_plain_triple_loop() {
        let value = |i: usize| ((i * 37 + 11) % 17) as f32 - 8.0;
        for (m, n, k) in [
            (1, 1, 16),
            (4, 4, 64),
            (5, 7, 80),
            (3, 9, 33),
            (16, 24, 1100),
        ] {
            let (left, right) = (k + 3, k + 1);
            let lhs: Vec<f32> = (0..m * left).map(value).collect();
            let rhs: Vec<f32> = (0..n * right).map(|i| value(i + 5)).collect();
            let mut products = RowProducts::new(m, n);
            let (lhs, rhs) = (Matrix::rows(&lhs, left), Matrix::rows(&rhs, right));
            products.add(k, lhs, rhs);
            products.add(2, lhs, rhs);
            let products = products.finish();
            for i in 0..m {
                for j in 0..n {
                    // small whole numbers: exact in any order
                    let term = |t: usize| lhs.data[i * left + t] * rhs.data[j * right + t];
                    let want: f32 = (0..k).chain(0..2).map(term).sum();
                    assert_eq!(products[i * n + j], want, "{m} x {n} x {k}: {i}, {j}");
                }
            }
        }
    }
}

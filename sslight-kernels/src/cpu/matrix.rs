//! The matrix product on bounds-checked views.

use rayon::prelude::*;

/// A matrix inside a slice; element `(i, j)` is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of contiguous values, `row_stride` apart.
    pub(crate) fn rows(data: &'a [f32], row_stride: usize) -> Self {
        Self {
            data,
            row_stride,
            column_stride: 1,
        }
    }

    /// The transposed view.
    pub(crate) fn transposed(self) -> Self {
        Self {
            data: self.data,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    fn skip_rows(self, rows: usize) -> Self {
        Self {
            data: &self.data[rows * self.row_stride..],
            ..self
        }
    }

    fn skip_columns(self, columns: usize) -> Self {
        Self {
            data: &self.data[columns * self.column_stride..],
            ..self
        }
    }

    fn holds(self, rows: usize, columns: usize) -> bool {
        (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

/// Sizes of `dst [m, n] = lhs [m, k] * rhs [k, n]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
}

/// `dst = lhs * rhs`, or `dst += lhs * rhs` with `accumulate`, on the calling thread.
///
/// Rows of `dst` are `row_stride` apart; what lies between them stays as it is.
pub(crate) fn product(
    sizes: Sizes,
    dst: &mut [f32],
    row_stride: usize,
    lhs: Matrix<'_>,
    rhs: Matrix<'_>,
    accumulate: bool,
) {
    let Sizes { m, n, .. } = sizes;
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        row_stride >= n && (m - 1) * row_stride + n <= dst.len(),
        "product: {sizes:?} with rows {row_stride} apart does not fit {} values",
        dst.len()
    );
    // SAFETY: the assertion above keeps every element that is written inside `dst`, which is borrowed mutably, so that
    // it aliases no operand; its rows do not overlap.
    unsafe { product_at(sizes, dst.as_mut_ptr(), row_stride, lhs, rhs, accumulate) }
}

/// [`product`] to where `dst` points.
///
/// # Safety
/// The `m` rows of `n` values at `dst`, `row_stride` apart, may be written (and read, to accumulate), by nobody else
/// meanwhile, and overlap neither each other nor an operand.
unsafe fn product_at(
    sizes: Sizes,
    dst: *mut f32,
    row_stride: usize,
    lhs: Matrix<'_>,
    rhs: Matrix<'_>,
    accumulate: bool,
) {
    let Sizes { m, n, k } = sizes;
    assert!(k > 0, "product: no terms in {sizes:?}");
    assert!(
        lhs.holds(m, k) && rhs.holds(k, n),
        "product: an operand is too short for {sizes:?}"
    );
    // SAFETY: the assertion above keeps every element of an operand inside its slice; what is written is the caller's
    // promise. Strides are below the length of a slice, hence fit an isize.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst,
            1,
            row_stride as isize,
            accumulate,
            lhs.data.as_ptr(),
            lhs.column_stride as isize,
            lhs.row_stride as isize,
            rhs.data.as_ptr(),
            rhs.column_stride as isize,
            rhs.row_stride as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// [`product`] with its rows split in blocks of `block` that run in parallel.
pub(crate) fn product_by_rows(
    sizes: Sizes,
    block: usize,
    dst: &mut [f32],
    row_stride: usize,
    lhs: Matrix<'_>,
    rhs: Matrix<'_>,
    accumulate: bool,
) {
    if block >= sizes.m {
        return product(sizes, dst, row_stride, lhs, rhs, accumulate);
    }
    // The last row may be shorter than its stride, and rows past `m` are not ours.
    let used = (sizes.m - 1) * row_stride + sizes.n;
    dst[..used]
        .par_chunks_mut(block * row_stride)
        .enumerate()
        .for_each(|(index, dst)| {
            let first = index * block;
            let sizes = Sizes {
                m: block.min(sizes.m - first),
                ..sizes
            };
            product(
                sizes,
                dst,
                row_stride,
                lhs.skip_rows(first),
                rhs,
                accumulate,
            );
        });
}

/// The sum of parts of one length that tasks made, in their order: the same bits on any number of threads.
pub(crate) fn sum_of_parts(parts: &[&[f32]]) -> Vec<f32> {
    const BLOCK: usize = 1 << 12;
    let Some((first, rest)) = parts.split_first() else {
        return Vec::new();
    };
    let mut total = first.to_vec();
    total
        .par_chunks_mut(BLOCK)
        .enumerate()
        .for_each(|(block, total)| {
            for part in rest {
                for (total, value) in total.iter_mut().zip(&part[block * BLOCK..]) {
                    *total += value;
                }
            }
        });
    total
}

/// [`sum_of_parts`] that lie one after the other, each of `len` values.
pub(crate) fn sum_of_groups(partial: Vec<f32>, len: usize) -> Vec<f32> {
    if partial.len() == len {
        return partial;
    }
    sum_of_parts(&partial.chunks_exact(len).collect::<Vec<_>>())
}

/// Where the blocks of columns of one matrix are written, from several threads.
#[derive(Clone, Copy)]
struct Columns(*mut f32);

// SAFETY: `product_by_columns` alone makes one, and each of its tasks writes other columns.
unsafe impl Send for Columns {}
// SAFETY: as above.
unsafe impl Sync for Columns {}

impl Columns {
    /// # Safety
    /// `column` must be inside the matrix.
    unsafe fn at(&self, column: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(column) }
    }
}

/// [`product`] with its columns split in blocks of `block` that run in parallel.
pub(crate) fn product_by_columns(
    sizes: Sizes,
    block: usize,
    dst: &mut [f32],
    row_stride: usize,
    lhs: Matrix<'_>,
    rhs: Matrix<'_>,
    accumulate: bool,
) {
    if block >= sizes.n || sizes.m == 0 {
        return product(sizes, dst, row_stride, lhs, rhs, accumulate);
    }
    assert!(
        row_stride >= sizes.n && (sizes.m - 1) * row_stride + sizes.n <= dst.len(),
        "product_by_columns: {sizes:?} with rows {row_stride} apart does not fit {} values",
        dst.len()
    );
    let columns = Columns(dst.as_mut_ptr());
    (0..sizes.n.div_ceil(block))
        .into_par_iter()
        .for_each(|index| {
            let first = index * block;
            let sizes = Sizes {
                n: block.min(sizes.n - first),
                ..sizes
            };
            let rhs = rhs.skip_columns(first);
            // SAFETY: by the assertion above all columns are inside `dst`, which is borrowed mutably; blocks share no
            // column, so that no other task writes these.
            unsafe { product_at(sizes, columns.at(first), row_stride, lhs, rhs, accumulate) };
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_columns_give_the_same_product() {
        let (m, n, k) = (3, 70, 5);
        let value = |i: usize| ((i * 37 + 11) % 17) as f32 - 8.0;
        let lhs: Vec<f32> = (0..m * k).map(value).collect();
        let rhs: Vec<f32> = (0..k * n).map(|i| value(i + 3)).collect();
        let sizes = Sizes { m, n, k };
        let (lhs, rhs) = (Matrix::rows(&lhs, k), Matrix::rows(&rhs, n));
        let mut want = vec![1.0; m * n];
        product(sizes, &mut want, n, lhs, rhs, true);
        let mut got = vec![1.0; m * n];
        product_by_columns(sizes, 32, &mut got, n, lhs, rhs, true);
        assert_eq!(got, want);
    }

    #[test]
    fn blocks_and_strides_give_the_plain_triple_loop() {
        let (m, n, k, stride) = (7, 5, 3, 6);
        let value = |i: usize| ((i * 37 + 11) % 17) as f32 - 8.0;
        let lhs: Vec<f32> = (0..m * k).map(value).collect();
        let rhs: Vec<f32> = (0..k * n).map(|i| value(i + 3)).collect();
        let mut dst = vec![0.5; (m - 1) * stride + n];
        let transposed: Vec<f32> = (0..k * m).map(|i| lhs[(i % m) * k + i / m]).collect();
        product_by_rows(
            Sizes { m, n, k },
            2,
            &mut dst,
            stride,
            Matrix::rows(&transposed, m).transposed(),
            Matrix::rows(&rhs, n),
            true,
        );
        for i in 0..m {
            for j in 0..n {
                let want: f32 = (0..k).map(|t| lhs[i * k + t] * rhs[t * n + j]).sum();
                assert_eq!(dst[i * stride + j], want + 0.5, "row {i} column {j}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "operand is too short")]
    fn a_short_operand_is_refused() {
        let mut dst = [0.0; 4];
        let sizes = Sizes { m: 2, n: 2, k: 2 };
        product(
            sizes,
            &mut dst,
            2,
            Matrix::rows(&[1.0; 4], 2),
            Matrix::rows(&[1.0; 3], 2),
            false,
        );
    }
}

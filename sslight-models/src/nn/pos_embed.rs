//! Positional embeddings for images of another size than the table was made for.
//!
//! Resizing is linear in the table, so that it is a product with a constant matrix, made on the host in
//! float64. That gives the gradient on every backend, where burn's own interpolation has none on some.

use burn::tensor::{Tensor, TensorData};
use sslight_kernels::cat;

use crate::backend::Backend;

/// The parameter of the cubic convolution kernel (Keys, 1981), PyTorch's value.
const KEYS_A: f64 = -0.75;
/// What the reference adds to the wanted number of patches before it computes the scale, so that rounding
/// cannot make the grid one patch smaller; it shifts the sampling points a little.
const SCALE_MARGIN: f64 = 0.1;

/// The table for a grid of `rows` by `columns` patches: the first row, the class token's, as it is, the others
/// as a square grid resized bicubically, unless the grid is that of the table.
///
/// Sampling is PyTorch's with `align_corners` off and no anti-aliasing: patch `i` of `k` reads at
/// `(i + 1/2) n / (k + 0.1) - 1/2`, beyond the border the nearest value.
///
/// # Shapes
/// `[1, n^2 + 1, dim]` to `[1, rows * columns + 1, dim]`.
///
/// # Panics
/// If the table has not one row more than a square number.
pub fn resize<B: Backend>(table: Tensor<B, 3>, [rows, columns]: [usize; 2]) -> Tensor<B, 3> {
    let [_, tokens, dim] = table.dims();
    let native = (tokens - 1).isqrt();
    assert!(
        native * native + 1 == tokens,
        "pos_embed::resize: {tokens} rows are not one and a square number"
    );
    if [rows, columns] == [native, native] {
        return table;
    }
    let matrix: Vec<f32> = resize_matrix(native, [rows, columns])
        .into_iter()
        .map(|weight| weight as f32)
        .collect();
    let matrix: Tensor<B, 2> = Tensor::from_data(
        TensorData::new(matrix, [rows * columns, native * native]),
        &table.device(),
    );
    let class_row = table.clone().narrow(1, 0, 1);
    let grid: Tensor<B, 2> = table
        .narrow(1, 1, tokens - 1)
        .reshape([native * native, dim]);
    let resized = matrix.matmul(grid).reshape([1, rows * columns, dim]);
    cat(vec![class_row, resized], 1)
}

/// [`resize`] of values on the host: a table of rows of `dim` values.
///
/// # Panics
/// If the table has not one row more than a square number.
pub fn resize_values(table: &[f32], dim: usize, [rows, columns]: [usize; 2]) -> Vec<f32> {
    let tokens = table.len() / dim;
    let native = (tokens - 1).isqrt();
    assert!(
        native * native + 1 == tokens,
        "pos_embed::resize_values: {tokens} rows are not one and a square number"
    );
    if [rows, columns] == [native, native] {
        return table.to_vec();
    }
    let (class_row, grid) = table.split_at(dim);
    let mut resized = class_row.to_vec();
    for weights in resize_matrix(native, [rows, columns]).chunks(native * native) {
        let mut row = vec![0.0; dim];
        for (weight, from) in weights.iter().zip(grid.chunks(dim)) {
            for (sum, value) in row.iter_mut().zip(from) {
                *sum += weight * f64::from(*value);
            }
        }
        resized.extend(row.into_iter().map(|value| value as f32));
    }
    resized
}

/// Row-major `[rows * columns, native^2]`: what each patch of the grid takes from each row of the table.
fn resize_matrix(native: usize, [rows, columns]: [usize; 2]) -> Vec<f64> {
    let vertical = axis_weights(native, rows);
    let horizontal = axis_weights(native, columns);
    let mut matrix = Vec::with_capacity(rows * columns * native * native);
    for from_rows in &vertical {
        for from_columns in &horizontal {
            for down in from_rows {
                matrix.extend(from_columns.iter().map(|across| down * across));
            }
        }
    }
    matrix
}

/// What each of `size` positions takes from each of `native` ones along one axis.
fn axis_weights(native: usize, size: usize) -> Vec<Vec<f64>> {
    let scale = native as f64 / (size as f64 + SCALE_MARGIN);
    (0..size)
        .map(|position| {
            let source = (position as f64 + 0.5) * scale - 0.5;
            let before = source.floor();
            let mut weights = vec![0.0; native];
            for tap in [-1.0, 0.0, 1.0, 2.0] {
                let clamped = (before + tap).clamp(0.0, (native - 1) as f64);
                weights[clamped as usize] += keys_kernel(source - before - tap);
            }
            weights
        })
        .collect()
}

/// Keys' kernel at distance `x`, which is 0 from 2 on.
fn keys_kernel(x: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((KEYS_A + 2.0) * x - (KEYS_A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((KEYS_A * x - 5.0 * KEYS_A) * x + 8.0 * KEYS_A) * x - 4.0 * KEYS_A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::host_values;
    use burn_ndarray::NdArray;

    /// Sums of at most 16 products of magnitude 1 in float32.
    const TOLERANCE: f32 = 1e-5;

    fn table(native: usize, value: impl Fn(usize, usize) -> f32) -> Tensor<NdArray, 3> {
        let mut values = vec![-7.0];
        for row in 0..native {
            values.extend((0..native).map(|column| value(row, column)));
        }
        let data = TensorData::new(values, [1, native * native + 1, 1]);
        Tensor::from_data(data, &Default::default())
    }

    #[test]
    fn a_constant_table_stays_constant_and_the_class_row_as_it_is() {
        let resized = host_values(resize(table(14, |_, _| 3.0), [6, 9]));
        assert_eq!(resized.len(), 55);
        assert_eq!(resized[0], -7.0);
        assert!(resized[1..].iter().all(|v| (v - 3.0).abs() < TOLERANCE));
    }

    #[test]
    fn sampling_points_and_weights_are_those_of_the_kernel() {
        // 21 positions read at 2 points: steps of 10, from 4.5 on, halfway between two positions.
        let [first, second] = [4, 14].map(|before| {
            let mut weights = vec![0.0; 21];
            weights[before - 1..before + 3]
                .copy_from_slice(&[-0.09375, 0.59375, 0.59375, -0.09375]);
            weights
        });
        for (got, expected) in axis_weights(21, 2).iter().zip([first, second]) {
            for (got, expected) in got.iter().zip(expected) {
                assert!(
                    (got - expected).abs() < 1e-12,
                    "got {got}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn rows_and_columns_of_the_grid_are_not_exchanged() {
        let by_row = host_values(resize(table(5, |row, _| row as f32), [2, 3]));
        assert!((by_row[1] - by_row[3]).abs() < TOLERANCE, "{by_row:?}");
        assert!(by_row[4] - by_row[1] > 1.0, "{by_row:?}");
    }

    #[test]
    fn a_table_on_the_host_is_resized_as_one_on_a_device() {
        let table = table(7, |row, column| ((row * 7 + column) as f32).sin());
        let device = host_values(resize(table.clone(), [4, 9]));
        let host = resize_values(&host_values(table), 1, [4, 9]);
        assert_eq!(host.len(), device.len());
        for (host, device) in host.iter().zip(device) {
            assert!((host - device).abs() < TOLERANCE, "{host} and {device}");
        }
    }

    #[test]
    fn the_native_grid_is_the_table_bit_for_bit() {
        let table = table(7, |row, column| (row * 7 + column) as f32 * 0.1);
        assert_eq!(
            host_values(resize(table.clone(), [7, 7])),
            host_values(table)
        );
    }

    #[test]
    #[should_panic(expected = "12 rows are not one and a square number")]
    fn a_table_that_is_no_square_is_refused() {
        let table: Tensor<NdArray, 3> = Tensor::zeros([1, 12, 2], &Default::default());
        resize(table, [2, 2]);
    }
}

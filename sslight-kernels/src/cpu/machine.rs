//! Work to measure the machine by.

use rayon::prelude::*;

use super::matrix::{Matrix, Sizes, product};

/// Multiplies square matrices on each of so many tasks, again and again.
pub(crate) fn multiply(tasks: usize, side: usize, times: usize) {
    (0..tasks).into_par_iter().for_each(|task| {
        let operand = vec![task as f32 + 0.5; side * side];
        let mut result = vec![0.0; side * side];
        let sizes = Sizes {
            m: side,
            n: side,
            k: side,
        };
        for _ in 0..times {
            let operand = Matrix::rows(&operand, side);
            product(sizes, &mut result, side, operand, operand, false);
        }
        std::hint::black_box(result);
    });
}

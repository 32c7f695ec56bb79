//! How much the vectors of a batch differ: equal ones are what collapse is (Chen and He, 2021, section 4.1).

use burn::tensor::Tensor;
use sslight_models::backend::Backend;
use sslight_models::nn::activation::l2_normalize;

/// The spread of vectors, still on the device.
#[derive(Debug, Clone)]
pub struct SpreadStats<B: Backend> {
    /// Mean over dimensions of the standard deviation of vectors of length 1, `[1]`: `1 / sqrt(dim)` if they lie evenly on
    /// the sphere, 0 if they are equal.
    pub std: Tensor<B, 1>,
    /// Length of a vector.
    pub dim: usize,
}

/// Measures rows, which must carry no gradient.
///
/// # Shapes
/// `[rows, dim]`.
pub fn spread<B: Backend>(rows: Tensor<B, 2>) -> SpreadStats<B> {
    let [_, dim] = rows.dims();
    let rows = l2_normalize(rows);
    let centred = rows.clone() - rows.mean_dim(0);
    let variance = (centred.clone() * centred).mean_dim(0);
    SpreadStats {
        std: variance.sqrt().mean(),
        dim,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{scalar, tensor};
    use super::*;

    #[test]
    fn equal_directions_have_no_spread_whatever_their_lengths() {
        let stats = spread(tensor(&[1.0, 2.0, 2.0, 2.0, 4.0, 4.0], 2));
        assert!(scalar(stats.std) < 1e-4);
        assert_eq!(stats.dim, 3);
    }

    #[test]
    fn opposite_directions_along_each_axis_have_that_of_an_even_spread() {
        let rows = [3.0, 0.0, -1.0, 0.0, 0.0, 2.0, 0.0, -5.0];
        assert!((scalar(spread(tensor(&rows, 4)).std) - 0.5f64.sqrt()).abs() < 1e-6);
    }
}

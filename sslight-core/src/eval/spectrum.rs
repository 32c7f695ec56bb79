//! The singular values of features, which tell how many directions are used: RankMe (Garrido et al., 2023).

use nalgebra::DMatrix;

use super::FeatureSet;

/// Images that are looked at, evenly over the set: the work grows with their cube.
const MOST_IMAGES: usize = 512;
/// Keeps logarithms finite (RankMe's own constant).
const TINY: f64 = 1e-7;

/// Singular values of a matrix of features, an image a row, divided by their sum; falling.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureSpectrum(Vec<f64>);

impl FeatureSpectrum {
    /// Of at most 512 of the images; `None` for fewer than two, for features that are all zero, and for such that are not
    /// numbers.
    pub fn of(features: &FeatureSet) -> Option<Self> {
        let (count, dim) = (features.len(), features.dim);
        if count < 2 || features.values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let rows = count.min(MOST_IMAGES);
        let row = |i: usize| &features.values[i * count / rows * dim..][..dim];
        let matrix = DMatrix::from_fn(rows, dim, |i, j| f64::from(row(i)[j]));
        // The eigenvalues of the smaller of X Xᵀ and Xᵀ X are the squares.
        let product = if rows <= dim {
            &matrix * matrix.transpose()
        } else {
            matrix.transpose() * &matrix
        };
        let squares = product.symmetric_eigenvalues();
        let mut values: Vec<f64> = squares
            .iter()
            .map(|square| square.max(0.0).sqrt())
            .collect();
        values.sort_by(|a, b| b.total_cmp(a));
        let sum: f64 = values.iter().sum();
        (sum > 0.0).then(|| Self(values.iter().map(|value| value / sum).collect()))
    }

    /// `exp(-sum p ln p)` with `p = value + 1e-7`: the number of directions if all were used alike (Garrido et al., 2023,
    /// Eq. 1 and 2).
    pub fn effective_rank(&self) -> f64 {
        let entropy: f64 = self.0.iter().map(|p| (p + TINY) * (p + TINY).ln()).sum();
        (-entropy).exp()
    }

    /// The largest values, at most `count`, to a millionth.
    pub fn largest(&self, count: usize) -> Vec<f64> {
        let digits = |value: &f64| (value * 1e6).round() / 1e6;
        self.0.iter().take(count).map(digits).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(dim: usize, values: &[f32]) -> Option<FeatureSpectrum> {
        FeatureSpectrum::of(&FeatureSet {
            dim,
            values: values.to_vec(),
            labels: None,
        })
    }

    #[test]
    fn features_along_one_direction_have_rank_one_and_along_all_axes_as_many() {
        let one = of(3, &[1.0, 2.0, 2.0, 2.0, 4.0, 4.0, -1.0, -2.0, -2.0]).unwrap();
        assert!((one.effective_rank() - 1.0).abs() < 1e-4, "{one:?}");
        let mut axes = vec![0.0; 600 * 8];
        (0..600).for_each(|i| axes[i * 8 + i % 8] = 3.0);
        let all = of(8, &axes).unwrap();
        assert!((all.effective_rank() - 8.0).abs() < 1e-4, "{all:?}");
        assert_eq!(all.largest(3), [0.125; 3]);
    }

    #[test]
    fn singular_values_are_those_of_a_known_matrix() {
        // [[3, 0], [4, 5]] has the singular values 3 sqrt(5) and sqrt(5).
        let found = of(2, &[3.0, 0.0, 4.0, 5.0]).unwrap();
        assert_eq!(found.largest(9), [0.75, 0.25]);
    }

    #[test]
    fn nothing_and_what_is_no_number_has_no_spectrum() {
        assert_eq!(of(2, &[1.0, 1.0]), None);
        assert_eq!(of(2, &[0.0; 8]), None);
        assert_eq!(of(2, &[1.0, f32::NAN, 1.0, 1.0]), None);
    }
}

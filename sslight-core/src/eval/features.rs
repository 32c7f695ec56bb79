//! Features of whole sets of images, on the host.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use sslight_data::{DataError, HostBatch};
use sslight_models::backend::Backend;

use super::Extractor;

/// One feature vector an image.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureSet {
    /// Length of a vector.
    pub dim: usize,
    /// The vectors, one after another.
    pub values: Vec<f32>,
    /// Classes, if the images have them.
    pub labels: Option<Vec<usize>>,
}

/// How much features differ between images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureSpread {
    /// Mean over dimensions of the standard deviation of L2-normalised features. Vectors spread evenly over
    /// the sphere have `1 / sqrt(dim)`; equal ones have 0.
    pub std: f64,
    /// `std` in units of `1 / sqrt(dim)`.
    pub relative: f64,
}

impl FeatureSpread {
    /// The spread of vectors of length `dim`.
    pub fn of(std: f64, dim: usize) -> Self {
        Self {
            std,
            relative: std * (dim as f64).sqrt(),
        }
    }
}

impl FeatureSet {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The vectors divided by their Euclidean lengths (at least `1e-12`).
    pub fn normalized(&self) -> Vec<f32> {
        normalized(&self.values, self.dim)
    }

    /// How much the vectors differ; `None` for fewer than two.
    pub fn spread(&self) -> Option<FeatureSpread> {
        let count = self.len() as f64;
        if count < 2.0 {
            return None;
        }
        let mut sums = vec![(0.0, 0.0); self.dim];
        for vector in self.normalized().chunks(self.dim) {
            for ((sum, squares), value) in sums.iter_mut().zip(vector) {
                let value = f64::from(*value);
                *sum += value;
                *squares += value * value;
            }
        }
        let std = sums
            .iter()
            .map(|(sum, squares)| (squares / count - (sum / count).powi(2)).max(0.0).sqrt())
            .sum::<f64>()
            / self.dim as f64;
        Some(FeatureSpread::of(std, self.dim))
    }
}

/// Vectors of length `dim` divided by their Euclidean lengths (at least `1e-12`).
pub(super) fn normalized(values: &[f32], dim: usize) -> Vec<f32> {
    let mut normalized = values.to_vec();
    normalized.par_chunks_mut(dim.max(1)).for_each(|vector| {
        let square: f64 = vector.iter().map(|v| f64::from(*v).powi(2)).sum();
        let length = square.sqrt().max(1e-12);
        for value in vector {
            *value = (f64::from(*value) / length) as f32;
        }
    });
    normalized
}

/// Features of an extractor.
///
/// # Errors
/// The first error of `batches`.
pub fn features<B: Backend>(
    extractor: &Extractor<B>,
    batches: impl Iterator<Item = Result<HostBatch, DataError>>,
    device: &B::Device,
) -> Result<FeatureSet, DataError> {
    collect(batches, |pixels, size| {
        let rows = pixels.len() / (3 * size * size);
        let images = TensorData::new(pixels, [rows, 3, size, size]);
        let features = extractor.features(Tensor::<B, 4>::from_data(images, device));
        (
            extractor.dim(size),
            sslight_models::params::host_values(features),
        )
    })
}

fn collect(
    batches: impl Iterator<Item = Result<HostBatch, DataError>>,
    mut features: impl FnMut(Vec<f32>, usize) -> (usize, Vec<f32>),
) -> Result<FeatureSet, DataError> {
    let mut set = FeatureSet {
        dim: 0,
        values: Vec::new(),
        labels: Some(Vec::new()),
    };
    for batch in batches {
        let batch = batch?;
        for group in batch.groups {
            let (dim, values) = features(group.pixels.into_f32(), group.size);
            set.dim = dim;
            set.values.extend(values);
        }
        match (&mut set.labels, batch.labels) {
            (Some(all), Some(labels)) => {
                all.extend(
                    labels
                        .into_iter()
                        .filter_map(|label| usize::try_from(label).ok()),
                );
            }
            _ => set.labels = None,
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(dim: usize, values: Vec<f32>) -> FeatureSet {
        FeatureSet {
            dim,
            values,
            labels: None,
        }
    }

    #[test]
    fn equal_directions_have_no_spread_and_opposite_ones_all_of_it() {
        let equal = set(2, vec![1.0, 1.0, 3.0, 3.0]).spread();
        assert!(equal.is_some_and(|s| s.std < 1e-6));
        let opposite = set(1, vec![2.0, -5.0]).spread();
        assert!(
            opposite.is_some_and(|s| (s.std - 1.0).abs() < 1e-6 && (s.relative - 1.0).abs() < 1e-6)
        );
    }

    #[test]
    fn one_vector_has_no_spread_and_a_zero_vector_stays_zero() {
        assert_eq!(set(2, vec![1.0, 2.0]).spread(), None);
        assert_eq!(set(2, vec![0.0, 0.0]).normalized(), [0.0, 0.0]);
    }
}

//! Weighted k-nearest-neighbour classification (Wu et al., 2018), the score of self-supervised features.
//!
//! Features are L2-normalised; the k nearest by cosine vote for their class with `exp(similarity / T)`.
//! The search is exact; similarities are computed on the backend in blocks of queries, so memory holds one
//! block and not the whole matrix.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use sslight_models::backend::Backend;
use thiserror::Error;

use super::FeatureSet;

/// Largest number of similarities held at a time (64 MiB of f32).
const BLOCK_ELEMENTS: usize = 16 << 20;

/// Number of best classes among which the right one counts for top-5.
const TOP: usize = 5;

/// The settings of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnnConfig {
    /// Number of neighbours.
    pub k: usize,
    /// Temperature of the weights.
    pub temperature: f64,
}

impl Default for KnnConfig {
    /// The paper's: k = 20, T = .07.
    fn default() -> Self {
        Self {
            k: 20,
            temperature: 0.07,
        }
    }
}

/// The outcome of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnScore {
    /// Accuracy in percent.
    pub top1: f64,
    /// Share of queries whose class is among the five with the most votes, in percent.
    pub top5: f64,
    /// For each query the indices of its neighbours in the bank, nearest first.
    pub neighbours: Vec<Vec<usize>>,
}

/// Why there is no score.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KnnError {
    /// A set without labels.
    #[error("kNN needs labels, and {0} has none; give labelled data (class folders or IDX labels)")]
    NoLabels(&'static str),
    /// Fewer samples than neighbours.
    #[error("kNN with k={k} needs more than {k} images, and there are {bank}; lower k")]
    TooFew {
        /// Neighbours asked for.
        k: usize,
        /// Samples to choose from.
        bank: usize,
    },
    /// Different kinds of features.
    #[error("the bank has features of length {bank}, the queries of length {queries}")]
    Lengths {
        /// Length in the bank.
        bank: usize,
        /// Length of the queries.
        queries: usize,
    },
}

/// Classifies `queries` by their neighbours in `bank`.
///
/// # Errors
/// If labels are missing, the bank is too small or the lengths differ.
pub fn with_bank<B: Backend>(
    bank: &FeatureSet,
    queries: &FeatureSet,
    config: KnnConfig,
    device: &B::Device,
) -> Result<KnnScore, KnnError> {
    search::<B>(bank, queries, config, 0, device)
}

/// Classifies each sample of `set` by its neighbours among the others, the paper's protocol on its validation
/// set: of the `k + 1` nearest the first, which is the sample itself, is dropped.
///
/// # Errors
/// If labels are missing or the set is too small.
pub fn leave_one_out<B: Backend>(
    set: &FeatureSet,
    config: KnnConfig,
    device: &B::Device,
) -> Result<KnnScore, KnnError> {
    search::<B>(set, set, config, 1, device)
}

fn search<B: Backend>(
    bank: &FeatureSet,
    queries: &FeatureSet,
    config: KnnConfig,
    drop_nearest: usize,
    device: &B::Device,
) -> Result<KnnScore, KnnError> {
    let KnnConfig { k, temperature } = config;
    let bank_labels = bank.labels.as_ref().ok_or(KnnError::NoLabels("the bank"))?;
    let query_labels = queries
        .labels
        .as_ref()
        .ok_or(KnnError::NoLabels("the query set"))?;
    if bank.dim != queries.dim {
        return Err(KnnError::Lengths {
            bank: bank.dim,
            queries: queries.dim,
        });
    }
    if bank.len() < k + drop_nearest || k == 0 {
        return Err(KnnError::TooFew {
            k,
            bank: bank.len(),
        });
    }
    let classes = bank_labels
        .iter()
        .chain(query_labels)
        .max()
        .map_or(0, |c| c + 1);
    let bank_tensor = to_tensor::<B>(&bank.normalized(), bank.dim, device).transpose();
    let block = (BLOCK_ELEMENTS / bank.len()).max(1);
    let query_values = queries.normalized();

    let mut neighbours = Vec::with_capacity(queries.len());
    let mut hits = [0usize; 2];
    for (block_index, values) in query_values.chunks(block * queries.dim).enumerate() {
        let similarities = to_tensor::<B>(values, queries.dim, device).matmul(bank_tensor.clone());
        let similarities = sslight_models::params::host_values(similarities);
        let rows: Vec<(Vec<usize>, [bool; 2])> = similarities
            .par_chunks(bank.len())
            .enumerate()
            .map(|(row, similarities)| {
                let nearest = nearest(similarities, k + drop_nearest).split_off(drop_nearest);
                let mut votes = vec![0.0; classes];
                for &index in &nearest {
                    let weight = (f64::from(similarities[index]) / temperature).exp();
                    votes[bank_labels[index]] += weight;
                }
                let rank = rank_of(query_labels[block_index * block + row], &votes);
                (nearest, [rank < 1, rank < TOP])
            })
            .collect();
        for (nearest, hit) in rows {
            neighbours.push(nearest);
            hits[0] += usize::from(hit[0]);
            hits[1] += usize::from(hit[1]);
        }
    }
    let percent = |count: usize| 100.0 * count as f64 / queries.len() as f64;
    Ok(KnnScore {
        top1: percent(hits[0]),
        top5: percent(hits[1]),
        neighbours,
    })
}

/// The indices of the `count` largest values, largest first; equal values by their index.
fn nearest(similarities: &[f32], count: usize) -> Vec<usize> {
    let falling =
        |a: &usize, b: &usize| similarities[*b].total_cmp(&similarities[*a]).then(a.cmp(b));
    let mut indices: Vec<usize> = (0..similarities.len()).collect();
    if count < indices.len() {
        indices.select_nth_unstable_by(count, falling);
        indices.truncate(count);
    }
    indices.sort_unstable_by(falling);
    indices
}

/// Number of classes with more votes than `class`, or as many and a lower number.
fn rank_of(class: usize, votes: &[f64]) -> usize {
    votes
        .iter()
        .enumerate()
        .filter(|(other, vote)| **vote > votes[class] || (**vote == votes[class] && *other < class))
        .count()
}

fn to_tensor<B: Backend>(values: &[f32], dim: usize, device: &B::Device) -> Tensor<B, 2> {
    let rows = values.len() / dim;
    Tensor::from_data(TensorData::new(values.to_vec(), [rows, dim]), device)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn_ndarray::NdArray;

    use super::*;

    fn set(points: &[([f32; 2], usize)]) -> FeatureSet {
        FeatureSet {
            dim: 2,
            values: points.iter().flat_map(|(p, _)| *p).collect(),
            labels: Some(points.iter().map(|(_, label)| *label).collect()),
        }
    }

    const TWO: KnnConfig = KnnConfig {
        k: 2,
        temperature: 0.07,
    };

    #[test]
    fn neighbours_come_nearest_first_and_leave_one_out_drops_the_sample_itself() {
        let points = set(&[
            ([1.0, 0.0], 0),
            ([10.0, 1.0], 0),
            ([1.0, 1.0], 1),
            ([0.0, 2.0], 1),
        ]);
        let score = leave_one_out::<NdArray>(&points, TWO, &Default::default()).unwrap();
        assert_eq!(
            score.neighbours,
            [vec![1, 2], vec![0, 2], vec![1, 0], vec![2, 1]]
        );
        // Sample 2 lies nearer to class 0; the others are right.
        assert_eq!((score.top1, score.top5), (75.0, 100.0));
    }

    #[test]
    fn a_bank_keeps_its_nearest_sample() {
        let bank = set(&[([1.0, 0.0], 0), ([0.0, 1.0], 1), ([0.1, 1.0], 1)]);
        let queries = set(&[([0.0, 1.0], 1), ([1.0, 0.1], 1)]);
        let score = with_bank::<NdArray>(&bank, &queries, TWO, &Default::default()).unwrap();
        assert_eq!(score.neighbours, [vec![1, 2], vec![0, 2]]);
        assert_eq!(score.top1, 50.0);
    }

    #[test]
    fn missing_labels_and_small_banks_are_said() {
        let mut points = set(&[([1.0, 0.0], 0), ([0.0, 1.0], 1)]);
        let device = Default::default();
        assert_eq!(
            leave_one_out::<NdArray>(&points, TWO, &device)
                .unwrap_err()
                .to_string(),
            "kNN with k=2 needs more than 2 images, and there are 2; lower k"
        );
        points.labels = None;
        assert_eq!(
            leave_one_out::<NdArray>(&points, TWO, &device).unwrap_err(),
            KnnError::NoLabels("the bank")
        );
    }
}

//! Weighted k-nearest-neighbour classification (Wu et al., 2018), the score of self-supervised features.
//!
//! Features are L2-normalised; the k nearest by cosine vote for their class with `exp(similarity / T)`.
//! The search is exact; similarities are computed on the backend in blocks of bank and queries, so memory holds the
//! features and one block, and not the whole matrix.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use sslight_kernels::{Before, linear};
use sslight_models::backend::Backend;
use thiserror::Error;

use super::FeatureSet;
use super::features::normalized;

/// Vectors of the bank and of the queries that are compared at a time: 16 MiB of similarities.
const BANK_BLOCK: usize = 8192;
const QUERY_BLOCK: usize = 512;
/// Similarities that are passed over at a time when none of them is high enough.
const GLANCE: usize = 64;

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
    /// Number of neighbours.
    pub k: usize,
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
    let mut scores = with_bank_each::<B>(bank, queries, &[config.k], config.temperature, device)?;
    Ok(scores.remove(0))
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
    let mut scores = leave_one_out_each::<B>(set, &[config.k], config.temperature, device)?;
    Ok(scores.remove(0))
}

/// [`with_bank`] for several k in one search, a score each.
///
/// # Errors
/// As there.
pub fn with_bank_each<B: Backend>(
    bank: &FeatureSet,
    queries: &FeatureSet,
    ks: &[usize],
    temperature: f64,
    device: &B::Device,
) -> Result<Vec<KnnScore>, KnnError> {
    let search = Search {
        bank,
        queries,
        drop_nearest: 0,
    };
    search.scores::<B>(ks, temperature, device)
}

/// [`leave_one_out`] for several k in one search, a score each.
///
/// # Errors
/// As there.
pub fn leave_one_out_each<B: Backend>(
    set: &FeatureSet,
    ks: &[usize],
    temperature: f64,
    device: &B::Device,
) -> Result<Vec<KnnScore>, KnnError> {
    let search = Search {
        bank: set,
        queries: set,
        drop_nearest: 1,
    };
    search.scores::<B>(ks, temperature, device)
}

/// A neighbour: similarity and place in the bank.
type Neighbour = (f32, usize);

/// The `count` nearest neighbours by cosine of each query, nearest first, equal ones by their place. Exact. Beside the
/// features memory holds one block of similarities and the neighbours, whatever the sizes.
///
/// # Panics
/// If the vectors have different lengths.
pub fn nearest_neighbours<B: Backend>(
    bank: &FeatureSet,
    queries: &FeatureSet,
    count: usize,
    device: &B::Device,
) -> Vec<Vec<Neighbour>> {
    assert!(
        bank.dim == queries.dim,
        "nearest_neighbours: vectors of {} and {} numbers",
        bank.dim,
        queries.dim
    );
    let dim = bank.dim.max(1);
    let mut found = vec![Nearest::new(count); queries.len()];
    for (block, values) in bank.values.chunks(BANK_BLOCK * dim).enumerate() {
        let bank: Tensor<B, 2> = normalized_rows(values, dim, device);
        let blocks = queries.values.chunks(QUERY_BLOCK * dim);
        for (values, found) in blocks.zip(found.chunks_mut(QUERY_BLOCK)) {
            let queries = normalized_rows(values, dim, device);
            let [rows, _] = bank.dims();
            let similarities = linear(queries, Before::Nothing, bank.clone(), None);
            let similarities = sslight_models::params::host_values(similarities);
            similarities
                .par_chunks(rows)
                .zip(found)
                .for_each(|(similarities, found)| found.look_at(similarities, block * BANK_BLOCK));
        }
    }
    found.into_par_iter().map(Nearest::sorted).collect()
}

/// The nearest of the vectors that were looked at so far.
#[derive(Debug, Clone)]
struct Nearest {
    count: usize,
    /// All that may be among them, in any order.
    candidates: Vec<Neighbour>,
    /// What a later one has to exceed.
    threshold: f32,
}

impl Nearest {
    fn new(count: usize) -> Self {
        Self {
            count,
            candidates: Vec::new(),
            threshold: f32::NEG_INFINITY,
        }
    }

    /// Similarities to the next vectors of the bank, the first of which has the place `first`.
    fn look_at(&mut self, similarities: &[f32], first: usize) {
        for (glance, values) in similarities.chunks(GLANCE).enumerate() {
            // Without a branch inside, so that it is vectorised: nearly always none is high enough.
            if !values
                .iter()
                .fold(false, |any, value| any | (*value > self.threshold))
            {
                continue;
            }
            for (place, value) in values.iter().enumerate() {
                if *value > self.threshold {
                    self.candidates
                        .push((*value, first + glance * GLANCE + place));
                    if self.candidates.len() >= 4 * self.count.max(16) {
                        self.prune();
                    }
                }
            }
        }
    }

    /// Keeps the nearest and raises the threshold. A later vector that is only as near comes behind them.
    fn prune(&mut self) {
        if self.candidates.len() <= self.count || self.count == 0 {
            self.candidates.truncate(self.count);
            return;
        }
        let last = self.count - 1;
        self.candidates.select_nth_unstable_by(last, nearer);
        self.candidates.truncate(self.count);
        self.threshold = self.candidates[last].0;
    }

    fn sorted(mut self) -> Vec<Neighbour> {
        self.prune();
        self.candidates.sort_unstable_by(nearer);
        self.candidates
    }
}

fn nearer(a: &Neighbour, b: &Neighbour) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

struct Search<'a> {
    bank: &'a FeatureSet,
    queries: &'a FeatureSet,
    drop_nearest: usize,
}

impl Search<'_> {
    fn scores<B: Backend>(
        &self,
        ks: &[usize],
        temperature: f64,
        device: &B::Device,
    ) -> Result<Vec<KnnScore>, KnnError> {
        let (bank, queries) = (self.bank, self.queries);
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
        let too_few = |k: &usize| *k == 0 || bank.len() < k + self.drop_nearest;
        if let Some(&k) = ks.iter().find(|k| too_few(k)) {
            return Err(KnnError::TooFew {
                k,
                bank: bank.len(),
            });
        }
        let most = ks.iter().copied().max().unwrap_or(0) + self.drop_nearest;
        let found = nearest_neighbours::<B>(bank, queries, most, device);
        let classes = bank_labels
            .iter()
            .chain(query_labels)
            .max()
            .map_or(0, |c| c + 1);
        let score = |k: usize| {
            let rank = |(found, label): (&Vec<Neighbour>, &usize)| {
                let mut votes = vec![0.0; classes];
                for (similarity, place) in found.iter().skip(self.drop_nearest).take(k) {
                    votes[bank_labels[*place]] += (f64::from(*similarity) / temperature).exp();
                }
                rank_of(*label, &votes)
            };
            let ranks: Vec<usize> = found.par_iter().zip(query_labels).map(rank).collect();
            let percent = |most: usize| {
                let hits = ranks.iter().filter(|rank| **rank < most).count();
                100.0 * hits as f64 / queries.len() as f64
            };
            KnnScore {
                k,
                top1: percent(1),
                top5: percent(TOP),
                neighbours: found
                    .iter()
                    .map(|found| found.iter().skip(self.drop_nearest).take(k))
                    .map(|found| found.map(|(_, place)| *place).collect())
                    .collect(),
            }
        };
        Ok(ks.iter().map(|k| score(*k)).collect())
    }
}

/// Number of classes with more votes than `class`, or as many and a lower number.
fn rank_of(class: usize, votes: &[f64]) -> usize {
    votes
        .iter()
        .enumerate()
        .filter(|(other, vote)| **vote > votes[class] || (**vote == votes[class] && *other < class))
        .count()
}

/// Rows of unit length on the device; a row of zeros stays one.
fn normalized_rows<B: Backend>(values: &[f32], dim: usize, device: &B::Device) -> Tensor<B, 2> {
    let rows = normalized(values, dim);
    Tensor::from_data(TensorData::new(rows, [values.len() / dim, dim]), device)
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

    /// A search by definition: all similarities in f64, sorted.
    fn by_definition(bank: &FeatureSet, queries: &FeatureSet, count: usize) -> Vec<Vec<usize>> {
        let unit = |v: &[f32]| {
            let length = v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            v.iter()
                .map(|x| f64::from(*x) / length)
                .collect::<Vec<f64>>()
        };
        let bank: Vec<Vec<f64>> = bank.values.chunks(bank.dim).map(unit).collect();
        let order = |query: &[f32]| {
            let query = unit(query);
            let dot = |other: &Vec<f64>| query.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
            let similarities: Vec<f64> = bank.iter().map(dot).collect();
            let mut order: Vec<usize> = (0..bank.len()).collect();
            order.sort_by(|a, b| similarities[*b].total_cmp(&similarities[*a]).then(a.cmp(b)));
            order.truncate(count);
            order
        };
        queries.values.chunks(queries.dim).map(order).collect()
    }

    #[test]
    fn blocks_of_bank_and_queries_change_nothing() {
        // More than two blocks of the bank and more than one of queries, none of them whole.
        let (bank, queries) = (2 * BANK_BLOCK + 77, QUERY_BLOCK + 13);
        let draw = |seed, rows: usize, modulus: usize| FeatureSet {
            dim: 5,
            values: crate::loss::testing::draw(seed, rows, 5, 1.0)
                .iter()
                .map(|v| *v as f32)
                .collect(),
            labels: Some((0..rows).map(|row| row % modulus).collect()),
        };
        let (bank, queries) = (draw(1, bank, 7), draw(2, queries, 7));
        let found = nearest_neighbours::<NdArray>(&bank, &queries, 9, &Default::default());
        let places: Vec<Vec<usize>> = found
            .iter()
            .map(|found| found.iter().map(|(_, place)| *place).collect())
            .collect();
        let expected = by_definition(&bank, &queries, 9);
        // Neighbours as near as f32 can tell may change places, thus sets of similarities are compared beside them.
        let differing = places.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert!(
            differing * 100 < places.len(),
            "{differing} of {}",
            places.len()
        );
        assert!(
            found
                .iter()
                .all(|found| found.windows(2).all(|w| w[0].0 >= w[1].0))
        );
    }

    #[test]
    fn equal_vectors_are_ordered_by_their_places_across_blocks() {
        let rows = BANK_BLOCK + 5;
        let bank = FeatureSet {
            dim: 1,
            values: vec![1.0; rows],
            labels: None,
        };
        let queries = FeatureSet {
            dim: 1,
            values: vec![2.0],
            labels: None,
        };
        let found = nearest_neighbours::<NdArray>(&bank, &queries, 4, &Default::default());
        assert_eq!(found, [[(1.0, 0), (1.0, 1), (1.0, 2), (1.0, 3)]]);
    }

    #[test]
    fn several_k_are_as_many_searches() {
        let points = set(&[
            ([1.0, 0.0], 0),
            ([10.0, 1.0], 0),
            ([1.0, 1.0], 1),
            ([0.0, 2.0], 1),
            ([0.1, 2.0], 0),
        ]);
        let device = Default::default();
        let together = leave_one_out_each::<NdArray>(&points, &[1, 3, 2], 0.07, &device).unwrap();
        for score in together {
            let config = KnnConfig {
                k: score.k,
                temperature: 0.07,
            };
            assert_eq!(
                score,
                leave_one_out::<NdArray>(&points, config, &device).unwrap()
            );
        }
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

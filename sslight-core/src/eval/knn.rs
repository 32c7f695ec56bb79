//! Weighted k-nearest-neighbour classification (Wu et al., 2018), the score of self-supervised features.
//!
//! Features are L2-normalised; the k nearest by cosine vote for their class with `exp(similarity / T)`.
//! The search is exact; similarities are computed on the backend in blocks of bank and queries, so memory holds the
//! features and one block, and not the whole matrix.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use sslight_data::progress::Work;
use sslight_kernels::{Before, linear};
use sslight_models::backend::Backend;
use thiserror::Error;

use super::FeatureSet;
use super::features::normalized;

/// Vectors of the bank and of the queries that are compared at a time: 4 MiB of similarities.
const BANK_BLOCK: usize = 2048;
const QUERY_BLOCK: usize = 512;
/// Queries of a block that one task keeps the neighbours of.
const QUERY_PART: usize = 128;
/// Similarities that are passed over at a time when none of them is high enough.
const GLANCE: usize = 16;

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
    /// Features of a network that has diverged.
    #[error(
        "features of the {0} are not finite; the network has diverged or its weights are damaged"
    )]
    NotFinite(&'static str),
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
/// features memory holds the queries at unit length, one block of similarities and the neighbours, whatever the size of
/// the bank.
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
    let blocks = queries.values.chunks(QUERY_BLOCK * dim);
    let mut blocks: Vec<(Tensor<B, 2>, Vec<NearestOfPart>)> = blocks
        .map(|values| {
            let queries = values.len() / dim;
            let parts = (0..queries)
                .step_by(QUERY_PART)
                .map(|first| NearestOfPart::new(QUERY_PART.min(queries - first), count));
            (normalized_rows(values, dim, device), parts.collect())
        })
        .collect();
    let work = Work::begin("searching neighbours", "vectors", Some(bank.len()));
    for (index, values) in bank.values.chunks(BANK_BLOCK * dim).enumerate() {
        work.add(values.len() / dim);
        let bank: Tensor<B, 2> = normalized_rows(values, dim, device);
        for (queries, parts) in &mut blocks {
            let [columns, _] = queries.dims();
            // The bank's vectors are the rows, because the smaller operand of a product is the one that is packed again
            // and again.
            let similarities = linear(bank.clone(), Before::Nothing, queries.clone(), None);
            let similarities = sslight_models::params::host_values(similarities);
            parts
                .par_iter_mut()
                .enumerate()
                .for_each(|(part, nearest)| {
                    let rows = similarities.chunks_exact(columns);
                    for (place, row) in (index * BANK_BLOCK..).zip(rows) {
                        nearest.look_at(&row[part * QUERY_PART..], place);
                    }
                });
        }
    }
    let parts: Vec<NearestOfPart> = blocks.into_iter().flat_map(|(_, parts)| parts).collect();
    parts
        .into_par_iter()
        .flat_map_iter(NearestOfPart::sorted)
        .collect()
}

/// The nearest of the vectors that were looked at so far, for each of some queries.
struct NearestOfPart {
    nearest: Vec<Nearest>,
    /// What a later one has to exceed; side by side, so that a glance compares a vector of them.
    thresholds: Vec<f32>,
}

impl NearestOfPart {
    fn new(queries: usize, count: usize) -> Self {
        Self {
            nearest: vec![Nearest::new(count); queries],
            thresholds: vec![f32::NEG_INFINITY; queries],
        }
    }

    /// Similarities of the next vector of the bank, which has this place, to the queries (and those after them).
    fn look_at(&mut self, similarities: &[f32], place: usize) {
        let similarities = &similarities[..self.nearest.len()];
        let (glances, rest) = similarities.as_chunks::<GLANCE>();
        for (index, values) in glances.iter().enumerate() {
            let first = index * GLANCE;
            let thresholds = &self.thresholds[first..][..GLANCE];
            // Without a branch inside, so that it is vectorised: nearly always none is high enough.
            let both = values.iter().zip(thresholds);
            if both.fold(false, |any, (value, threshold)| any | (value > threshold)) {
                self.add(first, values, place);
            }
        }
        self.add(similarities.len() - rest.len(), rest, place);
    }

    /// Adds those that are high enough to the queries from `first` on.
    fn add(&mut self, first: usize, similarities: &[f32], place: usize) {
        let nearest = self.nearest[first..].iter_mut();
        let both = nearest.zip(&mut self.thresholds[first..]);
        for ((nearest, threshold), similarity) in both.zip(similarities) {
            if similarity > threshold {
                nearest.add((*similarity, place), threshold);
            }
        }
    }

    fn sorted(self) -> impl Iterator<Item = Vec<Neighbour>> {
        self.nearest.into_iter().map(Nearest::sorted)
    }
}

/// The nearest vectors of one query.
#[derive(Debug, Clone)]
struct Nearest {
    count: usize,
    /// All that may be among them, in any order.
    candidates: Vec<Neighbour>,
}

impl Nearest {
    fn new(count: usize) -> Self {
        Self {
            count,
            candidates: Vec::new(),
        }
    }

    /// Adds a vector that is nearer than the threshold, and raises that now and then.
    fn add(&mut self, neighbour: Neighbour, threshold: &mut f32) {
        self.candidates.push(neighbour);
        if self.candidates.len() >= 4 * self.count.max(16) {
            self.prune();
            // A later vector that is only as near as the last one comes behind it.
            *threshold = self
                .candidates
                .iter()
                .fold(f32::INFINITY, |least, candidate| least.min(candidate.0));
        }
    }

    /// Keeps the nearest.
    fn prune(&mut self) {
        if self.count > 0 && self.candidates.len() > self.count {
            self.candidates
                .select_nth_unstable_by(self.count - 1, nearer);
        }
        self.candidates.truncate(self.count);
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
        for (set, what) in [(bank, "bank"), (queries, "queries")] {
            if !set.values.iter().all(|value| value.is_finite()) {
                return Err(KnnError::NotFinite(what));
            }
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
                let neighbours = || found.iter().skip(self.drop_nearest).take(k);
                // Only proportions count, and these stay finite at any temperature.
                let nearest = neighbours()
                    .next()
                    .map_or(0.0, |(similarity, _)| *similarity);
                let mut votes = vec![0.0; classes];
                for (similarity, place) in neighbours() {
                    let weight = f64::from(similarity - nearest) / temperature;
                    votes[bank_labels[*place]] += weight.exp();
                }
                super::rank::rank(&votes, *label)
            };
            let ranks: Vec<_> = found.par_iter().zip(query_labels).map(rank).collect();
            let percent = |most: usize| {
                let hits = ranks.iter().flatten().filter(|rank| **rank < most).count();
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
    fn equal_vectors_keep_their_order_for_every_one_of_many_queries() {
        // Several parts of queries, the last of which ends within a glance, and ties at every place.
        let queries = QUERY_PART + 2 * GLANCE + 3;
        let all_equal = |rows| FeatureSet {
            dim: 1,
            values: vec![1.0; rows],
            labels: None,
        };
        let bank = all_equal(BANK_BLOCK + 5);
        let found =
            nearest_neighbours::<NdArray>(&bank, &all_equal(queries), 2, &Default::default());
        assert_eq!(found, vec![[(1.0, 0), (1.0, 1)]; queries]);
    }

    #[test]
    fn a_low_temperature_leaves_the_vote_to_the_nearest() {
        let bank = set(&[([1.0, 0.1], 1), ([1.0, 0.2], 0), ([1.0, 0.2], 0)]);
        let queries = set(&[([1.0, 0.0], 1)]);
        let config = KnnConfig {
            k: 3,
            temperature: 1e-5,
        };
        let score = with_bank::<NdArray>(&bank, &queries, config, &Default::default()).unwrap();
        assert_eq!(score.top1, 100.0);
    }

    #[test]
    fn features_that_are_no_numbers_are_refused() {
        let points = set(&[([1.0, 0.0], 0), ([0.0, 1.0], 1), ([f32::NAN, 1.0], 1)]);
        let error = leave_one_out::<NdArray>(&points, TWO, &Default::default()).unwrap_err();
        assert_eq!(error, KnnError::NotFinite("bank"));
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

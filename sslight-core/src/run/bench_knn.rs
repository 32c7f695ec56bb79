//! What a kNN search takes on this machine, on random features.

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_models::backend::Backend;

use crate::eval::FeatureSet;
use crate::eval::knn::nearest_neighbours;

/// The sizes of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnnSizes {
    /// Vectors that neighbours are searched for.
    pub queries: usize,
    /// Vectors that they are searched among.
    pub bank: usize,
    /// Length of a vector.
    pub dim: usize,
    /// Neighbours of each query.
    pub k: usize,
}

/// The seconds that each of `tries` searches takes, from features on the host to neighbours on the host.
pub fn bench_knn<B: Backend>(sizes: KnnSizes, tries: usize, device: &B::Device) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut draw = |rows: usize| FeatureSet {
        dim: sizes.dim,
        values: (0..rows * sizes.dim)
            .map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5)
            .collect(),
        labels: None,
    };
    let (bank, queries) = (draw(sizes.bank), draw(sizes.queries));
    let search = |_| {
        let started = Instant::now();
        let found = nearest_neighbours::<B>(&bank, &queries, sizes.k, device);
        let seconds = started.elapsed().as_secs_f64();
        assert_eq!(found.len(), sizes.queries, "a search finds for each query");
        seconds
    };
    (0..tries).map(search).collect()
}

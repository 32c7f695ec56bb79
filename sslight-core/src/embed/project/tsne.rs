//! t-SNE by Barnes and Hut's approximation (van der Maaten, 2014), from the crate `bhtsne`.

use bhtsne::tSNE;

/// Points that are nearer to each other than this share of their distance act as one.
const THETA: f32 = 0.5;
const STEPS: usize = 1000;
/// The spread of the first axis at the start, as the usual random start has it.
const START: f64 = 1e-4;

/// The perplexity asked for, or the largest that so many points allow: each needs three times as many others.
pub(super) fn perplexity(asked: f64, points: usize) -> f64 {
    asked.min((points as f64 - 1.0) / 3.0).max(1.0)
}

/// Projects rows of length `dim`, starting from `places` (Kobak and Berens, 2019: from PCA the global order is kept, and
/// nothing is left to chance).
pub(super) fn tsne(
    values: &[f32],
    dim: usize,
    places: &[[f64; 2]],
    perplexity: f64,
) -> Vec<[f64; 2]> {
    let rows: Vec<&[f32]> = values.chunks(dim).collect();
    let square: f64 = places.iter().map(|[x, _]| x * x).sum();
    let scale = START / (square / places.len() as f64).sqrt().max(f64::MIN_POSITIVE);
    let start: Vec<f32> = places
        .iter()
        .flatten()
        .map(|v| (v * scale) as f32)
        .collect();
    let fit = || {
        let mut tsne: tSNE<'_, f32, &[f32], 2> = tSNE::new(&rows);
        tsne.perplexity(perplexity as f32)
            .epochs(STEPS)
            .initial_embedding(start)
            .barnes_hut(THETA, distance);
        tsne.embedding()
    };
    // On one thread: on several, the order of the crate's sums is left to chance, and the picture with it.
    let embedding = match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(fit),
        Err(_) => fit(),
    };
    embedding
        .chunks(2)
        .map(|place| [f64::from(place[0]), f64::from(place[1])])
        .collect()
}

fn distance(a: &&[f32], b: &&[f32]) -> f32 {
    let squares = a.iter().zip(*b).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f32>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three far groups of points on the axes of three dimensions, each point a little off.
    fn groups() -> Vec<f32> {
        let off = |i: usize, d: usize| ((i * 7 + d * 5) % 13) as f32 / 130.0;
        (0..60)
            .flat_map(|i| (0..3).map(move |d| f32::from(u8::from(d == i % 3)) + off(i, d)))
            .collect()
    }

    #[test]
    fn groups_stay_groups_and_the_same_points_give_the_same_picture() {
        let values = groups();
        let start: Vec<[f64; 2]> = values
            .chunks(3)
            .map(|p| [f64::from(p[0] - p[1]), f64::from(p[2])])
            .collect();
        let places = tsne(&values, 3, &start, perplexity(30.0, 60));
        assert_eq!(places, tsne(&values, 3, &start, perplexity(30.0, 60)));
        for (i, [x, y]) in places.iter().enumerate() {
            let distance = |j: &usize| (x - places[*j][0]).hypot(y - places[*j][1]);
            let nearest = (0..60)
                .filter(|j| *j != i)
                .min_by(|a, b| distance(a).total_cmp(&distance(b)));
            assert_eq!(nearest.map(|j| j % 3), Some(i % 3), "{i}");
        }
    }

    #[test]
    fn few_points_have_a_small_perplexity() {
        assert_eq!(perplexity(30.0, 2000), 30.0);
        assert_eq!(perplexity(30.0, 31), 10.0);
    }
}

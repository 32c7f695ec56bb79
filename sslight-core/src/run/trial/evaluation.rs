//! Evaluations of a trial: features of a sample, and a small search.

use sslight_models::backend::Backend;

use super::EvaluationTrial;
use crate::config::RunConfig;
use crate::run::bench_knn::{KnnSizes, bench_knn};
use crate::run::{Data, Evaluator, RunError, assemble};

/// Images of an evaluation that are timed.
const EVALUATED: usize = 256;

/// What the evaluations take, from the features of a sample and a search among random ones.
pub(super) fn evaluation<B: Backend>(
    config: &RunConfig,
    data: &Data,
    device: &B::Device,
) -> Result<EvaluationTrial, RunError> {
    let evaluator = Evaluator::new(config, &data.train, data.validation.as_ref());
    let [queries, bank] = evaluator.sizes();
    let backbone = assemble::backbone::<B>(config, device)?;
    // The first batch is slower: threads start, and files are opened.
    evaluator.time_features(&backbone, EVALUATED / 4, device)?;
    let (sample, seconds) = evaluator.time_features(&backbone, EVALUATED, device)?;
    let of_features = seconds / sample.max(1) as f64 * (queries + bank) as f64;
    let scored = evaluator.protocol().is_some();
    let among = if bank == 0 { queries } else { bank };
    let of_search = match scored {
        true => search_seconds::<B>([queries, among], backbone.features_dim(), config, device),
        false => 0.0,
    };
    let images = data.facts.images;
    let dim = backbone.features_dim();
    let scores_pixels = evaluator.scores_pixels();
    let widest = match scores_pixels {
        true => evaluator.pixels_dim().max(dim),
        false => dim,
    };
    Ok(EvaluationTrial {
        images: queries + bank,
        sample,
        count: evaluations(config, images) + usize::from(scored) + usize::from(scores_pixels),
        seconds: of_features + of_search,
        feature_bytes: evaluator.feature_bytes(widest),
        scores_pixels,
    })
}

/// Seconds of a search, from a smaller one: it takes time in proportion to both numbers.
fn search_seconds<B: Backend>(
    [queries, bank]: [usize; 2],
    dim: usize,
    config: &RunConfig,
    device: &B::Device,
) -> f64 {
    let few = KnnSizes {
        queries: queries.min(1000),
        bank: bank.min(10_000),
        dim,
        k: config.eval.knn_k.min(bank),
    };
    let seconds = bench_knn::<B>(few, 1, device).into_iter().next();
    let share =
        (queries as f64 / few.queries.max(1) as f64) * (bank as f64 / few.bank.max(1) as f64);
    seconds.unwrap_or(0.0) * share
}

/// Evaluations after epochs, and the one that ends a run.
fn evaluations(config: &RunConfig, images: usize) -> usize {
    let steps = config.last_step(images);
    let per_epoch = config.steps_per_epoch(images).max(1);
    let epochs = steps / per_epoch;
    let every = config.eval.knn_every;
    let scored = epochs.checked_div(every).unwrap_or(0);
    let last_is_one = every > 0 && epochs > 0 && epochs.is_multiple_of(every);
    scored + usize::from(!(last_is_one && steps.is_multiple_of(per_epoch)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_those_of_epochs_and_the_end() {
        let of = |words: &[&str]| {
            let words = [&["data=d", "batch_size=10"][..], words].concat();
            crate::config::resolve(&words).map(|resolved| evaluations(&resolved.config, 100))
        };
        for (words, count) in [
            (["epochs=10", "eval.knn_every=1"], 10),
            (["epochs=10", "eval.knn_every=3"], 4),
            (["epochs=10", "eval.knn_every=0"], 1),
            (["max_steps=25", "eval.knn_every=1"], 3),
            (["max_steps=5", "eval.knn_every=1"], 1),
        ] {
            assert_eq!(of(&words).ok(), Some(count), "{words:?}");
        }
    }
}

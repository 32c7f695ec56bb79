use super::super::PairWeights;
use super::super::testing::{assert_gradient, draw_unit, scalar, tensor, values};
use super::*;

const TEMPERATURE: f64 = 0.2;

fn dot(a: &[f64], b: impl Iterator<Item = f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The definition, query by query.
fn by_definition(queries: &[f64], keys: &[f64], queue: &[f64], b: usize, d: usize) -> [f64; 2] {
    let n = queue.len() / d;
    let losses: Vec<f64> = queries
        .chunks(d)
        .enumerate()
        .map(|(row, query)| {
            let key = &keys[(row % b) * d..][..d];
            let positive = dot(query, key.iter().copied()) / TEMPERATURE;
            let logits: Vec<f64> = (0..n)
                .map(|j| dot(query, (0..d).map(|i| queue[i * n + j])) / TEMPERATURE)
                .chain([positive])
                .collect();
            let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            logits.iter().map(|l| (l - max).exp()).sum::<f64>().ln() + max - positive
        })
        .collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len().max(1) as f64;
    [mean(&losses[..b]), mean(&losses[b..])]
}

fn terms(queries: Tensor<B, 2>, keys: &[f64], queue: &[f64], b: usize, d: usize) -> PairTerms<B> {
    let logits = similarities(queries, tensor(keys, b), tensor(queue, d), TEMPERATURE);
    moco_terms(query_losses(logits), b)
}

type B = super::super::testing::B;

#[test]
fn terms_equal_the_definition_query_by_query() {
    for b in 1..=3 {
        for locals in 0..=3 {
            for n in 1..=5 {
                let d = 4;
                let seed = (b * 100 + locals * 10 + n) as u64;
                let rows = (1 + locals) * b;
                let queries = draw_unit(seed, rows, d);
                let keys = draw_unit(seed + 1000, b, d);
                let queue = draw_unit(seed + 2000, d, n);
                let got = terms(tensor(&queries, rows), &keys, &queue, b, d);
                let [gg, gl] = by_definition(&queries, &keys, &queue, b, d);
                // f32 sums of 4 products at logits of 5.
                assert!((scalar(got.global) - gg).abs() <= 3e-6, "{gg}");
                assert_eq!(got.local.is_some(), locals > 0);
                if let Some(local) = got.local {
                    assert!((scalar(local) - gl).abs() <= 3e-6, "{gl}");
                }
            }
        }
    }
}

#[test]
fn equal_logits_cost_ln_of_one_more_than_the_queue() {
    let logits = Similarities {
        positive: tensor(&[0.3; 6], 6),
        negative: tensor(&[0.3; 6 * 9], 6),
    };
    let terms = moco_terms(query_losses(logits), 2);
    assert!((scalar(terms.global) - 10f64.ln()).abs() < 1e-6);
    assert!(
        terms
            .local
            .is_some_and(|l| (scalar(l) - 10f64.ln()).abs() < 1e-6)
    );
}

#[test]
fn logits_of_plus_and_minus_a_hundred_give_finite_and_right_losses() {
    let logits = Similarities {
        positive: tensor(&[100.0, -100.0], 2),
        negative: tensor(&[-100.0, -100.0, 100.0, -100.0], 2),
    };
    assert_eq!(values(query_losses(logits)), [0.0, 200.0]);
}

#[test]
fn the_gradient_equals_finite_differences_and_none_reaches_keys_and_queue() {
    let (b, d, rows) = (2, 4, 6);
    let queries = draw_unit(5, rows, d);
    let keys = draw_unit(6, b, d);
    let queue = draw_unit(7, d, 3);
    let weights = PairWeights {
        alpha: 0.4,
        beta: 0.6,
        global_only: false,
    };
    let input = tensor(&queries, rows).require_grad();
    let key_input = tensor(&keys, b).require_grad();
    let queue_input = tensor(&queue, d).require_grad();
    let logits = similarities(
        input.clone(),
        key_input.clone().detach(),
        queue_input.clone().detach(),
        TEMPERATURE,
    );
    let grads = weights
        .combine(&moco_terms(query_losses(logits), b))
        .backward();
    assert!(key_input.grad(&grads).is_none() && queue_input.grad(&grads).is_none());
    assert_gradient(&input, &grads, &queries, |queries| {
        let [gg, gl] = by_definition(queries, &keys, &queue, b, d);
        0.4 * gg + 0.6 * gl
    });
}

#[test]
#[should_panic(expected = "queries [3, 2] do not fit keys [2, 2] and a queue of 2 rows")]
fn queries_of_another_batch_are_refused() {
    similarities(
        tensor(&[0.0; 6], 3),
        tensor(&[0.0; 4], 2),
        tensor(&[0.0; 4], 2),
        TEMPERATURE,
    );
}

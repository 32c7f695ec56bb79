//! The cross entropy of views against its definition in f64, forward and through the tape.
#![allow(clippy::unwrap_used)]

use burn::backend::Autodiff;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_kernels::{AutodiffBackend, cross_view_entropy};

type Fast = Autodiff<Flex>;
type FastNdArray = Autodiff<NdArray<f32>>;
/// Of f64, for which there is no kernel: the default body.
type Stock = Autodiff<NdArray<f64>>;

#[derive(Debug, Clone, Copy)]
struct Case {
    views: usize,
    batch: usize,
    outputs: usize,
    temperature: f64,
    /// Largest magnitude of a logit.
    spread: f32,
}

impl Case {
    fn rows(&self) -> usize {
        self.views * self.batch
    }
}

/// Logits, targets and the factors of the losses in what is differentiated.
struct Inputs {
    logits: Vec<f32>,
    targets: Vec<f32>,
    factors: Vec<f32>,
}

fn inputs(case: Case) -> Inputs {
    let mut random = ChaCha8Rng::seed_from_u64(case.outputs as u64);
    let mut draw = |len: usize, from: f32, to: f32| -> Vec<f32> {
        (0..len).map(|_| random.random_range(from..to)).collect()
    };
    let targets = draw(2 * case.batch * case.outputs, 0.0, 1.0)
        .chunks(case.outputs)
        .flat_map(|row| {
            let sum: f32 = row.iter().sum();
            row.iter().map(move |value| value / sum).collect::<Vec<_>>()
        })
        .collect();
    Inputs {
        logits: draw(case.rows() * case.outputs, -case.spread, case.spread),
        targets,
        factors: draw(case.rows(), 0.5, 1.5),
    }
}

fn tensor<B: AutodiffBackend, const D: usize>(values: &[f32], dims: [usize; D]) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), &Default::default())
}

/// The losses and the gradient of `sum(factors * losses)`.
fn results<B: AutodiffBackend>(
    case: Case,
    inputs: &Inputs,
    op: impl Fn(Tensor<B, 2>, Tensor<B, 2>) -> Tensor<B, 1>,
) -> [Vec<f64>; 2] {
    let logits = tensor::<B, 2>(&inputs.logits, [case.rows(), case.outputs]).require_grad();
    let targets = tensor::<B, 2>(&inputs.targets, [2 * case.batch, case.outputs]);
    let losses = op(logits.clone(), targets);
    let factors = tensor::<B, 1>(&inputs.factors, [case.rows()]);
    let grads = (losses.clone() * factors).sum().backward();
    [
        losses.into_data().iter::<f64>().collect(),
        logits.grad(&grads).unwrap().into_data().iter().collect(),
    ]
}

/// The definition in burn's operations, differentiated by burn.
fn definition(case: Case, logits: Tensor<Stock, 2>, targets: Tensor<Stock, 2>) -> Tensor<Stock, 1> {
    // burn's gradient of a division by a number rounds its reciprocal to f32.
    let log_probabilities = log_softmax(logits * (1.0 / case.temperature), 1);
    let of_view = |view: usize| targets.clone().narrow(0, view * case.batch, case.batch);
    let rows = (0..case.views)
        .map(|view| match view {
            0 => of_view(1),
            1 => of_view(0),
            _ => of_view(0) + of_view(1),
        })
        .collect();
    let losses = (log_probabilities * Tensor::cat(rows, 0)).sum_dim(1).neg();
    losses.reshape([case.rows()])
}

#[track_caller]
fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want
        .iter()
        .fold(0.0f64, |most, value| most.max(value.abs()));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            // One output alone has a loss of 0, of which f32 leaves a rounding.
            (got - want).abs() <= tolerance * largest + 1e-12,
            "{what}[{at}]: got {got}, want {want}"
        );
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Below, at and above a vector, a block of sums, and a task.
    for outputs in [1, 2, 15, 16, 17, 48, 1023, 1024, 1025, 9000] {
        for (views, batch) in [(2, 1), (2, 3), (3, 2), (8, 3)] {
            cases.push(Case {
                views,
                batch,
                outputs,
                temperature: 0.1,
                spread: 1.0,
            });
        }
    }
    cases.push(Case {
        views: 4,
        batch: 2,
        outputs: 300,
        temperature: 0.07,
        spread: 30.0,
    });
    cases
}

#[test]
fn losses_and_gradients_equal_the_definition() {
    for case in cases() {
        let inputs = inputs(case);
        let want = results::<Stock>(case, &inputs, |l, t| definition(case, l, t));
        let stock = results::<Stock>(case, &inputs, |l, t| {
            cross_view_entropy(l, t, case.temperature)
        });
        for (got, want) in stock.iter().zip(&want) {
            assert_close(&format!("{case:?}, default body"), got, want, 1e-12);
        }
        // A few roundings of f32; scaled logits are rounded at their own size, up to 430.
        let tolerance = if case.spread > 1.0 { 1e-4 } else { 2e-6 };
        let fast = results::<Fast>(case, &inputs, |l, t| {
            cross_view_entropy(l, t, case.temperature)
        });
        let fast_ndarray = results::<FastNdArray>(case, &inputs, |l, t| {
            cross_view_entropy(l, t, case.temperature)
        });
        for (got, want) in fast.iter().chain(&fast_ndarray).zip(want.iter().cycle()) {
            assert_close(&format!("{case:?}"), got, want, tolerance);
        }
    }
}

#[test]
fn one_thread_and_many_threads_give_the_same_bits() {
    let run = |threads: usize| -> Vec<f64> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let all = cases().into_iter().map(|case| {
                let op = |l, t| cross_view_entropy(l, t, case.temperature);
                results::<Fast>(case, &inputs(case), op).concat()
            });
            all.flatten().collect()
        })
    };
    assert_eq!(run(1), run(5));
}

#[test]
fn a_logit_that_is_no_number_or_infinite_shows_in_loss_and_gradient() {
    // In the rest after whole vectors, in a vector, in a block of sums that is not the first.
    for (outputs, at) in [(15, 7), (17, 7), (1025, 1024)] {
        let case = Case {
            views: 2,
            batch: 2,
            outputs,
            temperature: 0.1,
            spread: 1.0,
        };
        for broken in [f32::NAN, f32::INFINITY] {
            let mut inputs = inputs(case);
            inputs.logits[at] = broken;
            let [losses, grads] = results::<Fast>(case, &inputs, |l, t| {
                cross_view_entropy(l, t, case.temperature)
            });
            assert!(
                losses[0].is_nan() && grads[at].is_nan(),
                "{outputs} {broken}"
            );
            assert!(losses[1].is_finite(), "{outputs} {broken}");
        }
    }
}

#[test]
#[should_panic(expected = "targets have a tape")]
fn targets_with_a_tape_are_refused() {
    let logits = tensor::<Fast, 2>(&[0.0; 8], [4, 2]);
    let targets = tensor::<Fast, 2>(&[0.5; 8], [4, 2]).require_grad();
    cross_view_entropy(logits, targets, 1.0);
}

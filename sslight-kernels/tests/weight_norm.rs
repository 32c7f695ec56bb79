//! Weight normalisation against its definition in f64, which burn differentiates.
#![allow(clippy::unwrap_used)]

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_kernels::{AutodiffBackend, weight_norm};

/// Rounding allowed, in units of the largest magnitude of a result: sums of some hundred f32 terms.
const TOLERANCE: f64 = 2e-6;

/// Of f64, for which there are no kernels.
type Oracle = Autodiff<NdArray<f64>>;

fn random<B: AutodiffBackend>(seed: u64, dims: [usize; 2], range: [f32; 2]) -> Tensor<B, 2> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..dims[0] * dims[1])
        .map(|_| random.random_range(range[0]..range[1]))
        .collect();
    Tensor::from_data(TensorData::new(values, dims), &Default::default())
}

fn definition<B: AutodiffBackend>(direction: Tensor<B, 2>, length: Tensor<B, 2>) -> Tensor<B, 2> {
    let norm = (direction.clone() * direction.clone()).sum_dim(1).sqrt();
    direction / norm * length
}

/// The weight and the gradients for direction and length.
fn results<B: AutodiffBackend>(
    dims: [usize; 2],
    operation: impl Fn(Tensor<B, 2>, Tensor<B, 2>) -> Tensor<B, 2>,
) -> [Vec<f64>; 3] {
    let direction = random::<B>(1, dims, [-1.0, 1.5]).require_grad();
    let length = random::<B>(2, [dims[0], 1], [0.5, 2.0]).require_grad();
    let weight = operation(direction.clone(), length.clone());
    let grads = (weight.clone() * random(3, dims, [-1.0, 2.0]))
        .sum()
        .backward();
    let [direction, length] = [direction, length].map(|leaf| leaf.grad(&grads).unwrap());
    let values = [weight.inner(), direction, length];
    values.map(|tensor| tensor.into_data().iter::<f64>().collect())
}

#[track_caller]
fn assert_equal(what: &str, got: &[Vec<f64>; 3], want: &[Vec<f64>; 3]) {
    for (name, (got, want)) in ["weight", "direction", "length"]
        .iter()
        .zip(got.iter().zip(want))
    {
        assert_eq!(got.len(), want.len(), "{what}: {name}");
        let largest = want.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
        for (index, (got, want)) in got.iter().zip(want).enumerate() {
            assert!(
                (got - want).abs() <= TOLERANCE * largest,
                "{what}: {name}[{index}] is {got}, not {want} (largest {largest})"
            );
        }
    }
}

#[test]
fn rows_have_their_lengths_and_gradients_those_of_the_definition() {
    // Rows that do not fill the lanes, more rows than a task takes.
    for dims in [[1, 2], [3, 7], [65, 16], [130, 33], [200, 256]] {
        let want = results::<Oracle>(dims, definition);
        let name = format!("{dims:?}");
        assert_equal(&name, &results::<Autodiff<Flex>>(dims, weight_norm), &want);
        assert_equal(
            &name,
            &results::<Autodiff<NdArray>>(dims, weight_norm),
            &want,
        );
        // The default bodies, and a tape that makes things again.
        assert_equal(&name, &results::<Oracle>(dims, weight_norm), &want);
        assert_equal(
            &name,
            &results::<Autodiff<Flex, BalancedCheckpointing>>(dims, weight_norm),
            &want,
        );
    }
}

#[test]
fn a_length_without_gradient_takes_none_and_a_direction_of_zero_is_not_a_number() {
    let direction = random::<Autodiff<Flex>>(1, [4, 5], [-1.0, 1.0]).require_grad();
    let length = random(2, [4, 1], [0.5, 2.0]);
    let grads = weight_norm(direction.clone(), length.clone())
        .sum()
        .backward();
    assert!(direction.grad(&grads).is_some() && length.grad(&grads).is_none());
    let weight = weight_norm(direction.detach() * 0.0, length);
    assert!(weight.into_data().iter::<f32>().all(f32::is_nan));
}

#[test]
#[should_panic(expected = "weight_norm: lengths [3, 1] are not one for each row of [4, 5]")]
fn lengths_that_are_not_one_a_row_are_refused() {
    let direction = random::<Autodiff<Flex>>(1, [4, 5], [-1.0, 1.0]);
    weight_norm(direction, random(2, [3, 1], [0.5, 2.0]));
}

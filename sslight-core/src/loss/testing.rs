//! What the tests of losses share: drawn inputs, conversion, gradients against finite differences.

use burn::backend::Autodiff;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use burn_ndarray::NdArray;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub type B = Autodiff<NdArray>;

/// Uniform values in `-scale..=scale`, rounded to f32 so that both sides of a comparison start from equal
/// numbers.
pub fn draw(seed: u64, rows: usize, columns: usize, scale: f64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..rows * columns)
        .map(|_| {
            let unit = f64::from(rng.next_u32()) / f64::from(u32::MAX);
            f64::from((scale * (2.0 * unit - 1.0)) as f32)
        })
        .collect()
}

/// Rows of length 1, rounded to f32.
pub fn draw_unit(seed: u64, rows: usize, columns: usize) -> Vec<f64> {
    draw(seed, rows, columns, 1.0)
        .chunks(columns)
        .flat_map(|row| {
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter()
                .map(|v| f64::from((v / length) as f32))
                .collect::<Vec<_>>()
        })
        .collect()
}

pub fn tensor(values: &[f64], rows: usize) -> Tensor<B, 2> {
    let columns = values.len() / rows;
    let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
    Tensor::from_data(
        TensorData::new(values, [rows, columns]),
        &Default::default(),
    )
}

pub fn scalar(x: Tensor<B, 1>) -> f64 {
    f64::from(x.into_scalar())
}

pub fn values<const D: usize>(x: Tensor<B, D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// Compares the gradient of `input` with central differences of `loss` around `at`.
pub fn assert_gradient(
    input: &Tensor<B, 2>,
    grads: &<B as AutodiffBackend>::Gradients,
    at: &[f64],
    loss: impl Fn(&[f64]) -> f64,
) {
    // Central differences of an f64 function: error step^2 times a third derivative; the rest is f32 rounding.
    const STEP: f64 = 1e-5;
    const LIMIT: f64 = 2e-6;
    let Some(got) = input.grad(grads) else {
        panic!("the input got no gradient")
    };
    let got: Vec<f64> = got.into_data().iter::<f64>().collect();
    for (i, got) in got.iter().enumerate() {
        let mut up = at.to_vec();
        let mut down = at.to_vec();
        up[i] += STEP;
        down[i] -= STEP;
        let want = (loss(&up) - loss(&down)) / (2.0 * STEP);
        assert!((got - want).abs() < LIMIT, "{i}: got {got}, want {want}");
    }
}

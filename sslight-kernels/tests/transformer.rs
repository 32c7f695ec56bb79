//! Linear layers and attention against their definitions in f64, which burn differentiates.
#![allow(clippy::unwrap_used)]

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing;
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_kernels::{AutodiffBackend, Before, linear, patches, self_attention};

const EPS: f64 = 1e-6;
/// Rounding allowed, in units of the largest magnitude of a result: sums of some thousand f32 terms.
const TOLERANCE: f64 = 1e-5;

/// Of f64, for which there are no kernels.
type Oracle = Autodiff<NdArray<f64>>;
type Fast = Autodiff<Flex>;

fn random(seed: u64, len: usize, scale: f32) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..len)
        .map(|_| random.random_range(-scale..scale))
        .collect()
}

fn tensor<B: AutodiffBackend, const D: usize>(values: &[f32], dims: [usize; D]) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), &Default::default())
}

fn host<B: burn::tensor::backend::Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Names and values of what is compared.
type Results = Vec<(&'static str, Vec<f64>)>;

#[track_caller]
fn assert_equal(what: &str, got: &Results, want: &Results) {
    assert_eq!(got.len(), want.len(), "{what}");
    for ((name, got), (_, want)) in got.iter().zip(want) {
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

#[derive(Debug, Clone, Copy, PartialEq)]
enum First {
    Nothing,
    LayerNorm,
    Gelu,
}

#[derive(Debug, Clone, Copy)]
struct Layer {
    rows: usize,
    inputs: usize,
    outputs: usize,
    first: First,
    bias: bool,
}

type Operation<B> =
    fn(Tensor<B, 2>, Before<Tensor<B, 1>>, Tensor<B, 2>, Option<Tensor<B, 1>>) -> Tensor<B, 2>;

fn layer_results<B: AutodiffBackend>(layer: Layer, operation: Operation<B>) -> Results {
    let Layer {
        rows,
        inputs,
        outputs,
        ..
    } = layer;
    let x = tensor::<B, 2>(&random(1, rows * inputs, 2.5), [rows, inputs]).require_grad();
    let weight = tensor::<B, 2>(&random(2, outputs * inputs, 1.0), [outputs, inputs]);
    let weight = weight.require_grad();
    let bias = tensor::<B, 1>(&random(3, outputs, 1.0), [outputs]).require_grad();
    let scale = tensor::<B, 1>(&random(4, inputs, 2.0), [inputs]).require_grad();
    let shift = tensor::<B, 1>(&random(5, inputs, 1.0), [inputs]).require_grad();
    let before = match layer.first {
        First::Nothing => Before::Nothing,
        First::Gelu => Before::Gelu,
        First::LayerNorm => Before::LayerNorm {
            weight: scale.clone(),
            bias: shift.clone(),
            eps: EPS,
        },
    };
    let y = operation(
        x.clone(),
        before,
        weight.clone(),
        layer.bias.then(|| bias.clone()),
    );
    let upstream = tensor::<B, 2>(&random(6, rows * outputs, 1.0), [rows, outputs]);
    let grads = (y.clone() * upstream).sum().backward();
    let mut results = vec![
        ("y", host(y.inner())),
        ("x_grad", host(x.grad(&grads).unwrap())),
        ("weight_grad", host(weight.grad(&grads).unwrap())),
    ];
    assert_eq!(bias.grad(&grads).is_some(), layer.bias, "{layer:?}");
    if layer.bias {
        results.push(("bias_grad", host(bias.grad(&grads).unwrap())));
    }
    if layer.first == First::LayerNorm {
        results.push(("scale_grad", host(scale.grad(&grads).unwrap())));
        results.push(("shift_grad", host(shift.grad(&grads).unwrap())));
    }
    results
}

/// The layer out of burn's operations.
fn composite<B: AutodiffBackend>(
    x: Tensor<B, 2>,
    before: Before<Tensor<B, 1>>,
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
) -> Tensor<B, 2> {
    let x = match before {
        Before::Nothing => x,
        // `x / sqrt(2)` written as a product keeps the precision of f64.
        Before::Gelu => {
            let error = (x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf();
            x * (error + 1.0) * 0.5
        }
        Before::LayerNorm { weight, bias, eps } => {
            let centered = x.clone() - x.mean_dim(1);
            let var = centered.clone().powi_scalar(2).mean_dim(1);
            centered / (var + eps).sqrt() * weight.unsqueeze() + bias.unsqueeze()
        }
    };
    let y = x.matmul(weight.transpose());
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

#[test]
fn linear_layers_equal_their_definition() {
    for first in [First::Nothing, First::LayerNorm, First::Gelu] {
        for (rows, inputs, outputs, bias) in [
            (1, 1, 1, true),
            (1, 19, 7, true),
            (7, 5, 130, false),
            (96, 33, 1027, true),
            // several blocks of rows, the last of them short
            (257, 17, 5, true),
            (1000, 48, 70, true),
            (2500, 6, 3, false),
        ] {
            // Layer normalisation of one value divides 0 by about 0.
            if inputs == 1 && first == First::LayerNorm {
                continue;
            }
            let layer = Layer {
                rows,
                inputs,
                outputs,
                first,
                bias,
            };
            let want = layer_results::<Oracle>(layer, composite);
            let what = |engine: &str| format!("{layer:?} on {engine}");
            assert_equal(&what("flex"), &layer_results::<Fast>(layer, linear), &want);
            let ours = layer_results::<Autodiff<Flex, BalancedCheckpointing>>(layer, linear);
            assert_equal(&what("flex, checkpointing"), &ours, &want);
            let ours = layer_results::<Autodiff<NdArray<f32>>>(layer, linear);
            assert_equal(&what("ndarray"), &ours, &want);
            let default = layer_results::<Oracle>(layer, linear);
            assert_equal(&what("the default body"), &default, &want);
        }
    }
}

fn attention_results<B: AutodiffBackend>(
    [batch, tokens, heads, head_dim]: [usize; 4],
    operation: fn(Tensor<B, 3>, usize) -> Tensor<B, 3>,
) -> Results {
    let dim = heads * head_dim;
    let values = random(1, batch * tokens * 3 * dim, 2.0);
    let qkv = tensor::<B, 3>(&values, [batch, tokens, 3 * dim]).require_grad();
    let mixed = operation(qkv.clone(), heads);
    let upstream = tensor::<B, 3>(&random(2, batch * tokens * dim, 1.0), [batch, tokens, dim]);
    let grads = (mixed.clone() * upstream).sum().backward();
    vec![
        ("mixed", host(mixed.inner())),
        ("qkv_grad", host(qkv.grad(&grads).unwrap())),
    ]
}

/// Attention out of burn's operations.
fn composite_attention<B: AutodiffBackend>(qkv: Tensor<B, 3>, heads: usize) -> Tensor<B, 3> {
    let [batch, tokens, width] = qkv.dims();
    let head_dim = width / (3 * heads);
    let [query, key, value] = [0, 1, 2].map(|part| {
        qkv.clone()
            .reshape([batch, tokens, 3, heads, head_dim])
            .narrow(2, part, 1)
            .squeeze_dim::<4>(2)
            .swap_dims(1, 2)
    });
    let scores = query.matmul(key.swap_dims(2, 3)) * (1.0 / (head_dim as f64).sqrt());
    let mixed = softmax(scores, 3).matmul(value);
    mixed
        .swap_dims(1, 2)
        .reshape([batch, tokens, heads * head_dim])
}

#[test]
fn attention_equals_its_definition() {
    for sizes in [
        [1, 1, 1, 1],
        [2, 5, 3, 4],
        [3, 17, 2, 8],
        [2, 65, 3, 16],
        [1, 197, 2, 5],
    ] {
        let want = attention_results::<Oracle>(sizes, composite_attention);
        let what = |engine: &str| format!("{sizes:?} on {engine}");
        let ours = attention_results::<Fast>(sizes, self_attention);
        assert_equal(&what("flex"), &ours, &want);
        let ours = attention_results::<Autodiff<NdArray<f32>>>(sizes, self_attention);
        assert_equal(&what("ndarray"), &ours, &want);
        let default = attention_results::<Oracle>(sizes, self_attention);
        assert_equal(&what("the default body"), &default, &want);
    }
}

#[test]
fn each_head_mixes_its_values_by_the_softmax_of_scaled_scores() {
    let [batch, tokens, heads, head_dim] = [2, 5, 3, 4];
    let dim = heads * head_dim;
    let values = random(9, batch * tokens * 3 * dim, 1.5);
    let qkv = tensor::<Fast, 3>(&values, [batch, tokens, 3 * dim]);
    let got = host(self_attention(qkv, heads).inner());
    // Rows are packed [3, heads, head_dim].
    let at = |image: usize, token: usize, part: usize, head: usize, i: usize| {
        let row = (image * tokens + token) * 3 + part;
        f64::from(values[(row * heads + head) * head_dim + i])
    };
    for (image, head, row) in (0..batch)
        .flat_map(|image| (0..heads).map(move |head| (image, head)))
        .flat_map(|(image, head)| (0..tokens).map(move |row| (image, head, row)))
    {
        let weights: Vec<f64> = (0..tokens)
            .map(|column| {
                let products = (0..head_dim)
                    .map(|i| at(image, row, 0, head, i) * at(image, column, 1, head, i));
                (products.sum::<f64>() / 2.0).exp()
            })
            .collect();
        let total: f64 = weights.iter().sum();
        for i in 0..head_dim {
            let mixed = weights.iter().enumerate();
            let want: f64 = mixed
                .map(|(column, weight)| weight / total * at(image, column, 2, head, i))
                .sum();
            let got = got[(image * tokens + row) * dim + head * head_dim + i];
            assert!(
                (got - want).abs() < 1e-5,
                "head {head}, row {row}: {got}, not {want}"
            );
        }
    }
}

#[test]
fn a_number_of_threads_changes_no_bit() {
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let mut all = attention_results::<Fast>([5, 33, 2, 8], self_attention);
            for (rows, first) in [
                (40, First::Nothing),
                (3000, First::LayerNorm),
                (700, First::Gelu),
            ] {
                let layer = Layer {
                    rows,
                    inputs: 40,
                    outputs: 300,
                    first,
                    bias: true,
                };
                all.extend(layer_results::<Fast>(layer, linear));
            }
            all
        })
    };
    assert_eq!(bits(1), bits(3));
}

#[test]
fn not_a_number_is_passed_on() {
    let mut values = random(1, 6 * 9, 1.0);
    values[3 * 9 + 2] = f32::NAN;
    let x = tensor::<Fast, 2>(&values, [6, 9]);
    let weight = tensor::<Fast, 2>(&random(2, 4 * 9, 1.0), [4, 9]);
    let ones = tensor::<Fast, 1>(&[1.0; 9], [9]);
    for before in [
        Before::Nothing,
        Before::Gelu,
        Before::LayerNorm {
            weight: ones.clone(),
            bias: ones,
            eps: EPS,
        },
    ] {
        let y = host(linear(x.clone(), before, weight.clone(), None).inner());
        for (index, value) in y.iter().enumerate() {
            assert_eq!(value.is_nan(), index / 4 == 3, "{index}: {value}");
        }
    }
    let mixed = self_attention(tensor::<Fast, 3>(&values, [1, 6, 9]), 1);
    // In the query of one token, whose scores it makes.
    let mixed = host(mixed.inner());
    for (index, value) in mixed.iter().enumerate() {
        assert_eq!(value.is_nan(), index / 3 == 3, "{index}: {value}");
    }
}

#[test]
fn patches_are_the_pixels_of_each_square() {
    fn cut<B: AutodiffBackend>(dims: [usize; 4], side: usize, tracked: bool) -> Vec<f64> {
        let images = random(1, dims.iter().product(), 1.0);
        let images = tensor::<B, 4>(&images, dims).set_require_grad(tracked);
        host(patches(images, side).inner())
    }
    for (dims, side) in [
        ([2, 3, 8, 12], 4),
        ([3, 1, 7, 5], 2),
        ([1, 2, 3, 3], 3),
        ([2, 2, 5, 4], 1),
    ] {
        let [_, channels, height, width] = dims;
        let images = random(1, dims.iter().product(), 1.0);
        let mut want = Vec::new();
        for image in images.chunks(channels * height * width) {
            for (row, column) in (0..height / side).flat_map(|row| {
                let columns = 0..width / side;
                columns.map(move |column| (row * side, column * side))
            }) {
                for plane in image.chunks(height * width) {
                    for y in row..row + side {
                        let pixels = &plane[y * width + column..][..side];
                        want.extend(pixels.iter().map(|value| f64::from(*value)));
                    }
                }
            }
        }
        for tracked in [false, true] {
            assert_eq!(cut::<Fast>(dims, side, tracked), want, "{dims:?} {side}");
            let ndarray = cut::<Autodiff<NdArray<f32>>>(dims, side, tracked);
            assert_eq!(ndarray, want, "{dims:?} {side} on ndarray");
            let default = cut::<Oracle>(dims, side, tracked);
            assert_eq!(default, want, "{dims:?} {side}, the default body");
        }
    }
}

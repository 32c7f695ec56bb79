//! Convolution of normalised maps, and normalisation with a shortcut, against burn's operations in f64 that burn
//! differentiates.
#![allow(clippy::unwrap_used)]

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_kernels::{
    Activation, AutodiffBackend, Normalization, Statistics, batch_norm_add_running,
    batch_norm_add_train, norm_conv2d_train, norm_max_pool_running, norm_max_pool_train,
};

const EPS: f64 = 1e-5;
/// Rounding allowed, in units of the largest magnitude of a result: sums of some thousand f32 terms.
const TOLERANCE: f64 = 2e-5;

/// Of f64, for which there are no kernels.
type Oracle = Autodiff<NdArray<f64>>;

#[derive(Debug, Clone, Copy)]
struct Case {
    image: [usize; 4],
    outputs: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
    activation: Activation,
}

impl Case {
    fn weight(&self) -> [usize; 4] {
        [
            self.outputs,
            self.image[1] / self.groups,
            self.kernel,
            self.kernel,
        ]
    }

    fn output(&self) -> [usize; 4] {
        let side = |size: usize| (size + self.kernel / 2 * 2 - self.kernel) / self.stride + 1;
        let [batch, _, height, width] = self.image;
        [batch, self.outputs, side(height), side(width)]
    }

    fn options(&self) -> ConvOptions<2> {
        let padding = self.kernel / 2;
        ConvOptions::new([self.stride; 2], [padding; 2], [1, 1], self.groups)
    }
}

fn random(seed: u64, len: usize, low: f32, high: f32) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| random.random_range(low..high)).collect()
}

fn tensor<B: AutodiffBackend, const D: usize>(values: &[f32], dims: [usize; D]) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), &Default::default())
}

fn host<B: burn::tensor::backend::Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Names and values of what is compared.
type Results = Vec<(&'static str, Vec<f64>)>;

/// Batch normalisation, out of burn's operations.
fn normalized<B: AutodiffBackend>(
    x: Tensor<B, 4>,
    norm: Normalization<Tensor<B, 1>>,
) -> (Tensor<B, 4>, Statistics<Tensor<B, 1>>) {
    let [batch, channels, height, width] = x.dims();
    let flat = x.reshape([batch, channels, height * width]);
    let column = |values: Tensor<B, 1>| values.reshape([1, channels, 1]);
    let mean = flat.clone().mean_dim(2).mean_dim(0);
    let centered = flat - mean.clone();
    let var = centered.clone().powi_scalar(2).mean_dim(2).mean_dim(0);
    let y = centered / (var.clone() + norm.eps).sqrt() * column(norm.weight) + column(norm.bias);
    let statistics = Statistics {
        mean: mean.reshape([channels]),
        var: var.reshape([channels]),
    };
    (y.reshape([batch, channels, height, width]), statistics)
}

fn activated<B: AutodiffBackend>(x: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
    match activation {
        Activation::None => x,
        Activation::Relu => x.clamp_min(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
    }
}

fn norm_of<B: AutodiffBackend>(
    channels: usize,
    activation: Activation,
) -> Normalization<Tensor<B, 1>> {
    Normalization {
        // Wide enough that the upper end of a ReLU6 is met.
        weight: tensor::<B, 1>(&random(2, channels, 1.0, 5.0), [channels]).require_grad(),
        bias: tensor::<B, 1>(&random(3, channels, -1.0, 2.0), [channels]).require_grad(),
        eps: EPS,
        activation,
    }
}

fn conv_results<B: AutodiffBackend>(
    case: Case,
    operation: impl Fn(
        Tensor<B, 4>,
        Normalization<Tensor<B, 1>>,
        Tensor<B, 4>,
        ConvOptions<2>,
    ) -> (Tensor<B, 4>, Statistics<Tensor<B, 1>>),
) -> Results {
    let len = |dims: [usize; 4]| dims.iter().product();
    let x = tensor::<B, 4>(&random(1, len(case.image), -1.0, 3.0), case.image).require_grad();
    let norm = norm_of::<B>(case.image[1], case.activation);
    let weight = random(4, len(case.weight()), -1.0, 1.0);
    let weight = tensor::<B, 4>(&weight, case.weight()).require_grad();
    let upstream = tensor::<B, 4>(&random(5, len(case.output()), -1.0, 1.0), case.output());
    let (y, statistics) = operation(x.clone(), norm.clone(), weight.clone(), case.options());
    assert_eq!(y.dims(), case.output(), "{case:?}");
    let grads = (y.clone() * upstream).sum().backward();
    vec![
        ("y", host(y.inner())),
        ("mean", host(statistics.mean.inner())),
        ("var", host(statistics.var.inner())),
        ("x_grad", host(x.grad(&grads).unwrap())),
        ("scale_grad", host(norm.weight.grad(&grads).unwrap())),
        ("shift_grad", host(norm.bias.grad(&grads).unwrap())),
        ("weight_grad", host(weight.grad(&grads).unwrap())),
    ]
}

fn added_results<B: AutodiffBackend>(
    dims: [usize; 4],
    activation: Activation,
    operation: impl Fn(
        Tensor<B, 4>,
        Normalization<Tensor<B, 1>>,
        Tensor<B, 4>,
    ) -> (Tensor<B, 4>, Statistics<Tensor<B, 1>>),
) -> Results {
    let len = dims.iter().product();
    let x = tensor::<B, 4>(&random(1, len, -1.0, 3.0), dims).require_grad();
    let shortcut = tensor::<B, 4>(&random(6, len, -2.0, 2.0), dims).require_grad();
    let norm = norm_of::<B>(dims[1], activation);
    let upstream = tensor::<B, 4>(&random(5, len, -1.0, 1.0), dims);
    let (y, statistics) = operation(x.clone(), norm.clone(), shortcut.clone());
    let grads = (y.clone() * upstream).sum().backward();
    vec![
        ("y", host(y.inner())),
        ("mean", host(statistics.mean.inner())),
        ("var", host(statistics.var.inner())),
        ("x_grad", host(x.grad(&grads).unwrap())),
        ("scale_grad", host(norm.weight.grad(&grads).unwrap())),
        ("shift_grad", host(norm.bias.grad(&grads).unwrap())),
        ("shortcut_grad", host(shortcut.grad(&grads).unwrap())),
    ]
}

#[track_caller]
fn assert_equal(what: &str, got: &Results, want: &Results) {
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

fn flat_added<B: AutodiffBackend>(
    x: Tensor<B, 4>,
    norm: Normalization<Tensor<B, 1>>,
    shortcut: Tensor<B, 4>,
) -> (Tensor<B, 4>, Statistics<Tensor<B, 1>>) {
    let dims = x.dims();
    let [batch, channels, height, width] = dims;
    let [x, shortcut] = [x, shortcut].map(|maps| maps.reshape([batch, channels, height * width]));
    let (y, statistics) = batch_norm_add_train(x, norm, shortcut);
    (y.reshape(dims), statistics)
}

fn check_conv(case: Case) {
    let want = conv_results::<Oracle>(case, |x, norm, weight, options| {
        let (values, statistics) = normalized(x, norm);
        let values = activated(values, case.activation);
        let y = burn::tensor::module::conv2d(values, weight, None, options);
        (y, statistics)
    });
    let what = |engine: &str| format!("{case:?} on {engine}");
    let ours = conv_results::<Autodiff<Flex>>(case, norm_conv2d_train);
    assert_equal(&what("flex"), &ours, &want);
    let ours = conv_results::<Autodiff<Flex, BalancedCheckpointing>>(case, norm_conv2d_train);
    assert_equal(&what("flex, checkpointing"), &ours, &want);
    let ours = conv_results::<Autodiff<NdArray<f32>>>(case, norm_conv2d_train);
    assert_equal(&what("ndarray"), &ours, &want);
    let default = conv_results::<Oracle>(case, norm_conv2d_train);
    assert_equal(&what("the default body"), &default, &want);
}

const ACTIVATIONS: [Activation; 3] = [Activation::None, Activation::Relu, Activation::Relu6];

#[test]
fn depthwise_convolution_of_normalised_maps() {
    for activation in ACTIVATIONS {
        for (stride, image) in [
            (1, [2, 3, 9, 7]),
            (2, [3, 4, 11, 10]),
            (2, [2, 3, 12, 16]),
            (1, [17, 2, 5, 5]),
            (1, [1, 1, 33, 18]),
            // few positions: normalisation by itself
            (1, [3, 4, 2, 3]),
            (2, [19, 3, 7, 7]),
        ] {
            check_conv(Case {
                image,
                outputs: image[1],
                kernel: 3,
                stride,
                groups: image[1],
                activation,
            });
        }
    }
}

#[test]
fn pointwise_convolution_of_normalised_maps() {
    for activation in ACTIVATIONS {
        for (image, outputs) in [
            ([2, 5, 9, 11], 7),
            ([1, 1, 8, 8], 1),
            ([9, 20, 8, 9], 33),
            // several tiles an image, the last of them short
            ([2, 70, 37, 41], 6),
            ([3, 6, 47, 45], 40),
            // small maps
            ([3, 5, 4, 4], 6),
            ([4, 6, 1, 1], 5),
        ] {
            check_conv(Case {
                image,
                outputs,
                kernel: 1,
                stride: 1,
                groups: 1,
                activation,
            });
        }
    }
}

#[test]
fn dense_convolution_of_normalised_maps() {
    for (image, outputs, kernel, stride) in [
        ([2, 5, 9, 11], 7, 3, 1),
        ([2, 5, 9, 11], 7, 3, 2),
        ([2, 4, 6, 6], 3, 1, 2),
        ([3, 4, 3, 2], 6, 3, 1),
    ] {
        check_conv(Case {
            image,
            outputs,
            kernel,
            stride,
            groups: 1,
            activation: Activation::Relu,
        });
    }
}

#[test]
fn normalisation_with_a_shortcut() {
    for activation in ACTIVATIONS {
        for dims in [[2, 3, 9, 7], [1, 1, 6, 6], [5, 4, 3, 3], [9, 7, 16, 17]] {
            let want = added_results::<Oracle>(dims, activation, |x, norm, shortcut| {
                let (values, statistics) = normalized(x, norm);
                (activated(values + shortcut, activation), statistics)
            });
            let what = |engine: &str| format!("{dims:?} {activation:?} on {engine}");
            let ours = added_results::<Autodiff<Flex>>(dims, activation, flat_added);
            assert_equal(&what("flex"), &ours, &want);
            let ours = added_results::<Autodiff<NdArray<f32>>>(dims, activation, flat_added);
            assert_equal(&what("ndarray"), &ours, &want);
            let default = added_results::<Oracle>(dims, activation, flat_added);
            assert_equal(&what("the default body"), &default, &want);
        }
    }
}

fn pooled_results<B: AutodiffBackend>(
    values: &[f32],
    dims: [usize; 4],
    activation: Activation,
    operation: impl Fn(
        Tensor<B, 4>,
        Normalization<Tensor<B, 1>>,
    ) -> (Tensor<B, 4>, Statistics<Tensor<B, 1>>),
) -> Results {
    let x = tensor::<B, 4>(values, dims).require_grad();
    let norm = norm_of::<B>(dims[1], activation);
    let (y, statistics) = operation(x.clone(), norm.clone());
    let [batch, channels, height, width] = dims;
    let pooled = [batch, channels, height.div_ceil(2), width.div_ceil(2)];
    assert_eq!(y.dims(), pooled, "{dims:?}");
    let upstream = random(5, pooled.iter().product(), -1.0, 1.0);
    let grads = (y.clone() * tensor(&upstream, pooled)).sum().backward();
    vec![
        ("y", host(y.inner())),
        ("mean", host(statistics.mean.inner())),
        ("var", host(statistics.var.inner())),
        ("x_grad", host(x.grad(&grads).unwrap())),
        ("scale_grad", host(norm.weight.grad(&grads).unwrap())),
        ("shift_grad", host(norm.bias.grad(&grads).unwrap())),
    ]
}

#[test]
fn max_pooling_of_normalised_maps() {
    for activation in ACTIVATIONS {
        for dims in [
            [2, 3, 9, 7],
            [1, 1, 8, 12],
            [17, 2, 1, 1],
            [2, 2, 1, 6],
            [2, 2, 5, 2],
            [4, 5, 16, 33],
        ] {
            let len: usize = dims.iter().product();
            // With few values many are equal, of which the first by rows gets the gradient.
            let few = random(7, len, -2.0, 3.0).into_iter().map(f32::round);
            for values in [random(1, len, -1.0, 3.0), few.collect()] {
                let want = pooled_results::<Oracle>(&values, dims, activation, |x, norm| {
                    let (values, statistics) = normalized(x, norm);
                    let values = activated(values, activation);
                    let pool = burn::tensor::module::max_pool2d;
                    let y = pool(values, [3, 3], [2, 2], [1, 1], [1, 1], false);
                    (y, statistics)
                });
                let what = |engine: &str| format!("{dims:?} {activation:?} on {engine}");
                let op = norm_max_pool_train;
                let ours = pooled_results::<Autodiff<Flex>>(&values, dims, activation, op);
                assert_equal(&what("flex"), &ours, &want);
                let op = norm_max_pool_train;
                let ours = pooled_results::<Autodiff<NdArray<f32>>>(&values, dims, activation, op);
                assert_equal(&what("ndarray"), &ours, &want);
                let op = norm_max_pool_train;
                let default = pooled_results::<Oracle>(&values, dims, activation, op);
                assert_equal(&what("the default body"), &default, &want);
            }
        }
    }
}

/// Statistics that are not those of the batch.
fn given<B: AutodiffBackend>(channels: usize) -> Statistics<Tensor<B, 1>> {
    Statistics {
        mean: tensor(&random(8, channels, -1.0, 1.0), [channels]),
        var: tensor(&random(9, channels, 0.5, 2.0), [channels]),
    }
}

#[test]
fn by_given_statistics_with_a_shortcut_and_with_max_pooling() {
    /// With parameters on the tape, and without any, where other code computes it.
    fn values<B: AutodiffBackend>(
        dims: [usize; 4],
        activation: Activation,
        tracked: bool,
    ) -> Results {
        let [batch, channels, height, width] = dims;
        let len = dims.iter().product();
        let x = tensor::<B, 4>(&random(1, len, -1.0, 3.0), dims);
        let shortcut = tensor::<B, 4>(&random(6, len, -2.0, 2.0), dims);
        let mut norm = norm_of::<B>(channels, activation);
        if !tracked {
            norm.weight = norm.weight.detach().set_require_grad(false);
            norm.bias = norm.bias.detach().set_require_grad(false);
        }
        let flat = |maps: Tensor<B, 4>| maps.reshape([batch, channels, height * width]);
        let (flat_x, flat_shortcut) = (flat(x.clone()), flat(shortcut));
        let added = batch_norm_add_running(flat_x, norm.clone(), given(channels), flat_shortcut);
        let pooled = norm_max_pool_running(x, norm, given(channels));
        vec![
            ("added", host(added.inner())),
            ("pooled", host(pooled.inner())),
        ]
    }
    for activation in ACTIVATIONS {
        for dims in [[2, 3, 9, 7], [5, 4, 3, 3], [3, 2, 1, 1], [9, 7, 16, 17]] {
            let want = values::<Oracle>(dims, activation, true);
            for tracked in [true, false] {
                let what = |engine: &str| format!("{dims:?} {activation:?} {tracked} on {engine}");
                let ours = values::<Autodiff<Flex>>(dims, activation, tracked);
                assert_equal(&what("flex"), &ours, &want);
                let ours = values::<Autodiff<NdArray<f32>>>(dims, activation, tracked);
                assert_equal(&what("ndarray"), &ours, &want);
            }
        }
    }
}

#[test]
fn a_number_of_threads_changes_no_bit() {
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let mut all = Vec::new();
            for (kernel, groups, outputs) in [(3, 24, 24), (1, 1, 40)] {
                let case = Case {
                    image: [11, 24, 19, 23],
                    outputs,
                    kernel,
                    stride: 1,
                    groups,
                    activation: Activation::Relu6,
                };
                all.extend(conv_results::<Autodiff<Flex>>(case, norm_conv2d_train));
            }
            let dims = [11, 24, 19, 23];
            let values = random(1, dims.iter().product(), -1.0, 3.0);
            let relu = Activation::Relu;
            let pool = norm_max_pool_train::<Autodiff<Flex>>;
            all.extend(pooled_results(&values, dims, relu, pool));
            all.extend(added_results::<Autodiff<Flex>>(
                dims,
                Activation::Relu,
                flat_added,
            ));
            all
        })
    };
    assert_eq!(bits(1), bits(3));
}

#[test]
fn not_a_number_is_passed_on() {
    let case = Case {
        image: [2, 3, 9, 9],
        outputs: 3,
        kernel: 3,
        stride: 1,
        groups: 3,
        activation: Activation::Relu6,
    };
    for (kernel, groups) in [(3, 3), (1, 1)] {
        let case = Case {
            kernel,
            groups,
            ..case
        };
        let results = conv_results::<Autodiff<Flex>>(case, |x, norm, weight, options| {
            let nan = tensor::<Autodiff<Flex>, 4>(&[f32::NAN], [1, 1, 1, 1]);
            let x = x.slice_assign([0..1, 1..2, 4..5, 4..5], nan);
            norm_conv2d_train(x, norm, weight, options)
        });
        let is_nan = |name: &str| {
            let (_, values) = results.iter().find(|(other, _)| *other == name).unwrap();
            values.iter().any(|value| value.is_nan())
        };
        for name in ["y", "mean", "var", "scale_grad", "weight_grad"] {
            assert!(is_nan(name), "{name} with a kernel of {kernel}");
        }
    }
}

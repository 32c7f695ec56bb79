//! The kernels against burn's own operations in f64, forward and through the tape.
#![allow(clippy::unwrap_used)]

use burn::backend::Autodiff;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{ElementConversion, Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_kernels::{
    Activation, AutodiffBackend, Statistics, batch_norm_running, batch_norm_train, conv2d,
};

type Fast = Autodiff<Flex>;
type FastNdArray = Autodiff<NdArray<f32>>;
/// Of f64, for which there are no kernels: burn's operations, and the default bodies.
type Oracle = Autodiff<NdArray<f64>>;

/// Rounding allowed, in units of f32 epsilon times the summed magnitudes of the terms. The sums have up
/// to some thousand terms in several partial sums; errors of such sums are well below their bound.
const UNITS: f64 = 32.0;

struct Random(ChaCha8Rng);

impl Random {
    fn values(&mut self, len: usize) -> Vec<f64> {
        // f32 values, so that both precisions start from the same numbers
        (0..len)
            .map(|_| f64::from(self.0.random_range(-1.0f32..1.0)))
            .collect()
    }
}

fn tensor<B: AutodiffBackend, const D: usize>(values: &[f64], dims: [usize; D]) -> Tensor<B, D> {
    let values = values.iter().map(|v| v.elem::<f32>()).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(values, dims), &Default::default())
}

fn values<B: AutodiffBackend<InnerBackend: burn::tensor::backend::Backend>, const D: usize>(
    tensor: Tensor<B, D>,
) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn inner_values<B: burn::tensor::backend::Backend, const D: usize>(
    tensor: Tensor<B, D>,
) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

#[track_caller]
fn assert_close(what: &str, got: &[f64], want: &[f64], mass: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, ((got, want), mass)) in got.iter().zip(want).zip(mass).enumerate() {
        let limit = UNITS * f64::from(f32::EPSILON) * mass + 1e-30;
        assert!(
            (got - want).abs() <= limit,
            "{what}[{i}]: got {got}, want {want}, limit {limit:e}"
        );
    }
}

#[derive(Debug, Clone, Copy)]
struct Conv {
    batch: usize,
    channels: [usize; 2],
    groups: usize,
    size: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Conv {
    fn dense(
        batch: usize,
        channels: [usize; 2],
        size: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Self {
        Self {
            batch,
            channels,
            groups: 1,
            size,
            kernel,
            stride,
            padding: kernel / 2,
        }
    }

    fn depthwise(batch: usize, channels: usize, size: [usize; 2], stride: usize) -> Self {
        Self {
            groups: channels,
            ..Self::dense(batch, [channels; 2], size, 3, stride)
        }
    }

    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new([self.stride; 2], [self.padding; 2], [1, 1], self.groups)
    }

    fn x_dims(&self) -> [usize; 4] {
        [self.batch, self.channels[0], self.size[0], self.size[1]]
    }

    fn weight_dims(&self) -> [usize; 4] {
        let per_group = self.channels[0] / self.groups;
        [self.channels[1], per_group, self.kernel, self.kernel]
    }

    fn output_len(&self) -> usize {
        let [h, w] = self
            .size
            .map(|size| (size + 2 * self.padding - self.kernel) / self.stride + 1);
        self.batch * self.channels[1] * h * w
    }
}

/// y, and the gradients of `sum(y * r)` for x and the weight.
fn conv_results<B: AutodiffBackend>(
    case: Conv,
    [x, weight, r]: [&[f64]; 3],
    op: impl Fn(Tensor<B, 4>, Tensor<B, 4>, ConvOptions<2>) -> Tensor<B, 4>,
) -> [Vec<f64>; 3] {
    let x = tensor::<B, 4>(x, case.x_dims()).require_grad();
    let weight = tensor::<B, 4>(weight, case.weight_dims()).require_grad();
    let y = op(x.clone(), weight.clone(), case.options());
    let r = tensor::<B, 4>(r, y.dims());
    let grads = (y.clone() * r).sum().backward();
    [
        values(y),
        inner_values(x.grad(&grads).unwrap()),
        inner_values(weight.grad(&grads).unwrap()),
    ]
}

fn stock_conv<B: AutodiffBackend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    options: ConvOptions<2>,
) -> Tensor<B, 4> {
    burn::tensor::module::conv2d(x, weight, None, options)
}

fn conv_inputs(case: Conv, seed: u64) -> [Vec<f64>; 3] {
    let mut random = Random(ChaCha8Rng::seed_from_u64(seed));
    [
        case.x_dims().iter().product(),
        case.weight_dims().iter().product(),
        case.output_len(),
    ]
    .map(|len| random.values(len))
}

fn check_conv(case: Conv) {
    let inputs = conv_inputs(case, 1);
    let inputs = inputs.each_ref().map(Vec::as_slice);
    let magnitudes = inputs.map(|v| v.iter().map(|v| v.abs()).collect::<Vec<f64>>());
    let magnitudes = magnitudes.each_ref().map(Vec::as_slice);
    let want = conv_results::<Oracle>(case, inputs, stock_conv);
    let mass = conv_results::<Oracle>(case, magnitudes, stock_conv);
    for (backend, got) in [
        ("flex", conv_results::<Fast>(case, inputs, conv2d)),
        ("ndarray", conv_results::<FastNdArray>(case, inputs, conv2d)),
    ] {
        for (index, what) in ["y", "x_grad", "weight_grad"].into_iter().enumerate() {
            let what = format!("{case:?} on {backend}: {what}");
            assert_close(&what, &got[index], &want[index], &mass[index]);
        }
    }
}

#[test]
fn dense_convolution_equals_burns() {
    for case in [
        Conv::dense(1, [3, 5], [7, 9], 3, 1),
        Conv::dense(2, [3, 5], [9, 7], 3, 2),
        Conv::dense(2, [3, 6], [15, 13], 7, 2),
        Conv::dense(9, [5, 7], [4, 4], 3, 1),
        Conv::dense(9, [5, 7], [3, 5], 3, 2),
        // kernels that mostly see padding
        Conv::dense(5, [6, 4], [1, 1], 3, 1),
        Conv::dense(5, [6, 4], [2, 2], 3, 2),
        Conv::dense(3, [2, 4], [2, 1], 7, 2),
        // small maps with the images as columns
        Conv::dense(16, [6, 20], [2, 2], 3, 1),
        Conv::dense(17, [20, 33], [3, 4], 3, 1),
        Conv::dense(16, [5, 36], [4, 4], 3, 2),
        Conv::dense(19, [5, 7], [5, 7], 3, 2),
        Conv::dense(16, [3, 5], [7, 7], 7, 2),
        Conv {
            padding: 0,
            ..Conv::dense(16, [3, 4], [4, 5], 3, 1)
        },
        // several row tiles an image
        Conv::dense(2, [64, 20], [20, 21], 3, 1),
        Conv::dense(2, [64, 20], [41, 40], 3, 2),
        // several tiles in each partial sum of the weight gradient
        Conv::dense(5, [64, 4], [20, 21], 3, 1),
        Conv {
            padding: 0,
            ..Conv::dense(2, [3, 4], [6, 5], 3, 1)
        },
        Conv {
            padding: 2,
            ..Conv::dense(2, [3, 4], [6, 5], 3, 2)
        },
    ] {
        check_conv(case);
    }
}

#[test]
fn convolution_with_a_kernel_of_one_equals_burns() {
    for case in [
        Conv::dense(2, [5, 70], [9, 11], 1, 1),
        Conv::dense(17, [5, 7], [9, 9], 1, 1),
        Conv::dense(9, [20, 33], [2, 2], 1, 1),
        Conv::dense(70, [33, 20], [2, 2], 1, 1),
        Conv::dense(9, [40, 24], [1, 1], 1, 1),
        Conv::dense(3, [8, 16], [7, 6], 1, 2),
        Conv::dense(3, [8, 16], [1, 1], 1, 2),
        // every second output sees nothing but padding
        Conv {
            padding: 1,
            ..Conv::dense(2, [3, 4], [3, 3], 1, 2)
        },
    ] {
        check_conv(case);
    }
}

#[test]
fn depthwise_convolution_equals_burns() {
    for stride in [1, 2] {
        for size in [
            [1, 1],
            [2, 2],
            [3, 3],
            [4, 4],
            [5, 4],
            [7, 8],
            [9, 13],
            [17, 18],
        ] {
            check_conv(Conv::depthwise(3, 6, size, stride));
        }
        // more planes than one task takes, and more images than lanes
        check_conv(Conv::depthwise(4, 48, [20, 20], stride));
        check_conv(Conv::depthwise(33, 40, [4, 4], stride));
        for padding in [0, 2] {
            check_conv(Conv {
                padding,
                ..Conv::depthwise(2, 3, [4, 5], stride)
            });
            check_conv(Conv {
                padding,
                ..Conv::depthwise(2, 3, [14, 11], stride)
            });
        }
    }
}

#[test]
fn convolution_in_a_few_groups_falls_back_to_burns() {
    check_conv(Conv {
        groups: 2,
        ..Conv::dense(2, [4, 6], [5, 5], 3, 1)
    });
}

#[derive(Debug, Clone, Copy)]
struct Norm {
    dims: [usize; 3],
    activation: Activation,
}

const EPS: f64 = 1e-5;

/// y, mean, var, and the gradients of `sum(y * r)` for x, weight and bias.
fn norm_results<B: AutodiffBackend>(
    case: Norm,
    [x, weight, bias, r]: [&[f64]; 4],
    op: impl Fn(
        Tensor<B, 3>,
        Tensor<B, 1>,
        Tensor<B, 1>,
        Activation,
    ) -> (Tensor<B, 3>, Tensor<B, 1>, Tensor<B, 1>),
) -> [Vec<f64>; 6] {
    let x = tensor::<B, 3>(x, case.dims).require_grad();
    let weight = tensor::<B, 1>(weight, [case.dims[1]]).require_grad();
    let bias = tensor::<B, 1>(bias, [case.dims[1]]).require_grad();
    let (y, mean, var) = op(x.clone(), weight.clone(), bias.clone(), case.activation);
    let grads = (y.clone() * tensor::<B, 3>(r, case.dims)).sum().backward();
    [
        values(y),
        values(mean),
        values(var),
        inner_values(x.grad(&grads).unwrap()),
        inner_values(weight.grad(&grads).unwrap()),
        inner_values(bias.grad(&grads).unwrap()),
    ]
}

fn ours<B: AutodiffBackend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    activation: Activation,
) -> (Tensor<B, 3>, Tensor<B, 1>, Tensor<B, 1>) {
    batch_norm_train(x, weight, bias, EPS, activation)
}

/// Burn's operations, differentiated by burn.
fn composite<B: AutodiffBackend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 1>,
    bias: Tensor<B, 1>,
    activation: Activation,
) -> (Tensor<B, 3>, Tensor<B, 1>, Tensor<B, 1>) {
    let channels = x.dims()[1];
    let column = |t: Tensor<B, 1>| t.reshape([1, channels, 1]);
    let mean = x.clone().mean_dim(2).mean_dim(0);
    let centered = x - mean.clone();
    let var = centered.clone().powi_scalar(2).mean_dim(2).mean_dim(0);
    let y = centered / (var.clone() + EPS).sqrt() * column(weight) + column(bias);
    let y = match activation {
        Activation::None => y,
        Activation::Relu => burn::tensor::activation::relu(y),
        Activation::Relu6 => burn::tensor::activation::relu(y).clamp_max(6.0),
    };
    (y, mean.reshape([channels]), var.reshape([channels]))
}

fn norm_inputs(case: Norm, seed: u64) -> [Vec<f64>; 4] {
    let [batch, channels, positions] = case.dims;
    let mut random = Random(ChaCha8Rng::seed_from_u64(seed));
    let len = batch * channels * positions;
    // scales up to 4, so that the upper bound of relu6 is met too
    let weight = random.values(channels).iter().map(|v| v * 4.0).collect();
    [
        random.values(len),
        weight,
        random.values(channels),
        random.values(len),
    ]
}

fn norm_cases() -> Vec<Norm> {
    let dims = [
        [9, 3, 1],
        [64, 300, 1],
        [8, 70, 4],
        [5, 37, 16],
        [3, 5, 31],
        [2, 5, 32],
        [1, 3, 33],
        [4, 7, 100],
        [3, 2, 1100],
    ];
    dims.into_iter()
        .flat_map(|dims| {
            [Activation::None, Activation::Relu, Activation::Relu6]
                .map(|activation| Norm { dims, activation })
        })
        .collect()
}

fn check_norm<B: AutodiffBackend>(case: Norm) {
    let inputs = norm_inputs(case, 2);
    let inputs = inputs.each_ref().map(Vec::as_slice);
    let want = norm_results::<Oracle>(case, inputs, composite);
    let got = norm_results::<B>(case, inputs, ours);

    let [x, weight, bias, r] = inputs;
    let [batch, channels, positions] = case.dims;
    let count = (batch * positions) as f64;
    let channel = |i: usize| i / positions % channels;
    let sum_by_channel = |term: &dyn Fn(usize) -> f64| {
        let mut sums = vec![0.0; channels];
        (0..x.len()).for_each(|i| sums[channel(i)] += term(i));
        sums
    };
    let (mean, var) = (&want[1], &want[2]);
    let inverse_std: Vec<f64> = var.iter().map(|var| (var + EPS).sqrt().recip()).collect();
    // |x| + |mean| instead of their difference: that is what rounding is relative to
    let normalized = |i: usize| (x[i].abs() + mean[channel(i)].abs()) * inverse_std[channel(i)];
    let grad_mass = sum_by_channel(&|i| r[i].abs());
    let product_mass = sum_by_channel(&|i| r[i].abs() * normalized(i));
    let each = |term: &dyn Fn(usize, usize) -> f64| {
        (0..x.len())
            .map(|i| term(i, channel(i)))
            .collect::<Vec<f64>>()
    };
    let mass = [
        each(&|i, c| weight[c].abs() * normalized(i) + bias[c].abs()),
        sum_by_channel(&|i| x[i].abs() / count),
        sum_by_channel(&|i| (x[i].abs() + mean[channel(i)].abs()).powi(2) / count),
        each(&|i, c| {
            let rest = (grad_mass[c] + normalized(i) * product_mass[c]) / count;
            weight[c].abs() * inverse_std[c] * (r[i].abs() + rest)
        }),
        product_mass.clone(),
        grad_mass.clone(),
    ];
    for (index, what) in ["y", "mean", "var", "x_grad", "weight_grad", "bias_grad"]
        .into_iter()
        .enumerate()
    {
        let what = format!("{case:?}: {what}");
        assert_close(&what, &got[index], &want[index], &mass[index]);
    }
}

#[test]
fn batch_norm_equals_its_formula_differentiated_by_burn() {
    for case in norm_cases() {
        check_norm::<Fast>(case);
        check_norm::<FastNdArray>(case);
    }
}

#[test]
fn default_batch_norm_equals_its_formula_differentiated_by_burn() {
    for case in norm_cases() {
        check_norm::<Oracle>(case);
    }
}

/// `y` and the gradients of `sum(y * r)` for x, weight and bias; no gradients without a tape.
fn running_results<B: AutodiffBackend>(
    case: Norm,
    [x, weight, bias, r]: [&[f64]; 4],
    tracked: bool,
) -> Vec<Vec<f64>> {
    let channels = case.dims[1];
    let with_grad = |flag: bool| move |t: Tensor<B, 1>| t.set_require_grad(flag);
    let flat = tensor::<B, 1>(x, [x.len()]).set_require_grad(tracked);
    let [weight, bias] = [weight, bias]
        .map(|v| tensor::<B, 1>(v, [channels]))
        .map(with_grad(tracked));
    let statistics = Statistics {
        mean: weight.clone().detach() * 0.1 + 0.3,
        var: bias.clone().detach().powi_scalar(2) + 0.5,
    };
    let y = batch_norm_running(
        flat.clone().reshape(case.dims),
        weight.clone(),
        bias.clone(),
        statistics,
        EPS,
        case.activation,
    );
    let mut results = vec![values(y.clone())];
    if tracked {
        let grads = (y * tensor::<B, 3>(r, case.dims)).sum().backward();
        results.extend([flat, weight, bias].map(|t| inner_values(t.grad(&grads).unwrap())));
    }
    results
}

#[test]
fn normalisation_by_given_statistics_equals_burns_with_and_without_a_tape() {
    for case in norm_cases() {
        let inputs = norm_inputs(case, 5);
        let inputs = inputs.each_ref().map(Vec::as_slice);
        let want = running_results::<Oracle>(case, inputs, true);
        for (name, got) in [
            ("flex", running_results::<Fast>(case, inputs, false)),
            (
                "flex, on the tape",
                running_results::<Fast>(case, inputs, true),
            ),
            (
                "ndarray",
                running_results::<FastNdArray>(case, inputs, false),
            ),
        ] {
            for (index, got) in got.iter().enumerate() {
                // terms of size up to 4 / sqrt(.5), summed over a channel for the parameters
                let terms = if index < 2 {
                    1
                } else {
                    case.dims[0] * case.dims[2]
                };
                let mass = vec![16.0 * terms as f64; got.len()];
                let what = format!("{case:?} on {name}: result {index}");
                assert_close(&what, got, &want[index], &mass);
            }
        }
    }
}

#[test]
fn batch_norm_keeps_its_digits_far_from_zero() {
    let case = Norm {
        dims: [4, 2, 64],
        activation: Activation::None,
    };
    let [x, weight, bias, r] = norm_inputs(case, 3);
    // 1000 + x is exact to 2^-14; both sides get the rounded values
    let x: Vec<f64> = x.iter().map(|x| f64::from((x + 1000.0) as f32)).collect();
    let inputs = [&x, &weight, &bias, &r].map(Vec::as_slice);
    let want = norm_results::<Oracle>(case, inputs, composite);
    let got = norm_results::<Fast>(case, inputs, ours);
    for (got, want) in got[2].iter().zip(&want[2]) {
        assert!(
            (got / want - 1.0).abs() < 1e-4,
            "variance {got}, want {want}"
        );
    }
}

#[test]
fn nan_passes_through_every_activation() {
    for activation in [Activation::None, Activation::Relu, Activation::Relu6] {
        for positions in [4, 64] {
            let case = Norm {
                dims: [2, 1, positions],
                activation,
            };
            let [mut x, weight, bias, r] = norm_inputs(case, 4);
            x[1] = f64::NAN;
            let inputs = [&x, &weight, &bias, &r].map(Vec::as_slice);
            let [y, .., x_grad, _, _] = norm_results::<Fast>(case, inputs, ours);
            assert!(y.iter().all(|v| v.is_nan()), "{case:?}: y");
            assert!(x_grad.iter().all(|v| v.is_nan()), "{case:?}: x_grad");
        }
    }
}

#[test]
fn one_thread_and_many_threads_give_the_same_bits() {
    let convolutions = [
        Conv::dense(9, [5, 7], [4, 4], 3, 1),
        Conv::dense(2, [64, 40], [20, 21], 3, 1),
        Conv::dense(16, [32, 64], [16, 16], 3, 2),
        Conv::dense(64, [96, 160], [2, 2], 1, 1),
        Conv::dense(64, [96, 160], [2, 2], 3, 1),
        Conv::dense(64, [96, 160], [1, 1], 1, 1),
        Conv::depthwise(4, 48, [20, 20], 2),
        Conv::depthwise(33, 40, [4, 4], 1),
    ];
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut all: Vec<f64> = Vec::new();
            for case in convolutions {
                let inputs = conv_inputs(case, 5);
                let inputs = inputs.each_ref().map(Vec::as_slice);
                all.extend(conv_results::<Fast>(case, inputs, conv2d).concat());
            }
            for case in norm_cases() {
                let inputs = norm_inputs(case, 6);
                let inputs = inputs.each_ref().map(Vec::as_slice);
                all.extend(norm_results::<Fast>(case, inputs, ours).concat());
            }
            all
        })
    };
    let one = run(1);
    for threads in [2, 5] {
        let many = run(threads);
        let different = one
            .iter()
            .zip(&many)
            .position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(different, None, "{threads} threads");
    }
}

#[test]
fn untracked_inputs_get_no_gradient_and_tracked_ones_do() {
    let case = Conv::dense(2, [3, 4], [5, 5], 3, 1);
    let [x, weight, _] = conv_inputs(case, 7);
    let x = tensor::<Fast, 4>(&x, case.x_dims());
    let weight = tensor::<Fast, 4>(&weight, case.weight_dims()).require_grad();
    let grads = conv2d(x.clone(), weight.clone(), case.options())
        .sum()
        .backward();
    assert!(x.grad(&grads).is_none());
    assert!(weight.grad(&grads).is_some());
}

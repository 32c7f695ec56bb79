//! Dense convolutions against a plain sum in f64 that shares no code with them.
#![allow(clippy::unwrap_used)]

use burn::backend::Autodiff;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_kernels::conv2d;

type B = Autodiff<Flex>;

/// Rounding allowed, in units of f32 epsilon times the summed magnitudes of the terms.
const UNITS: f64 = 32.0;
const OPERATIONS: [&str; 3] = ["y", "x_grad", "weight_grad"];

#[derive(Debug, Clone, Copy)]
struct Conv {
    batch: usize,
    channels: [usize; 2],
    size: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: [usize; 2],
}

impl Conv {
    fn new(batch: usize, channels: [usize; 2], size: [usize; 2]) -> Self {
        Self {
            batch,
            channels,
            size,
            kernel: 3,
            stride: 1,
            padding: [1, 1],
        }
    }

    fn output(&self) -> [usize; 2] {
        [0, 1]
            .map(|axis| (self.size[axis] + 2 * self.padding[axis] - self.kernel) / self.stride + 1)
    }

    fn x_dims(&self) -> [usize; 4] {
        [self.batch, self.channels[0], self.size[0], self.size[1]]
    }

    fn weight_dims(&self) -> [usize; 4] {
        [self.channels[1], self.channels[0], self.kernel, self.kernel]
    }

    fn y_dims(&self) -> [usize; 4] {
        let [height, width] = self.output();
        [self.batch, self.channels[1], height, width]
    }

    /// Values for x, the weight and the gradient for y.
    fn inputs(&self, seed: u64) -> [Vec<f32>; 3] {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        [self.x_dims(), self.weight_dims(), self.y_dims()].map(|dims| {
            let len = dims.iter().product();
            (0..len).map(|_| random.random_range(-1.0..1.0)).collect()
        })
    }

    /// y and the gradients for x and the weight, by the kernels.
    fn computed(&self, [x, weight, y_grad]: &[Vec<f32>; 3]) -> [Vec<f32>; 3] {
        let tensor = |values: &[f32], dims: [usize; 4]| {
            Tensor::<B, 4>::from_data(TensorData::new(values.to_vec(), dims), &Default::default())
        };
        let x = tensor(x, self.x_dims()).require_grad();
        let weight = tensor(weight, self.weight_dims()).require_grad();
        let options = ConvOptions::new([self.stride; 2], self.padding, [1, 1], 1);
        let y = conv2d(x.clone(), weight.clone(), options);
        assert_eq!(y.dims(), self.y_dims());
        let grads = (y.clone() * tensor(y_grad, self.y_dims())).sum().backward();
        let values = |data: TensorData| data.to_vec::<f32>().unwrap();
        [
            values(y.into_data()),
            values(x.grad(&grads).unwrap().into_data()),
            values(weight.grad(&grads).unwrap().into_data()),
        ]
    }

    /// The same by the definition, every product through `term`.
    fn defined(&self, [x, weight, y_grad]: &[Vec<f32>; 3], term: fn(f64) -> f64) -> [Vec<f64>; 3] {
        let mut results = [self.y_dims(), self.x_dims(), self.weight_dims()]
            .map(|dims| vec![0.0; dims.iter().product()]);
        let [y, x_grad, weight_grad] = &mut results;
        let [_, in_channels, height, width] = self.x_dims();
        let [batch, out_channels, out_height, out_width] = self.y_dims();
        let kernel = self.kernel;
        for at in 0..batch * out_channels * out_height * out_width {
            let (ox, oy) = (at % out_width, at / out_width % out_height);
            let maps = at / (out_width * out_height);
            let (output, image) = (maps % out_channels, maps / out_channels);
            let grad = f64::from(y_grad[at]);
            for input in 0..in_channels {
                for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                    let place = |out: usize, tap: usize, axis: usize| {
                        (out * self.stride + tap).checked_sub(self.padding[axis])
                    };
                    let (Some(iy), Some(ix)) = (place(oy, ky, 0), place(ox, kx, 1)) else {
                        continue;
                    };
                    if iy >= height || ix >= width {
                        continue;
                    }
                    let from = ((image * in_channels + input) * height + iy) * width + ix;
                    let by = ((output * in_channels + input) * kernel + ky) * kernel + kx;
                    let (value, factor) = (f64::from(x[from]), f64::from(weight[by]));
                    y[at] += term(value * factor);
                    x_grad[from] += term(factor * grad);
                    weight_grad[by] += term(value * grad);
                }
            }
        }
        results
    }
}

fn check(case: Conv, seed: u64) {
    let inputs = case.inputs(seed);
    let got = case.computed(&inputs);
    let want = case.defined(&inputs, |term| term);
    let mass = case.defined(&inputs, f64::abs);
    for (operation, name) in OPERATIONS.into_iter().enumerate() {
        let (mut squares, mut largest) = (0.0, 0.0f64);
        for (i, got) in got[operation].iter().enumerate() {
            let difference = (f64::from(*got) - want[operation][i]).abs();
            let limit = UNITS * f64::from(f32::EPSILON) * mass[operation][i] + 1e-30;
            assert!(
                difference <= limit,
                "{case:?}: {name}[{i}] is {got}, not {} (limit {limit:e})",
                want[operation][i]
            );
            let units = difference / limit * UNITS;
            squares += units * units;
            largest = largest.max(units);
        }
        let mean = (squares / got[operation].len() as f64).sqrt();
        println!("{case:?}: {name} off by {mean:.3} units, {largest:.2} at most");
    }
}

#[test]
fn maps_of_every_size_up_to_three_tiles() {
    for size in 1..=10 {
        check(Conv::new(2, [64, 64], [size, 11 - size]), 1);
        check(Conv::new(1, [64, 128], [size, size]), 2);
    }
    check(Conv::new(33, [64, 64], [4, 4]), 3);
    check(Conv::new(3, [128, 64], [7, 7]), 4);
    check(Conv::new(3, [64, 64], [14, 13]), 5);
}

#[test]
fn many_groups_of_tiles_and_several_panels_of_channels() {
    check(Conv::new(5, [64, 64], [33, 30]), 6);
    check(Conv::new(9, [192, 128], [9, 8]), 7);
}

#[test]
fn every_padding_shifts_the_tiles() {
    for padding in [[0, 0], [0, 1], [1, 2], [2, 0], [2, 2], [3, 3]] {
        for size in [[4, 5], [8, 8], [9, 7]] {
            let case = Conv::new(2, [64, 64], size);
            check(Conv { padding, ..case }, 8);
        }
    }
}

#[test]
fn few_channels_strides_and_other_kernels() {
    check(Conv::new(1, [1, 1], [5, 7]), 9);
    check(Conv::new(1, [1, 64], [8, 8]), 10);
    check(Conv::new(2, [64, 1], [8, 8]), 11);
    check(Conv::new(2, [65, 63], [8, 8]), 12);
    for size in [[4, 4], [7, 9], [16, 15]] {
        let case = Conv::new(2, [64, 64], size);
        check(Conv { stride: 2, ..case }, 13);
    }
    let stem = Conv {
        kernel: 7,
        stride: 2,
        padding: [3, 3],
        ..Conv::new(2, [3, 64], [33, 32])
    };
    check(stem, 14);
}

#[test]
fn random_shapes() {
    let mut random = ChaCha8Rng::seed_from_u64(15);
    for seed in 0..24 {
        let mut any = |from: usize, to: usize| random.random_range(from..=to);
        let panels = [1, 16, 64];
        let channels = [0, 1].map(|_| any(1, 2) * panels[any(0, 2)]);
        let case = Conv {
            stride: any(1, 4).saturating_sub(2).max(1),
            padding: [any(0, 2), any(0, 2)],
            ..Conv::new(any(1, 4), channels, [any(3, 14), any(3, 14)])
        };
        check(case, seed);
    }
}

#[test]
fn nan_reaches_every_result_that_it_is_a_term_of() {
    let case = Conv::new(2, [64, 64], [9, 8]);
    for operand in 0..3 {
        let mut inputs = case.inputs(16);
        let middle = inputs[operand].len() / 2 + 5;
        inputs[operand][middle] = f32::NAN;
        let want = case.defined(&inputs, |term| term);
        let got = case.computed(&inputs);
        for (operation, name) in OPERATIONS.into_iter().enumerate() {
            for (i, want) in want[operation].iter().enumerate() {
                let got = got[operation][i];
                assert!(
                    got.is_nan() || !want.is_nan(),
                    "operand {operand}: {name}[{i}] is {got}"
                );
            }
            // what no tile with it has to do with stays a number
            let numbers = got[operation].iter().filter(|value| !value.is_nan());
            let touched = want[operation].iter().any(|value| value.is_nan());
            assert!(touched || numbers.count() == got[operation].len());
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let cases = [
        Conv::new(5, [64, 64], [33, 30]),
        Conv::new(7, [128, 192], [8, 9]),
        Conv::new(40, [64, 64], [4, 4]),
        Conv {
            stride: 2,
            ..Conv::new(4, [64, 128], [15, 16])
        },
        Conv {
            kernel: 7,
            stride: 2,
            padding: [3, 3],
            ..Conv::new(3, [3, 64], [65, 64])
        },
    ];
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            cases
                .map(|case| case.computed(&case.inputs(17)).concat())
                .concat()
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

//! Updates of parameters against the default bodies in f64, over several steps.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_kernels::{
    AdamWStep, Backend, MomentumStep, adamw_step, momentum_step, moving_average, norm,
};

/// For f64 there are no kernels, so this runs the default bodies.
type Oracle = NdArray<f64>;

const STEPS: usize = 4;
/// Lengths around vectors and tasks.
const LENGTHS: [usize; 4] = [1, 17, 16_384, 40_003];
/// Each step rounds a few times at magnitudes of about 1.
const TOLERANCE: f64 = 1e-5;

fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

fn tensor<B: Backend>(len: usize, seed: u64) -> Tensor<B, 1> {
    Tensor::from_data(
        TensorData::new(values(len, seed), [len]),
        &B::Device::default(),
    )
}

fn host<B: Backend>(tensor: Tensor<B, 1>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

#[track_caller]
fn assert_close(what: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let limit = TOLERANCE * want.abs().max(1.0);
        assert!(
            (got - want).abs() <= limit,
            "{what}[{i}]: got {got}, want {want}"
        );
    }
}

/// Parameter and moments after some steps, with the parameter shared by another tensor, which must keep its values.
fn adamw<B: Backend>(len: usize) -> [Vec<f64>; 3] {
    let mut param = tensor::<B>(len, 1);
    let mut moments = None;
    for updates in 1..=STEPS {
        let shared = param.clone();
        let before = host(shared.clone());
        let step = AdamWStep {
            lr: 0.01,
            weight_decay: 0.1,
            betas: [0.9, 0.999],
            eps: 1e-8,
            updates,
        };
        let (updated, new) = adamw_step(param, tensor(len, 1 + updates as u64), moments, step);
        assert_eq!(
            host(shared),
            before,
            "an update must not reach other owners"
        );
        param = updated;
        moments = Some(new);
    }
    let [first, second] = moments.unwrap();
    [host(param), host(first), host(second)]
}

fn momentum<B: Backend>(len: usize, step: MomentumStep, zero: bool) -> [Vec<f64>; 2] {
    let mut param = tensor::<B>(len, 1);
    if zero {
        param = param.zeros_like();
    }
    let mut velocity = None;
    for updates in 1..=STEPS {
        let (updated, new) = momentum_step(param, tensor(len, 1 + updates as u64), velocity, step);
        param = updated;
        velocity = Some(new);
    }
    [host(param), host(velocity.unwrap())]
}

#[test]
fn adamw_equals_its_formula() {
    for len in LENGTHS {
        let want = adamw::<Oracle>(len);
        for (backend, got) in [
            ("flex", adamw::<Flex>(len)),
            ("ndarray", adamw::<NdArray<f32>>(len)),
        ] {
            for (what, (got, want)) in ["param", "first", "second"]
                .iter()
                .zip(got.iter().zip(&want))
            {
                assert_close(&format!("{what} of {len} on {backend}"), got, want);
            }
        }
    }
}

#[test]
fn momentum_with_each_option_equals_its_formula() {
    let plain = MomentumStep {
        lr: 0.1,
        weight_decay: 0.0,
        momentum: 0.9,
        nesterov: false,
        trust: None,
    };
    let steps = [
        plain,
        MomentumStep {
            weight_decay: 0.1,
            ..plain
        },
        MomentumStep {
            weight_decay: 0.1,
            nesterov: true,
            ..plain
        },
        MomentumStep {
            weight_decay: 0.1,
            trust: Some(0.01),
            ..plain
        },
    ];
    for step in steps {
        for len in LENGTHS {
            let want = momentum::<Oracle>(len, step, false);
            for (backend, got) in [
                ("flex", momentum::<Flex>(len, step, false)),
                ("ndarray", momentum::<NdArray<f32>>(len, step, false)),
            ] {
                for (what, (got, want)) in ["param", "velocity"].iter().zip(got.iter().zip(&want)) {
                    assert_close(
                        &format!("{what} of {len} on {backend}, {step:?}"),
                        got,
                        want,
                    );
                }
            }
        }
    }
}

#[test]
fn a_parameter_of_zeros_is_not_scaled_by_its_trust_ratio() {
    let step = MomentumStep {
        lr: 0.1,
        weight_decay: 0.0,
        momentum: 0.0,
        nesterov: false,
        trust: Some(0.001),
    };
    let (param, _) = momentum_step(
        Tensor::<Flex, 1>::zeros([3], &Default::default()),
        tensor(3, 2),
        None,
        step,
    );
    let want: Vec<f64> = values(3, 2)
        .iter()
        .map(|grad| f64::from(-grad * 0.1))
        .collect();
    assert_close("param", &host(param), &want);
    let want = momentum::<Oracle>(33, step, true);
    assert_close("param", &momentum::<Flex>(33, step, true)[0], &want[0]);
}

#[test]
fn the_moving_average_equals_its_formula_and_leaves_other_owners_alone() {
    for len in LENGTHS {
        let average = |target: Tensor<Flex, 1>| moving_average(target, tensor(len, 2), 0.996);
        let target = tensor::<Flex>(len, 1);
        let got = host(average(target.clone()));
        assert_eq!(host(target), host(tensor::<Flex>(len, 1)));
        let want = host(moving_average(
            tensor::<Oracle>(len, 1),
            tensor(len, 2),
            0.996,
        ));
        assert_close(&format!("average of {len}"), &got, &want);
    }
}

#[test]
fn the_norm_equals_that_of_f64_and_tells_of_values_that_are_no_numbers() {
    for len in LENGTHS {
        let want = host(norm(tensor::<Oracle>(len, 3)));
        for got in [
            host(norm(tensor::<Flex>(len, 3))),
            host(norm(tensor::<NdArray>(len, 3))),
        ] {
            assert!(
                (got[0] / want[0] - 1.0).abs() < 1e-6,
                "{len}: {got:?} {want:?}"
            );
        }
        // Its square does not fit into f32.
        let large = host(norm(tensor::<Flex>(len, 3) * 1e30));
        assert!(
            (large[0] / want[0] / 1e30 - 1.0).abs() < 1e-5,
            "{len}: {large:?}"
        );
        let mut values = values(len, 3);
        values[len - 1] = f32::NAN;
        let broken =
            Tensor::<Flex, 1>::from_data(TensorData::new(values, [len]), &Default::default());
        assert!(host(norm(broken))[0].is_nan());
    }
    // A view of every second value, which is no row of memory.
    let every_second = tensor::<Flex>(34, 5)
        .reshape([17, 2])
        .narrow(1, 1, 1)
        .reshape([17]);
    let want = host(every_second.clone())
        .iter()
        .map(|v| v * v)
        .sum::<f64>()
        .sqrt();
    assert!((host(norm(every_second))[0] / want - 1.0).abs() < 1e-6);
}

//! Every operation on random shapes against naive f64 references: outputs and derivatives, at each instruction set of the
//! machine; not-a-number; numbers of threads.
#![allow(clippy::unwrap_used)]

mod reference;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use sslight_kernels::{Activation, AdamWStep, MomentumStep, Region, RoiAlignOptions};

use reference::operations::{
    Attention, BatchNorm, BatchNormAdd, Conv, CrossView, First, Linear, NormConv, NormMaxPool,
    Operation, Patches, RoiAlign, Rule, Source, Update, WeightNorm,
};
use reference::{Errors, check, check_not_a_number, check_threads};

/// The same cases in every run; a failing one is printed at its smallest.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2021),
        max_shrink_iters: 200,
        ..Config::default()
    })
}

/// Compares `cases` random operations with their references; a quarter of them with not-a-number too.
fn agree<O: Operation>(name: &str, cases: u32, operations: impl Strategy<Value = O> + Clone) {
    let errors = Cell::new(Errors::default());
    let values = (operations.clone(), any::<u64>());
    let result = runner(cases).run(&values, |(operation, seed)| {
        let found = check(&operation, seed).map_err(TestCaseError::fail)?;
        let mut all = errors.get();
        all.join(found);
        errors.set(all);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{name}: {error}"));
    let Errors([forward, backward]) = errors.get();
    println!("{name}: off by {forward:.2} units at most, derivatives by {backward:.2}");
    let result = runner(cases / 4).run(&(operations, any::<u64>()), |(operation, seed)| {
        check_not_a_number(&operation, seed).map_err(TestCaseError::fail)
    });
    result.unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn activation() -> impl Strategy<Value = Activation> + Clone {
    prop::sample::select(&[Activation::None, Activation::Relu, Activation::Relu6][..])
}

fn source() -> impl Strategy<Value = Source> + Clone {
    prop::sample::select(&[Source::Batch, Source::Given][..])
}

/// Two numbers, equal most of the time.
fn pair(one: impl Strategy<Value = usize> + Clone) -> impl Strategy<Value = [usize; 2]> + Clone {
    let equal = one.clone().prop_map(|size| [size; 2]);
    prop_oneof![2 => equal, 1 => [one.clone(), one]]
}

/// Kernels, strides and paddings.
fn windows() -> impl Strategy<Value = [[usize; 2]; 3]> + Clone {
    let kernel = pair(prop::sample::select(&[1, 3, 5, 7][..]));
    [
        kernel.boxed(),
        pair(1..=3usize).boxed(),
        pair(0..=3usize).boxed(),
    ]
}

fn conv(
    batch: impl Strategy<Value = usize> + Clone,
    channels: impl Strategy<Value = ([usize; 2], usize)> + Clone,
    size: impl Strategy<Value = usize> + Clone,
    windows: impl Strategy<Value = [[usize; 2]; 3]> + Clone,
) -> impl Strategy<Value = Conv> + Clone {
    let size = [size.clone(), size];
    (batch, channels, size, windows).prop_map(
        |(batch, (channels, groups), size, [kernel, stride, padding])| {
            let conv = Conv {
                batch,
                channels,
                groups,
                size,
                kernel,
                stride,
                padding,
            };
            conv.fitted()
        },
    )
}

fn dense(
    inputs: impl Strategy<Value = usize> + Clone,
    outputs: impl Strategy<Value = usize> + Clone,
) -> impl Strategy<Value = ([usize; 2], usize)> + Clone {
    (inputs, outputs).prop_map(|(inputs, outputs)| ([inputs, outputs], 1))
}

fn depthwise(
    channels: std::ops::Range<usize>,
) -> impl Strategy<Value = ([usize; 2], usize)> + Clone {
    channels.prop_map(|channels| ([channels; 2], channels))
}

const THREE: [usize; 2] = [3, 3];
const ONE: [usize; 2] = [1, 1];

#[test]
fn dense_convolution() {
    let any = conv(
        1..4usize,
        dense(1..6usize, 1..6usize),
        1..14usize,
        windows(),
    );
    agree("dense convolution", 144, any);
    // Few positions and enough images: the images are the columns.
    let small = conv(
        16..20usize,
        dense(1..5usize, 1..20usize),
        1..5usize,
        windows(),
    );
    agree("dense convolution of small maps", 72, small);
}

#[test]
fn dense_convolution_by_winograd() {
    let windows = pair(0..=2usize).prop_map(|padding| [THREE, ONE, padding]);
    let any = conv(8..11usize, dense(Just(64), Just(64)), 7..11usize, windows);
    agree("dense convolution by Winograd", 16, any);
}

#[test]
fn pointwise_convolution() {
    let windows =
        [1..=2usize, 0..=1usize].prop_map(|[stride, padding]| [ONE, [stride; 2], [padding; 2]]);
    let any = conv(
        1..6usize,
        dense(1..10usize, 1..10usize),
        1..13usize,
        windows,
    );
    agree("pointwise convolution", 96, any);
}

#[test]
fn grouped_convolution() {
    let channels = [1..4usize, 1..4usize, 2..4usize]
        .prop_map(|[inputs, outputs, groups]| ([inputs * groups, outputs * groups], groups));
    let any = conv(1..4usize, channels, 1..10usize, windows());
    agree("grouped convolution", 96, any);
}

#[test]
fn depthwise_convolution() {
    // Of three by three, which has kernels of its own.
    let windows = [pair(1..=2usize).boxed(), pair(0..=3usize).boxed()]
        .prop_map(|[stride, padding]| [THREE, stride, padding]);
    let any = conv(1..5usize, depthwise(1..9), 1..24usize, windows.clone());
    agree("depthwise convolution", 144, any);
    // Few positions: the images are the lanes.
    let small = conv(1..40usize, depthwise(1..6), 1..6usize, windows);
    agree("depthwise convolution of small maps", 96, small);
}

#[test]
fn depthwise_convolution_by_other_kernels() {
    let any = conv(1..4usize, depthwise(1..6), 1..10usize, windows());
    agree("depthwise convolution by other kernels", 72, any);
}

fn norm(
    positions: impl Strategy<Value = usize> + Clone,
    source: Source,
) -> impl Strategy<Value = BatchNorm> + Clone {
    (1..9usize, 1..20usize, positions, activation()).prop_map(
        move |(batch, channels, positions, activation)| BatchNorm {
            dims: [batch, channels, positions],
            activation,
            source,
        },
    )
}

#[test]
fn batch_norm_by_the_batch() {
    agree("batch norm", 96, norm(1..32usize, Source::Batch));
    agree(
        "batch norm of wide maps",
        96,
        norm(32..200usize, Source::Batch),
    );
}

#[test]
fn batch_norm_by_given_statistics() {
    agree("running batch norm", 96, norm(1..32usize, Source::Given));
    agree(
        "running batch norm of wide maps",
        96,
        norm(32..200usize, Source::Given),
    );
}

#[test]
fn batch_norm_with_a_shortcut() {
    let added = |positions, source| norm(positions, source).prop_map(BatchNormAdd);
    agree(
        "batch norm with a shortcut",
        72,
        added(1..32usize, Source::Batch),
    );
    agree(
        "batch norm with a shortcut, wide",
        72,
        added(32..200usize, Source::Batch),
    );
    agree(
        "running batch norm with a shortcut",
        72,
        added(1..32usize, Source::Given),
    );
    agree(
        "running batch norm with a shortcut, wide",
        72,
        added(32..200usize, Source::Given),
    );
}

fn norm_conv(conv: impl Strategy<Value = Conv> + Clone) -> impl Strategy<Value = NormConv> + Clone {
    (conv, activation()).prop_map(|(conv, activation)| NormConv { conv, activation })
}

#[test]
fn convolution_of_normalised_maps() {
    let any = conv(
        1..4usize,
        dense(1..6usize, 1..6usize),
        2..10usize,
        windows(),
    );
    agree("convolution of normalised maps", 96, norm_conv(any));
    let windows = [pair(1..=2usize).boxed(), pair(0..=2usize).boxed()]
        .prop_map(|[stride, padding]| [THREE, stride, padding]);
    let any = conv(1..4usize, depthwise(1..5), 2..20usize, windows);
    agree(
        "depthwise convolution of normalised maps",
        96,
        norm_conv(any),
    );
    let any = conv(
        1..5usize,
        dense(1..10usize, 1..10usize),
        4..14usize,
        Just([ONE, ONE, [0, 0]]),
    );
    agree(
        "pointwise convolution of normalised maps",
        96,
        norm_conv(any),
    );
}

#[test]
fn max_pooling_of_normalised_maps() {
    let any = (
        [1..5usize, 1..5usize, 1..18usize, 1..18usize],
        activation(),
        source(),
    );
    let any = any.prop_map(|(dims, activation, source)| NormMaxPool {
        dims,
        activation,
        source,
    });
    agree("max pooling of normalised maps", 192, any);
}

fn linear(rows: std::ops::Range<usize>) -> impl Strategy<Value = Linear> + Clone {
    let first = prop::sample::select(&[First::Nothing, First::LayerNorm, First::Gelu][..]);
    (rows, 1..40usize, 1..40usize, first, any::<bool>()).prop_map(
        |(rows, inputs, outputs, first, bias)| Linear {
            rows,
            inputs,
            outputs,
            first,
            bias,
        },
    )
}

#[test]
fn linear_layers() {
    agree("linear layer", 144, linear(1..80));
    // Several blocks of rows.
    agree("linear layer of many rows", 36, linear(257..600));
}

#[test]
fn attention() {
    let any = (1..4usize, 1..36usize, 1..4usize, 1..20usize).prop_map(
        |(batch, tokens, heads, head_dim)| Attention {
            batch,
            tokens,
            heads,
            head_dim,
        },
    );
    agree("self-attention", 96, any);
}

#[test]
fn weight_normalisation() {
    let any =
        (1..150usize, 1..70usize).prop_map(|(outputs, inputs)| WeightNorm { outputs, inputs });
    agree("weight norm", 96, any);
}

#[test]
fn cross_entropy_of_views() {
    let temperature = prop::sample::select(&[1.0, 0.1, 0.04][..]);
    let any = (1..5usize, 2..6usize, 1..1500usize, temperature).prop_map(
        |(batch, views, outputs, temperature)| CrossView {
            batch,
            views,
            outputs,
            temperature,
        },
    );
    agree("cross entropy of views", 96, any);
}

#[test]
fn patches() {
    let any = (1..4usize, 1..4usize, 1..5usize, [0..14usize, 0..14usize]).prop_map(
        |(batch, channels, side, [height, width])| Patches {
            dims: [batch, channels, height.max(side), width.max(side)],
            side,
        },
    );
    agree("patches", 96, any);
}

/// A side of a region in sixteenths of a pixel, which f32 computes with as exactly as f64: both count the same samples.
fn side(pixels: usize) -> impl Strategy<Value = [f32; 2]> + Clone {
    const PARTS: i32 = 16;
    let end = pixels as i32 * PARTS;
    let inside = (0..end, 0..=end).prop_map(|(one, other)| [one.min(other), one.max(other)]);
    let about = (-end..2 * end, 0..2 * end).prop_map(|(start, size)| [start, start + size]);
    let tiny = (-2 * PARTS..end + 2 * PARTS, 0..4).prop_map(|(start, size)| [start, start + size]);
    let whole = Just([0, end]);
    let huge = (1..8i32).prop_map(move |times| [-times * end, (times + 3) * end]);
    let upside_down = (0..end, 1..end).prop_map(|(start, size)| [start, start - size]);
    prop_oneof![4 => inside, 3 => about, 2 => tiny, 1 => whole, 1 => huge, 1 => upside_down]
        .prop_map(|side| side.map(|part| part as f32 / PARTS as f32))
}

fn roi_align_case() -> impl Strategy<Value = RoiAlign> + Clone {
    let stride = prop::sample::select(&[1usize, 2, 4][..]);
    let output = prop::sample::select(&[1usize, 2, 7, 9, 14][..]);
    let ratio = prop::sample::select(&[None, None, Some(1), Some(2), Some(3)][..]);
    // Maps that are narrower than a vector, about one, and so wide that the longest loops run.
    let width = prop_oneof![1..12usize, 12..60usize];
    let dims = (1..3usize, 1..7usize, 1..20usize, width);
    (dims, stride, output, ratio).prop_flat_map(
        |((batch, channels, height, width), stride, output, sampling_ratio)| {
            let region = (0..batch, side(width * stride), side(height * stride));
            let region = region.prop_map(|(image, [x0, x1], [y0, y1])| Region {
                image,
                corners: [x0, y0, x1, y1],
            });
            prop::collection::vec(region, 1..6).prop_map(move |regions| RoiAlign {
                dims: [batch, channels, height, width],
                regions,
                options: RoiAlignOptions {
                    output,
                    spatial_scale: 1.0 / stride as f32,
                    sampling_ratio,
                },
            })
        },
    )
}

#[test]
fn bins_of_regions() {
    agree("roi align", 192, roi_align_case());
}

fn rule() -> impl Strategy<Value = Rule> + Clone {
    let decay = prop::sample::select(&[0.0, 0.1][..]);
    let adamw = (decay.clone(), 1..20usize).prop_map(|(weight_decay, updates)| {
        Rule::AdamW(AdamWStep {
            lr: 0.01,
            weight_decay,
            betas: [0.9, 0.999],
            eps: 1e-8,
            updates,
        })
    });
    let trust = prop::sample::select(&[None, Some(0.01)][..]);
    let momentum = (decay, any::<bool>(), trust).prop_map(|(weight_decay, nesterov, trust)| {
        Rule::Momentum(MomentumStep {
            lr: 0.1,
            weight_decay,
            momentum: 0.9,
            nesterov,
            trust,
        })
    });
    let average = (0.0..1.0f64).prop_map(Rule::Average);
    prop_oneof![adamw, momentum, average]
}

#[test]
fn updates() {
    let any = (1..300usize, rule()).prop_map(|(len, rule)| Update { len, rule });
    agree("updates", 192, any);
}

/// Shapes that are split in several tasks.
fn large(kernel: usize, stride: usize, channels: [usize; 2], groups: usize, size: usize) -> Conv {
    Conv {
        batch: 5,
        channels,
        groups,
        size: [size, size + 1],
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
    }
}

#[test]
fn a_number_of_threads_changes_no_bit() {
    for conv in [
        large(3, 1, [24, 20], 1, 23),
        large(1, 1, [24, 40], 1, 30),
        // of whole vectors of positions
        large(1, 1, [24, 40], 1, 31),
        large(3, 1, [40, 40], 40, 30),
        large(3, 2, [40, 40], 40, 7),
        large(3, 1, [24, 20], 4, 15),
    ] {
        check_threads(&conv, 1);
        let activation = Activation::Relu6;
        check_threads(&NormConv { conv, activation }, 2);
    }
    for (positions, source) in [
        (900, Source::Batch),
        (900, Source::Given),
        (9, Source::Batch),
        (9, Source::Given),
    ] {
        let norm = BatchNorm {
            dims: [9, 40, positions],
            activation: Activation::Relu,
            source,
        };
        check_threads(&norm, 3);
        check_threads(&BatchNormAdd(norm), 4);
        let pool = NormMaxPool {
            dims: [5, 20, 31, 30],
            activation: Activation::Relu,
            source,
        };
        check_threads(&pool, 5);
    }
    check_threads(
        &WeightNorm {
            outputs: 500,
            inputs: 130,
        },
        6,
    );
    let views = CrossView {
        batch: 9,
        views: 4,
        outputs: 3000,
        temperature: 0.1,
    };
    check_threads(&views, 7);
    check_threads(
        &Patches {
            dims: [5, 3, 32, 48],
            side: 8,
        },
        8,
    );
    for sampling_ratio in [None, Some(2)] {
        let corners = |index: usize| {
            let [x, y] = [index * 7 % 31, index * 11 % 17].map(|at| at as f32 - 2.5);
            [
                x,
                y,
                x + 3.0 + (index % 13) as f32,
                y + 2.0 + (index % 7) as f32,
            ]
        };
        let regions = (0..100).map(|index| Region {
            image: index * 5 % 3,
            corners: corners(index),
        });
        let regions = RoiAlign {
            dims: [3, 10, 17, 33],
            regions: regions.collect(),
            options: RoiAlignOptions {
                output: 7,
                spatial_scale: 1.0,
                sampling_ratio,
            },
        };
        check_threads(&regions, 10);
    }
    let step = MomentumStep {
        lr: 0.1,
        weight_decay: 0.1,
        momentum: 0.9,
        nesterov: true,
        trust: Some(0.01),
    };
    let adamw = AdamWStep {
        lr: 0.01,
        weight_decay: 0.1,
        betas: [0.9, 0.999],
        eps: 1e-8,
        updates: 3,
    };
    for rule in [
        Rule::Momentum(step),
        Rule::AdamW(adamw),
        Rule::Average(0.99),
    ] {
        check_threads(&Update { len: 100_000, rule }, 9);
    }
}

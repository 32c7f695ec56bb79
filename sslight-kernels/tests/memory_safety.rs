//! Every operation once on tiny shapes, forward and backward, for tools that watch memory: `just memcheck`.
//!
//! Shapes are the smallest that reach each kernel: vectors with a rest, borders, several tasks. Values are compared in
//! `random_shapes.rs`; here they only have to be numbers, which under valgrind also says that none comes from memory that
//! nobody wrote.

mod reference;

use burn::backend::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use sslight_kernels::{Activation, AdamWStep, MomentumStep, Region, RoiAlignOptions};

use reference::operations::{
    Attention, BatchNorm, BatchNormAdd, Conv, CrossView, First, Linear, NormConv, NormMaxPool,
    Operation, Patches, RoiAlign, Rule, Source, Update, WeightNorm,
};
use reference::{at_each_level, draw, draw_operands, gradients, outputs, random};

#[track_caller]
fn run(operation: &impl Operation) {
    let mut random = random(1);
    let values = draw_operands(&mut random, operation);
    let differentiable = operation.operands().iter().any(|o| o.differentiable);
    let result = at_each_level(|level| {
        let mut all = outputs::<Flex>(operation, &values);
        if differentiable {
            let weights = draw(&mut random, all[0].len(), [-1.0, 1.0]);
            all.extend(gradients::<Autodiff<Flex>>(operation, &values, &weights).concat());
        }
        // The same kernels, on tensors of other memory.
        all.extend(outputs::<NdArray<f32>>(operation, &values));
        let numbers = all.iter().flatten().all(|value| value.is_finite());
        numbers.then_some(()).ok_or_else(|| format!("{level:?}"))
    });
    if let Err(level) = result {
        panic!("{operation:?} at {level} gives what is no number");
    }
}

fn conv(
    batch: usize,
    channels: [usize; 2],
    size: [usize; 2],
    kernel: usize,
    stride: usize,
) -> Conv {
    Conv {
        batch,
        channels,
        groups: 1,
        size,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
    }
}

fn depthwise(batch: usize, channels: usize, size: [usize; 2], stride: usize) -> Conv {
    Conv {
        groups: channels,
        ..conv(batch, [channels; 2], size, 3, stride)
    }
}

#[test]
fn convolutions() {
    for conv in [
        conv(2, [3, 5], [7, 9], 3, 1),
        conv(2, [3, 5], [9, 7], 3, 2),
        conv(1, [2, 3], [9, 8], 7, 3),
        // the images as columns
        conv(16, [3, 5], [3, 4], 3, 1),
        // of one position, in tiles and on small maps
        conv(4, [5, 3], [9, 8], 1, 1),
        conv(4, [5, 3], [8, 8], 1, 1),
        conv(3, [5, 3], [2, 2], 1, 1),
        // Winograd, with tiles that hang over
        conv(8, [64, 64], [7, 6], 3, 1),
        depthwise(2, 3, [9, 13], 1),
        depthwise(2, 3, [9, 12], 2),
        depthwise(17, 2, [3, 4], 1),
        depthwise(17, 2, [4, 3], 2),
    ] {
        run(&conv);
        if conv.channels != [64, 64] {
            let activation = Activation::Relu6;
            run(&NormConv { conv, activation });
        }
    }
}

#[test]
fn normalisations() {
    for source in [Source::Batch, Source::Given] {
        for dims in [[3, 5, 7], [2, 3, 37]] {
            let activation = Activation::Relu;
            let norm = BatchNorm {
                dims,
                activation,
                source,
            };
            run(&norm);
            run(&BatchNormAdd(norm));
        }
        for dims in [[2, 3, 9, 7], [1, 2, 1, 2]] {
            let activation = Activation::Relu;
            run(&NormMaxPool {
                dims,
                activation,
                source,
            });
        }
    }
    run(&WeightNorm {
        outputs: 67,
        inputs: 19,
    });
}

#[test]
fn layers_of_transformers() {
    for first in [First::Nothing, First::LayerNorm, First::Gelu] {
        for rows in [5, 259] {
            run(&Linear {
                rows,
                inputs: 19,
                outputs: 7,
                first,
                bias: true,
            });
        }
    }
    run(&Attention {
        batch: 2,
        tokens: 19,
        heads: 2,
        head_dim: 5,
    });
    run(&Patches {
        dims: [2, 2, 7, 9],
        side: 3,
    });
}

#[test]
fn bins_of_regions() {
    // Lines that are whole vectors, longer ones, and those of a map that is narrower; a region beyond the map.
    for (dims, output) in [([2, 5, 9, 43], 7), ([2, 3, 7, 5], 3), ([1, 1, 1, 1], 9)] {
        let corners = [
            [3.0, 1.0, 12.0, 8.0],
            [-4.0, -3.0, 60.0, 20.0],
            [2.0, 2.0, 2.5, 2.5],
            [90.0, 1.0, 99.0, 9.0],
        ];
        for sampling_ratio in [None, Some(2)] {
            run(&RoiAlign {
                dims,
                regions: corners
                    .map(|corners| Region {
                        image: dims[0] - 1,
                        corners,
                    })
                    .to_vec(),
                options: RoiAlignOptions {
                    output,
                    spatial_scale: 1.0,
                    sampling_ratio,
                },
            });
        }
    }
}

#[test]
fn losses_and_updates() {
    run(&CrossView {
        batch: 2,
        views: 3,
        outputs: 1050,
        temperature: 0.1,
    });
    let adamw = AdamWStep {
        lr: 0.01,
        weight_decay: 0.1,
        betas: [0.9, 0.999],
        eps: 1e-8,
        updates: 1,
    };
    let momentum = MomentumStep {
        lr: 0.1,
        weight_decay: 0.1,
        momentum: 0.9,
        nesterov: true,
        trust: Some(0.01),
    };
    for rule in [
        Rule::AdamW(adamw),
        Rule::Momentum(momentum),
        Rule::Average(0.9),
    ] {
        run(&Update { len: 35, rule });
    }
}

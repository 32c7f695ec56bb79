//! The kernels beside burn's own operations on the same backend (burn-flex), layer by layer.
//!
//! `cargo bench -p sslight-kernels [--profile dev] [-- FILTER]`. Each line gives the time of a forward
//! and backward pass: the kernels, burn's operations, and how many times the kernels are faster; both
//! are the better of two runs taken alternately, each the median of several passes.

use std::time::{Duration, Instant};

use burn::backend::Autodiff;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Distribution, Tensor};
use burn_flex::Flex;
use sslight_kernels::{Activation, batch_norm_train, conv2d};

type B = Autodiff<Flex>;

/// A convolution of a network: name, channels in and out, groups, map, kernel, stride.
type Layer = (&'static str, [usize; 2], usize, usize, usize, usize);

/// Layers of ResNet-18 and MobileNetV2 at 32 px (total stride 32 and 8) and at 224 px.
const LAYERS: &[(usize, &[Layer])] = &[
    (
        64,
        &[
            ("resnet18/32 stem", [3, 64], 1, 32, 7, 2),
            ("resnet18/32 layer1", [64, 64], 1, 8, 3, 1),
            ("resnet18/32 layer2", [128, 128], 1, 4, 3, 1),
            ("resnet18/32 layer2.0", [64, 128], 1, 8, 3, 2),
            ("resnet18/32 layer3", [256, 256], 1, 2, 3, 1),
            ("resnet18/32 layer4", [512, 512], 1, 1, 3, 1),
            ("resnet18/32 small layer1", [64, 64], 1, 32, 3, 1),
            ("resnet18/32 small layer4", [512, 512], 1, 4, 3, 1),
            ("mobilenet/32 expand 2", [16, 96], 1, 16, 1, 1),
            ("mobilenet/32 depthwise 2", [96, 96], 96, 16, 3, 2),
            ("mobilenet/32 depthwise 8", [384, 384], 384, 2, 3, 1),
            ("mobilenet/32 project 8", [384, 64], 1, 2, 1, 1),
            ("mobilenet/32 depthwise 17", [960, 960], 960, 1, 3, 1),
            ("mobilenet/32 last", [320, 1280], 1, 1, 1, 1),
            ("mobilenet/32 small depthwise 3", [144, 144], 144, 32, 3, 1),
            ("mobilenet/32 small depthwise 8", [384, 384], 384, 8, 3, 1),
        ],
    ),
    (
        4,
        &[
            ("resnet18/224 stem", [3, 64], 1, 224, 7, 2),
            ("resnet18/224 layer1", [64, 64], 1, 56, 3, 1),
            ("resnet18/224 layer4", [512, 512], 1, 7, 3, 1),
            ("mobilenet/224 expand 2", [16, 96], 1, 112, 1, 1),
            ("mobilenet/224 depthwise 2", [96, 96], 96, 112, 3, 2),
            ("mobilenet/224 depthwise 3", [144, 144], 144, 56, 3, 1),
            ("mobilenet/224 depthwise 17", [960, 960], 960, 7, 3, 1),
        ],
    ),
];

fn main() {
    // cargo passes `--bench`; anything else is a part of the names to run
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wanted = |name: &str| filter.as_ref().is_none_or(|filter| name.contains(filter));
    println!(
        "{:44} {:>9} {:>9} {:>7}",
        "layer, forward + backward", "ours ms", "burn ms", "ratio"
    );
    for (batch, layers) in LAYERS {
        for layer in *layers {
            if wanted(layer.0) {
                convolution(*batch, *layer);
            }
        }
    }
    for dims in [[64, 64, 1024], [64, 384, 16], [64, 960, 1], [4, 96, 12544]] {
        let name = format!("batch norm + relu6 {dims:?}");
        if wanted(&name) {
            normalization(&name, dims);
        }
    }
}

fn convolution(batch: usize, (name, channels, groups, size, kernel, stride): Layer) {
    let device = Default::default();
    let random = |dims: [usize; 4]| {
        Tensor::<B, 4>::random(dims, Distribution::Normal(0.0, 1.0), &device).require_grad()
    };
    let x = random([batch, channels[0], size, size]);
    let weight = random([channels[1], channels[0] / groups, kernel, kernel]);
    let options = ConvOptions::new([stride; 2], [kernel / 2; 2], [1, 1], groups);
    compare(
        name,
        || {
            conv2d(x.clone(), weight.clone(), options.clone())
                .sum()
                .backward();
        },
        || {
            burn::tensor::module::conv2d(x.clone(), weight.clone(), None, options.clone())
                .sum()
                .backward();
        },
    );
}

fn normalization(name: &str, dims: [usize; 3]) {
    let device = Default::default();
    let x = Tensor::<B, 3>::random(dims, Distribution::Normal(0.0, 1.0), &device).require_grad();
    let weight = Tensor::<B, 1>::ones([dims[1]], &device).require_grad();
    let bias = Tensor::<B, 1>::zeros([dims[1]], &device).require_grad();
    compare(
        name,
        || {
            let (weight, bias) = (weight.clone(), bias.clone());
            let (y, ..) = batch_norm_train(x.clone(), weight, bias, 1e-5, Activation::Relu6);
            y.sum().backward();
        },
        || {
            let column = |t: &Tensor<B, 1>| t.clone().reshape([1, dims[1], 1]);
            let mean = x.clone().mean_dim(2).mean_dim(0);
            let centered = x.clone() - mean;
            let var = (centered.clone() * centered.clone())
                .mean_dim(2)
                .mean_dim(0);
            let scale = column(&weight) / (var + 1e-5).sqrt();
            let y = centered * scale + column(&bias);
            burn::tensor::activation::relu(y)
                .clamp_max(6.0)
                .sum()
                .backward();
        },
    );
}

fn compare(name: &str, ours: impl Fn(), burns: impl Fn()) {
    let mut best = [Duration::MAX; 2];
    for _ in 0..2 {
        best[0] = best[0].min(median(&ours));
        best[1] = best[1].min(median(&burns));
    }
    let [ours, burns] = best.map(|time| time.as_secs_f64() * 1e3);
    println!("{name:44} {ours:9.2} {burns:9.2} {:7.1}", burns / ours);
}

/// The median over passes for half a second, at least three after a first one that is not counted.
fn median(pass: &impl Fn()) -> Duration {
    pass();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || start.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        pass();
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

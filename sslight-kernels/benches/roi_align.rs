//! RoIAlign of 1,000 regions of an image of 800 x 1336 pixels on a map of a quarter of its sides, 256 channels, 7 x 7 bins.
//!
//! `cargo bench -p sslight-kernels --bench roi_align`. Each line gives medians over five passes and more, forward without a
//! tape and backward alone. `roi_align.py` beside it does the same with torchvision, on the same regions.

use std::time::{Duration, Instant};

use burn::tensor::{Distribution, Tensor};
use burn_flex::Flex;
use sslight_kernels::{Backend, Region, RoiAlignOptions, roi_align};

const DIMS: [usize; 4] = [1, 256, 200, 334];
const REGIONS: usize = 1000;
const STRIDE: usize = 4;
const OPTIONS: RoiAlignOptions = RoiAlignOptions {
    output: 7,
    spatial_scale: 1.0 / STRIDE as f32,
    sampling_ratio: None,
};

fn main() {
    println!(
        "{:36} {:>11} {:>11}",
        "regions", "forward ms", "backward ms"
    );
    // What a pyramid leaves to its finest map, and what a network with one map has.
    for [smallest, largest] in [[16.0, 112.0], [16.0, 512.0]] {
        for sampling_ratio in [None, Some(2)] {
            let options = RoiAlignOptions {
                sampling_ratio,
                ..OPTIONS
            };
            let [forward, backward] = measure(&regions(smallest, largest), options);
            let name = format!(
                "sides {smallest} to {largest}, {}",
                sampling_ratio.map_or("adaptive".into(), |ratio| format!("ratio {ratio}"))
            );
            println!("{name:36} {forward:11.1} {backward:11.1}");
        }
    }
}

/// Regions within the image, the logarithms of their sides evenly spread.
fn regions(smallest: f64, largest: f64) -> Vec<Region> {
    let mut state: u64 = 1;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut side = |cells: usize| {
        let size = smallest * (largest / smallest).powf(random());
        let start = random() * ((cells * STRIDE) as f64 - size);
        [start as f32, (start + size) as f32]
    };
    (0..REGIONS)
        .map(|_| {
            let ([x0, x1], [y0, y1]) = (side(DIMS[3]), side(DIMS[2]));
            let corners = [x0, y0, x1, y1];
            Region { image: 0, corners }
        })
        .collect()
}

/// Milliseconds forward and backward.
fn measure(regions: &[Region], options: RoiAlignOptions) -> [f64; 2] {
    let device = Default::default();
    let random =
        |dims: [usize; 4]| Tensor::<Flex, 4>::random(dims, Distribution::Normal(0.0, 1.0), &device);
    let features = random(DIMS);
    let grad = random([REGIONS, DIMS[1], options.output, options.output]);
    let forward = median(|| {
        roi_align(features.clone(), regions, options);
    });
    let backward = median(|| {
        let grad = grad.clone().into_primitive().tensor();
        Flex::roi_align_backward(regions, options, DIMS, grad);
    });
    [forward, backward].map(|time| time.as_secs_f64() * 1e3)
}

/// The median over passes for a second, at least five after a first one that is not counted.
fn median(pass: impl Fn()) -> Duration {
    pass();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || start.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        pass();
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

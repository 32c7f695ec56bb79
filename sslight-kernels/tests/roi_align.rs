//! RoIAlign against its definition sample by sample, and against golden numbers. Kernels on random shapes are also in
//! `random_shapes.rs`, at each instruction set.
#![allow(clippy::unwrap_used)]

mod reference;

use std::path::Path;
use std::time::{Duration, Instant};

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use safetensors::SafeTensors;
use sslight_kernels::{AutodiffBackend, Region, RoiAlignOptions, roi_align};

use reference::number::Kinks;
use reference::operations::{Operation, RoiAlign};
use reference::{draw, random};

/// Of f64, for which there are no kernels.
type Stock = Autodiff<NdArray<f64>>;

/// Rounding allowed, in units of the largest magnitude of a result: kernels in f32.
const TOLERANCE: f64 = 2e-6;
/// The default bodies in f64.
const TOLERANCE_STOCK: f64 = 1e-12;

/// Regions of every kind in a 52 x 36 image, on whose corners f32 is exact.
const CORNERS: [[f32; 4]; 20] = [
    // inside: of whole cells, of none, of one pixel, of a line
    [4.0, 8.0, 20.0, 24.0],
    [5.25, 3.5, 30.75, 20.125],
    [10.0, 10.0, 11.0, 11.0],
    [10.5, 2.25, 10.625, 33.5],
    // at the border
    [0.0, 0.0, 52.0, 36.0],
    [0.0, 0.0, 7.0, 9.0],
    [40.0, 30.0, 52.0, 36.0],
    // reaching out, on each side and around
    [-9.5, 4.0, 8.0, 20.0],
    [4.0, -7.25, 20.0, 9.0],
    [44.0, 8.0, 70.5, 20.0],
    [8.0, 30.0, 20.0, 61.0],
    [-20.0, -10.0, 90.0, 60.0],
    // outside
    [60.0, 40.0, 90.0, 80.0],
    [-50.0, -40.0, -10.0, -12.0],
    [4.0, 100.0, 20.0, 130.0],
    // without area, upside down
    [12.5, 9.0, 12.5, 25.0],
    [12.5, 9.5, 12.5, 9.5],
    [30.0, 20.0, 12.0, 8.0],
    // huge, on one side and both
    [-300.0, 4.0, 700.0, 20.0],
    [-400.0, -300.0, 500.0, 900.0],
];

fn regions() -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for (index, corners) in CORNERS.into_iter().enumerate() {
        // In no order of images, and one of them has none.
        let image = [1, 0, 1, 3][index % 4];
        regions.push(Region { image, corners });
    }
    regions
}

fn cases() -> Vec<RoiAlign> {
    let mut cases = Vec::new();
    for output in [1, 7, 14] {
        for sampling_ratio in [None, Some(1), Some(2), Some(5)] {
            cases.push(RoiAlign {
                dims: [4, 3, 9, 13],
                regions: regions(),
                options: RoiAlignOptions {
                    output,
                    spatial_scale: 0.25,
                    sampling_ratio,
                },
            });
        }
    }
    cases
}

/// The bins, and the gradient of `sum(weights * bins)` for the features.
fn results<B: AutodiffBackend>(
    case: &RoiAlign,
    features: &[f32],
    weights: &[f32],
) -> [Vec<f64>; 2] {
    let device = Default::default();
    let features = TensorData::new(features.to_vec(), case.dims);
    let features = Tensor::<B, 4>::from_data(features, &device).require_grad();
    let bins = roi_align(features.clone(), &case.regions, case.options);
    let weights = TensorData::new(weights.to_vec(), bins.dims());
    let grads = (bins.clone() * Tensor::from_data(weights, &device))
        .sum()
        .backward();
    let grad = features.grad(&grads).unwrap();
    [bins.inner(), grad].map(|tensor| tensor.into_data().iter::<f64>().collect())
}

/// The same from the definition.
fn definition(case: &RoiAlign, features: &[f32], weights: &[f32]) -> [Vec<f64>; 2] {
    let values: Vec<f64> = features.iter().map(|value| f64::from(*value)).collect();
    let bins = case
        .formula(&[values], &mut Kinks::default())
        .swap_remove(0);
    let [_, channels, height, width] = case.dims;
    let mut grad = vec![0.0; features.len()];
    let mut weights = weights.iter();
    for region in &case.regions {
        let cells = case.cells(region);
        for channel in 0..channels {
            let map = (region.image * channels + channel) * height * width;
            for bin in &cells {
                let weight = f64::from(*weights.next().unwrap());
                for (cell, share) in bin {
                    grad[map + cell] += weight * share;
                }
            }
        }
    }
    [bins, grad]
}

#[track_caller]
fn assert_equal(what: &str, got: &[Vec<f64>; 2], want: &[Vec<f64>; 2], tolerance: f64) {
    for (name, (got, want)) in ["bins", "gradient"].iter().zip(got.iter().zip(want)) {
        assert_eq!(got.len(), want.len(), "{what}: {name}");
        let largest = want.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
        assert!(largest > 0.0, "{what}: {name}");
        for (index, (got, want)) in got.iter().zip(want).enumerate() {
            assert!(
                (got - want).abs() <= tolerance * largest,
                "{what}: {name}[{index}] is {got}, not {want} (largest {largest})"
            );
        }
    }
}

#[test]
fn bins_and_gradients_are_those_of_the_definition() {
    for (seed, case) in cases().iter().enumerate() {
        let mut random = random(seed as u64);
        let features = draw(&mut random, case.dims.iter().product(), [-1.0, 2.0]);
        let bins = case.options.output * case.options.output;
        let weights = draw(
            &mut random,
            case.regions.len() * case.dims[1] * bins,
            [-1.0, 1.5],
        );
        let want = definition(case, &features, &weights);
        let name = format!("{:?}", case.options);
        let flex = results::<Autodiff<Flex>>(case, &features, &weights);
        assert_equal(&name, &flex, &want, TOLERANCE);
        let ndarray = results::<Autodiff<NdArray>>(case, &features, &weights);
        assert_equal(&name, &ndarray, &want, TOLERANCE);
        let stock = results::<Stock>(case, &features, &weights);
        assert_equal(&name, &stock, &want, TOLERANCE_STOCK);
        // A tape that makes things again.
        let again = results::<Autodiff<Flex, BalancedCheckpointing>>(case, &features, &weights);
        assert_equal(&name, &again, &want, TOLERANCE);
    }
}

#[test]
fn the_default_bodies_take_many_regions_in_parts() {
    // Of 14 bins and 4096 columns, 73 regions fill 64 MiB: these are four parts, with one of another image between them.
    let regions = (0..200).map(|index| {
        let corners = [index as f32, 0.0, index as f32 * 7.0 + 9.0, 2.0];
        let image = usize::from(index == 90);
        Region { image, corners }
    });
    let case = RoiAlign {
        dims: [2, 4, 2, 4096],
        regions: regions.collect(),
        options: RoiAlignOptions {
            output: 14,
            spatial_scale: 1.0,
            sampling_ratio: Some(2),
        },
    };
    let mut random = random(1);
    let features = draw(&mut random, 2 * 4 * 2 * 4096, [-1.0, 2.0]);
    let weights = draw(&mut random, 200 * 4 * 14 * 14, [-1.0, 1.5]);
    let want = definition(&case, &features, &weights);
    let stock = results::<Stock>(&case, &features, &weights);
    assert_equal("stock", &stock, &want, TOLERANCE_STOCK);
    let flex = results::<Autodiff<Flex>>(&case, &features, &weights);
    assert_equal("flex", &flex, &want, TOLERANCE);
}

fn no_regions<B: AutodiffBackend>() {
    let features = Tensor::<B, 4>::ones([2, 3, 4, 5], &Default::default()).require_grad();
    let bins = roi_align(features.clone(), &[], cases()[4].options);
    assert_eq!(bins.dims(), [0, 3, 7, 7]);
    let grads = (bins.sum() + features.clone().sum()).backward();
    let grad = features.grad(&grads).unwrap().into_data();
    assert!(grad.iter::<f32>().all(|value| value == 1.0));
}

#[test]
fn no_regions_give_no_bins_and_a_gradient_of_zero() {
    no_regions::<Autodiff<Flex>>();
    no_regions::<Autodiff<NdArray>>();
    no_regions::<Stock>();
}

#[test]
fn corners_that_are_no_numbers_or_absurdly_far_give_zeros_at_once() {
    let (nan, infinity, far) = (f32::NAN, f32::INFINITY, 3e38);
    let corners = [
        [nan, 1.0, 8.0, 9.0],
        [1.0, 1.0, 8.0, nan],
        [nan; 4],
        [-infinity, -infinity, infinity, infinity],
        [1.0, 1.0, infinity, infinity],
        [-far, -far, far, far],
        [0.0, 0.0, far, far],
    ];
    let start = Instant::now();
    for sampling_ratio in [None, Some(2)] {
        let case = RoiAlign {
            dims: [1, 1, 9, 13],
            regions: corners.map(|corners| Region { image: 0, corners }).to_vec(),
            options: RoiAlignOptions {
                output: 7,
                spatial_scale: 0.25,
                sampling_ratio,
            },
        };
        let (features, weights) = ([1.0; 9 * 13], [1.0; 7 * 49]);
        let zeros = |results: [Vec<f64>; 2]| results.iter().flatten().all(|value| *value == 0.0);
        assert!(zeros(results::<Autodiff<Flex>>(&case, &features, &weights)));
        assert!(zeros(results::<Stock>(&case, &features, &weights)));
    }
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_not_finite_stays_with_the_regions_that_it_is_in() {
    // On a map of 13 columns, lines of 8 are read for a region of 3.
    let at = |x: f32, y: f32| Region {
        image: 0,
        corners: [x, y, x + 3.0, y + 3.0],
    };
    let case = RoiAlign {
        dims: [1, 1, 9, 13],
        regions: vec![at(1.0, 1.0), at(6.0, 1.0)],
        options: RoiAlignOptions {
            output: 3,
            spatial_scale: 1.0,
            sampling_ratio: None,
        },
    };
    let mut features = [1.0; 9 * 13];
    features[2 * 13 + 7] = f32::NAN;
    let [bins, _] = results::<Autodiff<Flex>>(&case, &features, &[1.0; 18]);
    assert!(bins[..9].iter().all(|value| *value == 1.0));
    assert!(bins[9..].iter().any(|value| value.is_nan()));
    let mut weights = [1.0; 18];
    weights[4] = f32::INFINITY;
    let [_, grad] = results::<Autodiff<Flex>>(&case, &[1.0; 9 * 13], &weights);
    for (index, value) in grad.iter().enumerate() {
        let (row, column) = (index / 13, index % 13);
        let inside = (1..4).contains(&row) && (1..4).contains(&column);
        assert!(inside || value.is_finite(), "[{row}, {column}] is {value}");
    }
    assert!(grad[2 * 13 + 2].is_infinite());
}

#[test]
#[should_panic(expected = "roi_align: region 1 is of image 2, but there are 2")]
fn a_region_of_an_image_outside_the_batch_is_refused() {
    let features = Tensor::<Flex, 4>::ones([2, 1, 3, 3], &Default::default());
    let region = |image| Region {
        image,
        corners: [0.0, 0.0, 1.0, 1.0],
    };
    roi_align(features, &[region(1), region(2)], cases()[0].options);
}

/// Rounding allowed against the golden numbers, in units of their largest magnitude: both are in f32, and the reference's
/// positions of samples too.
const TOLERANCE_GOLDEN: f64 = 1e-5;

/// `golden/roi_align.py` says where the numbers are from.
#[test]
fn bins_and_gradients_are_the_golden_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/roi_align.safetensors");
    let file = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&file).unwrap();
    let values = |name: &str| -> Vec<f32> {
        let bytes = file.tensor(name).unwrap().data().as_chunks().0;
        bytes
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    let dims: [usize; 4] = file.tensor("features").unwrap().shape().try_into().unwrap();
    let features = values("features");
    let regions = values("regions");
    let regions: Vec<Region> = regions
        .as_chunks()
        .0
        .iter()
        .map(|[image, corners @ ..]: &[f32; 5]| Region {
            image: *image as usize,
            corners: *corners,
        })
        .collect();
    for output in [7usize, 14] {
        let weights = values(&format!("weights.{output}"));
        for (scale_name, spatial_scale) in [("4", 0.25), ("8", 0.125)] {
            for (ratio_name, sampling_ratio) in [("adaptive", None), ("2", Some(2))] {
                let name = format!("{output}.{scale_name}.{ratio_name}");
                let case = RoiAlign {
                    dims,
                    regions: regions.clone(),
                    options: RoiAlignOptions {
                        output,
                        spatial_scale,
                        sampling_ratio,
                    },
                };
                let want = ["bins", "gradient"].map(|what| -> Vec<f64> {
                    let values = values(&format!("{what}.{name}"));
                    values.iter().map(|value| f64::from(*value)).collect()
                });
                // Of some only the first channel is kept.
                let bins = output * output;
                let kept = want[0].len() / regions.len();
                let first = |[all, gradient]: [Vec<f64>; 2]| {
                    let regions = all.chunks(dims[1] * bins);
                    let all = regions.flat_map(|region| region[..kept].to_vec());
                    [all.collect(), gradient]
                };
                let flex = first(results::<Autodiff<Flex>>(&case, &features, &weights));
                assert_equal(&name, &flex, &want, TOLERANCE_GOLDEN);
                let stock = first(results::<Stock>(&case, &features, &weights));
                assert_equal(&name, &stock, &want, TOLERANCE_GOLDEN);
            }
        }
    }
}

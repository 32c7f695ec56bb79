//! A training iteration and the prediction of Mask R-CNN on ResNet-18, 2 images of 800 x 1333 pixels, 80 classes.
//!
//! `cargo bench -p sslight-detect --bench iteration [-- STEPS]`: seconds of each pass, the first left out, without data and optimizer.
//! `bench/peer/detect.py` does the same with torchvision.

use std::time::Instant;

use burn::backend::Autodiff;
use burn::tensor::{Distribution, Tensor};
use burn_flex::Flex;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sslight_detect::geometry::BoundingBox;
use sslight_detect::model::{
    DetectionLimits, ImageSize, MaskRcnn, MaskRcnnConfig, ObjectMasks, TrainingImage,
};
use sslight_models::nn::ParamInit;
use sslight_models::params::host_values;
use sslight_models::{BackboneKind, BatchMode};

type Cpu = Autodiff<Flex>;

const IMAGES: usize = 2;
const OBJECTS: usize = 8;
const SIZE: ImageSize = ImageSize {
    height: 800,
    width: 1333,
};
/// Padded to a multiple of 32.
const WIDTH: usize = 1344;

/// Objects that fill their boxes.
struct Filled;

impl ObjectMasks for Filled {
    fn target(&self, _object: usize, _region: BoundingBox, side: usize) -> Option<Vec<f32>> {
        Some(vec![1.0; side * side])
    }
}

fn main() {
    let steps = std::env::args().filter_map(|word| word.parse().ok()).next();
    let steps: usize = steps.unwrap_or(3);
    let device = Default::default();
    let config = MaskRcnnConfig {
        backbone: BackboneKind::ResNet18,
        classes: 80,
        masks: true,
    };
    let detector: MaskRcnn<Cpu> = match config.init(&mut ParamInit::new(1, &device)) {
        Ok(detector) => detector,
        Err(error) => return println!("{error}"),
    };
    let images = Tensor::<Flex, 4>::random(
        [IMAGES, 3, SIZE.height, WIDTH],
        Distribution::Normal(0.0, 1.0),
        &device,
    );
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut objects = || -> Vec<BoundingBox> {
        let mut side = |most: f32| {
            let length = random.random_range(32.0..400.0f32);
            let start = random.random_range(0.0..most - length);
            [start, start + length]
        };
        (0..OBJECTS)
            .map(|_| {
                let ([x0, x1], [y0, y1]) = (side(SIZE.width as f32), side(SIZE.height as f32));
                BoundingBox::new(x0, y0, x1, y1)
            })
            .collect()
    };
    let objects = [objects(), objects()];
    let classes: Vec<usize> = (0..OBJECTS).collect();
    let lessons = objects.each_ref().map(|objects| TrainingImage {
        size: SIZE,
        objects,
        classes: &classes,
        masks: &Filled,
    });

    let mut training = Vec::new();
    for step in 0..=steps {
        let start = Instant::now();
        let images = Tensor::from_inner(images.clone());
        let losses = detector.losses(images, &lessons, BatchMode::Batch, &mut random);
        let total = losses.total();
        let forward = start.elapsed().as_secs_f64();
        let grads = total.backward();
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "iteration {step}: {seconds:.2} s, {forward:.2} s of it forward, loss {}",
            host_values(total)[0]
        );
        drop(grads);
        training.push(seconds);
    }
    let detector = burn::module::AutodiffModule::<Cpu>::valid(&detector);
    let mut prediction = Vec::new();
    for _ in 0..=steps {
        let start = Instant::now();
        // As many detections as the reference keeps, whatever an untrained network thinks of them.
        let limits = DetectionLimits {
            score_above: 0.0,
            ..Default::default()
        };
        let found = detector.detect(images.clone(), &[SIZE; IMAGES], limits);
        prediction.push(start.elapsed().as_secs_f64());
        assert_eq!(found.len(), IMAGES);
    }
    for (what, mut seconds) in [("training", training), ("prediction", prediction)] {
        seconds.remove(0);
        seconds.sort_by(f64::total_cmp);
        println!("{what} {:.3}", seconds[seconds.len() / 2]);
    }
}

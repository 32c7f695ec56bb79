//! Every transform against numbers from the reference (PyTorch, torchvision, Pillow 9.2): pixels must be
//! equal, random crops must have the reference's statistics.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use sslight_data::analysis::statistics::view_statistics;
use sslight_data::ops::blur::gaussian_blur;
use sslight_data::ops::crop::{CropBox, crop, random_box};
use sslight_data::ops::flip::flip_horizontal;
use sslight_data::ops::gray::grayscale;
use sslight_data::ops::jitter::{
    JitterOp, JitterPlan, brightness, contrast, hue, jitter, saturation,
};
use sslight_data::ops::normalize::Normalizer;
use sslight_data::ops::resize::resize_crop;
use sslight_data::ops::solarize::solarize;
use sslight_data::pixel_scale::{mean_pixel_scale_ratio, pixel_scale};
use sslight_data::rng::{Draws, Purpose};
use sslight_data::views::{Crops, RATIO};
use sslight_data::{EvalView, Image, Interpolation, ViewPlan, ViewRecipe, apply, eval_transform};

/// An operation with a strength, and one that is done or not.
type Strength = fn(&mut Image, f64);
type Switch = fn(&mut Image);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

/// The cases of a kind; none would be a test that cannot fail.
fn cases(kind: &str) -> Vec<Case> {
    let manifest = fs::read(folder().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let cases: Vec<Case> = manifest["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["kind"] == kind)
        .map(|case| Case {
            name: case["name"].as_str().unwrap().to_owned(),
            params: case["params"].clone(),
            outputs: case["outputs"].as_array().unwrap().clone(),
            bytes: fs::read(folder().join(case["file"].as_str().unwrap())).unwrap(),
        })
        .collect();
    assert!(!cases.is_empty(), "no case of kind {kind}");
    cases
}

struct Case {
    name: String,
    params: Value,
    outputs: Vec<Value>,
    bytes: Vec<u8>,
}

impl Case {
    fn tensor(&self, name: &str, dtype: Dtype) -> (Vec<usize>, Vec<u8>) {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), dtype, "{} {name}", self.name);
        (tensor.shape().to_vec(), tensor.data().to_vec())
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let (_, bytes) = self.tensor(name, Dtype::F32);
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect()
    }

    fn doubles(&self, name: &str) -> Vec<f64> {
        let (_, bytes) = self.tensor(name, Dtype::F64);
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b))
            .collect()
    }

    /// The picture of the case, cut as it says.
    fn picture(&self) -> Image {
        let bytes = fs::read(folder().join("images.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor(self.params["image"].as_str().unwrap()).unwrap();
        let [height, width, 3] = *tensor.shape() else {
            panic!("not a picture")
        };
        let image = Image::from_rgb(width, height, tensor.data().to_vec()).unwrap();
        match &self.params["crop"] {
            area @ Value::Object(_) => crop(&image, crop_box(area)),
            _ => image,
        }
    }

    /// Pixels must be equal, one by one.
    fn check(&self, output: &str, got: &Image) {
        let (shape, expected) = self.tensor(output, Dtype::U8);
        assert_eq!(shape, [got.height, got.width, 3], "{} {output}", self.name);
        let wrong = got.pixels.iter().zip(&expected).position(|(a, b)| a != b);
        if let Some(at) = wrong {
            let count = got
                .pixels
                .iter()
                .zip(&expected)
                .filter(|(a, b)| a != b)
                .count();
            panic!(
                "{} {output}: {count} of {} samples differ, first at {at}: got {}, want {}",
                self.name,
                expected.len(),
                got.pixels[at],
                expected[at]
            );
        }
    }

    /// Checks an operation with one number on each of its values.
    fn check_each(&self, values: &str, op: impl Fn(&mut Image, f64)) {
        let picture = self.picture();
        for (i, value) in numbers(&self.params[values]).iter().enumerate() {
            let mut got = picture.clone();
            op(&mut got, *value);
            self.check(&format!("out{i}"), &got);
        }
    }

    fn check_floats(&self, output: &str, got: &[f32]) {
        let entry = self.outputs.iter().find(|o| o["name"] == output).unwrap();
        let atol = entry["atol"].as_f64().unwrap();
        let expected = self.floats(output);
        assert_eq!(got.len(), expected.len(), "{} {output}", self.name);
        for (i, (got, want)) in got.iter().zip(&expected).enumerate() {
            let difference = f64::from((got - want).abs());
            assert!(
                difference <= atol,
                "{} {output}[{i}]: got {got}, want {want}",
                self.name
            );
        }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn triple(value: &Value) -> [f32; 3] {
    let values: Vec<f32> = numbers(value).iter().map(|&v| v as f32).collect();
    values.try_into().unwrap()
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn crop_box(value: &Value) -> CropBox {
    CropBox {
        top: size(&value["top"]),
        left: size(&value["left"]),
        height: size(&value["height"]),
        width: size(&value["width"]),
    }
}

fn jitter_plan(value: &Value) -> JitterPlan {
    let order: Vec<JitterOp> = numbers(&value["order"])
        .iter()
        .map(|&i| JitterOp::ALL[i as usize])
        .collect();
    JitterPlan {
        order: order.try_into().unwrap(),
        brightness: value["brightness"].as_f64().unwrap(),
        contrast: value["contrast"].as_f64().unwrap(),
        saturation: value["saturation"].as_f64().unwrap(),
        hue: value["hue"].as_f64().unwrap(),
    }
}

#[test]
fn crop_and_resize_equal_the_reference() {
    for case in cases("transform.crop_resize") {
        let side = size(&case.params["size"]);
        // The box is a part of the operation here, not a cut before it.
        let got = resize_crop(&case.picture(), crop_box(&case.params), side, side);
        case.check("out", &got);
    }
}

#[test]
fn brightness_contrast_saturation_and_hue_equal_the_reference() {
    let ops: [(&str, Strength); 4] = [
        ("brightness", brightness),
        ("contrast", contrast),
        ("saturation", saturation),
        ("hue", hue),
    ];
    for (kind, op) in ops {
        for case in cases(&format!("transform.{kind}")) {
            case.check_each("factors", op);
        }
    }
}

#[test]
fn colour_jitter_in_any_order_equals_the_reference() {
    for case in cases("transform.jitter") {
        let mut got = case.picture();
        jitter(&mut got, &jitter_plan(&case.params));
        case.check("out", &got);
    }
}

#[test]
fn flip_grayscale_and_solarize_equal_the_reference() {
    let ops: [(&str, Switch); 3] = [
        ("hflip", flip_horizontal),
        ("grayscale", grayscale),
        ("solarize", solarize),
    ];
    for (kind, op) in ops {
        for case in cases(&format!("transform.{kind}")) {
            let mut got = case.picture();
            op(&mut got);
            case.check("out", &got);
        }
    }
}

#[test]
fn gaussian_blur_equals_the_reference() {
    for case in cases("transform.blur") {
        case.check_each("sigmas", gaussian_blur);
    }
}

fn normalised(image: &Image, params: &Value) -> Vec<f32> {
    let mut out = vec![f32::NAN; image.pixels.len()];
    Normalizer::new(triple(&params["mean"]), triple(&params["std"])).write(image, &mut out);
    out
}

/// Means of the three planes, and their top-left corners of 4 x 4.
fn summary(planes: &[f32], width: usize) -> (Vec<f32>, Vec<f32>) {
    let planes: Vec<&[f32]> = planes.chunks_exact(planes.len() / 3).collect();
    let mean = |p: &&[f32]| (p.iter().map(|&v| f64::from(v)).sum::<f64>() / p.len() as f64) as f32;
    let corners = planes
        .iter()
        .flat_map(|p| (0..4).flat_map(move |y| &p[y * width..y * width + 4]));
    (
        planes.iter().map(mean).collect(),
        corners.copied().collect(),
    )
}

#[test]
fn normalisation_equals_the_reference() {
    for case in cases("transform.normalise") {
        case.check_floats("out", &normalised(&case.picture(), &case.params));
    }
}

#[test]
fn the_evaluation_transform_equals_the_reference() {
    for case in cases("transform.eval") {
        let view = EvalView {
            resize: size(&case.params["resize"]),
            crop: size(&case.params["crop"]),
            interpolation: Interpolation::Bicubic,
        };
        let got = eval_transform(&case.picture(), view);
        case.check("out_u8", &got);
        if case.params["mean"].is_array() {
            let (means, corners) = summary(&normalised(&got, &case.params), got.width);
            case.check_floats("channel_mean", &means);
            case.check_floats("corner", &corners);
        }
    }
}

#[test]
fn whole_views_equal_the_reference_given_its_draws() {
    for case in cases("transform.views") {
        let picture = case.picture();
        let (mut means, mut corners) = (Vec::new(), Vec::new());
        for (i, view) in case.params["views"].as_array().unwrap().iter().enumerate() {
            let plan = ViewPlan {
                crop: crop_box(&view["crop"]),
                size: size(&view["crop"]["size"]),
                flip: view["hflip"].as_bool().unwrap(),
                jitter: view["jitter"]
                    .is_object()
                    .then(|| jitter_plan(&view["jitter"])),
                grayscale: view["grayscale"].as_bool().unwrap(),
                blur_sigma: view["blur_sigma"].as_f64(),
                solarize: view["solarize"].as_bool().unwrap(),
            };
            let got = apply(&picture, &plan);
            case.check(&format!("view{i}"), &got);
            let (mean, corner) = summary(&normalised(&got, &case.params), got.width);
            means.extend(mean);
            corners.extend(corner);
        }
        case.check_floats("channel_mean", &means);
        case.check_floats("corner", &corners);
    }
}

fn pair(value: &Value) -> [f64; 2] {
    numbers(value).try_into().unwrap()
}

/// Mean of a sample against [mean, std, standard error] of the reference.
fn check_mean(what: &str, got: &[f64], expected: &[f64], extra: f64) {
    let n = got.len() as f64;
    let mean = got.iter().sum::<f64>() / n;
    let [want, std, error] = expected else {
        panic!("three columns")
    };
    let limit = 5.0 * (error.powi(2) + std.powi(2) / n).sqrt() + extra;
    assert!(
        (mean - want).abs() <= limit,
        "{what}: got {mean}, want {want} +- {limit}"
    );
}

#[test]
fn crop_boxes_have_the_statistics_of_the_reference() {
    const N: usize = 40_000;
    for case in cases("crop_params.stats") {
        let p = &case.params;
        let (width, height) = (size(&p["image_width"]), size(&p["image_height"]));
        let fallback: Vec<usize> = p["fallback_box_top_left_height_width"]
            .as_array()
            .unwrap()
            .iter()
            .map(size)
            .collect();
        let boxes: Vec<CropBox> = (0..N)
            .map(|i| {
                let mut draws = Draws::new(11, 0, i as u64, 0, Purpose::Measurement);
                random_box(
                    &mut draws,
                    width,
                    height,
                    pair(&p["scale"]),
                    pair(&p["ratio"]),
                )
            })
            .collect();
        let share = |b: &CropBox| b.area() as f64 / (width * height) as f64;
        let log_ratio = |b: &CropBox| (b.width as f64 / b.height as f64).ln();
        let statistic = |name: &str, b: &CropBox| match name {
            "area_fraction" => share(b),
            "area_fraction_squared" => share(b).powi(2),
            "log_ratio_w_over_h" => log_ratio(b),
            "abs_log_ratio" => log_ratio(b).abs(),
            "height" => b.height as f64,
            "width" => b.width as f64,
            "top" => b.top as f64,
            "left" => b.left as f64,
            "is_fallback_box" => f64::from([b.top, b.left, b.height, b.width] == fallback[..]),
            other => panic!("unknown statistic {other}"),
        };
        let values = case.doubles("values");
        let names = case.outputs[0]["index"].as_array().unwrap();
        for (name, expected) in names.iter().zip(values.chunks_exact(3)) {
            let name = name.as_str().unwrap();
            let got: Vec<f64> = boxes.iter().map(|b| statistic(name, b)).collect();
            let extra = if name == "is_fallback_box" {
                10.0 / N as f64
            } else {
                0.0
            };
            check_mean(&format!("{} {name}", case.name), &got, expected, extra);
        }
    }
}

#[test]
fn boxes_that_never_fit_fall_back_as_in_the_reference() {
    for case in cases("crop_params.fallback") {
        let (_, bytes) = case.tensor("boxes", Dtype::I64);
        let rows: Vec<usize> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| i64::from_le_bytes(*b) as usize)
            .collect();
        let scales = case.params["scales"].as_array().unwrap();
        for (row, scale) in rows.chunks_exact(6).zip(scales) {
            for seed in 0..50 {
                let mut draws = Draws::new(seed, 0, 0, 0, Purpose::Measurement);
                let b = random_box(
                    &mut draws,
                    row[0],
                    row[1],
                    pair(scale),
                    pair(&case.params["ratio"]),
                );
                assert_eq!(
                    [b.top, b.left, b.height, b.width],
                    row[2..],
                    "{}x{}",
                    row[0],
                    row[1]
                );
            }
        }
    }
}

/// Reads `square/Sg=0.14/Sl=0.14/GC=224/LC=96`.
fn setting(text: &str) -> (bool, [f64; 4]) {
    let parts: Vec<&str> = text.split('/').collect();
    let number = |i: usize| parts[i].split_once('=').unwrap().1.parse().unwrap();
    (
        parts[0] == "square",
        [number(1), number(2), number(3), number(4)],
    )
}

/// The recipe of a setting: two global and six local views.
fn recipe([global_scale, local_scale, global_size, local_size]: [f64; 4]) -> ViewRecipe {
    let mut recipe = ViewRecipe::dino_cnn(Crops::Baseline);
    for (i, view) in recipe.views.iter_mut().enumerate() {
        (view.scale, view.size) = if i < 2 {
            ([global_scale, 1.0], global_size as usize)
        } else {
            ([0.05, local_scale], local_size as usize)
        };
    }
    recipe
}

#[test]
fn pixel_scale_ratios_are_those_of_the_reference() {
    const IMAGES: usize = 20_000;
    for case in cases("crop_params.pixel_scale_ratio") {
        let sizes: Vec<(usize, usize)> = case.params["imagenet_sizes_width_height"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| (size(&s[0]), size(&s[1])))
            .collect();
        let values = case.doubles("values");
        let names = case.outputs[0]["index"].as_array().unwrap();
        for (name, expected) in names.iter().zip(values.chunks_exact(3)) {
            let name = name.as_str().unwrap();
            let (square, setting) = setting(name);
            let sizes = if square {
                vec![(256, 256)]
            } else {
                sizes.clone()
            };
            let got = mean_pixel_scale_ratio(&recipe(setting), &sizes, IMAGES, 5).unwrap();
            let [want, std, error] = expected else {
                panic!("three columns")
            };
            let limit = 5.0 * (error.powi(2) + std.powi(2) / IMAGES as f64).sqrt();
            assert!(
                (got - want).abs() <= limit,
                "{name}: got {got}, want {want} +- {limit}"
            );
            if name.contains("LC=103") || name.contains("LC=128") {
                assert!(
                    (got / want - 1.0).abs() <= 0.01,
                    "{name}: got {got}, want {want} within 1 %"
                );
            }
        }
    }
}

#[test]
fn view_statistics_have_the_mean_and_spread_of_the_reference() {
    const IMAGES: usize = 20_000;
    for case in cases("crop_params.pixel_scale_ratio") {
        let sizes = case.params["imagenet_sizes_width_height"].as_array();
        let sizes = sizes.unwrap().iter().map(|s| (size(&s[0]), size(&s[1])));
        let imagenet: Vec<(usize, usize)> = sizes.collect();
        let values = case.doubles("values");
        let names = case.outputs[0]["index"].as_array().unwrap();
        for (name, expected) in names.iter().zip(values.chunks_exact(3)) {
            let name = name.as_str().unwrap();
            let (square, setting) = setting(name);
            let sizes = if square { &[(256, 256)] } else { &imagenet[..] };
            let got = view_statistics(&recipe(setting), sizes, IMAGES, 17).unwrap();
            let [want, std, error] = expected else {
                panic!("three columns")
            };
            let limit = 5.0 * (error.powi(2) + std.powi(2) / IMAGES as f64).sqrt();
            for mean in [got.ratio.mean, got.ratio_of_images.mean] {
                assert!(
                    (mean - want).abs() <= limit,
                    "{name}: got {mean}, want {want}"
                );
            }
            // The relative error of a standard deviation of 20,000 values is about 1 % here.
            let spread = got.ratio_of_images.std / std;
            assert!(
                (spread - 1.0).abs() < 0.05,
                "{name}: std {spread} times that of the reference"
            );
            let by_std = got.ratio_of_images.std / (IMAGES as f64).sqrt();
            let apart = got.ratio_of_images.standard_error / by_std - 1.0;
            assert!(apart.abs() < 1e-12, "{name}: standard error");
        }
    }
}

#[test]
fn pixel_scale_is_view_area_over_crop_area() {
    let area = crop_box(&serde_json::json!({"top": 0, "left": 0, "height": 64, "width": 32}));
    assert_eq!(pixel_scale(128, area), 8.0);
    assert_eq!(RATIO, [0.75, 4.0 / 3.0]);
}

use burn_flex::Flex;

use super::*;
use crate::nn::BatchMode;
use crate::params::{self, NamedTensor, host_values};
use crate::reference_keys::{Key, keys_of, reference_keys};
use crate::weights::named_tensors;
use crate::{DropPath, SeededDraws};

type Net = Backbone<Flex>;

fn net(kind: BackboneKind, small_input: bool) -> Net {
    let mut init = ParamInit::new(7, &Default::default());
    kind.init(small_input, &mut init).unwrap()
}

/// `sin(i / 10)`, thus no two pixels of a row are alike.
fn images(batch: usize, px: usize) -> Tensor<Flex, 4> {
    let count = (batch * 3 * px * px) as i64;
    Tensor::<Flex, 1, burn::tensor::Int>::arange(0..count, &Default::default())
        .float()
        .div_scalar(10.0)
        .sin()
        .reshape([batch, 3, px, px])
}

fn kinds_of_vit() -> impl Iterator<Item = BackboneKind> {
    BackboneKind::all().filter(|kind| kind.patch_size(false).is_some())
}

#[test]
fn parameter_counts_are_those_of_the_paper() {
    for kind in BackboneKind::all() {
        let count: usize = params::parameters(&net(kind, false))
            .iter()
            .map(|parameter| parameter.shape.iter().product::<usize>())
            .sum();
        assert_eq!(count, kind.parameters(), "{kind}");
    }
}

#[test]
fn every_size_of_view_gives_one_feature_vector_an_image() {
    for kind in BackboneKind::all() {
        let net = net(kind, false);
        assert_eq!(net.features_dim(), kind.features_dim(), "{kind}");
        for px in [224, 128, 96, 32] {
            let features = net.forward(images(1, px), BatchMode::Running);
            assert_eq!(features.dims(), [1, kind.features_dim()], "{kind} at {px}");
        }
    }
}

#[test]
fn the_variants_for_small_images_take_32_and_64_pixels() {
    for kind in BackboneKind::all() {
        let net = net(kind, true);
        for px in [32, 64] {
            let features = host_values(net.forward(images(2, px), BatchMode::Running));
            assert_eq!(features.len(), 2 * kind.features_dim(), "{kind} at {px}");
            let (first, second) = features.split_at(kind.features_dim());
            assert_ne!(first, second, "{kind} at {px}: two images look alike");
        }
    }
}

#[test]
fn a_batch_of_two_gives_what_two_batches_of_one_give() {
    /// Sums of up to 4608 products in float32, in another order; relative to the largest feature.
    const TOLERANCE: f32 = 1e-4;
    for kind in BackboneKind::all() {
        let net = net(kind, false);
        let both = images(2, 32);
        let single = |row| net.forward(both.clone().narrow(0, row, 1), BatchMode::Running);
        let apart = host_values(Tensor::cat(vec![single(0), single(1)], 0));
        let together = host_values(net.forward(both.clone(), BatchMode::Running));
        let largest = together.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        for (i, (a, b)) in together.iter().zip(&apart).enumerate() {
            let limit = TOLERANCE * largest;
            assert!(
                (a - b).abs() <= limit,
                "{kind} [{i}]: {a}, {b}, limit {limit}"
            );
        }
    }
}

/// A reference name without `encoder.` under its torchvision name.
fn torchvision(kind: BackboneKind, (name, shape): Key) -> Key {
    let (position, rest) = name.split_once('.').unwrap();
    let module = match (kind, position) {
        (BackboneKind::MobileNetV2, position) => format!("features.{position}"),
        (_, "0") => "conv1".to_string(),
        (_, "1") => "bn1".to_string(),
        (_, stage) => format!("layer{}", stage.parse::<usize>().unwrap() - 3),
    };
    (format!("{module}.{rest}"), shape)
}

#[test]
fn convolutional_networks_have_the_tensors_of_the_reference_in_its_order() {
    for (kind, model) in [
        (BackboneKind::MobileNetV2, "DINO/mobilenet_v2"),
        (BackboneKind::ResNet50, "DINO/resnet50"),
    ] {
        let expected: Vec<Key> = reference_keys(model, "student.backbone.encoder.")
            .into_iter()
            .map(|key| torchvision(kind, key))
            .collect();
        assert_eq!(keys_of(&net(kind, false)), expected, "{kind}");
    }
}

#[test]
fn vision_transformers_have_the_tensors_of_the_reference_in_its_order() {
    let expected = reference_keys("DINO/vit_tiny", "student.backbone.");
    assert_eq!(keys_of(&net(BackboneKind::VitTiny16, false)), expected);
}

#[test]
fn only_stem_and_embeddings_differ_in_the_variants_for_small_images() {
    for kind in BackboneKind::all() {
        let full = keys_of(&net(kind, false));
        let differing: Vec<Key> = keys_of(&net(kind, true))
            .into_iter()
            .filter(|key| !full.contains(key))
            .collect();
        let key = |name: &str, shape: &[usize]| (name.to_string(), shape.to_vec());
        let dim = kind.features_dim();
        let expected = match kind.patch_size(true) {
            None if kind == BackboneKind::MobileNetV2 => vec![],
            None => vec![key("conv1.weight", &[64, 3, 3, 3])],
            Some(patch) => vec![
                key("pos_embed", &[1, 65, dim]),
                key("patch_embed.proj.weight", &[dim, 3, patch, patch]),
            ],
        };
        assert_eq!(differing, expected, "{kind}");
    }
}

#[test]
fn patch_sizes_are_those_of_the_names_and_a_quarter_for_small_images() {
    let sizes = |small| {
        BackboneKind::all()
            .map(|kind| kind.patch_size(small))
            .collect::<Vec<_>>()
    };
    let cnn = [None; 4];
    assert_eq!(
        sizes(false),
        [&cnn[..], &[Some(16), Some(32), Some(16)]].concat()
    );
    assert_eq!(
        sizes(true),
        [&cnn[..], &[Some(4), Some(8), Some(4)]].concat()
    );
}

#[test]
fn pixels_that_fill_no_patch_are_not_looked_at() {
    let net = net(BackboneKind::VitTiny16, false);
    let whole = images(1, 47);
    let cut = whole.clone().narrow(2, 0, 32).narrow(3, 0, 32);
    let features = |images| host_values(net.forward(images, BatchMode::Running));
    assert_eq!(features(whole), features(cut));
}

#[test]
fn the_last_of_the_last_blocks_is_the_feature_vector() {
    for kind in kinds_of_vit() {
        let net = net(kind, true);
        let features = net.forward(images(2, 32), BatchMode::Running);
        let four = net
            .cls_of_last_blocks(images(2, 32), 4, BatchMode::Running)
            .unwrap();
        let dim = kind.features_dim();
        assert_eq!(four.dims(), [2, 4 * dim], "{kind}");
        let last = four.narrow(1, 3 * dim, dim);
        assert_eq!(host_values(last), host_values(features), "{kind}");
    }
}

#[test]
fn convolutional_networks_have_no_class_tokens() {
    let net = net(BackboneKind::ResNet18, true);
    assert!(
        net.cls_of_last_blocks(images(1, 32), 4, BatchMode::Running)
            .is_none()
    );
}

#[test]
fn stochastic_depth_changes_the_features_of_a_transformer_and_repeats_with_its_draws() {
    let net = net(BackboneKind::VitTiny16, true);
    let features = |step| {
        let draws = SeededDraws {
            seed: 1,
            step,
            pass: 0,
        };
        let drop_path = DropPath {
            rate: 0.9,
            draws: &draws,
        };
        let pass = Pass::from(BatchMode::Batch).with_drop_path(drop_path);
        host_values(net.forward(images(2, 32), pass))
    };
    assert_eq!(features(5), features(5));
    assert_ne!(features(5), features(6));
    assert_ne!(
        features(5),
        host_values(net.forward(images(2, 32), BatchMode::Batch))
    );
}

#[test]
fn a_rate_of_zero_is_no_stochastic_depth() {
    let net = net(BackboneKind::VitTiny32, true);
    let draws = SeededDraws {
        seed: 1,
        step: 2,
        pass: 3,
    };
    let drop_path = DropPath {
        rate: 0.0,
        draws: &draws,
    };
    let with = net.forward(
        images(1, 64),
        Pass::from(BatchMode::Batch).with_drop_path(drop_path),
    );
    let without = net.forward(images(1, 64), BatchMode::Batch);
    assert_eq!(host_values(with), host_values(without));
}

/// What a tensor is drawn from.
enum Drawn {
    Constant(f32),
    Spread { std: f64, bound: Option<f64> },
}

/// Five standard errors of mean and deviation of `n` independent draws; those of a uniform deviation are smaller.
fn assert_drawn(kind: BackboneKind, tensor: &NamedTensor, from: &Drawn) {
    let name = &tensor.name;
    let n = tensor.values.len() as f64;
    match *from {
        Drawn::Constant(value) => {
            assert!(
                tensor.values.iter().all(|v| *v == value),
                "{kind} {name}: not all {value}"
            );
        }
        Drawn::Spread { std, bound } => {
            let mean = tensor.values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let square = tensor
                .values
                .iter()
                .map(|&v| f64::from(v).powi(2))
                .sum::<f64>()
                / n;
            assert!(
                mean.abs() < 5.0 * std / n.sqrt(),
                "{kind} {name}: mean {mean}"
            );
            let limit = 5.0 * std / (2.0 * n).sqrt();
            assert!(
                (square.sqrt() - std).abs() < limit,
                "{kind} {name}: deviation {}, expected {std} within {limit}",
                square.sqrt()
            );
            if let Some(bound) = bound {
                let largest = tensor.values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
                assert!(
                    f64::from(largest) <= bound,
                    "{kind} {name}: {largest} beyond {bound}"
                );
            }
        }
    }
}

fn uniform(bound: f64) -> Drawn {
    Drawn::Spread {
        std: bound / 3.0_f64.sqrt(),
        bound: Some(bound),
    }
}

fn normal(std: f64) -> Drawn {
    Drawn::Spread { std, bound: None }
}

#[test]
fn convolutions_begin_by_fan_out_and_normalisation_at_one_and_zero() {
    for kind in [
        BackboneKind::MobileNetV2,
        BackboneKind::ResNet18,
        BackboneKind::ResNet50,
    ] {
        for tensor in named_tensors(&net(kind, false)) {
            let from = match tensor.shape[..] {
                // A depthwise weight counts all its output channels too.
                [out, _, height, width] => normal((2.0 / (out * height * width) as f64).sqrt()),
                _ if tensor.name.ends_with(".weight") => Drawn::Constant(1.0),
                _ if tensor.name.ends_with("running_var") => Drawn::Constant(1.0),
                _ => Drawn::Constant(0.0),
            };
            assert_drawn(kind, &tensor, &from);
        }
    }
}

#[test]
fn transformers_begin_as_the_reference_does() {
    for kind in [BackboneKind::VitTiny16, BackboneKind::VitSmall16] {
        for tensor in named_tensors(&net(kind, false)) {
            let name = tensor.name.as_str();
            let from = match tensor.shape.len() {
                _ if name.starts_with("patch_embed.proj") => {
                    uniform(1.0 / (3.0 * 256.0_f64).sqrt())
                }
                1 if name.contains("norm") && name.ends_with(".weight") => Drawn::Constant(1.0),
                1 => Drawn::Constant(0.0),
                _ => normal(0.02),
            };
            assert_drawn(kind, &tensor, &from);
        }
    }
}

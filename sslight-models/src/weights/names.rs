//! Names of backbone tensors in other people's files.
//!
//! Ours are torchvision's and timm's. The reference wraps a convolutional network's layers in one sequential
//! container `encoder`, so that its names count positions.

use super::Role;
use crate::BackboneKind;

/// What stands before a backbone's names in checkpoints: plain networks, this program's and the reference's methods,
/// the published code of DINO, MoCo (1 to 3), SwAV and SimSiam, and the libraries lightly and solo-learn.
const STUDENTS: [&str; 12] = [
    "",
    "backbone.",
    "student.backbone.",
    "student.",
    "student_backbone.",
    "network.backbone.",
    "encoder_q.backbone.",
    "encoder_q.",
    "base_encoder.",
    "encoder.",
    "model.",
    // A detector's.
    "backbone.body.",
];
/// The same for moving averages of them.
const TEACHERS: [&str; 8] = [
    "teacher.backbone.",
    "teacher.",
    "teacher_backbone.",
    "encoder_k.backbone.",
    "encoder_k.",
    "momentum_encoder.",
    "momentum_backbone.",
    "backbone_momentum.",
];
/// What distributed training and compilation put around a network.
const WRAPPERS: [&str; 5] = [
    "",
    "module.",
    "_orig_mod.",
    "module._orig_mod.",
    "_orig_mod.module.",
];
/// What compilation of the backbone alone puts before its names.
const COMPILED: &str = "_orig_mod.";

/// Modules that classify or project features, by the first part of their names.
const HEADS: [&str; 5] = ["fc", "classifier", "head", "projection_head", "prototypes"];

/// Every prefix that a backbone may have, and whose network it is, in the order in which equally good ones are taken:
/// of several networks the one that learns comes before its moving average.
pub(super) fn prefixes() -> impl Iterator<Item = (Role, String)> {
    let students = STUDENTS.iter().map(|prefix| (Role::Student, *prefix));
    let teachers = TEACHERS.iter().map(|prefix| (Role::Teacher, *prefix));
    students.chain(teachers).flat_map(|(role, prefix)| {
        WRAPPERS.into_iter().flat_map(move |outer| {
            ["", COMPILED].map(|inner| (role, format!("{outer}{prefix}{inner}")))
        })
    })
}

/// Whether a tensor beside a backbone's belongs to its classifier or projection head.
pub(super) fn is_of_head(name: &str) -> bool {
    let first = name.split('.').next();
    first.is_some_and(|first| HEADS.contains(&first))
}

/// Whether a tensor counts the batches that a normalisation has seen, which ours does not keep.
pub fn is_batch_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// The name of a backbone's tensor here: as it is, or for a name of the reference (`encoder.*`) its torchvision
/// name. `None` if the name cannot be one of that network's.
///
/// | network | reference | here |
/// |---|---|---|
/// | `mobilenet_v2` | `encoder.I` | `features.I` |
/// | `resnet*` | `encoder.0`, `encoder.1` | `conv1`, `bn1` |
/// | `resnet*` | `encoder.4` .. `encoder.7` | `layer1` .. `layer4` |
///
/// Positions 2 and 3 of a ResNet are its activation and its max-pooling, which have no tensors. The reference's
/// transformers have timm's names.
pub fn torchvision_name(kind: BackboneKind, name: &str) -> Option<String> {
    let Some(rest) = name.strip_prefix("encoder.") else {
        return Some(name.to_string());
    };
    match kind {
        BackboneKind::MobileNetV2 => Some(format!("features.{rest}")),
        BackboneKind::ResNet18 | BackboneKind::ResNet34 | BackboneKind::ResNet50 => {
            let (position, rest) = rest.split_once('.')?;
            let module = match position {
                "0" => "conv1",
                "1" => "bn1",
                "4" => "layer1",
                "5" => "layer2",
                "6" => "layer3",
                "7" => "layer4",
                _ => return None,
            };
            Some(format!("{module}.{rest}"))
        }
        BackboneKind::VitTiny16 | BackboneKind::VitTiny32 | BackboneKind::VitSmall16 => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mobilenet_positions_become_features() {
        let name = torchvision_name(BackboneKind::MobileNetV2, "encoder.1.conv.0.0.weight");
        assert_eq!(name.as_deref(), Some("features.1.conv.0.0.weight"));
    }

    #[test]
    fn resnet_positions_become_stem_and_stages() {
        for (reference, ours) in [
            ("encoder.0.weight", "conv1.weight"),
            ("encoder.1.running_var", "bn1.running_var"),
            ("encoder.4.0.conv1.weight", "layer1.0.conv1.weight"),
            (
                "encoder.7.1.downsample.0.weight",
                "layer4.1.downsample.0.weight",
            ),
        ] {
            let name = torchvision_name(BackboneKind::ResNet18, reference);
            assert_eq!(name.as_deref(), Some(ours));
        }
    }

    #[test]
    fn positions_without_tensors_and_those_of_transformers_are_none() {
        for (kind, name) in [
            (BackboneKind::ResNet18, "encoder.3.weight"),
            (BackboneKind::VitTiny16, "encoder.0.weight"),
        ] {
            assert_eq!(torchvision_name(kind, name), None);
        }
    }

    #[test]
    fn names_of_torchvision_and_timm_stay() {
        for (kind, name) in [
            (BackboneKind::ResNet50, "layer1.0.conv3.weight"),
            (BackboneKind::VitSmall16, "blocks.0.attn.qkv.weight"),
        ] {
            assert_eq!(torchvision_name(kind, name).as_deref(), Some(name));
        }
    }

    #[test]
    fn heads_are_told_by_the_first_part_of_a_name() {
        assert!(is_of_head("fc.weight") && is_of_head("classifier.1.bias"));
        assert!(!is_of_head("features.18.1.bias") && !is_of_head("blocks.0.mlp.fc1.weight"));
    }
}

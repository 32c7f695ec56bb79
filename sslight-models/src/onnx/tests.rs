//! The graphs, without a runtime: what they say is checked against ONNX Runtime by `tests/recipes/round_trip.py`.

use std::collections::HashSet;

use burn_ndarray::NdArray;

use super::*;
use crate::nn::ParamInit;
use crate::params::named_tensors;

fn tensors(kind: BackboneKind, small_input: bool) -> Vec<NamedTensor> {
    let mut init = ParamInit::<NdArray>::new(0, &Default::default());
    named_tensors(&kind.init(small_input, &mut init).unwrap())
}

fn backbone(kind: BackboneKind, tensors: &[NamedTensor]) -> OnnxBackbone<'_> {
    OnnxBackbone {
        kind,
        small_input: false,
        px: 64,
        tensors,
    }
}

#[test]
fn every_node_reads_what_is_there_before_it_and_names_are_unique() {
    for kind in [
        BackboneKind::MobileNetV2,
        BackboneKind::ResNet18,
        BackboneKind::ResNet50,
        BackboneKind::VitTiny32,
    ] {
        let tensors = tensors(kind, false);
        let graph = backbone(kind, &tensors).graph().unwrap();
        let mut known: HashSet<&str> = HashSet::from([INPUT]);
        for name in graph.constant_names() {
            assert!(known.insert(name), "{kind}: {name} twice");
        }
        let mut read = HashSet::new();
        for node in graph.nodes() {
            for input in &node.inputs {
                assert!(
                    known.contains(input.as_str()),
                    "{kind}: {input} is not there"
                );
                read.insert(input.as_str());
            }
            assert!(known.insert(&node.name), "{kind}: {} twice", node.name);
        }
        known.retain(|name| !read.contains(name));
        assert_eq!(known, HashSet::from([OUTPUT]), "{kind}: not read");
    }
}

/// Counts from the tables of the papers.
#[test]
fn a_network_has_its_convolutions_and_shortcuts() {
    for (kind, convolutions, shortcuts) in [
        // 17 blocks, the first without expansion, stem and last; ten blocks repeat their shape.
        (BackboneKind::MobileNetV2, 1 + 2 + 16 * 3 + 1, 10),
        // Eight blocks of two, the stem, and three projections.
        (BackboneKind::ResNet18, 1 + 8 * 2 + 3, 8),
        // 16 blocks of three, the stem, and four projections.
        (BackboneKind::ResNet50, 1 + 16 * 3 + 4, 16),
    ] {
        let tensors = tensors(kind, false);
        let graph = backbone(kind, &tensors).graph().unwrap();
        let count = |operator| {
            graph
                .nodes()
                .iter()
                .filter(|n| n.operator == operator)
                .count()
        };
        assert_eq!(count("Conv"), convolutions, "{kind}");
        assert_eq!(count("Add"), shortcuts, "{kind}");
    }
}

#[test]
fn missing_weights_and_images_below_a_patch_are_refused() {
    let kind = BackboneKind::VitTiny32;
    let mut tensors = tensors(kind, false);
    let small = OnnxBackbone {
        px: 31,
        ..backbone(kind, &tensors)
    };
    let error = small.to_bytes(&BTreeMap::new()).unwrap_err();
    assert!(
        matches!(error, OnnxError::TooSmall { patch_px: 32, .. }),
        "{error}"
    );
    tensors.retain(|tensor| tensor.name != "blocks.3.norm1.bias");
    let error = backbone(kind, &tensors)
        .to_bytes(&BTreeMap::new())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the weights lack tensor blocks.3.norm1.bias of 192 values; give all weights of the backbone"
    );
}

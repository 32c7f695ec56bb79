//! Files of a backbone's weights under other people's names.

use std::collections::BTreeMap;
use std::path::Path;

use burn_ndarray::NdArray;

use super::*;
use crate::nn::ParamInit;
use crate::params::NamedTensor;
use crate::weights::{detect, load_named, named_tensors, to_safetensors};

type B = NdArray;

fn backbone(kind: BackboneKind, seed: u64) -> Backbone<B> {
    kind.init(false, &mut ParamInit::new(seed, &Default::default()))
        .unwrap()
}

fn tensor(name: &str, shape: &[usize]) -> NamedTensor {
    NamedTensor {
        name: name.to_string(),
        shape: shape.to_vec(),
        values: vec![0.5; shape.iter().product()],
    }
}

/// A file of a network's tensors under other names, and some more tensors.
fn file_of(
    net: &Backbone<B>,
    rename: impl Fn(&str) -> String,
    more: impl IntoIterator<Item = NamedTensor>,
) -> Vec<u8> {
    let mut tensors = named_tensors(net);
    for tensor in &mut tensors {
        tensor.name = rename(&tensor.name);
    }
    tensors.extend(more);
    to_safetensors(&tensors, BTreeMap::new()).unwrap()
}

fn import<'f>(kind: BackboneKind, file: &'f WeightsFile<'f>) -> Import<'f> {
    Import::of(&backbone(kind, 1), kind, file).unwrap()
}

fn open(bytes: &[u8]) -> WeightsFile<'_> {
    WeightsFile::open(bytes).unwrap()
}

const KIND: BackboneKind = BackboneKind::MobileNetV2;

#[test]
fn a_file_of_torchvision_gives_every_tensor_and_its_classifier_is_left_out() {
    let net = backbone(KIND, 0);
    let more = [
        tensor("classifier.1.weight", &[10, 1280]),
        tensor("features.0.1.num_batches_tracked", &[]),
    ];
    let bytes = file_of(&net, str::to_string, more);
    let file = open(&bytes);
    let import = import(KIND, &file);
    assert_eq!(import.head, ["classifier.1.weight"]);
    assert_eq!(
        import.to_string(),
        "260 matched of mobilenet_v2; left out 1 of a head (classifier.1.weight)"
    );
    let weights = import.weights(false).unwrap();
    let loaded = load_named(backbone(KIND, 1), &weights).unwrap();
    assert_eq!(named_tensors(&loaded), named_tensors(&net));
}

#[test]
fn every_prefix_is_found_and_the_network_that_learns_is_preferred() {
    let net = backbone(KIND, 0);
    for prefix in [
        "module.",
        "backbone.",
        "module.backbone.",
        "module.encoder_q.",
        "module.base_encoder.",
        "encoder.",
        "teacher.backbone.",
        "_orig_mod.",
        "module._orig_mod.",
        "backbone._orig_mod.",
    ] {
        let other = [tensor("unrelated.weight", &[1])];
        let bytes = file_of(&net, |name| format!("{prefix}{name}"), other);
        let file = open(&bytes);
        let import = import(KIND, &file);
        assert_eq!(import.prefix, prefix);
        assert!(import.report.is_complete(), "{prefix}: {}", import.report);
        assert_eq!(import.elsewhere, ["unrelated.weight"]);
    }
    let teacher = named_tensors(&net).into_iter().map(|tensor| NamedTensor {
        name: format!("module.teacher.backbone.{}", tensor.name),
        ..tensor
    });
    let bytes = file_of(
        &net,
        |name| format!("module.student.backbone.{name}"),
        teacher,
    );
    assert_eq!(
        import(KIND, &open(&bytes)).prefix,
        "module.student.backbone."
    );
}

/// Student and teacher under these prefixes; their values differ.
fn two_networks(student: &str, teacher: &str) -> Vec<u8> {
    let teachers = named_tensors(&backbone(KIND, 5));
    let teachers = teachers.into_iter().map(|tensor| NamedTensor {
        name: format!("{teacher}{}", tensor.name),
        ..tensor
    });
    let net = backbone(KIND, 4);
    file_of(&net, |name| format!("{student}{name}"), teachers)
}

#[test]
fn a_role_picks_its_network_under_the_names_of_published_code() {
    for (student, teacher) in [
        ("student.backbone.", "teacher.backbone."),
        ("module.encoder_q.", "module.encoder_k."),
        ("module.base_encoder.", "module.momentum_encoder."),
        ("backbone.", "momentum_backbone."),
        ("backbone.", "backbone_momentum."),
        ("student_backbone.", "teacher_backbone."),
    ] {
        let bytes = two_networks(student, teacher);
        for (role, prefix, seed) in [
            (None, student, 4),
            (Some(Role::Student), student, 4),
            (Some(Role::Teacher), teacher, 5),
        ] {
            let file = WeightsFile::open_for(&bytes, role).unwrap();
            let import = import(KIND, &file);
            assert_eq!(import.prefix, prefix);
            assert_eq!(import.role, role.unwrap_or(Role::Student));
            let weights = import.weights(false).unwrap();
            let loaded = load_named(backbone(KIND, 1), &weights).unwrap();
            assert_eq!(named_tensors(&loaded), named_tensors(&backbone(KIND, seed)));
        }
    }
}

#[test]
fn a_role_that_a_file_lacks_is_an_error_and_no_other_network_is_taken() {
    let net = backbone(KIND, 0);
    for (prefix, role, message) in [
        (
            "",
            Role::Teacher,
            "it holds no teacher of mobilenet_v2; leave",
        ),
        (
            "teacher.",
            Role::Student,
            "it holds no student of mobilenet_v2; leave",
        ),
    ] {
        let bytes = file_of(&net, |name| format!("{prefix}{name}"), []);
        let file = WeightsFile::open_for(&bytes, Some(role)).unwrap();
        let error = Import::of(&net, KIND, &file).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn a_file_of_a_teacher_under_plain_names_stays_a_teachers() {
    let net = backbone(KIND, 0);
    let told = BTreeMap::from([("role".to_string(), "teacher".to_string())]);
    let bytes = to_safetensors(&named_tensors(&net), told).unwrap();
    for role in [None, Some(Role::Teacher)] {
        let file = WeightsFile::open_for(&bytes, role).unwrap();
        assert_eq!(import(KIND, &file).role, Role::Teacher);
    }
    let file = WeightsFile::open_for(&bytes, Some(Role::Student)).unwrap();
    let error = Import::of(&net, KIND, &file).unwrap_err();
    assert!(matches!(error, WeightsError::NoRole { .. }), "{error}");
}

#[test]
fn the_references_names_of_positions_are_ours() {
    let kind = BackboneKind::ResNet18;
    let net = backbone(kind, 0);
    let reference = |name: &str| {
        let (first, rest) = name.split_once('.').unwrap();
        let position = match first {
            "conv1" => 0,
            "bn1" => 1,
            stage => 3 + stage.trim_start_matches("layer").parse::<usize>().unwrap(),
        };
        format!("module.encoder_q.backbone.encoder.{position}.{rest}")
    };
    let bytes = file_of(&net, reference, []);
    let file = open(&bytes);
    let import = import(kind, &file);
    assert!(import.report.is_complete(), "{}", import.report);
    assert_eq!(import.prefix, "module.encoder_q.backbone.");
}

#[test]
fn two_names_for_one_tensor_are_refused() {
    let net = backbone(KIND, 0);
    let again = [tensor("encoder.0.0.weight", &[32, 3, 3, 3])];
    let bytes = file_of(&net, str::to_string, again);
    let file = open(&bytes);
    let error = Import::of(&net, KIND, &file).unwrap_err();
    assert_eq!(
        error.to_string(),
        "encoder.0.0.weight and features.0.0.weight are both features.0.0.weight of mobilenet_v2; give a file with \
         one of the two"
    );
}

#[test]
fn what_does_not_fit_is_an_error_with_names_unless_asked_for() {
    let net = backbone(KIND, 0);
    let rename = |name: &str| match name {
        "features.0.1.weight" => "features.0.1.gamma".to_string(),
        other => other.to_string(),
    };
    let bytes = file_of(&net, rename, []);
    let file = open(&bytes);
    let import = import(KIND, &file);
    let error = import.weights(false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "does not fit mobilenet_v2: 259 matched, 1 missing (features.0.1.weight), \
         1 unexpected (features.0.1.gamma)"
    );
    let weights = import.weights(true).unwrap();
    assert_eq!(weights.len(), 259);
    assert!(!weights.contains_key("features.0.1.weight"));
}

#[test]
fn another_shape_is_no_match_and_a_table_of_positions_is_explained() {
    let kind = BackboneKind::VitTiny32;
    let net = backbone(kind, 0);
    let mut tensors = named_tensors(&net);
    for tensor in &mut tensors {
        if tensor.name == "pos_embed" {
            *tensor = self::tensor("pos_embed", &[1, 145, 192]);
        }
    }
    let bytes = to_safetensors(&tensors, BTreeMap::new()).unwrap();
    let file = open(&bytes);
    let import = import(kind, &file);
    let message = import.weights(false).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "1 of another shape (first pos_embed: expected [1, 50, 192], found [1, 145, 192]); \
             pos_embed is for 12 x 12 patches, the network's for 7 x 7, and is not resized"
        ),
        "{message}"
    );
    let weights = import.weights(true).unwrap();
    assert!(!weights.contains_key("pos_embed"));
    assert_eq!(weights.len(), tensors.len() - 1);
}

#[test]
fn another_network_is_an_error_that_shows_names_of_the_file_even_in_part() {
    let bytes = to_safetensors(
        &[
            tensor("conv_stem.weight", &[1]),
            tensor("head.weight", &[1]),
        ],
        BTreeMap::new(),
    )
    .unwrap();
    let file = open(&bytes);
    let error = Import::of(&backbone(KIND, 0), KIND, &file).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("no tensor has the name of one of mobilenet_v2")
            && message.contains("conv_stem.weight"),
        "{message}"
    );
    // A name that fits and a shape that does not is nothing to load either.
    let bytes = to_safetensors(&[tensor("features.0.1.weight", &[3])], BTreeMap::new()).unwrap();
    let file = open(&bytes);
    let import = Import::of(&backbone(KIND, 0), KIND, &file).unwrap();
    let error = import.weights(true).unwrap_err();
    assert!(matches!(error, WeightsError::Incomplete { .. }), "{error}");
}

/// The golden checkpoint has the student whole and the teacher without its backbone.
#[test]
fn the_references_checkpoint_initialises_by_its_student() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/DINO_mobilenet_v2_last_ckpt.pth.tar");
    let bytes = std::fs::read(path).unwrap();
    let file = open(&bytes);
    assert_eq!(file.part(), Some("state_dict"));
    let import = import(KIND, &file);
    assert_eq!(import.prefix, "module.student.backbone.");
    assert!(import.report.is_complete(), "{}", import.report);
    assert!(import.head.is_empty());
    // Heads of student and teacher with their counters, and the classifier.
    assert_eq!(import.elsewhere.len(), 18 + 18 + 2);
    assert_eq!(import.weights(false).unwrap().len(), 260);
}

#[test]
fn half_precision_and_foreign_types_of_safetensors() {
    use ::safetensors::tensor::{Dtype, TensorView};
    let half = half::f16::from_f32(1.5).to_le_bytes();
    let views = [
        ("a", TensorView::new(Dtype::F16, vec![1], &half).unwrap()),
        (
            "b",
            TensorView::new(Dtype::F8_E5M2, vec![2], &half).unwrap(),
        ),
    ];
    let bytes = ::safetensors::serialize(views, None).unwrap();
    let file = open(&bytes);
    let values = |name: &str| {
        let entry = file.entries().iter().find(|entry| entry.name == name);
        file.values(entry.unwrap())
    };
    assert_eq!(values("a").unwrap(), [1.5]);
    let message = values("b").unwrap_err().to_string();
    assert_eq!(
        message,
        "tensor b has element type F8_E5M2; convert it to F32"
    );
}

#[test]
fn bytes_of_other_formats_and_cut_off_headers_are_refused() {
    for bytes in [&b"no weights"[..], b"", b"\x89PNG\r\n\x1a\n\0"] {
        assert!(matches!(
            WeightsFile::open(bytes),
            Err(WeightsError::UnknownFormat)
        ));
    }
    let cut = b"\xff\0\0\0\0\0\0\0{";
    assert!(matches!(
        WeightsFile::open(cut),
        Err(WeightsError::Header(_))
    ));
}

#[test]
fn every_network_and_variant_is_detected_by_its_tensors() {
    for kind in BackboneKind::all() {
        for small_input in [false, true] {
            let init = &mut ParamInit::<B>::zeros(&Default::default());
            let tensors = named_tensors(&kind.init(small_input, init).unwrap());
            let told = BTreeMap::from([("small_input".to_string(), small_input.to_string())]);
            for (metadata, known) in [(told, true), (BTreeMap::new(), false)] {
                let bytes = to_safetensors(&tensors, metadata).unwrap();
                let file = open(&bytes);
                let found = detect::<B>(&file, None, None, &Default::default()).unwrap();
                // The tensors of MobileNetV2 do not tell.
                let tells = known || kind != KIND;
                let expected = (kind, small_input && tells);
                assert_eq!((found.kind, found.small_input), expected);
                assert!(found.import.report.is_complete());
            }
        }
    }
}

#[test]
fn what_no_network_fits_is_told_with_the_nearest() {
    let net = backbone(BackboneKind::ResNet18, 0);
    let bytes = file_of(&net, str::to_string, [tensor("layer1.9.extra", &[1])]);
    let file = open(&bytes);
    let device = Default::default();
    let error = detect::<B>(&file, None, None, &device).unwrap_err();
    let message = error.to_string();
    let start = "the weights are of no backbone that is known: the nearest are resnet18 (100 matched, 1 unexpected \
                 (layer1.9.extra)); resnet18 for small images (99 matched, ";
    assert!(message.starts_with(start), "{message}");
    let given = Some(BackboneKind::ResNet18);
    let found = detect::<B>(&file, given, None, &device).unwrap();
    assert_eq!(found.import.report.unexpected, ["layer1.9.extra"]);
    let bytes = to_safetensors(&[tensor("conv_stem.weight", &[1])], BTreeMap::new()).unwrap();
    let error = detect::<B>(&open(&bytes), None, None, &device).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("none of its names is one of"), "{message}");
}

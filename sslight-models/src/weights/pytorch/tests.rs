//! Files that torch.save wrote (`tests/pytorch/generate.py`), whole and (in `damaged`) not.

mod damaged;

use std::path::Path;

use super::*;
use crate::weights::ElementType;

const FILES: [&str; 3] = ["zip.pt", "zip_protocol4.pt", "legacy.pt"];

fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch");
    match std::fs::read(folder.join(name)) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{name}: {error}"),
    }
}

fn parse(bytes: &[u8]) -> Result<PytorchFile<'_>, PytorchError> {
    match PytorchFile::detect(bytes)? {
        Some(format) => PytorchFile::parse(bytes, format),
        None => Err(PytorchError::NoPickle),
    }
}

/// Reads everything that there is; the last error, if any.
fn read_all(bytes: &[u8]) -> Result<(), PytorchError> {
    let file = parse(bytes)?;
    let states = file.root().and_then(|root| root.get("state_dict"));
    for (_, value) in states.into_iter().flat_map(Value::entries) {
        if let Some(tensor) = value.as_tensor() {
            file.values(tensor)?;
        }
    }
    Ok(())
}

fn tensor<'f>(file: &'f PytorchFile<'_>, name: &str) -> &'f TensorRef {
    let states = file.root().and_then(|root| root.get("state_dict"));
    states.and_then(|s| s.get(name)?.as_tensor()).unwrap()
}

#[test]
fn tensors_of_every_type_and_layout_are_read() {
    const CASES: [(&str, ElementType, &[usize], &[f64]); 18] = [
        ("f64", ElementType::F64, &[2], &[1.0, 1e-3]),
        (
            "f32",
            ElementType::F32,
            &[2, 3],
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        ),
        (
            "f16",
            ElementType::F16,
            &[4],
            &[1.5, -2.0, 65504.0, 5.960_464_477_539_063e-8],
        ),
        (
            "bf16",
            ElementType::Bf16,
            &[3],
            &[1.5, -2.0, 1.267_650_600_228_229_4e30],
        ),
        ("i64", ElementType::I64, &[], &[1_099_511_627_777.0]),
        ("i32", ElementType::I32, &[1], &[-7.0]),
        ("i16", ElementType::I16, &[1], &[-300.0]),
        ("i8", ElementType::I8, &[1], &[-5.0]),
        ("u8", ElementType::U8, &[1], &[250.0]),
        ("bool", ElementType::Bool, &[2], &[1.0, 0.0]),
        (
            "transposed",
            ElementType::F32,
            &[3, 2],
            &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0],
        ),
        ("shared", ElementType::F32, &[4], &[0.5, 0.75, 1.0, 1.25]),
        ("strided", ElementType::F32, &[3], &[0.25, 1.5, 2.75]),
        ("expanded", ElementType::F32, &[2, 2], &[3.0; 4]),
        ("empty", ElementType::F32, &[0, 4], &[]),
        ("parameter", ElementType::F32, &[1], &[8.0]),
        ("linear.weight", ElementType::F32, &[1, 2], &[0.5, -2.0]),
        ("linear.bias", ElementType::F32, &[1], &[1.5]),
    ];
    for name in FILES {
        let bytes = bytes(name);
        let file = parse(&bytes).unwrap();
        for (key, element, shape, values) in CASES {
            let tensor = tensor(&file, key);
            assert_eq!(tensor.element(), element, "{name}: {key}");
            assert_eq!(tensor.shape(), shape, "{name}: {key}");
            let found = file.values(tensor).unwrap();
            assert_eq!(element.to_f64(&found), values, "{name}: {key}");
            let single: Vec<f32> = values.iter().map(|v| *v as f32).collect();
            assert_eq!(element.to_f32(&found), single, "{name}: {key}");
        }
    }
}

#[test]
fn everything_else_is_plain_values() {
    for name in FILES {
        let bytes = bytes(name);
        let file = parse(&bytes).unwrap();
        let get = |key: &str| file.root().and_then(|root| root.get(key)).unwrap();
        let path = |keys: &[&str]| {
            let start = file.root();
            keys.iter().fold(start, |node, key| node?.get(key)).unwrap()
        };
        assert_eq!(get("state_dict").type_name(), "collections.OrderedDict");
        let metadata = get("state_dict").attribute("_metadata");
        assert!(metadata.is_some_and(|m| m.get("").is_some()), "{name}");
        assert_eq!(get("config").type_name(), "yacs.config.CfgNode");
        assert_eq!(path(&["config", "MODEL", "ARCH"]).as_str(), Some("tiny"));
        assert_eq!(path(&["config", "LR"]).as_f64(), Some(0.25));
        let frozen = get("config").attribute("__immutable__");
        assert_eq!(frozen.and_then(Value::as_bool), Some(true), "{name}");
        let argument = |key| get("args").attribute(key);
        assert_eq!(argument("lr").and_then(Value::as_f64), Some(0.5));
        assert!(argument("resume").is_some_and(Value::is_none));

        let states = path(&["optimizer", "state"]);
        let momentum = states.get_number(0).and_then(|s| s.get("mu")?.as_tensor());
        assert_eq!(momentum.map(TensorRef::shape), Some(&[1][..]));
        let group = path(&["optimizer", "param_groups"]).items().next();
        let lr = group.and_then(|group| group.get("lr")?.as_f64());
        assert_eq!(lr, Some(0.1), "{name}");
        let numbers = get("numpy").items();
        let numbers: Vec<_> = numbers.map(|n| n.as_f64()).collect();
        let expected = [Some(0.5), Some(-3.0), Some(200.0), None, Some(1.5)];
        assert_eq!(numbers, expected, "{name}");
        assert_eq!(
            get("numpy").items().nth(3).and_then(Value::as_bool),
            Some(true)
        );

        assert_eq!(get("epoch").as_i64(), Some(3));
        assert_eq!(get("large").type_name(), "int");
        assert_eq!(get("large").as_i64(), None);
        assert_eq!(get("negative").as_i64(), Some(-(1 << 40)));
        let tuple: Vec<_> = get("tuple").items().collect();
        assert!(tuple[0].is_none() && tuple[1].as_bool() == Some(true));
        assert_eq!(tuple[3].to_bytes(), Some(vec![0, 255]), "{name}");
        assert_eq!(get("set").items().next().and_then(Value::as_i64), Some(5));
        let factory = path(&["factory", "a"]).items();
        assert_eq!(factory.len(), 1, "{name}");
        assert_eq!(get("size").items().len(), 2, "{name}");
        assert_eq!(get("dtype").type_name(), "torch.float16");
        assert_eq!(get("device").as_str(), Some("cpu"));
    }
}

#[test]
fn a_class_that_weights_do_not_need_is_named() {
    let message = parse(&bytes("unknown_class.pt")).unwrap_err().to_string();
    assert!(message.starts_with("data.pkl: byte "), "{message}");
    assert!(message.contains(" __main__.Extra is none of"), "{message}");
}

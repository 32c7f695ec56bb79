use super::*;
use crate::manifest::Manifest;
use std::path::Path;

/// A case with one output `y` of type F64 and the given tolerance entries, and its stored file.
fn fixture(
    dir: &Path,
    tolerance: &str,
    tensors: &[(&str, Vec<usize>, Vec<f64>)],
) -> (Manifest, TensorFile) {
    let shape = &tensors[0].1;
    let manifest = format!(
        r#"{{"format": 1, "set": "t", "cases": [{{"name": "c", "kind": "k", "file": "c.safetensors",
           "tolerance": {{"rule": "in words"}},
           "outputs": [{{"name": "y", "dtype": "F64", "shape": {shape:?}, {tolerance}}}]}}]}}"#
    );
    std::fs::write(dir.join("manifest.json"), manifest).unwrap();
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F64, shape.clone(), bytes);
        (*name, view.unwrap())
    });
    let path = dir.join("c.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    (
        Manifest::read(dir).unwrap(),
        TensorFile::read(&path).unwrap(),
    )
}

/// The failures of returning `got` where `expected` is stored as `y`.
fn failures(
    tolerance: &str,
    expected: &[(&str, Vec<usize>, Vec<f64>)],
    got: Option<Produced>,
) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let (manifest, stored) = fixture(dir.path(), tolerance, expected);
    let outputs = got.map(|got| ("y".to_string(), got)).into_iter().collect();
    judge(&manifest.cases[0], &stored, &outputs).failures
}

fn y(values: &[f64]) -> Vec<(&'static str, Vec<usize>, Vec<f64>)> {
    vec![("y", vec![values.len()], values.to_vec())]
}

fn returned(values: &[f64]) -> Option<Produced> {
    Some(Produced::Tensor(HostTensor::f64(
        [values.len()],
        values.to_vec(),
    )))
}

#[test]
fn an_output_that_was_not_produced_fails() {
    let failures = failures(r#""atol": 1e9"#, &y(&[1.0]), None);
    assert_eq!(failures, ["y: the case runner did not produce it"]);
}

#[test]
fn absolute_and_relative_tolerance_add_up_and_are_inclusive() {
    let tolerance = r#""rtol": 0.125, "atol": 0.5"#;
    assert!(failures(tolerance, &y(&[-4.0]), returned(&[-5.0])).is_empty());
    let wrong = failures(tolerance, &y(&[0.0, -4.0]), returned(&[0.0, -5.25]));
    assert_eq!(
        wrong,
        [
            "y: element [1]: got -5.25e0, expected -4e0, off by 1.250e0 with limit 1.000e0 (1 of 2 elements beyond their limits)"
        ]
    );
}

#[test]
fn elementwise_limits_are_read_from_the_file() {
    let tolerance = r#""tol": "elementwise", "rtol": 0.0, "atol": 0.0"#;
    let mut stored = y(&[1.0, 1.0]);
    stored.push(("y#atol", vec![2], vec![0.5, 0.0]));
    assert!(failures(tolerance, &stored, returned(&[1.5, 1.0])).is_empty());
    assert_eq!(
        failures(tolerance, &stored, returned(&[1.0, 1.001])).len(),
        1
    );
    assert_eq!(failures(tolerance, &stored, returned(&[1.6, 1.0])).len(), 1);
}

#[test]
fn the_l2_distance_is_judged_in_addition() {
    let expected = y(&[3.0, 4.0]);
    let got = returned(&[3.3, 4.4]);
    assert!(failures(r#""atol": 1.0, "rel_l2": 0.11"#, &expected, got.clone()).is_empty());
    let wrong = failures(r#""atol": 1.0, "rel_l2": 0.09"#, &expected, got);
    assert!(
        wrong[0].contains("L2 distance 5.000e-1 is beyond"),
        "{wrong:?}"
    );
}

#[test]
fn not_a_number_fails_whatever_the_tolerance() {
    let wrong = failures(
        r#""atol": 1e30, "rel_l2": 1e30"#,
        &y(&[0.0, 1.0]),
        returned(&[0.0, f64::NAN]),
    );
    assert!(wrong[0].starts_with("y: element [1]: got NaN"), "{wrong:?}");
}

#[test]
fn another_shape_or_element_type_fails() {
    let shape = failures(r#""atol": 1.0"#, &y(&[1.0, 2.0]), returned(&[1.0]));
    assert_eq!(shape, ["y: shape [1], the manifest has [2]"]);
    let integer = Some(Produced::Tensor(HostTensor::i64([1], vec![1])));
    let kind = failures(r#""atol": 1.0"#, &y(&[1.0]), integer);
    assert_eq!(
        kind,
        ["y: element type I64, the fixture file has F64 and the manifest F64"]
    );
}

#[test]
fn means_are_judged_by_their_standard_errors() {
    let tolerance = r#""columns": ["mean", "std", "stderr"], "index": ["area", "is_fallback_box"]"#;
    // area: 5 sqrt(0.3^2 + 4^2 / 100) = 2.5; the event's limit is 10 / 100.
    let table = vec![("y", vec![2, 3], vec![1.0, 4.0, 0.3, 0.0, 0.0, 0.0])];
    let means = |area, rate| {
        Some(Produced::Means {
            means: vec![area, rate],
            draws: 100,
        })
    };
    assert!(failures(tolerance, &table, means(3.49, 0.09)).is_empty());
    assert!(failures(tolerance, &table, means(3.51, 0.09))[0].contains("area: mean 3.51"));
    assert!(failures(tolerance, &table, means(1.0, 0.11))[0].contains("is_fallback_box"));
}

#[test]
fn means_and_tensors_do_not_stand_in_for_each_other() {
    let means = Some(Produced::Means {
        means: vec![1.0],
        draws: 1,
    });
    assert_eq!(failures(r#""atol": 1.0"#, &y(&[1.0]), means).len(), 1);
    let table = vec![("y", vec![1, 3], vec![1.0, 1.0, 1.0])];
    let copied = Some(Produced::Tensor(HostTensor::f64([1, 3], vec![1.0; 3])));
    let tolerance = r#""columns": ["mean", "std", "stderr"], "index": ["area"]"#;
    assert_eq!(failures(tolerance, &table, copied).len(), 1);
}

#[test]
fn coordinates_follow_row_major_order() {
    assert_eq!(coordinates(0, &[2, 3, 4]), [0, 0, 0]);
    assert_eq!(coordinates(23, &[2, 3, 4]), [1, 2, 3]);
    assert_eq!(coordinates(13, &[2, 3, 4]), [1, 0, 1]);
}

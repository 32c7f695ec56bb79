//! Safetensors files that are cut off, changed, or made to mislead whoever reads them.

use super::*;
use crate::weights::WeightsFile;

fn written() -> Vec<u8> {
    let tensor = |name: &str, shape: &[usize], values: &[f32]| NamedTensor {
        name: name.to_string(),
        shape: shape.to_vec(),
        values: values.to_vec(),
    };
    let tensors = [
        tensor("conv.weight", &[1, 2], &[1.0, -2.0]),
        tensor("conv.bias", &[1], &[0.5]),
    ];
    let metadata = BTreeMap::from([("method".to_string(), "dino".to_string())]);
    to_safetensors(&tensors, metadata).unwrap()
}

/// A file of this header and as many zeros as values.
fn file(header: &str, values: usize) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &vec![0; values]].concat()
}

/// Reads everything there is.
fn read_all(bytes: &[u8]) -> Result<Vec<Vec<f32>>, WeightsError> {
    let file = WeightsFile::open(bytes)?;
    file.entries().iter().map(|e| file.values(e)).collect()
}

fn refused(bytes: &[u8]) -> String {
    let message = read_all(bytes).unwrap_err().to_string();
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(message.len() < 600, "{message}");
    message
}

#[test]
fn a_file_that_is_cut_off_or_continued_anywhere_is_refused() {
    let bytes = written();
    assert_eq!(read_all(&bytes).unwrap(), [vec![0.5], vec![1.0, -2.0]]);
    for length in 0..bytes.len() {
        refused(&bytes[..length]);
    }
    refused(&[&bytes[..], b"\0"].concat());
}

#[test]
fn a_changed_bit_among_the_values_is_seen_and_one_in_the_header_does_no_harm() {
    let mut bytes = written();
    let values = bytes.len() - 12;
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let result = read_all(&bytes);
        if bit / 8 >= values {
            assert!(matches!(result, Err(WeightsError::Checksum)), "bit {bit}");
        } else if let Ok(values) = result {
            // In a name or in the metadata; or two tensors have changed places with their names.
            let count: usize = values.iter().map(Vec::len).sum();
            assert!(count >= 3, "bit {bit}: {values:?}");
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(read_all(&bytes).is_ok());
}

#[test]
fn the_checksum_is_the_one_that_others_compute_and_files_without_one_are_read() {
    // Python: hashlib.sha256(struct.pack("<f", 1.0)).hexdigest()
    let digest = "e00e5eb9444182f352323374ef4e08ebcb784725fdd4fd612d7730540b3e0c8c";
    let plain = file(
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        0,
    );
    let plain = [&plain[..], &1.0_f32.to_le_bytes()].concat();
    assert_eq!(read_all(&plain).unwrap(), [[1.0]]);
    let sealed = with_checksum(&plain).unwrap();
    assert_eq!(read_all(&sealed).unwrap(), [[1.0]]);
    let text = String::from_utf8_lossy(&sealed);
    assert!(
        text.contains(&format!(r#""tensor_data_sha256":"{digest}""#)),
        "{text}"
    );
    assert!(refused(&plain[1..]).contains("neither a safetensors file"));
}

#[test]
fn a_header_that_cannot_be_is_refused_with_what_is_wrong_and_where() {
    let mut huge = file("{}", 0);
    huge[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    let expected = "it states a header of 1152921504606846976 bytes, and 2 follow";
    assert!(refused(&huge).contains(expected));
    let mut longer = file("{}", 0);
    longer[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(refused(&longer).contains("and 2 follow"));

    let max = usize::MAX;
    let f32 = |shape: &str, offsets: &str| {
        format!(r#"{{"dtype":"F32","shape":[{shape}],"data_offsets":[{offsets}]}}"#)
    };
    let one = f32("1", "0,4");
    let eighth = max / 8 + 1;
    let eighths: Vec<String> = (0..8)
        .map(|i| {
            let end = (i + 1) as u128 * eighth as u128 - u128::from(i == 7) * 8;
            let count = end - i as u128 * eighth as u128;
            format!(
                r#""t{i}":{{"dtype":"U8","shape":[{count}],"data_offsets":[{},{end}]}}"#,
                i * eighth
            )
        })
        .collect();
    for (header, problem) in [
        (
            format!(r#"{{"a":{one},"b":{}}}"#, f32("1", "2,6")),
            "tensor b: its values are at bytes 2 to 6, expected at 4",
        ),
        (
            format!(r#"{{"a":{one},"b":{}}}"#, f32("1", "5,9")),
            "tensor b: its values are at bytes 5 to 9, expected at 4",
        ),
        (
            format!(r#"{{"a":{one},"b":{one}}}"#),
            "tensor b: its values are at bytes 0 to 4, expected at 4",
        ),
        (
            format!(r#"{{"a":{}}}"#, f32("1", "4,0")),
            "tensor a: its values are at bytes 4 to 0",
        ),
        (
            format!(r#"{{"a":{}}}"#, f32("4", "0,16")),
            "tensor a: its values end at byte 16 of 8",
        ),
        (
            format!(r#"{{"a":{}}}"#, f32("1", &format!("0,{max}"))),
            "tensor a: its values end at byte",
        ),
        (
            format!(r#"{{"a":{one},"a":{}}}"#, f32("1", "4,8")),
            "two tensors are named a",
        ),
        (
            format!(r#"{{"a":{}}}"#, f32("4294967296,4294967296", "0,8")),
            "tensor a: a shape of [4294967296, 4294967296]",
        ),
        (
            format!(r#"{{"a":{}}}"#, f32(&vec!["1"; 65].join(","), "0,4")),
            "tensor a: 65 dimensions",
        ),
        (
            format!("{{{}}}", eighths.join(",")),
            "tensor t0: its values end at byte",
        ),
        (
            format!(r#"{{"a":{one}}}"#),
            "its tensors have 4 bytes of values, and 8 are there",
        ),
        (format!(r#"{{"a":{}}}"#, f32("1", "0,8")), "offset"),
        (
            format!(r#"{{"a":{}}}"#, f32("2", "0,8").replace("F32", "F33")),
            "unknown variant",
        ),
        (format!(r#"{{"a":{}}}"#, f32("-1", "0,4")), "invalid value"),
        (
            format!(r#"{{"a":{}}}"#, f32("18446744073709551616", "0,4")),
            "its header is no list of tensors",
        ),
        (
            format!(r#"{{"a":{{"dtype":"F32","shape":{}"#, "[".repeat(100_000)),
            "its header is no list of tensors",
        ),
        (
            format!(
                r#"{{"__metadata__":{}{}}}"#,
                "[".repeat(1000),
                "]".repeat(1000)
            ),
            // Metadata that are no text are passed over, however deep, before the values are counted.
            "its tensors have 0 bytes of values, and 8 are there",
        ),
        (r#"{"a":1}"#.to_string(), "its header is no list of tensors"),
        ("{".to_string(), "its header is no list of tensors"),
        ("{}x".to_string(), "its header is no list of tensors"),
    ] {
        let message = refused(&file(&header, 8));
        assert!(message.contains(problem), "{message}, not {problem}");
        assert!(message.contains("get it again"), "{message}");
    }
}

#[test]
fn an_element_type_that_is_not_handled_and_a_long_name_are_told_in_a_line() {
    let name = format!("a\\n\\u001b[2J{}", "x".repeat(100_000));
    let header = format!(r#"{{"{name}":{{"dtype":"U16","shape":[1],"data_offsets":[0,2]}}}}"#);
    let message = refused(&file(&header, 2));
    assert!(
        message.contains("has element type U16; convert it to F32"),
        "{message}"
    );
}

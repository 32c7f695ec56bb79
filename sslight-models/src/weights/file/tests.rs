//! Where the state dict is, and what a hostile one can do.

use super::*;

/// A legacy file of these objects, which may have one tensor of two numbers in record `0`.
fn file_of(objects: &[u8]) -> Vec<u8> {
    let head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.M\xe9\x03.}.";
    let names: &[u8] = match objects.windows(7).any(|text| text == b"storage") {
        true => b"](U\x010e.\x02\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40",
        false => b"].",
    };
    [&head[..], objects, names].concat()
}

const TENSOR: &[u8] = b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n\
    U\x010U\x03cpuK\x02Nt\x51K\x00K\x02\x85K\x01\x85tR";

fn names<'f>(file: &'f WeightsFile<'_>) -> Vec<&'f str> {
    file.entries().iter().map(|e| e.name.as_str()).collect()
}

#[test]
fn of_two_networks_the_one_that_learns_is_taken_and_what_is_no_tensor_is_passed_over() {
    let teacher = [b"}U\x07teacher}U\x01a", TENSOR, b"q\x00ss"].concat();
    let student = b"U\x07student}(U\x01bh\x00U\x01cNus.";
    let bytes = file_of(&[&teacher[..], student].concat());
    let file = WeightsFile::open(&bytes).unwrap();
    assert_eq!(file.part(), Some("student"));
    assert_eq!(file.format().to_string(), "PyTorch, legacy");
    assert_eq!(names(&file), ["b"]);
    assert_eq!(file.values(&file.entries()[0]).unwrap(), [1.0, 2.0]);
}

#[test]
fn a_plain_state_dict_has_no_part() {
    let bytes = file_of(&[b"}U\x01a", TENSOR, b"s."].concat());
    let file = WeightsFile::open(&bytes).unwrap();
    assert_eq!((file.part(), file.entries().len()), (None, 1));
}

#[test]
fn a_file_without_a_state_dict_says_what_it_holds() {
    for (objects, found) in [
        (
            &b"}(U\x05epochK\x03U\x05modelNu."[..],
            "it holds a dict of epoch, model;",
        ),
        (b"K\x03.", "it holds an object of type int;"),
    ] {
        let bytes = file_of(objects);
        let message = WeightsFile::open(&bytes).unwrap_err().to_string();
        assert!(message.contains(found), "{message}");
    }
}

#[test]
fn a_part_with_tensors_is_preferred_to_a_root_that_has_one() {
    let head = b"}(U\x05epochK\x03U\x0astate_dict}U\x01b";
    let best = b"q\x00sU\x09best_acc1h\x00u.";
    let bytes = file_of(&[&head[..], TENSOR, best].concat());
    let file = WeightsFile::open(&bytes).unwrap();
    assert_eq!(file.part(), Some("state_dict"));
    assert_eq!(names(&file), ["b"]);
}

/// A text of the letter a.
fn long_text(length: u32) -> Vec<u8> {
    let letters = vec![b'a'; length as usize];
    [&b"X"[..], &length.to_le_bytes(), &letters].concat()
}

#[test]
fn a_name_that_is_there_over_and_over_is_one_tensor_and_the_last_counts() {
    let name = long_text(1000);
    let one_number = b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n\
        U\x010U\x03cpuK\x02Nt\x51K\x01K\x01\x85K\x01\x85tR";
    let pairs = b"h\x00h\x01".repeat(100_000);
    let bytes = file_of(
        &[
            &b"}"[..],
            &name,
            b"q\x00",
            TENSOR,
            b"q\x01s(",
            &pairs,
            b"h\x00",
            one_number,
            b"u.",
        ]
        .concat(),
    );
    let file = WeightsFile::open(&bytes).unwrap();
    assert_eq!(file.entries().len(), 1);
    assert_eq!(file.entries()[0].shape, [1]);
    assert_eq!(file.values(&file.entries()[0]).unwrap(), [2.0]);
}

#[test]
fn tensors_keep_the_order_of_the_file() {
    let bytes = file_of(
        &[
            &b"}(U\x01c"[..],
            TENSOR,
            b"q\x00U\x01ah\x00U\x01bh\x00U\x01ch\x00u.",
        ]
        .concat(),
    );
    let file = WeightsFile::open(&bytes).unwrap();
    assert_eq!(names(&file), ["c", "a", "b"]);
}

#[test]
fn a_name_that_no_tensor_of_a_network_has_is_refused() {
    let name = long_text(2000);
    let bytes = file_of(&[&b"}"[..], &name, TENSOR, b"s."].concat());
    let message = WeightsFile::open(&bytes).unwrap_err().to_string();
    assert!(
        message.contains("a tensor's name has 2000 bytes"),
        "{message}"
    );
    // Nor does a message repeat such a name.
    let bytes = file_of(&[&b"}"[..], &name, b"NsU\x05epochNs."].concat());
    let message = WeightsFile::open(&bytes).unwrap_err().to_string();
    assert!(message.contains("it holds a dict of epoch;"), "{message}");
}

//! Files that are cut off, changed, or put together by hand.

use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::*;

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    for name in FILES {
        let bytes = bytes(name);
        for length in 0..bytes.len() {
            assert!(
                read_all(&bytes[..length]).is_err(),
                "{name}: {length} bytes"
            );
        }
    }
}

#[test]
fn a_damaged_byte_anywhere_gives_values_or_an_error_and_no_panic() {
    for name in FILES {
        let mut bytes = bytes(name);
        for place in 0..bytes.len() {
            let old = bytes[place];
            for new in [0, 0xff, old ^ 1, old ^ 0x80, b'.', b'R'] {
                bytes[place] = new;
                let _ = read_all(&bytes);
            }
            bytes[place] = old;
        }
        read_all(&bytes).unwrap();
    }
}

#[test]
fn a_damaged_value_in_an_archive_is_seen_by_its_checksum() {
    let mut bytes = bytes("zip.pt");
    // The first value of `f64`, which nothing else in the file equals.
    let one = 1.0_f64.to_le_bytes();
    let place = bytes.windows(8).position(|window| window == one).unwrap();
    bytes[place + 7] ^= 0x40;
    let message = read_all(&bytes).unwrap_err().to_string();
    assert!(message.contains("the values in record data/0"), "{message}");
}

/// The archive packed anew, with each file's content through `change`.
fn repacked(method: CompressionMethod, change: impl Fn(&str, &mut Vec<u8>)) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(bytes("zip.pt"))).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        change(file.name(), &mut content);
        writer.start_file(file.name(), options).unwrap();
        writer.write_all(&content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_record_of_another_length_than_the_objects_say_is_refused() {
    for length in [8, 15, 17] {
        let bytes = repacked(CompressionMethod::Stored, |name, content| {
            if name == "zip/data/0" {
                content.resize(length, 0);
            }
        });
        let message = read_all(&bytes).unwrap_err().to_string();
        let expected = format!("record data/0: {length} bytes, expected 16");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn files_of_big_endian_machines_are_refused() {
    let bytes = repacked(CompressionMethod::Stored, |name, content| {
        if name == "zip/byteorder" {
            *content = b"big".to_vec();
        }
    });
    assert!(matches!(parse(&bytes), Err(PytorchError::BigEndian)));
}

/// A legacy file of one tensor of two numbers in record `0`, with the names and the rest given.
fn legacy(names: &[u8], records: &[u8]) -> Vec<u8> {
    let pickles = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.M\xe9\x03.}U\x0dlittle_endian\x88s.\
        }U\x0astate_dict}U\x01actorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n\
        U\x010U\x03cpuK\x02Nt\x51K\x00K\x02\x85K\x01\x85tRss.";
    [pickles, names, records].concat()
}

#[test]
fn the_records_of_a_legacy_file_are_those_that_its_objects_say() {
    let record =
        |count: u64| [&count.to_le_bytes()[..], &[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]].concat();
    let good = legacy(b"](U\x010e.", &record(2));
    read_all(&good).unwrap();
    let file = parse(&good).unwrap();
    let values = file.values(tensor(&file, "a")).unwrap();
    assert_eq!(ElementType::F32.to_f32(&values), [1.0, 2.0]);
    for (names, records, problem) in [
        (&b"](U\x010e."[..], record(1), "4 bytes, expected 8"),
        (b"](U\x010e.", record(3), "cut off"),
        (b"](U\x010e.", record(u64::MAX), "cut off"),
        (b"](U\x010e.", Vec::new(), "cut off"),
        (b"].", Vec::new(), "missing"),
        (b"](U\x011e.", record(2), "no tensor looks at it"),
        (
            b"](U\x010U\x010e.",
            [record(2), record(2)].concat(),
            "there twice",
        ),
    ] {
        let message = read_all(&legacy(names, &records)).unwrap_err().to_string();
        assert!(message.contains(problem), "{message}, not {problem}");
    }
}

#[test]
fn a_compressed_archive_is_read_too_but_not_one_that_inflates_without_end() {
    let mut bytes = repacked(CompressionMethod::Deflated, |_, _| {});
    read_all(&bytes).unwrap();
    // The uncompressed size in the table of contents, for every file.
    let entries: Vec<usize> = (0..bytes.len() - 4)
        .filter(|place| bytes[*place..].starts_with(b"PK\x01\x02"))
        .collect();
    for entry in entries {
        bytes[entry + 24..entry + 28].copy_from_slice(&u32::MAX.wrapping_sub(1).to_le_bytes());
    }
    let message = read_all(&bytes).unwrap_err().to_string();
    assert!(message.contains("compressed, and larger than"), "{message}");
}

#[test]
fn tensors_that_reach_beyond_their_record_are_refused_before_it_is_read() {
    let bytes = bytes("zip.pt");
    let file = parse(&bytes).unwrap();
    let good = tensor(&file, "f32");
    for (shape, strides, offset) in [
        (vec![2, 4], vec![3, 1], 0),
        (vec![2, 3], vec![3, 1], 1),
        (vec![2, 3], vec![usize::MAX, 1], 0),
        (vec![1 << 40, 1 << 40], vec![0, 0], 0),
        (vec![1 << 30], vec![0], 0),
        (vec![1], vec![1], usize::MAX),
    ] {
        let bad = TensorRef {
            shape,
            strides,
            offset,
            ..good.clone()
        };
        let result = file.values(&bad);
        assert!(
            matches!(result, Err(PytorchError::Layout { .. })),
            "{bad:?}"
        );
    }
    let mut long = good.clone();
    long.storage.count = usize::MAX / 2;
    long.storage.visible = (0, usize::MAX / 2);
    let result = file.values(&long);
    assert!(matches!(result, Err(PytorchError::Record { .. })));
}

#[test]
fn other_formats_are_told_apart() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(matches!(PytorchFile::detect(&tar), Err(PytorchError::Tar)));
    assert!(matches!(PytorchFile::detect(b"{}"), Ok(None)));
    let empty = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    assert!(matches!(PytorchFile::detect(empty), Ok(None)));
    let mut other = Vec::new();
    let mut writer = ZipWriter::new(Cursor::new(&mut other));
    writer
        .start_file("notes.txt", SimpleFileOptions::default())
        .unwrap();
    writer.finish().unwrap();
    assert!(matches!(parse(&other), Err(PytorchError::NoPickle)));
}

#[test]
fn a_record_is_read_once_for_all_the_tensors_that_look_at_it() {
    let bytes = repacked(CompressionMethod::Deflated, |_, _| {});
    let records = ZipRecords::open(&bytes).unwrap();
    let first = records.record("0", 16).unwrap();
    let again = records.record("0", 16).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
}

#[test]
fn compressed_records_that_take_turns_are_inflated_only_so_often() {
    let other = 24;
    let bytes = repacked(CompressionMethod::Deflated, |name, content| {
        if name == "zip/data/1" {
            content.resize(other, 0);
        }
    });
    // The byte order, `little`, is read first.
    let records = ZipRecords::with_limit(&bytes, 6 + 2 * (16 + 24)).unwrap();
    for _ in 0..2 {
        records.record("0", 16).unwrap();
        records.record("1", other).unwrap();
    }
    let message = records.record("0", 16).unwrap_err().to_string();
    assert!(message.contains("larger than the 0 bytes"), "{message}");
}

#[test]
fn a_record_that_inflates_to_more_than_its_archive_says_is_not_read_further() {
    let mut bytes = repacked(CompressionMethod::Deflated, |name, content| {
        if name == "zip/data/0" {
            content.resize(1 << 20, 0);
        }
    });
    let size = (1_u32 << 20).to_le_bytes();
    let entry = (0..bytes.len() - 28).find(|place| {
        bytes[*place..].starts_with(b"PK\x01\x02") && bytes[place + 24..place + 28] == size
    });
    let place = entry.unwrap() + 24;
    bytes[place..place + 4].copy_from_slice(&16_u32.to_le_bytes());
    let message = read_all(&bytes).unwrap_err().to_string();
    let expected = "record data/0: not the 16 bytes that the archive says";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_side_of_one_may_have_any_stride() {
    let bytes = bytes("zip.pt");
    let file = parse(&bytes).unwrap();
    let view = TensorRef {
        shape: vec![3, 1, 2],
        strides: vec![1, usize::MAX, 3],
        ..tensor(&file, "f32").clone()
    };
    let values = ElementType::F32.to_f32(&file.values(&view).unwrap());
    assert_eq!(values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
}

#[test]
fn names_that_climb_out_of_a_folder_are_names_within_the_archive_and_nothing_else() {
    let mut bytes = Vec::new();
    let mut writer = ZipWriter::new(Cursor::new(&mut bytes));
    let pickle = b"}U\x01actorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n\
        U\x09../../../U\x03cpuK\x01Nt\x51K\x00K\x01\x85K\x01\x85tRs.";
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [
        ("../../data.pkl", &pickle[..]),
        ("../../../", &[0; 4]),
        ("../../data/0", &[0; 4]),
    ] {
        writer.start_file(name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap();
    let file = parse(&bytes).unwrap();
    let tensor = file.root().and_then(|root| root.get("a")?.as_tensor());
    let message = file.values(tensor.unwrap()).unwrap_err().to_string();
    assert!(
        message.contains("the values in record data/../../../"),
        "{message}"
    );
}

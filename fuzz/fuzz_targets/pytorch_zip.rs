//! A file of `torch.save` since PyTorch 1.6. Checksums would stop nearly every change, so that they are set right
//! first. An input that is no archive is made one: its first two bytes say how much is the pickle and whether it is
//! compressed, and the rest is the record `data/0`.

#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use sslight_fuzz::{bounded, pytorch, weights};
use sslight_models::weights::pytorch::PytorchFormat;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fuzz_target!(|input: &[u8]| {
    let file = if input.starts_with(b"PK") {
        mended(input)
    } else {
        packed(input)
    };
    bounded(&file, || {
        weights(&file);
        pytorch(&file, PytorchFormat::Zip);
    });
});

/// A number of an archive's header.
fn number(bytes: &[u8], place: usize, width: usize) -> Option<usize> {
    let mut word = [0; 8];
    word[..width].copy_from_slice(bytes.get(place..place.checked_add(width)?)?);
    usize::try_from(u64::from_le_bytes(word)).ok()
}

/// The archive with the checksum of every stored file in its table of contents.
fn mended(input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let places: Vec<usize> = (0..bytes.len())
        .filter(|place| bytes[*place..].starts_with(b"PK\x01\x02"))
        .collect();
    for entry in places {
        let checksum = || {
            let size = number(&bytes, entry + 20, 4)?;
            let local = number(&bytes, entry + 42, 4)?;
            let names = number(&bytes, local.checked_add(26)?, 2)?
                + number(&bytes, local.checked_add(28)?, 2)?;
            let start = local + 30 + names;
            Some(crc32fast::hash(bytes.get(start..start.checked_add(size)?)?))
        };
        if let Some(checksum) = checksum() {
            let place = bytes.get_mut(entry + 16..entry + 20);
            place
                .into_iter()
                .for_each(|place| place.copy_from_slice(&checksum.to_le_bytes()));
        }
    }
    bytes
}

/// An archive of a pickle and a record.
fn packed(input: &[u8]) -> Vec<u8> {
    let Some(([low, high], rest)) = input.split_first_chunk::<2>() else {
        return Vec::new();
    };
    let length = usize::from(*low) + 256 * usize::from(*high & 0x0f);
    let (pickle, record) = rest.split_at(length.min(rest.len()));
    let method = match high & 0x10 {
        0 => CompressionMethod::Stored,
        _ => CompressionMethod::Deflated,
    };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("a/data.pkl", pickle), ("a/data/0", record)] {
        let written = writer
            .start_file(name, options)
            .and_then(|()| Ok(writer.write_all(content)?));
        written.expect("a file of an archive in memory can be written");
    }
    writer
        .finish()
        .expect("an archive in memory can be written")
        .into_inner()
}

//! What the fuzz targets share: reading everything that an input holds, and what must be true of it.
//!
//! Beside panics, overflows and hangs, which libFuzzer sees itself, a finding is: memory that is no small multiple of the
//! input, a message that is longer than a screen or no single line, and an entry whose values are of another number than
//! its shape says.

pub mod images;

use std::fmt;

use peak_alloc::PeakAlloc;
use sslight_models::weights::WeightsFile;
use sslight_models::weights::pytorch::{PytorchFile, PytorchFormat, TensorRef, Value};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory at most, beside a multiple of the input: an expanded tensor of 2^20 numbers and its conversions.
const FIXED_BYTES: usize = 48 << 20;
/// Memory at most for each byte of the input: an instruction of one byte makes an object of about 50 bytes in vectors
/// that grow by doubling; and a byte may inflate to 1032.
const BYTES_PER_BYTE: usize = 1500;
/// Bytes of a message at most.
const MESSAGE_BYTES: usize = 4000;
/// Values are read of tensors up to this size; larger ones may be expanded views, which are slow by design ...
const SMALL: usize = 1 << 20;
/// ... up to this size, beyond which they must be refused.
const REFUSED: usize = 1 << 24;
/// Numbers that are read for an input in all.
const BUDGET: usize = 1 << 22;
/// Objects that a walk visits.
const WALK: usize = 10_000;

/// Runs a reader on an input, which must not take much more memory than the input.
pub fn bounded(input: &[u8], read: impl FnOnce()) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    read();
    let peak = MEMORY.peak_usage().saturating_sub(before);
    let limit = FIXED_BYTES + BYTES_PER_BYTE * input.len();
    assert!(
        peak <= limit,
        "{peak} bytes of memory for {} of input",
        input.len()
    );
}

/// Checks that an error is a readable line.
pub fn readable(error: &dyn fmt::Display) {
    let text = error.to_string();
    assert!(
        !text.is_empty() && text.len() <= MESSAGE_BYTES,
        "a message of {} bytes",
        text.len()
    );
    assert!(
        !text.contains(char::is_control),
        "a message with control characters: {text:?}"
    );
}

/// Opens a file of weights, and reads the values of its entries.
pub fn weights(bytes: &[u8]) {
    let file = match WeightsFile::open(bytes) {
        Ok(file) => file,
        Err(error) => return readable(&error),
    };
    let mut budget = BUDGET;
    for entry in file.entries() {
        let count = entry
            .shape
            .iter()
            .try_fold(1_usize, |n, side| n.checked_mul(*side));
        if !take(&mut budget, count) {
            continue;
        }
        match file.values(entry) {
            Ok(values) => assert_eq!(Some(values.len()), count, "{}", entry.name),
            Err(error) => readable(&error),
        }
    }
}

/// Parses a file of `torch.save`, looks at all of its objects, and reads the values of tensors anywhere in it.
pub fn pytorch(bytes: &[u8], format: PytorchFormat) {
    let file = match PytorchFile::parse(bytes, format) {
        Ok(file) => file,
        Err(error) => return readable(&error),
    };
    let (mut walk, mut budget) = (WALK, BUDGET);
    let mut open: Vec<Value<'_>> = file.root().into_iter().collect();
    while let Some(value) = open.pop() {
        if walk == 0 {
            return;
        }
        walk -= 1;
        look(value);
        if let Some(tensor) = value.as_tensor() {
            values(&file, tensor, &mut budget);
        }
        open.extend(value.items().take(WALK));
        open.extend(
            value
                .entries()
                .take(WALK)
                .flat_map(|(key, value)| [key, value]),
        );
        open.extend(value.attribute("a"));
    }
}

/// Takes the numbers of a tensor out of the budget, if its values are to be read.
fn take(budget: &mut usize, count: Option<usize>) -> bool {
    match count {
        Some(count) if count <= SMALL => {
            let left = budget.checked_sub(count);
            *budget = left.unwrap_or(*budget);
            left.is_some()
        }
        Some(count) => count > REFUSED,
        None => true,
    }
}

fn values(file: &PytorchFile<'_>, tensor: &TensorRef, budget: &mut usize) {
    let count = tensor
        .shape()
        .iter()
        .try_fold(1_usize, |n, side| n.checked_mul(*side));
    if !take(budget, count) {
        return;
    }
    match file.values(tensor) {
        Ok(bytes) => {
            let element = tensor.element();
            let bytes_of = count.and_then(|count| count.checked_mul(element.size()));
            assert_eq!(Some(bytes.len()), bytes_of);
            assert_eq!(Some(element.to_f32(&bytes).len()), count);
            assert_eq!(Some(element.to_f64(&bytes).len()), count);
        }
        Err(error) => readable(&error),
    }
}

/// Every question that can be asked of an object.
fn look(value: Value<'_>) {
    assert!(!value.type_name().is_empty());
    let _ = (
        value.is_none(),
        value.as_bool(),
        value.as_i64(),
        value.as_f64(),
    );
    let _ = (
        value.as_str().map(str::len),
        value.get("a").is_some(),
        value.get_number(0).is_some(),
    );
    // Of shared text a copy each time: the walk's limit times the text would be too much.
    if value.as_str().is_none_or(|text| text.len() < 64) {
        let _ = value.to_bytes();
    }
}

/// A legacy file of one pickle of objects and no records.
pub fn legacy_of(objects: &[u8]) -> Vec<u8> {
    let head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.M\xe9\x03.}U\x0dlittle_endian\x88s.";
    [&head[..], objects, b"]."].concat()
}

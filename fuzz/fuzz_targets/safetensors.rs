//! A safetensors file. An input that does not start with a length is taken as the header and what follows it up to a
//! zero byte as the header's end, so that most inputs have a length that fits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sslight_fuzz::{bounded, weights};

fuzz_target!(|input: &[u8]| {
    bounded(input, || weights(input));
    if input.first() == Some(&b'{') {
        let header = input
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(input.len());
        let values = input.get(header + 1..).unwrap_or_default();
        let length = (header as u64).to_le_bytes();
        let file = [&length[..], &input[..header], values].concat();
        bounded(&file, || weights(&file));
    }
});

//! The pickle machine: the input is the pickle of the objects in a legacy file without records.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sslight_fuzz::{bounded, legacy_of, pytorch};
use sslight_models::weights::pytorch::PytorchFormat;

fuzz_target!(|input: &[u8]| {
    let file = legacy_of(input);
    bounded(&file, || pytorch(&file, PytorchFormat::Legacy));
});

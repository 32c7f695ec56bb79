//! A list of images.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sslight_fuzz::bounded;
use sslight_fuzz::images::{forgive_others, source};

fuzz_target!(init: forgive_others(), |input: &[u8]| {
    bounded(input, || source(input, "list.csv"));
});

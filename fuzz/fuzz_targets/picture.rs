//! The content of an image file, of any format.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sslight_fuzz::bounded;
use sslight_fuzz::images::{forgive_others, picture};

fuzz_target!(init: forgive_others(), |input: &[u8]| {
    bounded(input, || picture(input));
});

//! A file of `torch.save` before PyTorch 1.6, with or without its magic number.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sslight_fuzz::{bounded, pytorch, weights};
use sslight_models::weights::pytorch::{PytorchFile, PytorchFormat};

fuzz_target!(|input: &[u8]| {
    bounded(input, || {
        if let Ok(Some(PytorchFormat::Legacy)) = PytorchFile::detect(input) {
            weights(input);
        }
        // Skips as many bytes as the magic number has.
        pytorch(input, PytorchFormat::Legacy);
    });
});

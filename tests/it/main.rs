//! Cross-crate tests, one binary.

mod runs;
mod selftest;

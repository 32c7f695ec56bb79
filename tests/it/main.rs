//! Cross-crate tests, one binary.

#![allow(clippy::unwrap_used)]

mod runs;
mod selftest;

//! Cross-crate tests, one binary.

#![allow(clippy::unwrap_used)]

mod methods;
mod runs;
mod selftest;

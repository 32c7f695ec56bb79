//! Cross-crate tests, one binary.

#![allow(clippy::unwrap_used)]

mod collapse;
mod grid;
mod methods;
mod runs;
mod selftest;

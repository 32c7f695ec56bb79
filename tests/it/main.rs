//! Cross-crate tests, one binary.

#![allow(clippy::unwrap_used)]

mod collapse;
mod configs;
mod data;
mod detection;
mod evaluations;
mod grid;
mod init;
mod methods;
mod runs;
mod saved;
mod selftest;
mod sweeps;

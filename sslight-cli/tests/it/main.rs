//! The program as users and scripts meet it: one binary, a file a subject.
#![allow(clippy::unwrap_used)]

mod bench;
mod classify;
mod comfort;
mod damaged;
mod detect;
mod embed;
mod exchange;
mod faults;
mod knn;
mod program;
mod report;
mod soak;
mod sweep;
mod views;
mod watch;
#[cfg(feature = "wgpu")]
mod wgpu;
mod words;

//! The backend traits that all crates of the project import from here.
//!
//! They extend burn's own by training operations with default bodies, so that any burn backend runs
//! and those with kernels run fast.

pub use sslight_kernels::{AutodiffBackend, Backend, memory, threads};

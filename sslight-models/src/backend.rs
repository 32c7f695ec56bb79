//! The backend traits that all crates of the project import from here.
//!
//! Today they are burn's own. Training kernels that burn lacks arrive behind these names as an
//! extension trait with default bodies, so that neither models nor losses change then.

pub use burn::tensor::backend::{AutodiffBackend, Backend};

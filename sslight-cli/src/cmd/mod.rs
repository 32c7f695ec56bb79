//! One file a verb: its `run` does it and says how it went.

pub mod bench;
pub mod classify;
pub mod doctor;
pub mod knn;
pub mod list;
pub mod pretrain;
pub mod selftest;
pub mod sweep;

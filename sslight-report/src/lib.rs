//! What a run wrote, made visible: its metrics as series, as TensorBoard's files, as a page.
//!
//! This crate knows files and text, no tensors.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod metrics;
pub mod tensorboard;
mod text;

pub use metrics::{
    EpochLine, EventLine, Fields, Line, MetricsError, MetricsReader, News, StepLine, SummaryLine,
};

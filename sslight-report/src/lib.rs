//! What a run wrote, made visible: its metrics as series, as TensorBoard's files, as a page.
//!
//! This crate knows files and text, no tensors.
//!
//! ```
//! use sslight_report::{History, Page, RunPage, render};
//!
//! let page = Page {
//!     title: "demo".to_owned(),
//!     runs: vec![RunPage {
//!         name: "demo".to_owned(),
//!         history: History::read("runs/demo/metrics.jsonl")?,
//!         ..RunPage::default()
//!     }],
//!     ..Page::default()
//! };
//! assert!(render(&page)?.html.starts_with("<!doctype html>"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod history;
pub mod metrics;
mod page;
mod render;
mod series;
pub mod tensorboard;
mod text;

pub use error::ReportError;
pub use history::{EpochEnd, History, Spectrum};
pub use metrics::{
    EpochLine, EventLine, Fields, Line, MetricsError, MetricsReader, News, StepLine, SummaryLine,
};
pub use page::{ConfigRow, Fact, Page, PaperRow, Picture, ResultRow, RunPage, Score};
pub use render::{MOST_BYTES, Rendered, render};
pub use series::{Series, Thinned};

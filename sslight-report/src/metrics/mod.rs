//! The metrics that a run writes, `metrics.jsonl`: one JSON object a line, read while it grows.

mod line;
mod parse;
mod reader;
#[cfg(test)]
mod tests;

pub use line::{EpochLine, EventLine, Fields, Line, StepLine, SummaryLine};
pub use reader::{MetricsError, MetricsReader, News};

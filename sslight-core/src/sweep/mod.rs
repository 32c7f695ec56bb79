//! Sweeps: one run for each point of a few axes, and a table and a plot of their scores.
//!
//! ```text
//! sweep file, key=value words -> expand -> Sweep -> drive (skip, resume, train) -> Board -> sweep.csv, .md, .svg
//! ```
//!
//! A point is an ordinary run in a folder of its own below the folder of the sweep. Nothing is kept but those
//! folders: what a sweep has done follows from them, so that it can be stopped and started at any time.

mod board;
mod csv;
mod drive;
mod error;
mod expand;
mod file;
mod folder;
mod panel;
mod plot;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

pub use board::{Board, State};
pub use drive::{Told, drive, survey};
pub use error::{Fault, SweepError};
pub use expand::expand;

use crate::config::{ConfigError, ResolvedConfig, RunConfig};
use crate::run::RunRecord;

/// A sweep whose points are all resolved.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// What it is about.
    pub title: String,
    /// The configuration that its points start from.
    pub base: String,
    /// Its folder.
    pub out: PathBuf,
    /// What points are scored by.
    pub metric: Metric,
    /// Its curves; never empty.
    pub series: Vec<Series>,
    /// The file as written, for the folder.
    text: String,
}

/// A curve: points along an axis.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its name, with which the names of its points begin.
    pub name: String,
    /// What the reader calls it.
    pub title: String,
    /// The panel of the plot; series of the same panel share their axes.
    pub panel: String,
    /// What the axis shows.
    pub label: String,
    /// The place of the paper's default on the axis.
    pub default: Option<At>,
    /// Its points, in the order of the file; never empty.
    pub points: Vec<Point>,
}

/// A point of a series, with the configuration of its run.
#[derive(Debug, Clone)]
pub struct Point {
    /// Its place on the axis.
    pub at: At,
    /// Its name, such as `alpha-0.3`.
    pub name: String,
    /// The point whose run gives its score: itself, or an earlier one with the same configuration.
    pub run: String,
    /// The configuration.
    pub resolved: ResolvedConfig,
}

impl Point {
    /// Whether it has a run of its own.
    pub fn owns_run(&self) -> bool {
        self.name == self.run
    }

    /// Whether a run of it would be a run of this configuration, but for its folder.
    fn has_settings_of(&self, config: &RunConfig) -> bool {
        let mut own = self.resolved.config.clone();
        own.out.clone_from(&config.out);
        own == *config
    }
}

impl Sweep {
    /// The points that have runs of their own, in order.
    pub fn runs(&self) -> impl Iterator<Item = &Point> {
        self.points().filter(|point| point.owns_run())
    }

    /// All points, in order.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.series.iter().flat_map(|series| &series.points)
    }

    /// The keys on which points differ, in the order of keys, with the value that each point has.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    pub fn varied(&self) -> Result<Vec<(&'static str, Vec<String>)>, ConfigError> {
        let values: Vec<_> = self
            .points()
            .map(|point| point.resolved.config.values())
            .collect::<Result<_, _>>()?;
        let Some(first) = values.first() else {
            return Ok(Vec::new());
        };
        let keys = first.iter().enumerate();
        Ok(keys
            .filter(|(at, (key, value))| {
                *key != "out" && values.iter().any(|other| other[*at].1 != *value)
            })
            .map(|(at, (key, _))| {
                let of_points = values.iter().map(|point| point[at].1.to_string());
                (*key, of_points.collect())
            })
            .collect())
    }
}

/// A place on an axis: a number, or a word where there is no scale.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a place on the axis is a number or a text")]
pub enum At {
    /// On a scale.
    Number(f64),
    /// One of several.
    Word(String),
}

impl At {
    /// The place of a value of a key.
    fn of(value: &toml::Value) -> Self {
        match value {
            toml::Value::Integer(integer) => Self::Number(*integer as f64),
            toml::Value::Float(number) => Self::Number(*number),
            toml::Value::String(word) => Self::Word(word.clone()),
            other => Self::Word(other.to_string()),
        }
    }

    /// The place as a part of a folder's name.
    fn slug(&self) -> String {
        let text = self.to_string();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let parts = text.split(|c| !allowed(c));
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        parts.join("-")
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// What points are scored by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// kNN accuracy after the last epoch.
    #[default]
    KnnTop1,
    /// Accuracy of the linear classifier that is trained along, after the last epoch.
    ProbeTop1,
    /// Mean loss of the last epoch.
    Loss,
}

impl Metric {
    /// Its word in a file.
    pub fn word(self) -> &'static str {
        match self {
            Self::KnnTop1 => "knn_top1",
            Self::ProbeTop1 => "probe_top1",
            Self::Loss => "loss",
        }
    }

    /// What tables and plots call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::KnnTop1 => "kNN top-1 (%)",
            Self::ProbeTop1 => "probe top-1 (%)",
            Self::Loss => "loss",
        }
    }

    /// The score of a run; `None` if it was not measured.
    pub fn of(self, record: &RunRecord) -> Option<f64> {
        match self {
            Self::KnnTop1 => record.summary.knn_top1,
            Self::ProbeTop1 => record.epoch.as_ref()?.probe_top1,
            Self::Loss => {
                let epoch = record.epoch.as_ref().map(|epoch| epoch.loss);
                Some(epoch.unwrap_or(record.summary.loss))
            }
        }
    }

    /// Whether the first score is better than the second.
    fn is_better(self, score: f64, than: f64) -> bool {
        match self {
            Self::KnnTop1 | Self::ProbeTop1 => score > than,
            Self::Loss => score < than,
        }
    }
}

//! What `sslight sweep --json` prints.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sslight_core::sweep::{Board, Point, State};

use crate::exit::CliError;
use crate::ui;

/// What `--json` prints without words.
#[derive(Debug, Serialize)]
pub struct BuiltIns {
    pub sweeps: Vec<Builtin>,
}

#[derive(Debug, Serialize)]
pub struct Builtin {
    pub name: &'static str,
    pub summary: &'static str,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    title: &'a str,
    out: &'a Path,
    /// What points are scored by.
    metric: &'static str,
    series: Vec<SeriesReport<'a>>,
}

#[derive(Debug, Serialize)]
struct SeriesReport<'a> {
    title: &'a str,
    /// The name of its best point so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<&'a str>,
    points: Vec<PointReport<'a>>,
}

#[derive(Debug, Serialize)]
struct PointReport<'a> {
    name: &'a str,
    /// What differs from other points, as words of a command line.
    settings: String,
    /// The point whose run it is.
    run: &'a str,
    out: PathBuf,
    /// `waiting`, `unfinished`, `failed` or `finished`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
}

impl<'a> Report<'a> {
    /// The points with their states.
    pub fn of(board: &Board<'a>) -> Result<Self, CliError> {
        let sweep = board.sweep();
        let settings = ui::settings(sweep)?;
        let point = |point: &'a Point| PointReport {
            name: &point.name,
            settings: settings.get(&*point.name).cloned().unwrap_or_default(),
            run: &point.run,
            out: point.resolved.config.out_dir(),
            state: match board.state(point) {
                State::Waiting => "waiting",
                State::Unfinished => "unfinished",
                State::Failed(_) => "failed",
                State::Finished(_) => "finished",
            },
            score: board.score(point),
        };
        let series = sweep.series.iter().map(|series| SeriesReport {
            title: &series.title,
            best: board.best(series).map(|point| point.name.as_str()),
            points: series.points.iter().map(point).collect(),
        });
        Ok(Self {
            title: &sweep.title,
            out: &sweep.out,
            metric: sweep.metric.word(),
            series: series.collect(),
        })
    }
}

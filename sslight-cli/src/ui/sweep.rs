//! Sweeps as text: those that are built in, and the points of one before it runs.

use std::collections::BTreeMap;

use sslight_core::config::{ConfigError, NamedConfig, sweeps};
use sslight_core::sweep::{Board, Point, State, Sweep};

/// The list of built-in sweeps.
pub fn built_in_sweeps() -> String {
    let name = |sweep: &NamedConfig| sweep.name.len();
    let width = sweeps().iter().map(name).max().unwrap_or(0);
    let mut text = String::from("Sweeps that are built in; run one with `sslight sweep NAME`:\n");
    for sweep in sweeps() {
        text.push_str(&format!("  {:width$}  {}\n", sweep.name, sweep.summary()));
    }
    text
}

/// What differs between points, in the words of a command line, by the name of the point.
pub fn settings(sweep: &Sweep) -> Result<BTreeMap<&str, String>, ConfigError> {
    let varied = sweep.varied()?;
    let points = sweep.points().enumerate().map(|(index, point)| {
        let words = varied.iter();
        let words = words.map(|(key, values)| format!("{key}={}", values[index]));
        (point.name.as_str(), words.collect::<Vec<_>>().join(" "))
    });
    Ok(points.collect())
}

/// The points of a sweep with what differs, how long they take, how far they are and where they are written;
/// `images` are those of each run, when they are known.
pub fn plan(board: &Board<'_>, images: Option<Vec<usize>>) -> Result<String, ConfigError> {
    let sweep = board.sweep();
    let mut text = format!(
        "{}\n{} points, {} runs, from {}; scored by {}; folder {}\n",
        sweep.title,
        sweep.points().count(),
        sweep.runs().count(),
        sweep.base,
        sweep.metric.word(),
        sweep.out.display()
    );
    let lengths: BTreeMap<&str, String> = sweep
        .runs()
        .enumerate()
        .map(|(index, point)| {
            let config = &point.resolved.config;
            let length = match &images {
                Some(images) => format!("{} steps", config.last_step(images[index])),
                None => format!("{} epochs", config.epochs),
            };
            (point.name.as_str(), length)
        })
        .collect();
    let settings = settings(sweep)?;
    let width = sweep.points().map(|point| point.name.len()).max();
    let width = width.unwrap_or(0);
    for series in &sweep.series {
        text.push_str(&format!("\n{}\n", series.title));
        for point in &series.points {
            let name = point.name.as_str();
            let what = if point.owns_run() {
                format!("{}, {}", lengths[name], standing(board, point))
            } else {
                format!("the run of {}", point.run)
            };
            let out = point.resolved.config.out_dir();
            text.push_str(&format!(
                "  {name:width$}  {}\n  {:width$}  {what}, {}\n",
                settings[name],
                "",
                out.display()
            ));
        }
    }
    Ok(text)
}

fn standing(board: &Board<'_>, point: &Point) -> &'static str {
    match board.state(point) {
        State::Waiting => "new",
        State::Unfinished | State::Failed(_) => "continues",
        State::Finished(_) => "finished",
    }
}

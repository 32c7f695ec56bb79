//! `sslight sweep`.

use std::collections::BTreeMap;

use sslight_core::config::{DataFacts, NamedConfig, sweeps};
use sslight_core::observe::StopHandle;
use sslight_core::run::{Preflight, RunError};
use sslight_core::sweep::{Board, Metric, Point, State, Sweep, Told, drive, expand, survey};

use crate::args::SweepArgs;
use crate::backend::{self, Engine};
use crate::exit::{CliError, Outcome, run_code};
use crate::train::{Show, stop_on_interrupt, train};
use crate::ui;

/// Engines by the name of the run.
type Engines<'a> = BTreeMap<&'a str, Engine>;

/// Lists the built-in sweeps, shows the points of one, or runs them.
pub fn run(args: &SweepArgs) -> Result<Outcome, CliError> {
    if args.words.is_empty() {
        ui::say(&built_in());
        return Ok(Outcome::Done);
    }
    let sweep = expand(&args.words)?;
    if args.dry_run {
        return dry_run(&sweep);
    }
    warn_of_no_score(&sweep, &check_data(&sweep)?);
    let engines = engines(&sweep)?;
    let stop = stop_on_interrupt()?;
    let board = run_points(&sweep, &engines, &stop, args.quiet)?;
    if !args.quiet {
        ui::say(&format!("\n{}", board.text()));
        ui::say(&format!(
            "tables and plot: sweep.csv, sweep.md and sweep.svg in {}",
            sweep.out.display()
        ));
    }
    outcome(&board)
}

fn built_in() -> String {
    let name = |sweep: &NamedConfig| sweep.name.len();
    let width = sweeps().iter().map(name).max().unwrap_or(0);
    let mut text = String::from("Sweeps that are built in; run one with `sslight sweep NAME`:\n");
    for sweep in sweeps() {
        text.push_str(&format!("  {:width$}  {}\n", sweep.name, sweep.summary()));
    }
    text
}

/// Refuses data that a point cannot be trained on, before days are spent on those before it. Gives what is known of
/// the images of each run.
fn check_data(sweep: &Sweep) -> Result<Vec<DataFacts>, RunError> {
    let mut preflight = Preflight::default();
    let runs = sweep.runs();
    runs.map(|point| preflight.check(&point.resolved)).collect()
}

fn warn_of_no_score(sweep: &Sweep, data: &[DataFacts]) {
    if sweep.metric == Metric::KnnTop1 && data.iter().any(|data| data.classes == 0) {
        ui::warn(
            "images without labels have no kNN score, so points cannot be compared; \
             metric = \"loss\" in a copy of the file needs none",
        );
    }
}

/// The engine of each run. One that does not work is refused before any run.
fn engines(sweep: &Sweep) -> Result<Engines<'_>, CliError> {
    let engine = |point: &Point| backend::choose(point.resolved.config.backend);
    let runs = sweep.runs();
    runs.map(|point| Ok((point.name.as_str(), engine(point)?)))
        .collect()
}

fn run_points<'a>(
    sweep: &'a Sweep,
    engines: &Engines<'_>,
    stop: &StopHandle,
    quiet: bool,
) -> Result<Board<'a>, CliError> {
    let show = Show {
        quiet,
        dashboard: false,
    };
    let runs = sweep.runs().count();
    let settings = settings(sweep)?;
    let mut train_point =
        |point: &'a Point| train(&point.resolved, engines[&*point.name], stop, show);
    let mut tell = |told: Told<'_>| match told {
        Told::Failed(point, error) => ui::warn(&format!("{} failed: {error}", point.name)),
        _ if quiet => {}
        Told::Reused(point) => ui::say(&format!("{}: finished already, skipped", point.name)),
        Told::Begins(point, place) => ui::say(&format!(
            "\nrun {place} of {runs}, {}: {}",
            point.name, settings[&*point.name]
        )),
    };
    Ok(drive(sweep, stop, &mut train_point, &mut tell)?)
}

/// What differs between points, in the words of a command line, by the name of the point.
fn settings(sweep: &Sweep) -> Result<BTreeMap<&str, String>, CliError> {
    let varied = sweep.varied()?;
    let points = sweep.points().enumerate().map(|(index, point)| {
        let words = varied.iter();
        let words = words.map(|(key, values)| format!("{key}={}", values[index]));
        (point.name.as_str(), words.collect::<Vec<_>>().join(" "))
    });
    Ok(points.collect())
}

/// Shows the points; data that cannot be used is a warning here.
fn dry_run(sweep: &Sweep) -> Result<Outcome, CliError> {
    let images = match check_data(sweep) {
        Ok(data) => {
            warn_of_no_score(sweep, &data);
            Some(data)
        }
        Err(error) => {
            ui::warn(&error.to_string());
            None
        }
    };
    let board = survey(sweep)?;
    let steps: BTreeMap<&str, String> = sweep
        .runs()
        .enumerate()
        .map(|(index, point)| {
            let config = &point.resolved.config;
            let steps = match &images {
                Some(data) => format!("{} steps", config.last_step(data[index].images)),
                None => format!("{} epochs", config.epochs),
            };
            (point.name.as_str(), steps)
        })
        .collect();
    ui::say(&format!(
        "{}\n{} points, {} runs, from {}; scored by {}; folder {}",
        sweep.title,
        sweep.points().count(),
        sweep.runs().count(),
        sweep.base,
        sweep.metric.word(),
        sweep.out.display()
    ));
    let settings = settings(sweep)?;
    let name = sweep.points().map(|point| point.name.len());
    let name = name.max().unwrap_or(0);
    for series in &sweep.series {
        ui::say(&format!("\n{}", series.title));
        for point in &series.points {
            let state = match board.state(point) {
                _ if !point.owns_run() => format!("the run of {}", point.run),
                State::Waiting => format!("{}, new", steps[&*point.run]),
                State::Unfinished | State::Failed(_) => {
                    format!("{}, continues", steps[&*point.run])
                }
                State::Finished(_) => format!("{}, finished", steps[&*point.run]),
            };
            let out = point.resolved.config.out_dir();
            ui::say(&format!(
                "  {:name$}  {}\n  {:name$}  {state}, {}",
                point.name,
                settings[&*point.name],
                "",
                out.display()
            ));
        }
    }
    Ok(Outcome::Done)
}

/// How a sweep went: the code of failed runs, 4 only if all of them stopped themselves.
fn outcome(board: &Board<'_>) -> Result<Outcome, CliError> {
    let runs = || board.sweep().runs();
    let failures = board.failures();
    let open = runs().any(|point| matches!(board.state(point), State::Waiting | State::Unfinished));
    if open {
        return Ok(Outcome::Interrupted);
    }
    let codes = || failures.iter().map(|(_, error)| run_code(error));
    let Some(code) = codes().find(|code| *code != 4).or(codes().next()) else {
        return Ok(Outcome::Done);
    };
    let names: Vec<&str> = failures.iter().map(|(point, _)| &*point.name).collect();
    Err(CliError::SweepRuns {
        failed: failures.len(),
        runs: runs().count(),
        names: names.join(", "),
        code,
    })
}

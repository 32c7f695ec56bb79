//! `sslight sweep`.

mod report;

use std::collections::{BTreeMap, BTreeSet};

use sslight_core::config::sweeps;
use sslight_core::run::{Outlook, Preflight, RunError};
use sslight_core::sweep::{Board, Metric, Point, State, Sweep, Told, drive, expand, survey};

use crate::args::SweepArgs;
use crate::backend::{self, Engine};
use crate::exit::{CliError, Outcome, run_code};
use crate::train::{self, Handles, Show, train};
use crate::ui;
use report::{BuiltIns, Builtin, Report};

/// Engines by the name of the run.
type Engines<'a> = BTreeMap<&'a str, Engine>;

/// Lists the built-in sweeps, shows the points of one, or runs them.
pub fn run(args: &SweepArgs) -> Result<Outcome, CliError> {
    if args.words.is_empty() {
        let names = || {
            sweeps().iter().map(|sweep| Builtin {
                name: sweep.name,
                summary: sweep.summary(),
            })
        };
        let list = BuiltIns {
            sweeps: names().collect(),
        };
        ui::show(args.output.json, &list, ui::built_in_sweeps)?;
        return Ok(Outcome::Done);
    }
    let sweep = expand(&args.words)?;
    if args.dry_run {
        return dry_run(&sweep, args.output.json);
    }
    warn_of_no_score(&sweep, &check_data(&sweep)?);
    check_weights(&sweep)?;
    let engines = engines(&sweep)?;
    let handles = Handles::listen()?;
    let board = run_points(&sweep, &engines, &handles, args.output.quiet)?;
    ui::tell(&format!("\n{}", board.text()));
    ui::tell(&format!(
        "tables and plot: sweep.csv, sweep.md and sweep.svg in {}",
        sweep.out.display()
    ));
    if args.output.json {
        ui::say_json(&Report::of(&board)?)?;
    }
    let outcome = outcome(&board)?;
    let best = sweep.series.iter().find_map(|series| board.best(series));
    if let Some(best) = best.filter(|_| outcome == Outcome::Done) {
        let best = &best.resolved.config.out_dir();
        ui::hint(ui::Done::Swept { best });
    }
    Ok(outcome)
}

/// Refuses data that a point cannot be trained on, before days are spent on those before it. Gives what is known of
/// the images of each run.
fn check_data(sweep: &Sweep) -> Result<Vec<Outlook>, RunError> {
    let mut preflight = Preflight::default();
    let runs = sweep.runs();
    runs.map(|point| preflight.check(&point.resolved)).collect()
}

fn warn_of_no_score(sweep: &Sweep, outlooks: &[Outlook]) {
    if sweep.metric == Metric::KnnTop1 && outlooks.iter().any(|outlook| !outlook.is_scored) {
        ui::warn(
            "without labelled training and validation images there is no kNN score, so points cannot be compared; \
             give val_data=PATH, or metric = \"loss\" in a copy of the file",
        );
    }
}

/// Refuses weights of `init` that do not fit, each file once for each network.
fn check_weights(sweep: &Sweep) -> Result<(), RunError> {
    let mut seen = BTreeSet::new();
    for point in sweep.runs() {
        let config = &point.resolved.config;
        let network = (config.backbone.word(), config.small_input());
        if !config.init.is_empty()
            && seen.insert((
                &config.init,
                network,
                config.init_partial,
                config.views.global.size,
            ))
        {
            train::check_weights(config)?;
        }
    }
    Ok(())
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
    handles: &Handles,
    quiet: bool,
) -> Result<Board<'a>, CliError> {
    let show = Show {
        quiet,
        dashboard: false,
    };
    let runs = sweep.runs().count();
    let settings = ui::settings(sweep)?;
    let mut train_point =
        |point: &'a Point| train(&point.resolved, engines[&*point.name], handles, show);
    let mut tell = |told: Told<'_>| match told {
        Told::Failed(point, error) => ui::warn(&format!("{} failed: {error}", point.name)),
        _ if quiet => {}
        Told::Reused(point) => ui::say(&format!("{}: finished already, skipped", point.name)),
        Told::Begins(point, place) => ui::say(&format!(
            "\nrun {place} of {runs}, {}: {}",
            point.name, settings[&*point.name]
        )),
    };
    Ok(drive(sweep, &handles.stop, &mut train_point, &mut tell)?)
}

/// Shows the points; data that cannot be used is a warning here.
fn dry_run(sweep: &Sweep, json: bool) -> Result<Outcome, CliError> {
    let images = match check_data(sweep) {
        Ok(data) => {
            warn_of_no_score(sweep, &data);
            Some(data.iter().map(|outlook| outlook.data.images).collect())
        }
        Err(error) => {
            ui::warn(&error.to_string());
            None
        }
    };
    if let Err(error) = check_weights(sweep) {
        ui::warn(&error.to_string());
    }
    let board = survey(sweep)?;
    if json {
        ui::say_json(&Report::of(&board)?)?;
    } else {
        ui::say(&ui::plan(&board, images)?);
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

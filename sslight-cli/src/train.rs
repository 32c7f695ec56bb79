//! Training a resolved configuration, for every verb that does.

use std::time::{Duration, Instant};

use burn::train::renderer::MetricsRenderer;
use sslight_core::config::{DataFacts, ResolvedConfig, RunConfig};
use sslight_core::observe::{SaveHandle, StopHandle, Summary};
use sslight_core::run::{RunError, RunOptions, check_init, pretrain};
use sslight_data::DataError;

use crate::backend::{Engine, with_engine};
use crate::exit::CliError;
use crate::ui;
use crate::ui::dashboard::{self, Dashboard, Leaving};

/// What of a run is shown.
#[derive(Debug, Clone, Copy)]
pub struct Show {
    /// Only warnings and errors.
    pub quiet: bool,
    /// The dashboard instead of a progress bar, where there is a terminal.
    pub dashboard: bool,
}

/// What a run is asked from outside.
#[derive(Debug, Clone)]
pub struct Handles {
    /// An end after this step, with a checkpoint: Ctrl-C, SIGTERM, SIGHUP.
    pub stop: StopHandle,
    /// A checkpoint after this step: SIGUSR1.
    pub save: SaveHandle,
}

impl Handles {
    /// Listens to the signals from now on.
    ///
    /// # Errors
    /// If this system lets us not.
    pub fn listen() -> Result<Self, CliError> {
        let save = SaveHandle::new();
        save_on_request(&save)?;
        Ok(Self {
            stop: stop_on_interrupt(STOPPING)?,
            save,
        })
    }
}

#[cfg(unix)]
fn save_on_request(save: &SaveHandle) -> Result<(), CliError> {
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, save.flag())
        .map(drop)
        .map_err(|error| CliError::Usage(format!("SIGUSR1 cannot be handled here: {error}")))
}

#[cfg(not(unix))]
fn save_on_request(_save: &SaveHandle) -> Result<(), CliError> {
    // There is no such signal; `checkpoint.every_minutes` does the same.
    Ok(())
}

/// Trains, or continues what the run folder holds.
pub fn train(
    resolved: &ResolvedConfig,
    engine: Engine,
    handles: &Handles,
    show: Show,
) -> Result<Summary, RunError> {
    resolved
        .warnings
        .iter()
        .for_each(|warning| ui::warn(warning));
    shown(engine, handles, show, |options| {
        with_engine!(engine, |B, device| pretrain::<B>(
            resolved, &device, options
        ))
    })
}

/// Shows a run while `train` makes it.
pub fn shown<E>(
    engine: Engine,
    handles: &Handles,
    show: Show,
    train: impl FnOnce(RunOptions) -> Result<Summary, E>,
) -> Result<Summary, E> {
    let dashboard = dashboard(show, &handles.stop);
    let options = RunOptions {
        observer: match &dashboard {
            Some(dashboard) => Box::new(dashboard.events()),
            None => Box::new(ui::Progress::new(show.quiet)),
        },
        stop: handles.stop.clone(),
        save: handles.save.clone(),
        renderer: dashboard.as_ref().map(|dashboard| {
            let renderer: Box<dyn MetricsRenderer> = Box::new(dashboard.metrics());
            renderer
        }),
        backend_name: engine.choice().to_string(),
    };
    let outcome = train(options);
    if let Some(dashboard) = dashboard {
        dashboard.close();
        if let Ok(summary) = &outcome
            && !show.quiet
        {
            ui::knn_table(summary)
                .iter()
                .for_each(|table| ui::say(table));
            ui::say(&ui::summary_text(summary));
        }
    }
    outcome
}

/// The dashboard, if it is wanted and there is a terminal for it.
fn dashboard(show: Show, stop: &StopHandle) -> Option<Dashboard> {
    if show.dashboard && !dashboard::is_possible() {
        ui::note("--dashboard needs a terminal, and standard output is none; lines follow instead");
        return None;
    }
    show.dashboard
        .then(|| Dashboard::new(Leaving::Stops, stop.clone()))
}

/// Checks the weights that `init` names; what they are, if it names any.
pub fn check_weights(config: &RunConfig) -> Result<Option<String>, RunError> {
    // Names and shapes are the same on every engine, and this one is always there.
    with_engine!(Engine::Flex, |B, device| check_init::<B>(config, &device))
}

/// Counts the training images and their classes.
pub fn facts(resolved: &ResolvedConfig) -> Result<DataFacts, DataError> {
    let source = sslight_core::run::open_train(&resolved.config)?;
    Ok(DataFacts {
        images: source.len(),
        classes: source.class_names().len(),
    })
}

/// Said when a run is interrupted.
pub const STOPPING: &str =
    "stopping after this step, with a checkpoint; interrupt again to stop at once without one";

/// As [`stop_on_interrupt`], for work that leaves nothing behind.
pub fn stop_and_leave_nothing() -> Result<StopHandle, CliError> {
    stop_on_interrupt("stopping after this batch; interrupt again to stop at once")
}

/// A terminal that is closed hangs up twice: signals of one moment are one.
const ONE_MOMENT: Duration = Duration::from_millis(300);

/// The first interrupt asks for a clean stop and says so, the second ends the program at once.
pub fn stop_on_interrupt(says: &'static str) -> Result<StopHandle, CliError> {
    let stop = StopHandle::new();
    let asked = stop.clone();
    let mut last: Option<Instant> = None;
    ctrlc::set_handler(move || {
        let again = last.replace(Instant::now());
        if asked.request() {
            ui::warn(says);
        } else if again.is_none_or(|again| again.elapsed() > ONE_MOMENT) {
            dashboard::leave();
            std::process::exit(130);
        }
    })
    .map_err(|error| CliError::Usage(format!("interrupts cannot be handled here: {error}")))?;
    Ok(stop)
}

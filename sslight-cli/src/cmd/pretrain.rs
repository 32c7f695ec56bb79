//! `sslight pretrain`.

use sslight_core::config::{DataFacts, ResolvedConfig, resolve};
use sslight_core::observe::{End, StopHandle};
use sslight_core::run::{RunOptions, check_init, pretrain};
use sslight_data::Split;

use crate::args::PretrainArgs;
use crate::backend::{self, Engine, with_engine};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// Resolves the configuration and shows it, or trains.
pub fn run(args: &PretrainArgs) -> Result<Outcome, CliError> {
    let resolved = resolve(&args.words)?;
    if args.dry_run {
        return dry_run(&resolved);
    }
    resolved.require_data()?;
    resolved
        .warnings
        .iter()
        .for_each(|warning| ui::warn(warning));
    let engine = backend::choose(resolved.config.backend)?;
    let stop = StopHandle::new();
    stop_on_interrupt(&stop)?;
    let options = RunOptions {
        // The dashboard owns the terminal while it is up.
        observer: Box::new(ui::Progress::new(args.quiet || args.dashboard)),
        stop,
        dashboard: args.dashboard,
        backend_name: engine.choice().to_string(),
    };
    let summary = with_engine!(engine, |B, device| pretrain::<B>(
        &resolved, &device, options
    ))?;
    Ok(match summary.end {
        End::Completed | End::MaxSteps => Outcome::Done,
        End::Interrupted => Outcome::Interrupted,
    })
}

/// Shows every value with its origin and what follows; data or weights that cannot be opened, or that a value does
/// not fit, are a warning here.
fn dry_run(resolved: &ResolvedConfig) -> Result<Outcome, CliError> {
    let images = match resolved.require_data() {
        Ok(()) => match sslight_data::open(&resolved.config.data, Split::Train) {
            Ok(source) => {
                let facts = DataFacts {
                    images: source.len(),
                    classes: source.class_names().len(),
                };
                match resolved.fit(facts) {
                    Ok(warnings) => warnings.iter().for_each(|warning| ui::warn(warning)),
                    Err(error) => ui::warn(&error.to_string()),
                }
                Some(facts.images)
            }
            Err(error) => {
                ui::warn(&error.to_string());
                None
            }
        },
        Err(error) => {
            ui::warn(&error.to_string());
            None
        }
    };
    // Names and shapes are the same on every engine, and this one is always there.
    let init = with_engine!(Engine::Flex, |B, device| check_init::<B>(
        &resolved.config,
        &device
    ));
    ui::say(&resolved.describe(images)?);
    match init {
        Ok(Some(init)) => ui::say(&init),
        Ok(None) => {}
        Err(error) => ui::warn(&error.to_string()),
    }
    Ok(Outcome::Done)
}

/// The first interrupt asks for a clean stop, the second ends the program at once.
fn stop_on_interrupt(stop: &StopHandle) -> Result<(), CliError> {
    let stop = stop.clone();
    ctrlc::set_handler(move || {
        if stop.request() {
            ui::warn("stopping after this step, with a checkpoint; interrupt again to stop at once without one");
        } else {
            std::process::exit(130);
        }
    })
    .map_err(|error| CliError::Usage(format!("interrupts cannot be handled here: {error}")))
}

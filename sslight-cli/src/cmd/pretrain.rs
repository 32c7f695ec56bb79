//! `sslight pretrain`.

use sslight_core::config::{ResolvedConfig, resolve};
use sslight_core::observe::End;

use crate::args::PretrainArgs;
use crate::backend;
use crate::exit::{CliError, Outcome};
use crate::train::{Handles, Show, check_weights, facts, train};
use crate::ui;

/// Resolves the configuration and shows it, or trains.
pub fn run(args: &PretrainArgs) -> Result<Outcome, CliError> {
    let resolved = resolve(&args.words)?;
    if args.dry_run {
        return dry_run(&resolved);
    }
    resolved.require_data()?;
    let engine = backend::choose(resolved.config.backend)?;
    let handles = Handles::listen()?;
    let show = Show {
        quiet: args.quiet,
        dashboard: args.dashboard,
    };
    let summary = match train(&resolved, engine, &handles, show) {
        Err(error) if error.is_interruption() => {
            ui::warn("interrupted before the first step; the same command starts again");
            return Ok(Outcome::Interrupted);
        }
        trained => trained?,
    };
    Ok(match summary.end {
        End::Completed | End::MaxSteps => Outcome::Done,
        End::Interrupted => Outcome::Interrupted,
    })
}

/// Shows every value with its origin and what follows; data or weights that cannot be opened, or that a value does
/// not fit, are a warning here.
fn dry_run(resolved: &ResolvedConfig) -> Result<Outcome, CliError> {
    let images = match resolved.require_data() {
        Ok(()) => match facts(resolved) {
            Ok(facts) => {
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
    let init = check_weights(&resolved.config);
    ui::say(&resolved.describe(images)?);
    match init {
        Ok(Some(init)) => ui::say(&init),
        Ok(None) => {}
        Err(error) => ui::warn(&error.to_string()),
    }
    Ok(Outcome::Done)
}

//! `sslight pretrain`.

use std::path::PathBuf;

use serde::Serialize;
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
        return dry_run(&resolved, args.output.json);
    }
    resolved.require_data()?;
    let engine = backend::choose(resolved.config.backend)?;
    let handles = Handles::listen()?;
    let show = Show {
        quiet: args.output.quiet,
        dashboard: args.dashboard,
    };
    let summary = match train(&resolved, engine, &handles, show) {
        Err(error) if error.is_interruption() => {
            ui::warn("interrupted before the first step; the same command starts again");
            return Ok(Outcome::Interrupted);
        }
        trained => trained?,
    };
    if args.output.json {
        ui::say_json(&summary)?;
    }
    Ok(match summary.end {
        End::Completed | End::MaxSteps => {
            ui::hint(ui::Done::Trained {
                run: &summary.out,
                labelled: summary.knn_top1.is_some(),
            });
            Outcome::Done
        }
        End::Interrupted => Outcome::Interrupted,
    })
}

/// Shows every value with its origin and what follows; data or weights that cannot be opened, or that a value does
/// not fit, are a warning here.
fn dry_run(resolved: &ResolvedConfig, json: bool) -> Result<Outcome, CliError> {
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
    if json {
        ui::say_json(&Plan::of(resolved, images)?)?;
    } else {
        ui::say(&resolved.describe(images)?);
    }
    match init {
        Ok(Some(init)) => ui::say(&init),
        Ok(None) => {}
        Err(error) => ui::warn(&error.to_string()),
    }
    Ok(Outcome::Done)
}

/// What `--dry-run --json` prints.
#[derive(Debug, Serialize)]
struct Plan {
    out: PathBuf,
    /// Training images; absent if the data cannot be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    peak_lr: f64,
    /// Each key with its value and where that came from.
    keys: serde_json::Map<String, serde_json::Value>,
}

impl Plan {
    fn of(resolved: &ResolvedConfig, images: Option<usize>) -> Result<Self, CliError> {
        let config = &resolved.config;
        let keys = config.values()?.into_iter().map(|(key, value)| {
            let origin = resolved.provenance.of(key).to_string();
            let entry = serde_json::json!({ "value": value, "origin": origin });
            (key.to_owned(), entry)
        });
        Ok(Self {
            out: config.out_dir(),
            images,
            steps: images.map(|images| config.last_step(images)),
            peak_lr: config.peak_lr(),
            keys: keys.collect(),
        })
    }
}

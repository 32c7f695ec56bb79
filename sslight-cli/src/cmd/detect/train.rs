//! `sslight detect train`.

use sslight_core::config::{ResolvedVerb, VerbKeys};
use sslight_core::observe::End;
use sslight_detect::training::{
    DetectConfig, DetectError, DetectionData, check_init, configs, train,
};

use crate::args::DetectTrainArgs;
use crate::backend::{self, Host, with_engine};
use crate::exit::{CliError, Outcome};
use crate::train::{Handles, Show, shown};
use crate::ui;

/// Resolves the configuration and shows it, or trains.
pub fn run(args: &DetectTrainArgs) -> Result<Outcome, CliError> {
    let resolved = DetectConfig::default().resolve(configs(), &args.words)?;
    let config = &resolved.settings;
    if args.dry_run {
        return dry_run(&resolved, args.output.json);
    }
    config.check(|key| resolved.provenance.of(key).clone())?;
    let engine = backend::choose(config.backend)?;
    let handles = Handles::listen()?;
    let show = Show {
        quiet: args.output.quiet,
        dashboard: args.dashboard,
    };
    let trained = shown(engine, &handles, show, |options| {
        with_engine!(engine, |B, device| train::<B>(&resolved, &device, options))
    });
    let summary = match trained {
        Err(DetectError::Run(error)) if error.is_interruption() => {
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
            ui::hint(ui::Done::Detects { run: &summary.out });
            Outcome::Done
        }
        End::Interrupted => Outcome::Interrupted,
    })
}

/// Shows every value with its origin and what follows from them; data that cannot be used are a warning here.
fn dry_run(resolved: &ResolvedVerb<DetectConfig>, json: bool) -> Result<Outcome, CliError> {
    let config = &resolved.settings;
    let checked = config
        .check(|key| resolved.provenance.of(key).clone())
        .map_err(DetectError::from)
        .and_then(|()| DetectionData::open(config));
    config
        .warnings()
        .iter()
        .for_each(|warning| ui::warn(warning));
    match check_init::<Host>(config) {
        Ok(Some(init)) => ui::note(&init),
        Ok(None) => {}
        Err(error) => ui::warn(&error.to_string()),
    }
    let data = match checked {
        Ok(data) => {
            for notice in &data.notices {
                ui::note(&notice.text);
            }
            Some(data)
        }
        Err(error) => {
            ui::warn(&error.to_string());
            None
        }
    };
    if json {
        let keys: serde_json::Map<String, serde_json::Value> = config
            .values()?
            .into_iter()
            .map(|(key, value)| {
                let origin = resolved.provenance.of(key.name).to_string();
                let entry = serde_json::json!({ "value": value, "origin": origin });
                (key.name.to_owned(), entry)
            })
            .collect();
        ui::say_json(&serde_json::json!({
            "out": config.out_dir(),
            "peak_lr": config.peak_lr(),
            "warmup_steps": config.warmup_steps(),
            "milestones": config.milestones(),
            "images": data.as_ref().map(|data| data.train.images.len()),
            "classes": data.as_ref().map(|data| data.train.classes.len()),
            "keys": keys,
        }))?;
        return Ok(Outcome::Done);
    }
    let milestones: Vec<String> = config
        .milestones()
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut text = resolved.describe()?;
    text.push_str(&format!(
        "\npeak lr: {} = {} x {} / 16\nwarm-up: {} steps\nlearning rate / 10 at steps {}\nrun folder: {}\n",
        config.peak_lr(),
        config.optim.base_lr,
        config.batch_size,
        config.warmup_steps(),
        milestones.join(", "),
        config.out_dir().display()
    ));
    if let Some(data) = data {
        let images = data.train.images.len();
        text.push_str(&format!(
            "data: {}\nepochs: {:.1} of {} steps\n",
            data.describe(),
            config.steps as f64 / config.steps_per_epoch(images) as f64,
            config.steps_per_epoch(images)
        ));
    }
    ui::say(&text);
    Ok(Outcome::Done)
}

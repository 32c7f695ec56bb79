//! `sslight bench step`: how long a training step takes on this machine, and what takes it.

use serde::Serialize;
use sslight_core::config::resolve;
use sslight_core::run::{StepPart, StepTimes, bench_step};

use crate::args::{BenchStepArgs, BenchVerb};
use crate::backend::{self, with_engine};
use crate::exit::{CliError, Outcome};
use crate::ui;

/// What `--json` prints; times are medians over the measured steps.
#[derive(Debug, Serialize)]
struct Report {
    backend: String,
    configuration: String,
    batch_size: usize,
    steps: usize,
    /// Without waiting for views.
    step_seconds: f64,
    images_per_s: f64,
    share_outside_backbone: f64,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    seconds: f64,
}

/// Measures what the verb says.
pub fn run(verb: &BenchVerb) -> Result<Outcome, CliError> {
    match verb {
        BenchVerb::Step(args) => step(args),
    }
}

fn step(args: &BenchStepArgs) -> Result<Outcome, CliError> {
    let resolved = resolve(&args.words)?;
    resolved.require_data()?;
    let engine = backend::choose(resolved.config.backend)?;
    let times = with_engine!(engine, |B, device| {
        bench_step::<B>(&resolved, &device, args.warmup, args.steps)
    })?;
    let config = &resolved.config;
    let report = Report::new(
        engine.choice().to_string(),
        format!("{} {} {}", config.method, config.backbone, config.recipe),
        &times,
    );
    ui::say(&if args.json {
        serde_json::to_string_pretty(&report)
            .map_err(|error| CliError::Usage(format!("bench step: {error}")))?
    } else {
        report.text(args.breakdown)
    });
    Ok(Outcome::Done)
}

impl Report {
    fn new(backend: String, configuration: String, times: &StepTimes) -> Self {
        let step_seconds = times.step_seconds();
        Self {
            backend,
            configuration,
            batch_size: times.batch_size,
            steps: times.len(),
            step_seconds,
            images_per_s: times.batch_size as f64 / step_seconds,
            share_outside_backbone: times.share_outside_backbone(),
            parts: StepPart::ALL
                .iter()
                .map(|part| Part {
                    name: part.name(),
                    seconds: times.seconds(*part),
                })
                .collect(),
        }
    }

    fn text(&self, breakdown: bool) -> String {
        let mut text = format!(
            "{} on {}, batch {}: {:.3} s a step without waiting for views, {:.1} images/s (median of {} steps)\n",
            self.configuration,
            self.backend,
            self.batch_size,
            self.step_seconds,
            self.images_per_s,
            self.steps
        );
        if breakdown {
            for part in &self.parts {
                let share = 100.0 * part.seconds / self.step_seconds;
                text.push_str(&format!(
                    "  {:<20}  {:>9.4} s  {share:>5.1} %\n",
                    part.name, part.seconds
                ));
            }
            text.push_str(&format!(
                "outside the backbones: {:.1} % of a step\n",
                100.0 * self.share_outside_backbone
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breakdown_has_a_line_a_part_and_the_share() {
        let report = Report {
            backend: "flex".to_owned(),
            configuration: "dino resnet18 sslight".to_owned(),
            batch_size: 32,
            steps: 5,
            step_seconds: 2.0,
            images_per_s: 16.0,
            share_outside_backbone: 0.055,
            parts: vec![Part {
                name: "optimizer",
                seconds: 0.1,
            }],
        };
        assert_eq!(
            report.text(true),
            "dino resnet18 sslight on flex, batch 32: 2.000 s a step without waiting for views, 16.0 images/s \
             (median of 5 steps)\n  optimizer                0.1000 s    5.0 %\noutside the backbones: 5.5 % of a step\n"
        );
        assert_eq!(report.text(false).lines().count(), 1);
    }
}

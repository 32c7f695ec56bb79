//! What a configuration asks of this machine.

use serde::Serialize;
use sslight_core::config::{DataFacts, ResolvedConfig};
use sslight_core::run::{Trial, TrialOptions, TrialStage};

use super::{bytes, trial};
use crate::args::DoctorArgs;
use crate::backend::{self, with_engine};
use crate::exit::CliError;
use crate::ui;

/// A line of the report: a name and what is said of it.
pub type Line = (&'static str, String);

/// What is known of a run.
#[derive(Debug, Serialize)]
pub struct RunReport {
    data: String,
    images: usize,
    labelled: bool,
    classes: usize,
    validation: Option<String>,
    batch_size: usize,
    pub steps_per_epoch: usize,
    steps: usize,
    /// Memory for all views of one batch.
    pub batch_bytes: usize,
    /// The engine of the trial.
    backend: Option<String>,
    /// What a few steps took.
    trial: Option<Trial>,
    pub warnings: Vec<String>,
    /// Whether a run would be refused, so that there is nothing to try.
    #[serde(skip)]
    refused: bool,
}

/// Counts images and judges the configuration against them.
pub fn report(resolved: &ResolvedConfig) -> Result<RunReport, CliError> {
    resolved.require_data()?;
    let config = &resolved.config;
    let (train, validation) = sslight_core::run::open_both(config)?;
    let mut warnings = resolved.warnings.clone();
    let mut refused = false;
    let mut refuse = |what: String| {
        refused = true;
        format!("{what}; the run would be refused")
    };
    if config.steps_per_epoch(train.len()) == 0 {
        warnings.push(refuse(format!(
            "batch_size = {} is more than the {} training images",
            config.batch_size,
            train.len()
        )));
    }
    match resolved.fit(DataFacts {
        images: train.len(),
        classes: train.class_names().len(),
    }) {
        Ok(more) => warnings.extend(more),
        Err(error) => warnings.push(refuse(error.to_string())),
    }
    if !sslight_models::BackboneKind::from(config.backbone).is_available() {
        warnings.push(refuse(format!(
            "backbone = {} is not yet in this build",
            config.backbone
        )));
    }
    let views = config.view_recipe().views;
    let samples: usize = views.iter().map(|view| 3 * view.size * view.size).sum();
    let sample_bytes = match config.u8_batches {
        true => 1,
        false => size_of::<f32>(),
    };
    Ok(RunReport {
        data: train.describe(),
        images: train.len(),
        labelled: train.label(0).is_some(),
        classes: train.class_names().len(),
        validation: validation.map(|source| source.describe()),
        batch_size: config.batch_size,
        steps_per_epoch: config.steps_per_epoch(train.len()),
        steps: config.last_step(train.len()),
        batch_bytes: config.batch_size * samples * sample_bytes,
        backend: None,
        trial: None,
        warnings,
        refused,
    })
}

impl RunReport {
    /// Takes a few steps, if a run would.
    pub fn try_out(
        &mut self,
        resolved: &ResolvedConfig,
        args: &DoctorArgs,
    ) -> Result<(), CliError> {
        if self.refused {
            return Ok(());
        }
        let config = &resolved.config;
        let engine = backend::choose(config.backend)?;
        let of = config.batch_size;
        let mut busy = ui::Busy::new();
        let mut options = TrialOptions {
            seconds: args.seconds,
            memory: None,
            tell: &mut |stage| match stage {
                TrialStage::Steps { images } if images == of => {
                    busy.with(&format!("trying steps of all {of} images"));
                }
                TrialStage::Steps { images } => {
                    busy.with(&format!("trying steps of {images} of {of} images"));
                }
                TrialStage::Evaluation => busy.with("trying an evaluation of some images"),
            },
        };
        let trial = with_engine!(engine, |B, device| sslight_core::run::trial::<B>(
            resolved,
            &device,
            &mut options
        ))?;
        drop(busy);
        self.backend = Some(engine.choice().to_string());
        self.warnings.extend(trial::warnings(config, &trial));
        self.trial = Some(trial);
        Ok(())
    }

    /// Whether nothing is known that would end it.
    pub fn can_run(&self) -> bool {
        let fits = |trial: &Trial| trial.memory.fits != Some(false);
        !self.refused && self.trial.as_ref().is_none_or(fits)
    }

    /// The report, line by line.
    pub fn lines(&self) -> Vec<Line> {
        let labels = match self.labelled {
            true => format!("{} classes", self.classes),
            false => "none".to_owned(),
        };
        let none = || "none; kNN evaluation needs it".to_owned();
        let mut lines = vec![
            ("data", self.data.clone()),
            ("labels", labels),
            ("validation", self.validation.clone().unwrap_or_else(none)),
            (
                "steps",
                format!(
                    "{} of {} images, {} an epoch",
                    self.steps, self.batch_size, self.steps_per_epoch
                ),
            ),
            ("views of a batch", bytes(self.batch_bytes as u64)),
        ];
        if let (Some(trial), Some(backend)) = (&self.trial, &self.backend) {
            lines.extend(trial::lines(trial, backend));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use sslight_core::config::resolve;

    use super::*;

    #[test]
    fn the_views_of_a_batch_are_counted_pixel_by_pixel() -> Result<(), CliError> {
        let report = report(&resolve(&[
            "views.global.size=32",
            "views.local.size=10",
            "views.locals=3",
        ])?)?;
        assert_eq!(
            report.batch_bytes,
            report.batch_size * 4 * 3 * (2 * 32 * 32 + 3 * 10 * 10)
        );
        assert_eq!(report.steps_per_epoch, report.images / report.batch_size);
        Ok(())
    }
}

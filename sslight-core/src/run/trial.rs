//! What a run will take, from a few of its steps: time, memory, disk.
//!
//! A batch that is too large ends the process, or with it the machine. So memory is measured on parts of the batch first,
//! each at most four times the last one, and a larger part is only taken when the line through the last two measurements
//! says that it fits. Nothing is written.

mod evaluation;
mod steps;

use serde::Serialize;
use sslight_models::BackboneKind;
use sslight_models::backend::AutodiffBackend;

use super::{RunError, free_space, open_data};
use crate::config::ResolvedConfig;
use evaluation::evaluation;
use steps::Steps;

/// How a trial is made.
pub struct TrialOptions<'a> {
    /// Seconds that its steps may take, about: a batch that takes longer is estimated from a part of it.
    pub seconds: f64,
    /// All that the process may have, in bytes; `None` asks the system.
    pub memory: Option<u64>,
    /// Called before each part of the trial.
    pub tell: &'a mut dyn FnMut(TrialStage),
}

/// A part of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialStage {
    /// Steps of so many images.
    Steps {
        /// Images of a step.
        images: usize,
    },
    /// Features and a search of neighbours.
    Evaluation,
}

/// What a run will take.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// Images of a step of the run.
    pub batch_size: usize,
    /// Images of the steps that were timed: fewer if the batch does not fit or takes too long.
    pub measured_batch: usize,
    /// Why steps of the whole batch were not taken.
    pub shortened: Option<Shortened>,
    /// Steps that were timed.
    pub timed_steps: usize,
    /// Seconds of a step of the whole batch, waiting for data included: measured, or extrapolated from a part.
    pub step_seconds: f64,
    /// Images a second.
    pub images_per_s: f64,
    /// Share of a step in which it waits for data, in 0 to 1.
    pub data_wait: f64,
    /// Seconds of the steps of an epoch.
    pub epoch_seconds: f64,
    /// Seconds of all steps and evaluations of the run.
    pub run_seconds: f64,
    /// The evaluations.
    pub evaluation: EvaluationTrial,
    /// Memory of the process.
    pub memory: TrialMemory,
    /// Room on the disk.
    pub disk: TrialDisk,
}

/// Why steps of the whole batch were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shortened {
    /// By the extrapolation they do not fit.
    Memory,
    /// They take longer than a trial may.
    Time,
}

/// What the evaluations of a run take: estimated from a sample of images and a small search.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluationTrial {
    /// Images whose features are made in each.
    pub images: usize,
    /// Images that were timed.
    pub sample: usize,
    /// Evaluations in the run, those before training among them.
    pub count: usize,
    /// Seconds of one.
    pub seconds: f64,
    /// Memory for the features, in bytes; those of raw pixels are the largest, if they are scored.
    pub feature_bytes: u64,
    /// Whether raw pixels are scored before training.
    pub scores_pixels: bool,
}

/// Memory of the process.
#[derive(Debug, Clone, Serialize)]
pub struct TrialMemory {
    /// The peak after steps of so many images; empty where the system does not tell.
    pub measured: Vec<MemoryPoint>,
    /// The peak with steps of the whole batch, in bytes: measured, or extrapolated where those were not taken.
    pub peak_bytes: Option<u64>,
    /// The peak of the run, in bytes: an estimate, with steps going on while a checkpoint is written, and with evaluations.
    pub run_bytes: Option<u64>,
    /// All that this process could have, in bytes.
    pub available_bytes: Option<u64>,
    /// Whether the run fits with a margin; absent where the system does not tell.
    pub fits: Option<bool>,
}

/// A measurement of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryPoint {
    /// Images of a step.
    pub images: usize,
    /// The peak in bytes.
    pub peak_bytes: u64,
}

/// Room on the disk.
#[derive(Debug, Clone, Serialize)]
pub struct TrialDisk {
    /// A checkpoint, in bytes.
    pub checkpoint_bytes: u64,
    /// The run folder at its largest, in bytes: the checkpoints that are kept, the one that is being written, the backbone.
    pub run_bytes: u64,
    /// Free space on the disk of the run folder.
    pub free_bytes: Option<u64>,
}

/// Takes steps of a configuration on its first images, of small parts of a batch before whole ones.
///
/// # Errors
/// If data or configuration do not allow a run.
pub fn trial<B: AutodiffBackend>(
    resolved: &ResolvedConfig,
    device: &B::Device,
    options: &mut TrialOptions<'_>,
) -> Result<Trial, RunError> {
    let config = &resolved.config;
    let data = open_data(config)?;
    resolved.fit(data.facts)?;
    let steps = Steps::take::<B>(config, &data, device, options)?;
    (options.tell)(TrialStage::Evaluation);
    let evaluation = evaluation::<B::InnerBackend>(config, &data, device)?;
    let images = data.facts.images;
    let step_seconds = steps.seconds();
    let epoch_seconds = step_seconds * config.steps_per_epoch(images) as f64;
    let all_steps = step_seconds * config.last_step(images) as f64;
    let backbone = 4 * BackboneKind::from(config.backbone).parameters() as u64;
    let checkpoint_bytes = steps.record_bytes + backbone;
    let for_good = (config.checkpoint.keep_every).map_or(0, |every| config.epochs / every.max(1));
    let kept = config.checkpoint.keep_last as u64 + for_good as u64 + 1;
    let memory = steps.memory(evaluation.feature_bytes);
    Ok(Trial {
        batch_size: config.batch_size,
        measured_batch: steps.measured,
        shortened: steps.shortened,
        timed_steps: steps.timed.len(),
        step_seconds,
        images_per_s: config.batch_size as f64 / step_seconds.max(1e-9),
        data_wait: steps.data_wait(),
        epoch_seconds,
        run_seconds: all_steps + evaluation.seconds * evaluation.count as f64,
        evaluation,
        memory,
        disk: TrialDisk {
            checkpoint_bytes,
            run_bytes: kept
                .saturating_mul(checkpoint_bytes)
                .saturating_add(backbone),
            free_bytes: free_space(&config.out_dir()),
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::backend::Autodiff;
    use burn_flex::{Flex, FlexDevice};

    use super::*;
    use crate::config::resolve;

    fn tried(words: &[&str], memory: Option<u64>) -> (Trial, Vec<TrialStage>) {
        let mut stages = Vec::new();
        let mut options = TrialOptions {
            seconds: 600.0,
            memory,
            tell: &mut |stage| stages.push(stage),
        };
        let words = [&["debug/tiny", "batch_size=32"][..], words].concat();
        let resolved = resolve(&words).unwrap();
        let device = FlexDevice;
        let trial = trial::<Autodiff<Flex>>(&resolved, &device, &mut options).unwrap();
        (trial, stages)
    }

    #[test]
    fn whole_steps_are_taken_after_parts_of_them() {
        let (trial, stages) = tried(&[], None);
        let steps = [4, 8, 32].map(|images| TrialStage::Steps { images });
        assert_eq!(stages[..3], steps);
        assert_eq!(stages[3..], [TrialStage::Evaluation]);
        assert_eq!((trial.measured_batch, trial.shortened), (32, None));
        assert!(
            trial.timed_steps >= 2 && trial.step_seconds > 0.0,
            "{trial:?}"
        );
        // The configuration ends after two steps, long before its epoch does.
        assert!(trial.run_seconds < trial.epoch_seconds, "{trial:?}");
        assert!(trial.disk.run_bytes > trial.disk.checkpoint_bytes);
        assert!((0.0..1.0).contains(&trial.data_wait), "{trial:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_batch_that_does_not_fit_is_not_tried() {
        let (trial, stages) = tried(&[], Some(1));
        assert_eq!(stages.len(), 2, "{stages:?}");
        assert_eq!(stages[0], TrialStage::Steps { images: 4 });
        assert_eq!(trial.measured_batch, 4);
        assert_eq!(trial.shortened, Some(Shortened::Memory));
        assert_eq!(trial.memory.fits, Some(false));
        // In proportion to the only part that was measured.
        let [point] = trial.memory.measured[..] else {
            panic!("{trial:?}");
        };
        assert_eq!(trial.memory.peak_bytes, Some(8 * point.peak_bytes));
    }

    #[test]
    fn every_method_can_be_tried_in_parts() {
        for method in [
            "method=swav",
            "method=moco",
            "method=simclr",
            "method=supervised",
        ] {
            for accumulate in ["accumulate=1", "accumulate=2"] {
                let (trial, _) = tried(&[method, accumulate], None);
                assert_eq!(trial.measured_batch, 32, "{method} {accumulate}");
            }
        }
    }
}

//! A trial of a run in words: what it took, and what will not fit.

use std::time::Duration;

use sslight_core::config::RunConfig;
use sslight_core::run::{Shortened, Trial};

use super::bytes;
use super::run::Line;
use crate::ui;

/// Share of a step above which waiting for images is worth a word.
const MUCH_WAITING: f64 = 0.2;
/// A run of more days is worth a word.
const MANY_DAYS: f64 = 3.0;
const DAY: f64 = 86_400.0;

/// What was measured and what follows from it.
pub fn lines(trial: &Trial, backend: &str) -> Vec<Line> {
    let part = trial.measured_batch < trial.batch_size;
    let step = format!(
        "{:.3} s on {backend}, {:.1} images/s",
        trial.step_seconds, trial.images_per_s
    );
    let step = match part {
        true => format!(
            "{step}, extrapolated from steps of {} images",
            trial.measured_batch
        ),
        false => format!("{step} (mean of {} steps)", trial.timed_steps),
    };
    let evaluation = &trial.evaluation;
    vec![
        ("step", step),
        (
            "data wait",
            format!("{:.0} % of a step", 100.0 * trial.data_wait),
        ),
        ("epoch", time(trial.epoch_seconds)),
        (
            "evaluation",
            format!(
                "about {} for {} images (from {}), {} in the run",
                time(evaluation.seconds),
                ui::grouped(evaluation.images),
                evaluation.sample,
                evaluation.count
            ),
        ),
        ("its features", bytes(evaluation.feature_bytes)),
        (
            "run",
            format!("about {}, evaluations included", time(trial.run_seconds)),
        ),
        ("memory in steps", steps_memory(trial, backend)),
        ("memory of the run", run_memory(trial)),
        (
            "checkpoint",
            format!("{} each", bytes(trial.disk.checkpoint_bytes)),
        ),
        ("run folder", disk(trial)),
    ]
}

fn steps_memory(trial: &Trial, backend: &str) -> String {
    // The system does not tell what a GPU has.
    let of_host = match backend {
        "flex" | "ndarray" => "",
        _ => " of the host; that of the device is unknown",
    };
    match trial.memory.peak_bytes {
        Some(peak) => format!("{} at the peak{of_host}", bytes(peak)),
        None => "unknown: this system does not tell".to_owned(),
    }
}

/// With checkpoints and evaluations.
fn run_memory(trial: &Trial) -> String {
    match (trial.memory.run_bytes, trial.memory.available_bytes) {
        (Some(run), Some(available)) => format!(
            "about {} with checkpoints, of {}",
            bytes(run),
            bytes(available)
        ),
        (Some(run), None) => format!("about {} with checkpoints", bytes(run)),
        (None, _) => "unknown".to_owned(),
    }
}

fn disk(trial: &Trial) -> String {
    let most = bytes(trial.disk.run_bytes);
    match trial.disk.free_bytes {
        Some(free) => format!("up to {most}, {} free on its disk", bytes(free)),
        None => format!("up to {most}; the free space of its disk is unknown"),
    }
}

/// What will go wrong or take long, and what helps.
pub fn warnings(config: &RunConfig, trial: &Trial) -> Vec<String> {
    let mut found = Vec::new();
    let evaluation = &trial.evaluation;
    // Then steps are not what is too large.
    let by_features = trial.memory.run_bytes == Some(evaluation.feature_bytes);
    if trial.memory.fits == Some(false) && !by_features {
        found.push(does_not_fit(config, trial));
    }
    if let Some(available) = trial.memory.available_bytes
        && evaluation.feature_bytes > available
    {
        let of = match evaluation.scores_pixels {
            true => "raw pixels, which are scored before training,",
            false => "features",
        };
        found.push(format!(
            "{of} of the {} images of an evaluation need {}, and {} can be had; fewer neighbours with eval.bank_size=N, \
             fewer validation images, or a smaller eval.crop",
            ui::grouped(evaluation.images),
            bytes(evaluation.feature_bytes),
            bytes(available)
        ));
    }
    if let Some(free) = trial.disk.free_bytes
        && trial.disk.run_bytes > free
    {
        found.push(format!(
            "the run folder {} will have up to {}, and {} are free there; another disk with out=PATH, or fewer checkpoints \
             with checkpoint.keep_last=1",
            config.out_dir().display(),
            bytes(trial.disk.run_bytes),
            bytes(free)
        ));
    }
    if trial.data_wait > MUCH_WAITING {
        found.push(waits(config, trial));
    }
    if trial.run_seconds > MANY_DAYS * DAY {
        found.push(format!(
            "the run takes about {}; fewer epochs, a smaller backbone or smaller views, or a GPU (backend=cuda, backend=wgpu)",
            time(trial.run_seconds)
        ));
    }
    found
}

fn does_not_fit(config: &RunConfig, trial: &Trial) -> String {
    let says = match trial.shortened {
        Some(Shortened::Memory) => "was not tried, because by extrapolation it needs",
        Some(Shortened::Time) => "needs, by extrapolation,",
        None => "needs",
    };
    let points = trial
        .memory
        .measured
        .iter()
        .map(|point| format!("{} with {} images", bytes(point.peak_bytes), point.images));
    let points: Vec<String> = points.collect();
    let mut remedies = vec!["a smaller batch_size".to_owned()];
    if let Some(parts) = fitting_parts(config, trial) {
        remedies.push(format!("accumulate={parts} (the same batch in parts)"));
    }
    if !config.model.grad_checkpointing {
        remedies.push("model.grad_checkpointing=true (less memory, more time)".to_owned());
    }
    format!(
        "a step of {} images {says} {}, and with checkpoints {} (measured: {}), and {} can be had, of which a tenth is left to the system; it may end \
         the run, or stop the machine; {}",
        trial.batch_size,
        trial.memory.peak_bytes.map_or_else(String::new, bytes),
        trial.memory.run_bytes.map_or_else(String::new, bytes),
        points.join(", "),
        trial.memory.available_bytes.map_or_else(String::new, bytes),
        remedies.join(", ")
    )
}

/// The least number of parts of a batch with which it may fit: memory of a step goes down about as their size.
fn fitting_parts(config: &RunConfig, trial: &Trial) -> Option<usize> {
    let memory = &trial.memory;
    let times = memory.run_bytes? as f64 / (0.9 * memory.available_bytes? as f64).max(1.0);
    let least = (config.accumulate as f64 * times).ceil() as usize;
    let least = least.max(config.accumulate + 1);
    // Fewer than two images of a part are refused by some methods.
    (least..=config.batch_size / 2).find(|parts| config.batch_size.is_multiple_of(*parts))
}

fn waits(config: &RunConfig, trial: &Trial) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut remedies = Vec::new();
    if config.worker_count() < cores {
        remedies.push(format!("workers={cores}"));
    }
    if !config.scaled_decoding {
        remedies.push("scaled_decoding=true for large JPEG files".to_owned());
    }
    remedies.push("cache=pixels if the decoded images fit in memory".to_owned());
    remedies.push("images made smaller before".to_owned());
    format!(
        "{:.0} % of a step is spent waiting for images; {}; `sslight bench views` measures them alone",
        100.0 * trial.data_wait,
        remedies.join(", ")
    )
}

fn time(seconds: f64) -> String {
    // More than this is no duration, and says enough.
    ui::duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e12)))
}

#[cfg(test)]
mod tests {
    use sslight_core::config::resolve;
    use sslight_core::run::{EvaluationTrial, MemoryPoint, TrialDisk, TrialMemory};

    use super::*;
    use crate::exit::CliError;

    const GIB: u64 = 1 << 30;

    /// A run that fits, and takes an hour.
    fn trial() -> Trial {
        Trial {
            batch_size: 64,
            measured_batch: 64,
            shortened: None,
            timed_steps: 5,
            step_seconds: 0.5,
            images_per_s: 128.0,
            data_wait: 0.01,
            epoch_seconds: 36.0,
            run_seconds: 3600.0,
            evaluation: EvaluationTrial {
                images: 5000,
                sample: 256,
                count: 12,
                seconds: 7.0,
                feature_bytes: GIB / 8,
                scores_pixels: true,
            },
            memory: TrialMemory {
                measured: vec![MemoryPoint {
                    images: 8,
                    peak_bytes: GIB,
                }],
                peak_bytes: Some(4 * GIB),
                run_bytes: Some(5 * GIB),
                available_bytes: Some(8 * GIB),
                fits: Some(true),
            },
            disk: TrialDisk {
                checkpoint_bytes: GIB / 4,
                run_bytes: GIB,
                free_bytes: Some(100 * GIB),
            },
        }
    }

    fn warned(words: &[&str], trial: &Trial) -> Result<Vec<String>, CliError> {
        Ok(warnings(&resolve(words)?.config, trial))
    }

    #[test]
    fn a_run_that_fits_has_lines_and_no_warnings() -> Result<(), CliError> {
        assert_eq!(warned(&["data=d"], &trial())?, [""; 0]);
        let lines = lines(&trial(), "flex");
        let of = |name| {
            lines
                .iter()
                .find(|line| line.0 == name)
                .map(|line| &*line.1)
        };
        assert_eq!(
            of("step"),
            Some("0.500 s on flex, 128.0 images/s (mean of 5 steps)")
        );
        assert_eq!(of("run"), Some("about 1 h 0 min, evaluations included"));
        assert_eq!(of("memory in steps"), Some("4.0 GiB at the peak"));
        assert_eq!(
            of("memory of the run"),
            Some("about 5.0 GiB with checkpoints, of 8.0 GiB")
        );
        assert_eq!(
            of("run folder"),
            Some("up to 1.0 GiB, 100.0 GiB free on its disk")
        );
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_told_with_numbers_and_remedies() -> Result<(), CliError> {
        let mut trial = trial();
        trial.measured_batch = 8;
        trial.shortened = Some(Shortened::Memory);
        trial.memory.peak_bytes = Some(9 * GIB);
        trial.memory.run_bytes = Some(10 * GIB);
        trial.memory.fits = Some(false);
        let found = warned(&["data=d", "batch_size=64", "accumulate=2"], &trial)?;
        assert_eq!(
            found,
            [
                "a step of 64 images was not tried, because by extrapolation it needs 9.0 GiB, and with checkpoints 10.0 GiB (measured: 1.0 GiB with 8 images), \
                 and 8.0 GiB can be had, of which a tenth is left to the system; it may end the run, or stop the machine; a \
                 smaller batch_size, accumulate=4 (the same batch in parts), model.grad_checkpointing=true (less memory, more time)"
            ]
        );
        let words = ["data=d", "model.grad_checkpointing=true"];
        assert!(!warned(&words, &trial)?[0].contains("grad_checkpointing"));
        Ok(())
    }

    #[test]
    fn disk_waiting_features_and_days_are_told() -> Result<(), CliError> {
        let mut trial = trial();
        trial.disk.free_bytes = Some(GIB / 2);
        trial.data_wait = 0.31;
        trial.run_seconds = 10.0 * DAY;
        trial.evaluation.feature_bytes = 700 * GIB;
        let found = warned(&["data=d", "out=runs/x", "workers=1"], &trial)?;
        for (text, start) in found.iter().zip([
            "raw pixels, which are scored before training, of the 5,000 images of an evaluation need 700.0 GiB, and 8.0 GiB",
            "the run folder runs/x will have up to 1.0 GiB, and 512.0 MiB are free there;",
            "31 % of a step is spent waiting for images;",
            "the run takes about 10 d 0 h;",
        ]) {
            assert!(text.starts_with(start), "{text}");
        }
        assert_eq!(found.len(), 4);
        Ok(())
    }
}

//! The results of detectors beside the paper's.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::RunError;
use sslight_models::weights::WeightsFile;

use super::evaluation::RESULTS_FILE;
use super::session::BACKBONE_FILE;
use crate::config::resolve;
use crate::fsio::WithPath;
use crate::run::published::{IMAGENET_TRAIN, published};

/// The word for it in the file of results.
pub const DETECTION: &str = "detect";
/// Numbers that the paper gives, in percent: average precision of boxes and of masks, over all overlaps, at .50 and at .75.
pub const PUBLISHED_NUMBERS: [&str; 6] = [
    "box_ap",
    "box_ap50",
    "box_ap75",
    "mask_ap",
    "mask_ap50",
    "mask_ap75",
];

/// How well a detector finds what is annotated, as a line of the file of results. Numbers are in percent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectionRecord {
    /// `detect`.
    pub kind: String,
    /// The weights.
    pub subject: String,
    /// Steps of training behind them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// The backbone.
    pub backbone: String,
    /// The weights that the backbone started from; empty for random ones.
    pub init: String,
    /// The published configuration that these were pre-trained with, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretraining: Option<String>,
    /// How it was trained and measured, in a sentence.
    pub protocol: String,
    /// The settings of training and measurement.
    pub settings: Map<String, Value>,
    /// Images that were trained on, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// Images measured on.
    pub validation_images: usize,
    /// Classes.
    pub classes: usize,
    /// Seed of training.
    pub seed: u64,
    /// The numbers by name, as in `box_ap` and `mask_ap50`.
    pub scores: Map<String, Value>,
    /// Those of each class.
    pub per_class: Vec<ClassScore>,
    /// The paper's, where training and measurement are those of one of its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<Map<String, Value>>,
    /// Duration in seconds.
    pub seconds: f64,
    /// When it was over, in seconds since 1970 (UTC).
    pub finished: u64,
    /// The engine.
    pub backend: String,
    /// Version of this program.
    pub version: String,
}

/// The average precision of one class in percent; absent where there is nothing to measure by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The class.
    pub name: String,
    /// Of boxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_ap: Option<f64>,
    /// Of masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_ap: Option<f64>,
}

/// A row of Table 5, 10 or 11 that is trained from weights of this system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedDetection {
    /// The built-in configuration.
    pub config: &'static str,
    /// That of the pre-training.
    pub pretraining: &'static str,
    /// Steps of 16 images: 90,000 (1x) or 180,000 (2x).
    pub steps: usize,
    /// [`PUBLISHED_NUMBERS`].
    pub numbers: [f64; 6],
}

const fn row(
    config: &'static str,
    pretraining: &'static str,
    steps: usize,
    numbers: [f64; 6],
) -> PublishedDetection {
    PublishedDetection {
        config,
        pretraining,
        steps,
        numbers,
    }
}

/// The rows of Tables 5, 10 and 11 that the paper's authors trained themselves. (Those of other people's weights have
/// configurations, but no pre-training here.)
#[rustfmt::skip]
pub const PUBLISHED_DETECTION: &[PublishedDetection] = &[
    row("detect/supervised-mobilenet_v2", "paper/supervised-mobilenet_v2", 90_000, [33.1, 52.9, 35.5, 29.8, 49.5, 31.0]),
    row("detect/dino-mobilenet_v2-baseline", "paper/dino-mobilenet_v2-baseline", 90_000, [30.9, 51.3, 32.1, 28.1, 47.6, 29.1]),
    row("detect/dino-mobilenet_v2-sslight", "paper/dino-mobilenet_v2-sslight", 90_000, [32.1, 52.5, 33.8, 29.1, 48.8, 30.2]),
    row("detect/supervised-resnet18", "paper/supervised-resnet18", 90_000, [34.5, 54.7, 37.4, 31.6, 51.6, 33.6]),
    row("detect/dino-resnet18-baseline", "paper/dino-resnet18-baseline", 90_000, [32.7, 53.5, 34.8, 30.6, 50.4, 32.3]),
    row("detect/dino-resnet18-sslight", "paper/dino-resnet18-sslight", 90_000, [34.1, 54.8, 36.3, 31.8, 51.8, 33.8]),
    row("detect/supervised-resnet34", "paper/supervised-resnet34", 90_000, [38.7, 59.1, 42.4, 35.0, 56.0, 37.4]),
    row("detect/dino-resnet34-baseline", "paper/dino-resnet34-baseline", 90_000, [37.6, 58.7, 40.8, 34.6, 55.6, 36.8]),
    row("detect/dino-resnet34-sslight", "paper/dino-resnet34-sslight", 90_000, [38.6, 59.9, 41.9, 35.5, 56.9, 37.9]),
    row("detect/dino-mobilenet_v2-sslight-400", "paper/dino-mobilenet_v2-sslight-400", 90_000, [32.4, 52.4, 34.4, 29.3, 49.1, 30.3]),
    row("detect/dino-mobilenet_v2-sslight-400-2x", "paper/dino-mobilenet_v2-sslight-400", 180_000, [35.1, 55.4, 37.8, 31.7, 52.1, 33.3]),
    row("detect/dino-resnet18-sslight-400", "paper/dino-resnet18-sslight-400", 90_000, [34.7, 55.6, 37.5, 32.3, 52.8, 34.3]),
    row("detect/dino-resnet18-sslight-400-2x", "paper/dino-resnet18-sslight-400", 180_000, [37.3, 58.2, 40.7, 34.3, 55.1, 36.8]),
];

impl PublishedDetection {
    /// The numbers by name.
    pub fn named(&self) -> Map<String, Value> {
        let pairs = PUBLISHED_NUMBERS.into_iter().zip(self.numbers);
        pairs
            .map(|(name, number)| (name.to_owned(), number.into()))
            .collect()
    }
}

/// The row of a pre-training and a length of the training.
pub fn published_detection(pretraining: &str, steps: usize) -> Option<&'static PublishedDetection> {
    let mut rows = PUBLISHED_DETECTION.iter();
    rows.find(|row| row.pretraining == pretraining && row.steps == steps)
}

/// The published configuration that weights were pre-trained with: that of the run folder or checkpoint whose backbone they are,
/// if it is one and they are of the end of its training on ImageNet.
pub fn pretraining_of(init: &Path) -> Option<&'static str> {
    let file = match init.is_dir() {
        true => init.join(BACKBONE_FILE),
        false => init.to_owned(),
    };
    let folder = file.parent().filter(|_| file.ends_with(BACKBONE_FILE))?;
    let config = folder.join("config.toml");
    let config = resolve(&[config.display().to_string()]).ok()?.config;
    let bytes = fs::read(&file).ok()?;
    let metadata = WeightsFile::open(&bytes).ok()?.metadata().clone();
    let last_step = config.total_steps(IMAGENET_TRAIN).to_string();
    if metadata.get("step") != Some(&last_step) {
        return None;
    }
    if let Some(row) = published(&config) {
        return Some(row.config);
    }
    // Supervised pre-training has no score of its own in the paper's tables of features.
    PUBLISHED_DETECTION
        .iter()
        .map(|row| row.pretraining)
        .filter(|name| name.contains("supervised"))
        .find(|name| super::published::repeats(&config, name))
}

impl DetectionRecord {
    /// Adds it to the results of a run folder unless the same measurement is there.
    ///
    /// # Errors
    /// As [`add_to`](Self::add_to), or if the results cannot be read.
    pub fn add_once_to(&self, folder: &Path) -> Result<PathBuf, RunError> {
        let path = folder.join(RESULTS_FILE);
        let there = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.on(&path, "read")?,
        };
        let mut records = there
            .lines()
            .filter_map(|line| serde_json::from_str::<Self>(line).ok());
        let is_same = |other: Self| {
            (
                &other.subject,
                other.step,
                &other.scores,
                other.validation_images,
            ) == (
                &self.subject,
                self.step,
                &self.scores,
                self.validation_images,
            )
        };
        match records.any(is_same) {
            true => Ok(path),
            false => self.add_to(folder),
        }
    }

    /// Adds it to the results of a run folder, or of the folder that holds the weights.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add_to(&self, folder: &Path) -> Result<PathBuf, RunError> {
        fs::create_dir_all(folder).on(folder, "create")?;
        let path = folder.join(RESULTS_FILE);
        let line = serde_json::to_string(self).map_err(|error| RunError::State {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .on(&path, "open")?;
        // In one write, so that two evaluations at a time do not mix their lines.
        file.write_all(format!("{line}\n").as_bytes())
            .on(&path, "write")?;
        file.sync_all().on(&path, "write")?;
        Ok(path)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_of_a_published_pretraining() {
        let names: Vec<_> = crate::config::configs()
            .iter()
            .map(|config| config.name)
            .collect();
        for row in PUBLISHED_DETECTION {
            assert!(names.contains(&row.pretraining), "{}", row.pretraining);
            assert_eq!(published_detection(row.pretraining, row.steps), Some(row));
        }
    }

    #[test]
    fn weights_of_a_run_are_known_by_its_configuration_at_the_end_of_its_training() {
        let run = tempfile::tempdir().unwrap();
        let weights = run.path().join(BACKBONE_FILE);
        let save = |step: usize| {
            let metadata = [("step".to_owned(), step.to_string())].into();
            let file = sslight_models::weights::to_safetensors(&[], metadata).unwrap();
            fs::write(&weights, file).unwrap();
        };
        for name in ["paper/dino-resnet18-sslight", "paper/supervised-resnet18"] {
            let config = resolve(&[name, "data=/d", "seed=3"]).unwrap().config;
            fs::write(run.path().join("config.toml"), config.to_toml().unwrap()).unwrap();
            save(config.total_steps(IMAGENET_TRAIN));
            assert_eq!(pretraining_of(run.path()), Some(name));
            assert_eq!(pretraining_of(&weights), Some(name));
            save(5000);
            assert_eq!(pretraining_of(run.path()), None);
        }
        // A file of someone else that lies in the folder.
        let other = run.path().join("other.safetensors");
        fs::copy(&weights, &other).unwrap();
        assert_eq!(pretraining_of(&other), None);
        assert_eq!(pretraining_of(Path::new("/nowhere/weights.pth")), None);
    }
}

//! What the evaluations of trained weights have in common: what is measured, on which images, and where the results go.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sslight_data::{
    BadImage, DataError, ImageSource, Loader, LoaderConfig, Subset, ViewRecipe, ViewSpec,
};
use sslight_models::Backbone;
use sslight_models::backend::Backend;
use sslight_models::weights::WeightsFile;

use super::{RunError, assemble, open_both};
use crate::config::RunConfig;
use crate::eval::EvalError;
use crate::fsio::{FileError, WithPath, replace};
use crate::observe::StopHandle;

/// The file to which every evaluation adds a line.
pub const RESULTS_FILE: &str = "results.jsonl";
/// The folder, within that of a run, for the files of evaluations.
const FOLDER: &str = "evaluation";
/// Where results go that belong to no run.
const WITHOUT_RUN: &str = "runs/evaluation";
/// Digits of a checksum in names of folders.
const NAME_DIGITS: usize = 8;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A file of weights.
    Weights {
        /// Where it is.
        path: &'a Path,
        /// Its content.
        bytes: &'a [u8],
        /// The run folder that it is of.
        run: Option<&'a Path>,
    },
    /// The network with random weights.
    Random,
    /// No network: the pixels.
    Pixels,
}

/// What an evaluation is given beside configuration and settings.
pub struct EvaluationOptions<'a> {
    /// What is measured.
    pub subject: Subject<'a>,
    /// The run folder that results go to; without one they go to `runs/evaluation`.
    pub run: Option<&'a Path>,
    /// The engine, for the record.
    pub backend_name: &'a str,
    /// Asks for a stop.
    pub stop: &'a StopHandle,
    /// Told of what happens, a sentence or a line each.
    pub tell: &'a mut dyn FnMut(Progress),
}

/// What an evaluation tells while it lasts.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Something that is good to know.
    Note(String),
    /// An epoch is over.
    Epoch {
        /// The epoch, from 1.
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Its learning rate.
        lr: f64,
        /// Its loss, the lowest of several classifiers.
        loss: f64,
        /// Top-1 accuracy on the validation images, if it was measured; the best of several classifiers.
        top1: Option<f64>,
    },
}

impl Subject<'_> {
    /// What is measured in a few words: a path, `random` or `pixels`.
    pub fn describe(&self) -> String {
        match self {
            Self::Weights { path, .. } => path.display().to_string(),
            Self::Random => "random".to_owned(),
            Self::Pixels => "pixels".to_owned(),
        }
    }

    /// The SHA-256 checksum of the weights file.
    pub fn checksum(&self) -> Option<String> {
        match self {
            Self::Weights { bytes, .. } => Some(format!("{:x}", Sha256::digest(bytes))),
            Self::Random | Self::Pixels => None,
        }
    }

    /// What the weights file says of itself.
    fn metadata(&self) -> BTreeMap<String, String> {
        match self {
            Self::Weights { bytes, .. } => WeightsFile::open(bytes)
                .map(|file| file.metadata().clone())
                .unwrap_or_default(),
            Self::Random | Self::Pixels => BTreeMap::new(),
        }
    }

    /// The run folder that weights are of.
    pub fn run(&self) -> Option<&Path> {
        match self {
            Self::Weights { run, .. } => *run,
            Self::Random | Self::Pixels => None,
        }
    }

    /// The network, and what was left out of its file.
    pub(super) fn backbone<B: Backend>(
        &self,
        config: &RunConfig,
        device: &B::Device,
    ) -> Result<(Backbone<B>, Option<String>), RunError> {
        match self {
            Self::Weights { path, bytes, .. } => {
                assemble::backbone_from(config, path, bytes, device)
            }
            Self::Random | Self::Pixels => Ok((assemble::backbone(config, device)?, None)),
        }
    }
}

/// Labelled images in two parts.
pub(super) struct LabelledData {
    pub(super) train: Arc<dyn ImageSource>,
    pub(super) validation: Arc<dyn ImageSource>,
    pub(super) classes: usize,
}

impl LabelledData {
    /// The training and validation images of a configuration, which must have labels of the same classes.
    pub(super) fn open(config: &RunConfig, what: &'static str) -> Result<Self, RunError> {
        let (train, validation) = open_both(config)?;
        let validation = validation.ok_or_else(|| EvalError::NoValidation {
            data: train.describe(),
        })?;
        for source in [&train, &validation] {
            if source.class_names().is_empty() {
                let data = source.describe();
                return Err(EvalError::NoLabels { data, what }.into());
            }
        }
        same_classes(&*train, &*validation)?;
        Ok(Self {
            classes: train.class_names().len(),
            train,
            validation,
        })
    }

    /// The training images, or this share of each class, drawn with the seed.
    pub(super) fn train_share(&self, share: f64, seed: u64) -> Result<TrainImages, DataError> {
        let train = Arc::clone(&self.train);
        if share == 1.0 {
            return Ok(TrainImages {
                source: train,
                drawn: None,
            });
        }
        let some = Subset::share_of_classes(train, share, seed, "fraction")?;
        Ok(TrainImages::some(some))
    }
}

/// The images that an evaluation trains on.
pub(super) struct TrainImages {
    pub(super) source: Arc<dyn ImageSource>,
    /// The same, if they are not all.
    drawn: Option<Arc<Subset>>,
}

impl TrainImages {
    /// Some of the training images.
    pub(super) fn some(subset: Subset) -> Self {
        let drawn = Arc::new(subset);
        Self {
            source: Arc::clone(&drawn) as Arc<dyn ImageSource>,
            drawn: Some(drawn),
        }
    }

    /// Writes down which images they are, if they are not all: `images.txt`, which `finetune.subset` reads.
    pub(super) fn write_list(&self, place: &Place) -> Result<(), RunError> {
        match &self.drawn {
            Some(subset) => Ok(place.write("images.txt", subset.list().as_bytes())?),
            None => Ok(()),
        }
    }
}

/// Refuses two labelled sources whose classes differ, since labels are numbers.
pub(super) fn same_classes(
    train: &dyn ImageSource,
    validation: &dyn ImageSource,
) -> Result<(), EvalError> {
    let (train, validation) = (train.class_names(), validation.class_names());
    let place = train
        .iter()
        .zip(validation)
        .take_while(|(a, b)| a == b)
        .count();
    // The last classes may have no validation images: the numbers of the others are the same.
    if train.is_empty() || place == validation.len() {
        return Ok(());
    }
    let name = |names: &[String]| names.get(place).map_or("none", |name| name).to_owned();
    Err(EvalError::Classes {
        train: train.len(),
        validation: validation.len(),
        example: format!("number {place}: {} and {}", name(train), name(validation)),
    })
}

/// What is said of images that cannot be read; `None` if all can.
pub(super) fn left_out(unreadable: &[BadImage]) -> Option<String> {
    let first = unreadable.first()?;
    Some(format!(
        "{} images cannot be read and are left out, the first: {first}",
        unreadable.len()
    ))
}

/// One augmented view of each image, every image once an epoch: random crop and flip, as the paper's classification
/// code has it. Views are as large as what is evaluated: a classifier that is trained on others does not fit the maps and
/// the statistics of normalisation that it is measured with.
pub(super) fn augmented(
    config: &RunConfig,
    source: Arc<dyn ImageSource>,
    crop_scale: [f64; 2],
    batch_size: usize,
) -> Result<Loader, RunError> {
    let view = ViewSpec {
        scale: crop_scale,
        ratio: sslight_data::views::RATIO,
        size: config.eval.crop,
        flip: config.views.flip,
        jitter: sslight_data::Jitter {
            probability: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
        },
        grayscale: 0.0,
        blur: 0.0,
        solarize: 0.0,
    };
    let settings = LoaderConfig {
        batch_size,
        keep_remainder: true,
        ..assemble::loader_config(config)
    };
    let recipe = ViewRecipe { views: vec![view] };
    Ok(Loader::new(source, recipe, settings)?)
}

/// Where the results and files of an evaluation go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file of results.
    pub(super) results: PathBuf,
    /// The folder of all other files.
    pub(super) folder: PathBuf,
}

impl Place {
    /// In the run folder, or where the user says. The folder's name follows from `identity`, so that the same
    /// evaluation finds what it began.
    pub(super) fn new(run: Option<&Path>, out: Option<&str>, kind: &str, identity: &str) -> Self {
        let base = run.map_or_else(|| PathBuf::from(WITHOUT_RUN), Path::to_owned);
        let mut digits = format!("{:x}", Sha256::digest(identity));
        digits.truncate(NAME_DIGITS);
        let inside = match run {
            Some(run) => run.join(FOLDER),
            None => base.clone(),
        };
        let folder = out.map_or_else(|| inside.join(format!("{kind}-{digits}")), PathBuf::from);
        let results = match (run, out) {
            (None, Some(out)) => PathBuf::from(out).join(RESULTS_FILE),
            _ => base.join(RESULTS_FILE),
        };
        Self { results, folder }
    }

    /// Makes the folder of files.
    pub(super) fn create(&self) -> Result<(), FileError> {
        fs::create_dir_all(&self.folder).on(&self.folder, "create")
    }

    /// Writes a file of the folder in one step.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<(), FileError> {
        replace(&self.folder.join(name), content)
    }

    /// Adds a record to the results.
    pub(super) fn add(&self, record: &EvaluationRecord) -> Result<(), RunError> {
        if let Some(parent) = self.results.parent() {
            fs::create_dir_all(parent).on(parent, "create")?;
        }
        let line = serde_json::to_string(record).map_err(|error| RunError::State {
            path: self.results.clone(),
            reason: error.to_string(),
        })?;
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.results)
            .on(&self.results, "open")?;
        // In one write, so that two evaluations at a time do not mix their lines.
        file.write_all(format!("{line}\n").as_bytes())
            .on(&self.results, "write")?;
        Ok(file.sync_all().on(&self.results, "write")?)
    }
}

/// A line of `results.jsonl`: what was measured, how, and what came out. Accuracies are in percent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// `knn`, `probe` or `finetune`.
    pub kind: String,
    /// The weights: a path, `random` or `pixels`.
    pub subject: String,
    /// Checksum of the weights file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Steps of pre-training behind the weights, if their file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// Which network of a run the weights are of (`student` or `teacher`), if their file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What fine-tuning put on the backbone: `dino` or `linear`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The network.
    pub backbone: String,
    /// How it was measured, in a sentence.
    pub protocol: String,
    /// The settings of the evaluation, with those of the images that it shows.
    pub settings: Map<String, Value>,
    /// Images with labels that were used.
    pub train_images: usize,
    /// Images measured on.
    pub validation_images: usize,
    /// Classes.
    pub classes: usize,
    /// Seed of weights, order and augmentation.
    pub seed: u64,
    /// Top-1 accuracy.
    pub top1: f64,
    /// Top-5 accuracy.
    pub top5: f64,
    /// What else was measured, by name: other k, other learning rates.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub more: Map<String, Value>,
    /// Duration in seconds.
    pub seconds: f64,
    /// When it was over, in seconds since 1970 (UTC).
    pub finished: u64,
    /// The engine.
    pub backend: String,
    /// Version of this program.
    pub version: String,
}

impl EvaluationRecord {
    /// A record of a measurement that ends now; protocol, scores and settings but those of the images are to be filled
    /// in.
    pub(super) fn new(
        kind: &str,
        config: &RunConfig,
        options: &EvaluationOptions<'_>,
        seconds: f64,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let metadata = options.subject.metadata();
        Self {
            step: metadata.get("step").and_then(|step| step.parse().ok()),
            role: metadata.get("role").cloned(),
            head: None,
            kind: kind.to_owned(),
            subject: options.subject.describe(),
            sha256: options.subject.checksum(),
            backbone: match options.subject {
                Subject::Pixels => "none".to_owned(),
                _ => config.backbone.to_string(),
            },
            protocol: String::new(),
            settings: shown_settings(config),
            train_images: 0,
            validation_images: 0,
            classes: 0,
            seed: config.seed,
            top1: 0.0,
            top5: 0.0,
            more: Map::new(),
            seconds,
            finished: now.map_or(0, |now| now.as_secs()),
            backend: options.backend_name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// The settings of the images that an evaluation shows.
pub(super) fn shown_settings(config: &RunConfig) -> Map<String, Value> {
    let (eval, views) = (&config.eval, &config.views);
    [
        ("eval.resize", Value::from(eval.resize)),
        ("eval.crop", eval.crop.into()),
        ("eval.interpolation", eval.interpolation.to_string().into()),
        ("views.flip", views.flip.into()),
        ("views.mean", views.mean.to_vec().into()),
        ("views.std", views.std.to_vec().into()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

/// What an evaluation came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// The line of the results.
    pub record: EvaluationRecord,
    /// The file of results that has it.
    pub results: PathBuf,
    /// The folder with its other files.
    pub folder: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_go_into_the_run_or_where_the_user_says() {
        let run = Path::new("runs/a");
        let place = Place::new(Some(run), None, "probe", "x");
        assert_eq!(place.results, run.join("results.jsonl"));
        assert!(place.folder.starts_with("runs/a/evaluation"));
        assert_eq!(place, Place::new(Some(run), None, "probe", "x"));
        assert_ne!(
            place.folder,
            Place::new(Some(run), None, "probe", "y").folder
        );
        let place = Place::new(Some(run), Some("o"), "probe", "x");
        assert_eq!(place.results, run.join("results.jsonl"));
        assert_eq!(place.folder, Path::new("o"));
        let place = Place::new(None, Some("o"), "probe", "x");
        assert_eq!(place.results, Path::new("o/results.jsonl"));
        let place = Place::new(None, None, "probe", "x");
        assert_eq!(place.results, Path::new("runs/evaluation/results.jsonl"));
    }
}

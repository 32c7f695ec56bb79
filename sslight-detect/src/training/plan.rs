//! A detector's training as the plan of a run folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sslight_core::checkpoint::{CheckpointStore, Keep};
use sslight_core::config::{ConfigError, Difference, ResolvedVerb, Resume, VerbKeys};
use sslight_core::run::health::GradientWatch;
use sslight_core::run::{Course, FolderPlan, RunError, RunFolder, STATE_FILE};

use super::DetectConfig;

/// The course of a run so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectState {
    /// Optimizer steps taken.
    pub step: usize,
    /// Sum of the losses of the current epoch.
    pub epoch_loss_sum: f64,
    /// Number of these losses.
    pub epoch_losses: usize,
    /// The last loss.
    pub last_loss: f64,
    /// What was measured last, by name.
    pub scores: Map<String, Value>,
    /// After so many steps.
    pub scored_at: Option<usize>,
    /// What the watch over gradients has counted.
    pub gradients: GradientWatch,
    /// Epochs whose end was told of.
    pub epochs_told: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// What is trained on.
    pub data: Option<DataThere>,
}

/// What of the data decides over tensors and epochs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataThere {
    /// Training images.
    pub images: usize,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Ids of their categories, for files of results.
    pub category_ids: Vec<u64>,
    /// Whether masks are learned.
    pub masks: bool,
}

/// A configuration with its data.
#[derive(Debug, Clone)]
pub struct DetectPlan<'a> {
    /// The configuration.
    pub resolved: &'a ResolvedVerb<DetectConfig>,
    /// The data.
    pub data: DataThere,
}

/// Keys, and groups ending in `.`, that may differ when a run goes on.
const FREE_TO_CHANGE: &[&str] = &[
    "out",
    "resume",
    "workers",
    "log_every",
    "max_steps",
    "eval_every",
    // Whether there are masks is compared as it follows from key and data.
    "masks",
    "val_data",
    "val_images",
    "test.",
    "checkpoint.",
];

/// Keys that decide which tensors a checkpoint has.
const SHAPING: &[&str] = &["backbone"];

impl DetectPlan<'_> {
    /// What is trained, in a few words.
    pub(super) fn title(&self) -> String {
        let network = match self.data.masks {
            true => "mask r-cnn",
            false => "faster r-cnn",
        };
        format!("{network} {}", self.resolved.settings.backbone)
    }
}

/// Images that the run of a folder was trained on, if its newest checkpoint tells.
pub fn trained_on(run: &Path) -> Option<usize> {
    let store = CheckpointStore::new(RunFolder::checkpoints_of(run), Keep::last(1));
    let (found, _) = store.newest().ok()?;
    let text = store.read_file(found?.step, STATE_FILE).ok()?;
    let state: DetectState = serde_json::from_slice(&text).ok()?;
    Some(state.data?.images)
}

impl Course for DetectState {
    fn step(&self) -> usize {
        self.step
    }

    fn epochs_told(&self) -> Option<usize> {
        Some(self.epochs_told)
    }
}

impl FolderPlan for DetectPlan<'_> {
    type State = DetectState;

    fn out_dir(&self) -> PathBuf {
        self.resolved.settings.out_dir()
    }

    fn resume(&self) -> &Resume {
        &self.resolved.settings.resume
    }

    fn annotated(&self) -> Result<String, ConfigError> {
        self.resolved.to_annotated_toml()
    }

    fn listing(&self) -> Result<String, ConfigError> {
        self.resolved.settings.to_toml()
    }

    fn differences(&self, file: &Path) -> Result<Vec<Difference>, RunError> {
        let is_ours = sslight_core::config::read_annotated(file)?
            .iter()
            .any(|key| key.key == "masks");
        if !is_ours {
            return Err(RunError::OtherVerb {
                path: file.parent().unwrap_or(file).to_path_buf(),
                theirs: "sslight pretrain",
                ours: "sslight detect train",
            });
        }
        let there = DetectConfig::default().resolve(&[], &[file.to_string_lossy()])?;
        Ok(self.resolved.settings.differences(&there.settings)?)
    }

    fn is_free(&self, difference: &Difference) -> bool {
        FREE_TO_CHANGE.iter().any(|free| {
            difference.key == *free || (free.ends_with('.') && difference.key.starts_with(free))
        })
    }

    fn is_shaping(&self, difference: &Difference) -> bool {
        SHAPING.contains(&difference.key)
    }

    fn size_differences(
        &self,
        _checkpoint: &Path,
        state: &DetectState,
    ) -> Result<Vec<Difference>, RunError> {
        let Some(there) = &state.data else {
            return Ok(Vec::new());
        };
        let classes =
            |data: &DataThere| format!("annotations of the classes {}", data.classes.join(", "));
        let sizes = [
            ("data", classes(&self.data), classes(there)),
            (
                "masks",
                self.data.masks.to_string(),
                there.masks.to_string(),
            ),
        ];
        let differences = sizes.into_iter().filter(|(_, ours, theirs)| ours != theirs);
        Ok(differences
            .map(|(key, ours, theirs)| Difference { key, ours, theirs })
            .collect())
    }

    fn caution(&self, state: &DetectState) -> Option<String> {
        let there = state.data.as_ref()?;
        (there.images != self.data.images).then(|| {
            format!(
                "the checkpoint of step {} was trained on {} images, and there are {} now: epochs have other lengths, and losses \
                 will not be those of a run without a break",
                state.step, there.images, self.data.images
            )
        })
    }
}

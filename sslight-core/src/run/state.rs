//! What a checkpoint holds beside the learner's records.

use serde::{Deserialize, Serialize};

use super::exact;
use super::floors::Floors;
use super::health::Watch;
use crate::config::DataFacts;

/// The file in a checkpoint folder.
pub const STATE_FILE: &str = "run.json";

/// The course of a run so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Optimizer steps taken.
    pub step: usize,
    /// Sum of the losses of the current epoch.
    #[serde(with = "exact")]
    pub epoch_loss_sum: f64,
    /// Number of these losses.
    pub epoch_losses: usize,
    /// The last loss.
    #[serde(with = "exact")]
    pub last_loss: f64,
    /// The last kNN accuracies in percent, top-1 and top-5.
    #[serde(with = "exact::optional_pair")]
    pub knn: Option<(f64, f64)>,
    /// The scores that training has to beat.
    pub floors: Floors,
    /// What the watch over it has counted.
    #[serde(default)]
    pub watch: Watch,
    /// Epochs whose end was told of; absent from checkpoints of before this was noted.
    #[serde(default)]
    pub epochs_told: Option<usize>,
    /// Steps of an epoch; absent likewise.
    #[serde(default)]
    pub steps_per_epoch: Option<usize>,
    /// The training images; absent from checkpoints of before this was noted.
    #[serde(default)]
    pub data: Option<DataFacts>,
}

//! For which configurations a run folder is, and what their checkpoints have in common.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::config::{ConfigError, Difference, Resume};
use crate::run::RunError;

/// The course of a run as its checkpoints hold it.
pub trait Course: Debug + Default + DeserializeOwned {
    /// Optimizer steps taken.
    fn step(&self) -> usize;

    /// Epochs whose end was told of, if that is known.
    fn epochs_told(&self) -> Option<usize>;
}

/// What a run folder is made for: a configuration, with the data that it is run on.
pub trait FolderPlan {
    /// What its checkpoints hold beside the learner's records.
    type State: Course;

    /// The folder.
    fn out_dir(&self) -> PathBuf;

    /// Whether an earlier run is continued.
    fn resume(&self) -> &Resume;

    /// The configuration as TOML with the origin of each value.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    fn annotated(&self) -> Result<String, ConfigError>;

    /// The configuration as TOML.
    ///
    /// # Errors
    /// [`ConfigError::Internal`] only.
    fn listing(&self) -> Result<String, ConfigError>;

    /// The keys on which it differs from the configuration in this file.
    ///
    /// # Errors
    /// If that cannot be read.
    fn differences(&self, file: &Path) -> Result<Vec<Difference>, RunError>;

    /// Whether a run may go on in spite of a difference.
    fn is_free(&self, difference: &Difference) -> bool;

    /// Whether a difference means other tensors.
    fn is_shaping(&self, difference: &Difference) -> bool;

    /// Where sizes that follow from the data are not those of a checkpoint, under keys that are the same.
    ///
    /// # Errors
    /// If the configuration in the checkpoint's folder cannot be read.
    fn size_differences(
        &self,
        checkpoint: &Path,
        state: &Self::State,
    ) -> Result<Vec<Difference>, RunError>;

    /// What is to be said of going on from this state.
    fn caution(&self, state: &Self::State) -> Option<String>;
}

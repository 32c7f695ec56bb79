//! A pre-training run as the plan of a run folder.

use std::path::{Path, PathBuf};

use super::plan::{Course, FolderPlan};
use crate::config::{
    ConfigError, DataFacts, Difference, ResolvedConfig, Resume, read_annotated, resolve,
};
use crate::run::RunError;
use crate::run::state::RunState;

/// A configuration with the images that are trained on.
#[derive(Debug, Clone, Copy)]
pub struct Pretraining<'a> {
    /// The configuration.
    pub resolved: &'a ResolvedConfig,
    /// The images.
    pub data: DataFacts,
}

impl Course for RunState {
    fn step(&self) -> usize {
        self.step
    }

    fn epochs_told(&self) -> Option<usize> {
        self.epochs_told
    }
}

impl FolderPlan for Pretraining<'_> {
    type State = RunState;

    fn out_dir(&self) -> PathBuf {
        self.resolved.config.out_dir()
    }

    fn resume(&self) -> &Resume {
        &self.resolved.config.resume
    }

    fn annotated(&self) -> Result<String, ConfigError> {
        self.resolved.to_annotated_toml()
    }

    fn listing(&self) -> Result<String, ConfigError> {
        self.resolved.config.to_toml()
    }

    fn differences(&self, file: &Path) -> Result<Vec<Difference>, RunError> {
        if is_of_detection(file) {
            return Err(RunError::OtherVerb {
                path: file.parent().unwrap_or(file).to_path_buf(),
                theirs: "sslight detect train",
                ours: "sslight pretrain",
            });
        }
        let ResolvedConfig { config: there, .. } = resolve(&[file.to_string_lossy()])?;
        Ok(self.resolved.config.diff(&there)?)
    }

    fn is_free(&self, difference: &Difference) -> bool {
        difference.is_free()
    }

    fn is_shaping(&self, difference: &Difference) -> bool {
        difference.is_shaping(self.resolved.config.method)
    }

    fn size_differences(
        &self,
        checkpoint: &Path,
        state: &RunState,
    ) -> Result<Vec<Difference>, RunError> {
        let Some(data_there) = state.data else {
            return Ok(Vec::new());
        };
        let file = checkpoint.join(super::CONFIG_FILE);
        let ResolvedConfig { config: there, .. } = resolve(&[file.to_string_lossy()])?;
        let sizes = self.resolved.config.sizes_for(self.data).into_iter();
        Ok(sizes
            .zip(there.sizes_for(data_there))
            .filter(|((_, ours), (_, theirs))| ours != theirs)
            .map(|((key, ours), (_, theirs))| Difference { key, ours, theirs })
            .collect())
    }

    fn caution(&self, state: &RunState) -> Option<String> {
        let there = state
            .data
            .filter(|there| there.images != self.data.images)?;
        Some(format!(
            "the checkpoint of step {} was trained on {} images, and there are {} now: epochs have other lengths, and \
             losses will not be those of a run without a break",
            state.step, there.images, self.data.images
        ))
    }
}

/// Whether a configuration is one of a detector, which alone says whether that has masks.
fn is_of_detection(file: &Path) -> bool {
    read_annotated(file).is_ok_and(|keys| keys.iter().any(|key| key.key == "masks"))
}

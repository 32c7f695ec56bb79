//! When a run is saved, and what of it beside the learner's records.

use std::collections::BTreeMap;
use std::time::Instant;

use burn::module::AutodiffModule;
use sslight_models::backend::AutodiffBackend;
use sslight_models::weights;

use super::{BACKBONE_FILE, Session};
use crate::checkpoint::CheckpointError;
use crate::method::AnyMethod;
use crate::run::folder::CONFIG_FILE;
use crate::run::state::STATE_FILE;
use crate::run::{RunError, assemble};

impl<B: AutodiffBackend> Session<B> {
    /// Begins a checkpoint: what training changes is read here, what takes time is done by the store.
    pub(super) fn begin(
        &mut self,
        model: &AnyMethod<B>,
        steps_done: usize,
    ) -> Result<(), RunError> {
        // A loss or gradient that is not a number must not get into a checkpoint.
        self.settle()?;
        self.state.step = steps_done;
        self.state.steps_per_epoch = Some(self.config.steps_per_epoch(self.images()).max(1));
        let state = serde_json::to_vec_pretty(&self.state).map_err(|error| RunError::State {
            path: self.store.folder(steps_done).join(STATE_FILE),
            reason: error.to_string(),
        })?;
        let config = self.config.to_toml()?.into_bytes();
        let metadata = self.backbone_metadata();
        let tensors = weights::named_tensors(&model.backbone().valid());
        let telling = self.folder.telling_files()?;
        let unfit = move |reason| CheckpointError::Unfit {
            step: steps_done,
            reason,
        };
        let make = move || {
            telling.iter().try_for_each(|file| file.sync())?;
            if let Some(tensor) = tensors.iter().find(|tensor| !tensor.is_finite()) {
                return Err(unfit(format!(
                    "{} holds a value that is not finite",
                    tensor.name
                )));
            }
            let backbone = weights::to_safetensors(&tensors, metadata)
                .map_err(|error| unfit(error.to_string()))?;
            Ok(vec![
                (STATE_FILE, state),
                (CONFIG_FILE, config),
                (BACKBONE_FILE, backbone),
            ])
        };
        self.store.begin(steps_done, Box::new(make))?;
        self.saved_at = Instant::now();
        Ok(())
    }

    fn backbone_metadata(&self) -> BTreeMap<String, String> {
        let config = &self.config;
        let mut metadata = assemble::backbone_metadata(config);
        metadata.extend([
            ("method".to_string(), config.method.to_string()),
            ("recipe".to_string(), config.recipe.to_string()),
            ("step".to_string(), self.state.step.to_string()),
        ]);
        metadata
    }

    /// Whether a checkpoint is due after so many steps.
    pub(super) fn checkpoint_is_due(&self, steps_done: usize) -> bool {
        let checkpoint = &self.config.checkpoint;
        let per_epoch = self.config.steps_per_epoch(self.images()).max(1);
        let epochs = [Some(checkpoint.every.max(1)), checkpoint.keep_every];
        let of_epochs = epochs
            .into_iter()
            .flatten()
            .map(|every| every.saturating_mul(per_epoch));
        let minutes = self.saved_at.elapsed().as_secs_f64() / 60.0;
        of_epochs
            .chain(checkpoint.every_steps)
            .any(|every| steps_done.is_multiple_of(every))
            || checkpoint.every_minutes.is_some_and(|most| minutes >= most)
    }
}

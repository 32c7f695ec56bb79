//! What of a run is saved beside the learner's records.

use std::collections::BTreeMap;

use burn::module::AutodiffModule;
use sslight_models::backend::AutodiffBackend;
use sslight_models::weights;

use super::{BACKBONE_FILE, Session};
use crate::method::AnyMethod;
use crate::run::keeper::CheckpointContents;
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
        let contents = CheckpointContents {
            state: self.keeper.state_file(steps_done, &self.state)?,
            config: self.config.to_toml()?,
            weights_file: BACKBONE_FILE,
            weights: weights::named_tensors(&model.backbone().valid()),
            metadata: self.backbone_metadata(),
        };
        self.keeper.begin_checkpoint(steps_done, contents)
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
}

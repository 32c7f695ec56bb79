//! The three records of burn-train's learner as files of one checkpoint.

use std::sync::Arc;

use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Record, Recorder};
use burn_train::checkpoint::{Checkpointer, CheckpointerError};
use sslight_models::backend::Backend;

use super::store::CheckpointStore;

/// A record of the learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Networks and buffers.
    Model,
    /// Memory of the optimizer.
    Optimizer,
    /// The clock.
    Scheduler,
}

impl Part {
    /// All parts; a checkpoint is complete when all have been saved.
    pub const ALL: [Self; 3] = [Self::Model, Self::Optimizer, Self::Scheduler];

    /// The file in the checkpoint folder.
    pub fn file(self) -> &'static str {
        match self {
            Self::Model => "model.mpk",
            Self::Optimizer => "optimizer.mpk",
            Self::Scheduler => "scheduler.mpk",
        }
    }
}

/// Saves and restores one part; burn-train's asynchronous checkpointer runs it on a thread of its own.
///
/// The number that burn-train calls an epoch is the optimizer step here. Records are written in full precision:
/// burn's compact recorder would round them to f16.
pub struct PartCheckpointer {
    store: Arc<CheckpointStore>,
    part: Part,
}

impl PartCheckpointer {
    /// The checkpointer of one part in `store`.
    pub fn new(store: Arc<CheckpointStore>, part: Part) -> Self {
        Self { store, part }
    }
}

impl<B: Backend, R: Record<B> + 'static> Checkpointer<R, B> for PartCheckpointer {
    fn save(&self, step: usize, record: R) -> Result<(), CheckpointerError> {
        let _guard = self.store.or_abandon(step);
        let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
        let bytes = Recorder::<B>::record(&recorder, record, ());
        // The store keeps the failure and the strategy asks for it: an error returned here would only be
        // printed as a string by burn-train.
        match bytes {
            Ok(bytes) => self.store.add_part(step, self.part, &bytes),
            Err(error) => self.store.fail_part(step, self.part, &error.to_string()),
        }
        Ok(())
    }

    fn delete(&self, _step: usize) -> Result<(), CheckpointerError> {
        // The store removes whole checkpoints by itself.
        Ok(())
    }

    fn restore(&self, step: usize, device: &B::Device) -> Result<R, CheckpointerError> {
        let bytes = self
            .store
            .read_part(step, self.part)
            .map_err(|error| CheckpointerError::Unknown(error.to_string()))?;
        let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
        Recorder::<B>::load(&recorder, bytes, device).map_err(CheckpointerError::RecorderError)
    }
}

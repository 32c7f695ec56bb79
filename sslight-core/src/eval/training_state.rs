//! The file from which an interrupted evaluation goes on: after each epoch the network, the optimizer's memory and the
//! number of epochs done. Data order and augmentation depend on the epoch alone, so that nothing else is needed.

use std::path::PathBuf;

use burn::module::AutodiffModule;
use burn::optim::Optimizer;
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Recorder};
use sslight_models::backend::AutodiffBackend;

use super::EvalError;
use crate::fsio::{WithPath, replace};
use crate::optim::{GroupedOptimizer, ParamStateRecord};

/// Where the state of a training is kept, and of which training it is.
#[derive(Debug, Clone)]
pub struct TrainingState {
    /// The file.
    pub path: PathBuf,
    /// Settings, weights and data in one text; the state of another training is not continued.
    pub identity: String,
}

/// What was saved.
pub struct Saved<B: AutodiffBackend, M: AutodiffModule<B>> {
    /// Epochs done.
    pub epochs: usize,
    /// The network.
    pub model: M::Record,
    /// The optimizer's memory.
    pub optimizer: Vec<ParamStateRecord<B>>,
}

type Content<B, M> = (
    String,
    usize,
    <M as burn::module::Module<B>>::Record,
    Vec<ParamStateRecord<B>>,
);

impl TrainingState {
    /// The state in the file, if there is one and it is of this training.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn load<B: AutodiffBackend, M: AutodiffModule<B>>(
        &self,
        device: &B::Device,
    ) -> Result<Option<Saved<B, M>>, EvalError> {
        if !self.path.is_file() {
            return Ok(None);
        }
        let bytes = std::fs::read(&self.path).on(&self.path, "read")?;
        let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
        let content: Result<Content<B, M>, _> = Recorder::<B>::load(&recorder, bytes, device);
        // A file that does not read as this training's is another one's, whose shapes may differ.
        Ok(match content {
            Ok((identity, epochs, model, optimizer)) if identity == self.identity => Some(Saved {
                epochs,
                model,
                optimizer,
            }),
            _ => None,
        })
    }

    /// Saves the state after an epoch, in one step.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save<B: AutodiffBackend, M: AutodiffModule<B>>(
        &self,
        epochs: usize,
        model: &M,
        optimizer: &GroupedOptimizer<B>,
    ) -> Result<(), EvalError> {
        let content: Content<B, M> = (
            self.identity.clone(),
            epochs,
            model.clone().into_record(),
            Optimizer::<M, B>::to_record(optimizer),
        );
        let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
        let bytes = Recorder::<B>::record(&recorder, content, ())
            .map_err(|error| EvalError::State(error.to_string()))?;
        Ok(replace(&self.path, &bytes)?)
    }

    /// Removes the file of a training that is over.
    pub fn remove(&self) {
        // A file that stays behind is of a finished training, and continuing it ends at once.
        let _ = std::fs::remove_file(&self.path);
    }
}

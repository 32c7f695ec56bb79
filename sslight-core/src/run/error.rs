//! What can end a run.

use std::path::PathBuf;

use sslight_data::DataError;
use sslight_models::UnavailableBackbone;
use sslight_models::weights::WeightsError;
use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::config::{ConfigError, Difference, Method};
use crate::eval::EvalError;
use crate::eval::knn::KnnError;
use crate::fsio::FileError;

/// Why a run ended before its end.
#[derive(Debug, Error)]
pub enum RunError {
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file of the run folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A configuration in the run folder cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights that are to be scored cannot be read or do not fit.
    #[error("{}: {source}{}", path.display(), network_advice(source))]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WeightsError,
    },
    /// The weights that `init` names cannot be read or do not fit.
    #[error("init={}: {source}{}", path.display(), init_advice(source))]
    Init {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WeightsError,
    },
    /// There is not one name a class.
    #[error(
        "labels: {names} names, and the classifier has {classes} classes; give one name a line for each class"
    )]
    ClassNames {
        /// Names that were given.
        names: usize,
        /// Classes of the classifier.
        classes: usize,
    },
    /// The backbone is not in this version.
    #[error(transparent)]
    Backbone(UnavailableBackbone),
    /// A score cannot be computed.
    #[error(transparent)]
    Knn(#[from] KnnError),
    /// A probe or a fine-tuning has no result.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The run folder holds something else.
    #[error("{}: holds files, but no run of this program; choose another folder with out=PATH", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// The run folder holds a run of another verb.
    #[error("{}: holds a run of `{theirs}`, which `{ours}` cannot continue; choose another folder with out=PATH", path.display())]
    OtherVerb {
        /// The folder.
        path: PathBuf,
        /// The verb that goes on with it.
        theirs: &'static str,
        /// The verb that was called.
        ours: &'static str,
    },
    /// There is no run where one is to be followed.
    #[error("{}: no run is here; give the folder that a run has as out=PATH", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// The run folder holds a run, and `resume=never` was given.
    #[error("{}: holds a run already, and resume=never forbids to continue it; choose another folder with out=PATH", path.display())]
    HoldsARun {
        /// The folder.
        path: PathBuf,
    },
    /// The run folder holds a run of another configuration.
    #[error("{}: holds a run of another configuration, which cannot be continued as this one: {}; choose another folder with out=PATH, or give the same values", path.display(), list(differences))]
    Differs {
        /// The folder.
        path: PathBuf,
        /// The keys that differ.
        differences: Vec<Difference>,
    },
    /// `resume=PATH` names a checkpoint of another method or network.
    #[error("resume={}: holds a checkpoint that this configuration cannot continue: {}; give the values that it has there", path.display(), list(differences))]
    OtherCheckpoint {
        /// The path as given.
        path: PathBuf,
        /// The keys that differ.
        differences: Vec<Difference>,
    },
    /// Another process trains in the same folder.
    #[error("{}: another process is training in this folder; wait for it, or choose another folder with out=PATH", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// `resume=PATH` names nothing that can be resumed.
    #[error("resume={}: holds no complete checkpoint; give a run folder or a folder step-NNNNNNNN of its checkpoints", path.display())]
    NoCheckpoint {
        /// The path as given.
        path: PathBuf,
    },
    /// A path that should name a checkpoint holds none.
    #[error("{}: holds no complete checkpoint; give a run folder or a folder step-NNNNNNNN of its checkpoints", path.display())]
    NothingSaved {
        /// The path as given.
        path: PathBuf,
    },
    /// The teacher of a method that has none is asked for.
    #[error("{}: {method} has no teacher, its only network is the student; ask for role=student", path.display())]
    NoTeacher {
        /// The checkpoint.
        path: PathBuf,
        /// The method.
        method: Method,
    },
    /// A file of a checkpoint is not what it should be.
    #[error("{}: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A loss or a gradient is not a number any more.
    #[error(
        "step {step}: {what}; the last good checkpoint is kept; lower optim.base_lr, or set optim.clip_grad=3.0, and start again from it with another out=PATH and resume=CHECKPOINT"
    )]
    NotFinite {
        /// The step.
        step: usize,
        /// What is no number, and where it was met first.
        what: String,
    },
    /// Training has collapsed, and `health.on_collapse=stop` was given.
    #[error("step {step}: training has collapsed: {reason}; {advice}")]
    Collapsed {
        /// Optimizer steps taken.
        step: usize,
        /// What shows it.
        reason: String,
        /// What may help the method.
        advice: &'static str,
    },
    /// What is trained has an error of its own.
    #[error(transparent)]
    Task(Box<dyn std::error::Error + Send + Sync>),
    /// burn's learner ended without telling how.
    #[error("the learner ended without a result; please report this with train.log")]
    Vanished,
}

impl RunError {
    /// Whether training stopped itself (exit code 4).
    pub fn is_self_stop(&self) -> bool {
        matches!(self, Self::NotFinite { .. } | Self::Collapsed { .. })
    }

    /// Whether someone asked for the end (exit code 130).
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Eval(EvalError::Interrupted))
    }

    /// Whether the command line or the configuration is to be changed (exit code 2).
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Backbone(_)
                | Self::ClassNames { .. }
                | Self::NotARun { .. }
                | Self::OtherVerb { .. }
                | Self::HoldsARun { .. }
                | Self::Differs { .. }
                | Self::OtherCheckpoint { .. }
                | Self::NoTeacher { .. }
        )
    }
}

fn network_advice(error: &WeightsError) -> &'static str {
    match error {
        WeightsError::Incomplete { .. } => "; check backbone and model.small_input",
        _ => "",
    }
}

fn init_advice(error: &WeightsError) -> &'static str {
    match error {
        WeightsError::Incomplete { .. } => {
            "; check backbone and model.small_input, or load what fits with init_partial=true"
        }
        _ => "",
    }
}

fn list(differences: &[Difference]) -> String {
    differences
        .iter()
        .map(|d| format!("{} is {} here and {} there", d.key, d.ours, d.theirs))
        .collect::<Vec<_>>()
        .join(", ")
}

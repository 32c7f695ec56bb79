//! Why a checkpoint was not written, or cannot be used.

use std::io::ErrorKind;
use std::path::PathBuf;

use thiserror::Error;

use super::manifest::FORMAT;
use crate::fsio::FileError;

/// Why a checkpoint was not written or cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A part could not be turned into bytes.
    #[error("checkpoint of step {step}: {file} could not be written: {reason}")]
    Part {
        /// The step.
        step: usize,
        /// The part's file.
        file: &'static str,
        /// What burn said.
        reason: String,
    },
    /// What a checkpoint holds beside the learner's parts could not be made.
    #[error("checkpoint of step {step}: {reason}")]
    Unfit {
        /// The step.
        step: usize,
        /// Why.
        reason: String,
    },
    /// A checkpoint of another version of this program.
    #[error(
        "checkpoint {}: it has format {format}, this version reads format {FORMAT}; continue it with the version that wrote it",
        folder.display()
    )]
    OtherFormat {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// Its format.
        format: u32,
    },
    /// The manifest or a file does not hold what it should.
    #[error("checkpoint {}: {reason}", folder.display())]
    Damaged {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl CheckpointError {
    /// Whether the checkpoint is not what was written, as against one that this process cannot read.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::File(error) => error.source.kind() == ErrorKind::NotFound,
            Self::Part { .. } | Self::Unfit { .. } | Self::OtherFormat { .. } => false,
        }
    }
}

/// A checkpoint that is not what was written.
#[derive(Debug)]
pub struct DamagedCheckpoint {
    /// Its step.
    pub step: usize,
    /// What is wrong.
    pub error: CheckpointError,
}

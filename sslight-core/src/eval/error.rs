//! What can end an evaluation that trains.

use sslight_data::DataError;
use thiserror::Error;

use crate::fsio::FileError;

/// Why a probe or a fine-tuning has no result.
#[derive(Debug, Error)]
pub enum EvalError {
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file of the evaluation cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Images without labels.
    #[error(
        "{data}: has no labels, which {what} needs; give labelled data (class folders or IDX labels)"
    )]
    NoLabels {
        /// The data.
        data: String,
        /// What needs them.
        what: &'static str,
    },
    /// No validation images.
    #[error("{data}: has no validation images to measure on; give them with val_data=PATH")]
    NoValidation {
        /// The training data.
        data: String,
    },
    /// Validation images of other classes.
    #[error(
        "the training images have {train} classes and the validation images {validation}, not the same ones ({example}); \
         give two parts of the same data, with folders of the same names"
    )]
    Classes {
        /// Classes of the training images.
        train: usize,
        /// Classes of the validation images.
        validation: usize,
        /// The first difference.
        example: String,
    },
    /// The loss is not a number any more.
    #[error("epoch {epoch}: the loss is not a number; lower the learning rate (base_lr)")]
    NotFinite {
        /// The epoch, from 1.
        epoch: usize,
    },
    /// A stop was asked for.
    #[error("interrupted; the same command goes on after the last whole epoch")]
    Interrupted,
    /// A head was asked for that the weights do not have.
    #[error(
        "{place}: has no head of DINO whose first two layers could be used ({reason}); give a run of method=dino on a \
         convolutional network, or finetune.head=linear"
    )]
    NoHead {
        /// The weights.
        place: String,
        /// What is wrong with its head.
        reason: String,
    },
    /// The state cannot be made a file.
    #[error("the state of the training cannot be saved: {0}")]
    State(String),
    /// A plot cannot be drawn.
    #[error("the plot cannot be drawn: {0}")]
    Plot(String),
}

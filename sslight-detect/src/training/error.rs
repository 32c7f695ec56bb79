//! What can end the training, measuring or use of a detector.

use std::path::PathBuf;

use sslight_core::config::ConfigError;
use sslight_core::eval::EvalError;
use sslight_core::fsio::FileError;
use sslight_core::run::RunError;
use sslight_data::DataError;
use sslight_data::text::shown;
use sslight_models::weights::WeightsError;

use crate::annotations::AnnotationError;
use crate::loading::LoadingError;
use crate::model::DetectorError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// Annotations cannot be used.
    #[error(transparent)]
    Annotations(#[from] AnnotationError),
    /// An image cannot be used.
    #[error(transparent)]
    Loading(#[from] LoadingError),
    /// An image that is to be looked at cannot be read.
    #[error(transparent)]
    Image(#[from] DataError),
    /// There is no such network.
    #[error(transparent)]
    Network(#[from] DetectorError),
    /// A setting does not fit.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A run could not be begun, continued, or ended before its end.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Masks are asked for, and the training annotations have none.
    #[error(
        "masks=true: {} has no masks; give annotations with segmentations, or masks=false",
        shown(path)
    )]
    NoMasks {
        /// The annotations.
        path: PathBuf,
    },
    /// The weights of a detector cannot be read or do not fit.
    #[error("{}: {source}", shown(path))]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WeightsError,
    },
    /// A file of weights that is none of a detector.
    #[error(
        "{}: {reason}; give the folder of a run of `sslight detect train`, one of its checkpoints, or its detector.safetensors",
        shown(path)
    )]
    NoDetector {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// Someone asked for the end.
    #[error("interrupted")]
    Interrupted,
}

impl DetectError {
    /// Whether the command line or the configuration is to be changed (exit code 2).
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Network(_)
                | Self::NoMasks { .. }
                | Self::Loading(LoadingError::Setting { .. })
        )
    }

    /// As an error of a run: the core's own errors as they are.
    pub(super) fn into_run(self) -> RunError {
        match self {
            Self::Run(error) => error,
            Self::Config(error) => error.into(),
            Self::File(error) => error.into(),
            Self::Interrupted => EvalError::Interrupted.into(),
            other => RunError::Task(Box::new(other)),
        }
    }
}

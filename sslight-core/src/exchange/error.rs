//! Why weights did not go in or out.

use std::path::PathBuf;

use sslight_models::BackboneKind;
use sslight_models::onnx::OnnxError;
use sslight_models::weights::WeightsError;
use thiserror::Error;

use crate::fsio::FileError;
use crate::run::RunError;

/// Why weights did not go in or out. No file has been written then.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A run or checkpoint cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file of weights cannot be read, or does not fit.
    #[error("{}: {source}{}", path.display(), advice(source))]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WeightsError,
    },
    /// An ONNX model cannot be made.
    #[error("{}: {source}", path.display())]
    Onnx {
        /// Where the weights are from.
        path: PathBuf,
        /// What is wrong.
        source: OnnxError,
    },
    /// The file to be written is there already.
    #[error("{}: is there already; choose another file with out=FILE, or give overwrite=true", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A head is asked for where there is none.
    #[error("{}: holds no head that is known; leave head=true out", path.display())]
    NoHead {
        /// Where the weights are from.
        path: PathBuf,
    },
    /// Another image size is asked for a network whose tensors do not depend on it.
    #[error(
        "input_size={px}: the tensors of {kind} do not depend on it; leave it out, or give format=onnx"
    )]
    NoSize {
        /// The size.
        px: usize,
        /// The network.
        kind: BackboneKind,
    },
    /// Images of this size are smaller than a patch.
    #[error("input_size={px}: smaller than a patch of {patch_px} pixels; give a larger one")]
    TooSmall {
        /// The size.
        px: usize,
        /// Side of a patch.
        patch_px: usize,
    },
    /// Images of this size are no images.
    #[error("input_size={px}: larger than {most} pixels; give a smaller one")]
    TooLarge {
        /// The size.
        px: usize,
        /// The largest.
        most: usize,
    },
    /// An ONNX model is asked for in half precision or with a head.
    #[error("format=onnx writes the backbone in f32; leave out {key}")]
    PlainOnnx {
        /// The key that asks for more.
        key: &'static str,
    },
    /// The backbone in a configuration is not in this version, or the network is another one than the run's.
    #[error("{}: is a run of {there}, not of {given}; leave backbone and small_input out", path.display())]
    OtherBackbone {
        /// The run.
        path: PathBuf,
        /// Its network.
        there: String,
        /// The one that was given.
        given: String,
    },
    /// The images to be mapped to features are not as they should be.
    #[error("{}: {reason}; give a file with one tensor `input` [n, 3, h, w] of normalised images", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl ExchangeError {
    /// Whether the command line is to be changed (exit code 2).
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Run(error) => error.is_usage(),
            Self::NoHead { .. }
            | Self::NoSize { .. }
            | Self::TooSmall { .. }
            | Self::TooLarge { .. }
            | Self::PlainOnnx { .. }
            | Self::OtherBackbone { .. } => true,
            Self::Weights { source, .. } => matches!(source, WeightsError::OutOfRange { .. }),
            Self::File(_) | Self::Onnx { .. } | Self::Exists { .. } | Self::Input { .. } => false,
        }
    }
}

/// What to do about weights that do not fit.
fn advice(error: &WeightsError) -> &'static str {
    match error {
        WeightsError::Incomplete { .. } => {
            "; check backbone and small_input, or take what fits with partial=true"
        }
        _ => "",
    }
}

//! What can be wrong with a PyTorch file.

use thiserror::Error;
use zip::result::ZipError;

use super::pickle::PickleError;
use crate::weights::shown::shown;

/// Why a PyTorch file could not be read.
#[derive(Debug, Error)]
pub enum PytorchError {
    /// The archive is damaged.
    #[error("not a readable zip archive ({0}); it is damaged or cut off, get it again")]
    Zip(#[from] ZipError),
    /// An archive that PyTorch did not write.
    #[error(
        "a zip archive without data.pkl, which torch.save writes; give the file that torch.save made"
    )]
    NoPickle,
    /// The file of PyTorch before 0.1.10.
    #[error("a file of PyTorch before 0.1.10 (tar); load it with torch.load and save it again")]
    Tar,
    /// Written on a machine with another byte order.
    #[error("written on a big-endian machine; load it there and save it as safetensors")]
    BigEndian,
    /// The objects cannot be read.
    #[error("{part}: {source}")]
    Pickle {
        /// Which pickle of the file.
        part: &'static str,
        /// What is wrong with it.
        source: PickleError,
    },
    /// A record of tensor values that is missing, or of another length than the objects say.
    #[error("the values in record {key}: {problem}; the file is damaged or cut off, get it again")]
    Record {
        /// Name of the record.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// A tensor that reaches beyond its record, or is far larger than it.
    #[error("a tensor of shape {shape:?} in record {key}: {problem}")]
    Layout {
        /// Name of the record.
        key: String,
        /// Shape of the tensor.
        shape: Vec<usize>,
        /// What is wrong.
        problem: &'static str,
    },
}

impl PytorchError {
    pub(super) fn record(key: &str, problem: impl Into<String>) -> Self {
        Self::Record {
            key: shown(key),
            problem: shown(&problem.into()),
        }
    }
}

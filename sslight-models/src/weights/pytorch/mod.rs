//! Files of `torch.save`: the zip archives of PyTorch 1.6 and later, and the files before those.
//!
//! Both are a pickle of objects, whose tensors are views of storages, and the storages' values. A pickle machine reads the
//! objects without running any code; [`PytorchFile`] hands them out as plain [`Value`]s and reads the values of a
//! tensor when they are asked for.

mod error;
mod layout;
mod legacy;
mod pickle;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod zip;

pub use error::PytorchError;
pub use pickle::{PickleError, TensorRef, Value};

use legacy::LegacyRecords;
use pickle::{Objects, unpickle};
use zip::ZipRecords;

/// A file of `torch.save` in memory.
#[derive(Debug)]
pub struct PytorchFile<'a> {
    objects: Objects,
    records: Records<'a>,
}

/// Where the values of storages are.
#[derive(Debug)]
enum Records<'a> {
    Zip(ZipRecords<'a>),
    Legacy(LegacyRecords<'a>),
}

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PytorchFormat {
    /// A zip archive, PyTorch 1.6 and later.
    Zip,
    /// A sequence of pickles and values, before PyTorch 1.6.
    Legacy,
}

impl<'a> PytorchFile<'a> {
    /// How these bytes are laid out; `None` if they are no PyTorch file.
    ///
    /// # Errors
    /// [`PytorchError::Tar`] for the first of the formats, which is not read.
    pub fn detect(bytes: &[u8]) -> Result<Option<PytorchFormat>, PytorchError> {
        if zip::is_zip(bytes) {
            Ok(Some(PytorchFormat::Zip))
        } else if legacy::is_legacy(bytes) {
            Ok(Some(PytorchFormat::Legacy))
        } else if legacy::is_tar(bytes) {
            Err(PytorchError::Tar)
        } else {
            Ok(None)
        }
    }

    /// Reads the objects of a file.
    ///
    /// # Errors
    /// If the file is damaged, or names a class that weights do not need.
    pub fn parse(bytes: &'a [u8], format: PytorchFormat) -> Result<Self, PytorchError> {
        let (objects, records) = match format {
            PytorchFormat::Zip => {
                let records = ZipRecords::open(bytes)?;
                let pickle = records.pickle()?;
                let (objects, _) = unpickle(&pickle).map_err(|source| PytorchError::Pickle {
                    part: "data.pkl",
                    source,
                })?;
                (objects, Records::Zip(records))
            }
            PytorchFormat::Legacy => {
                let (objects, records) = legacy::read(bytes)?;
                (objects, Records::Legacy(records))
            }
        };
        Ok(Self { objects, records })
    }

    /// What was saved; `None` never comes from [`parse`](Self::parse).
    pub fn root(&self) -> Option<Value<'_>> {
        Value::root(&self.objects)
    }

    /// The values of a tensor in row-major order, little-endian.
    ///
    /// # Errors
    /// If the file lacks them, or the tensor reaches beyond them.
    pub fn values(&self, tensor: &TensorRef) -> Result<Vec<u8>, PytorchError> {
        let storage = &tensor.storage;
        let key = self.objects.text(storage.key).unwrap_or_default();
        let plan = layout::plan(tensor, key)?;
        let bytes = storage.count.checked_mul(storage.element.size());
        let bytes = bytes.ok_or_else(|| PytorchError::record(key, "too long for this machine"))?;
        Ok(match &self.records {
            Records::Zip(records) => plan.gather(&records.record(key, bytes)?),
            Records::Legacy(records) => plan.gather(records.record(key, bytes)?),
        })
    }
}

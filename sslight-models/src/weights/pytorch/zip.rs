//! The zip archives of PyTorch 1.6 and later: `STEM/data.pkl`, and a record `STEM/data/KEY` for each storage.

use std::borrow::Cow;
use std::fmt;
use std::io::{Cursor, Read};

use ::zip::{CompressionMethod, ZipArchive};

use super::PytorchError;

/// Bytes that a compressed record may have at most. PyTorch does not compress, so that only archives packed anew
/// are compressed at all, and a few bytes can stand for a great many.
const MAX_INFLATED: u64 = 1 << 30;

const PICKLE: &str = "data.pkl";
const BYTE_ORDER: &str = "byteorder";

pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The records of an archive.
pub(super) struct ZipRecords<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// What stands before the names of records.
    stem: String,
}

impl fmt::Debug for ZipRecords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZipRecords")
            .field("stem", &self.stem)
            .finish_non_exhaustive()
    }
}

impl<'a> ZipRecords<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, PytorchError> {
        let archive = ZipArchive::new(Cursor::new(bytes))?;
        let stem = archive
            .file_names()
            .filter_map(|name| name.strip_suffix(PICKLE))
            .find(|stem| stem.is_empty() || stem.ends_with('/'))
            .ok_or(PytorchError::NoPickle)?
            .to_string();
        let records = Self { archive, stem };
        let order = records.read(BYTE_ORDER);
        if order.is_ok_and(|order| order.trim_ascii() == b"big") {
            return Err(PytorchError::BigEndian);
        }
        Ok(records)
    }

    /// The pickle of the objects.
    pub(super) fn pickle(&mut self) -> Result<Vec<u8>, PytorchError> {
        self.read(PICKLE)
    }

    /// The values of a storage, which must be `expected` bytes.
    pub(super) fn record(&self, key: &str, expected: usize) -> Result<Cow<'a, [u8]>, PytorchError> {
        let bytes = self.read(&format!("data/{key}"))?;
        if bytes.len() != expected {
            let problem = format!("{} bytes, expected {expected}", bytes.len());
            return Err(PytorchError::record(key, problem));
        }
        Ok(bytes.into())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, PytorchError> {
        let problem = |error: &dyn fmt::Display| PytorchError::record(name, error.to_string());
        // Clones share the table of contents; reading needs a position of its own.
        let mut archive = self.archive.clone();
        let mut file = archive
            .by_name(&format!("{}{name}", self.stem))
            .map_err(|error| problem(&error))?;
        let limit = match file.compression() {
            CompressionMethod::Stored => u64::MAX,
            _ => MAX_INFLATED,
        };
        if file.size() > limit {
            return Err(problem(&format!(
                "compressed, and larger than {limit} bytes"
            )));
        }
        // Grows as bytes come: the size that the archive states may be a lie.
        let mut bytes = Vec::new();
        let mut file = file.by_ref().take(limit);
        file.read_to_end(&mut bytes)
            .map_err(|error| problem(&error))?;
        Ok(bytes)
    }
}

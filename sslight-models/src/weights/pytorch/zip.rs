//! The zip archives of PyTorch 1.6 and later: `STEM/data.pkl`, and a record `STEM/data/KEY` for each storage.

use std::fmt;
use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::zip::{CompressionMethod, ZipArchive};

use super::PytorchError;

/// Bytes that are inflated of an archive at most, those of a record that is read again counted again. PyTorch does not
/// compress, so that only archives packed anew are compressed at all, and a few bytes can stand for a great many.
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
    /// The record read last: many tensors may look at one.
    last: Mutex<Option<(String, Arc<Vec<u8>>)>>,
    /// Bytes that may still be inflated.
    inflatable: AtomicU64,
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
        Self::with_limit(bytes, MAX_INFLATED)
    }

    /// Opens an archive of which so many bytes are inflated at most.
    pub(super) fn with_limit(bytes: &'a [u8], inflatable: u64) -> Result<Self, PytorchError> {
        let archive = ZipArchive::new(Cursor::new(bytes))?;
        let stem = archive
            .file_names()
            .filter_map(|name| name.strip_suffix(PICKLE))
            .find(|stem| stem.is_empty() || stem.ends_with('/'))
            .ok_or(PytorchError::NoPickle)?
            .to_string();
        let records = Self {
            archive,
            stem,
            last: Mutex::new(None),
            inflatable: AtomicU64::new(inflatable),
        };
        let order = records.read(BYTE_ORDER, None);
        if order.is_ok_and(|order| order.trim_ascii() == b"big") {
            return Err(PytorchError::BigEndian);
        }
        Ok(records)
    }

    /// The pickle of the objects.
    pub(super) fn pickle(&self) -> Result<Vec<u8>, PytorchError> {
        self.read(PICKLE, None)
    }

    /// The values of a storage, which must be `expected` bytes.
    pub(super) fn record(&self, key: &str, expected: usize) -> Result<Arc<Vec<u8>>, PytorchError> {
        let name = format!("data/{key}");
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((of, bytes)) if *of == name && bytes.len() == expected => Ok(Arc::clone(bytes)),
            _ => {
                // Given back before the next takes its memory.
                *last = None;
                let bytes = Arc::new(self.read(&name, Some(expected))?);
                *last = Some((name, Arc::clone(&bytes)));
                Ok(bytes)
            }
        }
    }

    /// Reads a file of the archive, which must be `expected` bytes if that is known. A wrong length is seen before
    /// anything is read.
    fn read(&self, name: &str, expected: Option<usize>) -> Result<Vec<u8>, PytorchError> {
        let problem = |problem: &dyn fmt::Display| PytorchError::record(name, problem.to_string());
        // Clones share the table of contents; reading needs a position of its own.
        let mut archive = self.archive.clone();
        let mut file = archive
            .by_name(&format!("{}{name}", self.stem))
            .map_err(|error| problem(&error))?;
        let size = file.size();
        if let Some(expected) = expected.filter(|expected| *expected as u64 != size) {
            return Err(problem(&format!("{size} bytes, expected {expected}")));
        }
        if file.compression() != CompressionMethod::Stored {
            self.take_inflatable(size).map_err(|left| {
                problem(&format!(
                    "compressed, and larger than the {left} bytes that are still inflated of this archive"
                ))
            })?;
        }
        // Grows as bytes come: the size that the archive states may be a lie. One more shows that there are more.
        let mut bytes = Vec::new();
        let mut file = file.by_ref().take(size.saturating_add(1));
        file.read_to_end(&mut bytes)
            .map_err(|error| problem(&error))?;
        if bytes.len() as u64 != size {
            return Err(problem(&format!(
                "not the {size} bytes that the archive says"
            )));
        }
        Ok(bytes)
    }

    /// Takes so many bytes of those that may be inflated; if there are fewer, how many there are.
    fn take_inflatable(&self, size: u64) -> Result<(), u64> {
        self.inflatable
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(size)
            })
            .map(|_| ())
    }
}

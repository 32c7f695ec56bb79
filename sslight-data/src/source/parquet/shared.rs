//! Reading a Parquet file from many threads.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::source::packed::read_at;

/// A file that many threads read: the crate's own reader of files moves the one cursor that they share.
pub(super) struct Shared {
    pub(super) path: PathBuf,
    /// `None` opens it for every read: systems allow about a thousand open files.
    pub(super) file: Option<Arc<File>>,
    pub(super) length: u64,
}

impl Shared {
    fn file(&self) -> std::io::Result<Arc<File>> {
        match &self.file {
            Some(file) => Ok(Arc::clone(file)),
            None => Ok(Arc::new(File::open(&self.path)?)),
        }
    }
}

/// Reads on from a place.
pub(super) struct ReadFrom {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        read_at(&self.file, &mut buffer[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Length for Shared {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Shared {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // Headers of pages are what is read like this.
        const HEADER: usize = 4096;
        let from = ReadFrom {
            file: self.file()?,
            at: start,
            end: self.length,
        };
        Ok(BufReader::with_capacity(HEADER, from))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes are needed from {start} on, and the file has {}",
                self.length
            )));
        }
        let mut bytes = vec![0; length];
        read_at(&*self.file()?, &mut bytes, start)?;
        Ok(bytes.into())
    }
}

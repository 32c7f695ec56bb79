//! The files before PyTorch 1.6: pickles of a magic number, a version, the writing machine, the objects and the
//! names of storages, then for each storage its number of elements and their values.

use std::collections::HashMap;

use super::PytorchError;
use super::pickle::{Objects, Value, unpickle};

/// The first object of every such file.
const MAGIC: [u8; 15] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// The only version there was.
const VERSION: i64 = 1001;
/// Where a tar archive says that it is one.
const TAR_MARK: std::ops::Range<usize> = 257..262;

pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(TAR_MARK) == Some(b"ustar")
}

/// The values of storages by name.
#[derive(Debug)]
pub(super) struct LegacyRecords<'a> {
    records: HashMap<String, &'a [u8]>,
}

impl<'a> LegacyRecords<'a> {
    /// The values of a storage, which must be `expected` bytes.
    pub(super) fn record(&self, key: &str, expected: usize) -> Result<&'a [u8], PytorchError> {
        let record = self.records.get(key);
        let record = record.ok_or_else(|| PytorchError::record(key, "missing"))?;
        if record.len() != expected {
            let problem = format!("{} bytes, expected {expected}", record.len());
            return Err(PytorchError::record(key, problem));
        }
        Ok(record)
    }
}

/// The objects of a file, and where its values are.
pub(super) fn read(bytes: &[u8]) -> Result<(Objects, LegacyRecords<'_>), PytorchError> {
    let mut rest = &bytes[MAGIC.len().min(bytes.len())..];
    let mut pickle = |part| {
        let (objects, length) =
            unpickle(rest).map_err(|source| PytorchError::Pickle { part, source })?;
        rest = rest.get(length..).unwrap_or_default();
        Ok::<_, PytorchError>(objects)
    };
    let version = pickle("the version")?;
    if Value::root(&version).and_then(Value::as_i64) != Some(VERSION) {
        return Err(PytorchError::record(
            "version",
            "not the one that PyTorch wrote",
        ));
    }
    let machine = pickle("the machine")?;
    let little = Value::root(&machine).and_then(|machine| machine.get("little_endian")?.as_bool());
    if little == Some(false) {
        return Err(PytorchError::BigEndian);
    }
    let objects = pickle("the objects")?;
    let names = pickle("the names of storages")?;

    let mut elements = HashMap::new();
    for storage in objects.storages() {
        let key = objects.text(storage.key).unwrap_or_default();
        let known = *elements.entry(key).or_insert(storage.element);
        if known != storage.element {
            return Err(PytorchError::record(key, "of two element types"));
        }
    }
    let mut records = HashMap::new();
    for name in Value::root(&names).into_iter().flat_map(Value::items) {
        let key = name.as_str().unwrap_or_default();
        let element = elements.get(key);
        let element = element.ok_or_else(|| PytorchError::record(key, "no tensor looks at it"))?;
        let cut = || PytorchError::record(key, "cut off");
        let (count, values) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*count))
            .ok()
            .and_then(|count| count.checked_mul(element.size()))
            .ok_or_else(cut)?;
        let (record, after) = values.split_at_checked(length).ok_or_else(cut)?;
        if records.insert(key.to_string(), record).is_some() {
            return Err(PytorchError::record(key, "there twice"));
        }
        rest = after;
    }
    Ok((objects, LegacyRecords { records }))
}

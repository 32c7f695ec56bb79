//! A checksum in a safetensors file. The format has none of its own, so that a bit that changed among the values would
//! be read as another weight.

use ::safetensors::SafeTensors;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::WeightsError;

/// The entry of the metadata with the SHA-256 of all that follows the header, in hexadecimal digits.
pub(super) const KEY: &str = "tensor_data_sha256";
const METADATA: &str = "__metadata__";
/// Bytes of the number that a file starts with, the length of its header.
const LENGTH: usize = 8;
/// Values start at a multiple of this, as other writers have it.
const ALIGNMENT: usize = 8;

/// A safetensors file with the checksum of its values in its metadata, which [`WeightsFile::open`] verifies.
///
/// # Errors
/// [`WeightsError::Safetensors`] if `file` is no whole safetensors file.
///
/// [`WeightsFile::open`]: super::WeightsFile::open
pub fn with_checksum(file: &[u8]) -> Result<Vec<u8>, WeightsError> {
    let (header, values) = parts(file)?;
    let mut header: Map<String, Value> = serde_json::from_slice(header).map_err(invalid)?;
    let metadata = header
        .entry(METADATA)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(metadata) = metadata {
        metadata.insert(KEY.to_string(), digest(values).into());
    }
    let mut text = serde_json::to_vec(&header).map_err(invalid)?;
    text.resize(text.len().next_multiple_of(ALIGNMENT), b' ');
    Ok([&(text.len() as u64).to_le_bytes(), &text[..], values].concat())
}

/// Compares the values of a safetensors file with its checksum, if it has one.
///
/// # Errors
/// [`WeightsError::Checksum`] if they differ.
pub(super) fn verify(file: &[u8]) -> Result<(), WeightsError> {
    let (_, metadata) = SafeTensors::read_metadata(file)?;
    let stated = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    match stated {
        Some(stated) if *stated != digest(parts(file)?.1) => Err(WeightsError::Checksum),
        _ => Ok(()),
    }
}

/// The header and the values.
fn parts(file: &[u8]) -> Result<(&[u8], &[u8]), WeightsError> {
    let (length, _) = SafeTensors::read_metadata(file)?;
    let rest = file.get(LENGTH..).unwrap_or_default();
    Ok(rest.split_at_checked(length).unwrap_or_default())
}

fn digest(values: &[u8]) -> String {
    format!("{:x}", Sha256::digest(values))
}

fn invalid(error: serde_json::Error) -> WeightsError {
    ::safetensors::SafeTensorError::InvalidHeaderDeserialization(error).into()
}

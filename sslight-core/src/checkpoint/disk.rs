//! Single folders and files of checkpoints on the disk.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::CheckpointError;
use super::manifest::{FORMAT, FileEntry, MANIFEST_FILE, Manifest};
use crate::fsio::{FileError, WithPath, replace};

/// Checks every file of a folder against its manifest.
pub(super) fn verify_folder(folder: &Path, step: usize) -> Result<(), CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged {
        folder: folder.to_path_buf(),
        reason,
    };
    let path = folder.join(MANIFEST_FILE);
    let text = fs::read(&path).on(&path, "read")?;
    let manifest: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| damaged(format!("{MANIFEST_FILE} is not readable: {error}")))?;
    // Before the rest, which another format may have otherwise.
    let format = manifest.get("format").and_then(serde_json::Value::as_u64);
    if let Some(format) = format.and_then(|format| u32::try_from(format).ok())
        && format != FORMAT
    {
        return Err(CheckpointError::OtherFormat {
            folder: folder.to_path_buf(),
            format,
        });
    }
    let manifest: Manifest = serde_json::from_value(manifest)
        .map_err(|error| damaged(format!("{MANIFEST_FILE} is not readable: {error}")))?;
    if manifest.step != step {
        return Err(damaged(format!(
            "its manifest is of step {}",
            manifest.step
        )));
    }
    for entry in &manifest.files {
        let path = folder.join(&entry.name);
        let content = fs::read(&path).on(&path, "read")?;
        let found = FileEntry::of(&entry.name, &content);
        if found != *entry {
            return Err(damaged(format!(
                "{} is not the file that was written ({} bytes, expected {})",
                entry.name, found.bytes, entry.bytes
            )));
        }
    }
    Ok(())
}

/// Writes a file unless it has this content already.
pub(super) fn put(path: &Path, content: &[u8]) -> Result<(), FileError> {
    match fs::read(path) {
        Ok(there) if there == content => Ok(()),
        _ => replace(path, content),
    }
}

/// Removes a folder, if it is there.
pub(super) fn remove_folder(folder: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.on(folder, "remove"),
    }
}

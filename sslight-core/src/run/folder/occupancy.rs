//! Whose a run folder is: what it holds, and who may write to it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{CHECKPOINTS, CONFIG_FILE, LOCK_FILE, METRICS_FILE};
use crate::checkpoint::{CheckpointStore, Keep};
use crate::fsio::{FileError, WithPath};
use crate::run::RunError;
use crate::run::live::patiently;

/// What a folder holds.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::run) enum Occupancy {
    Empty,
    Run,
    Other,
}

impl Occupancy {
    pub(in crate::run) fn of(path: &Path) -> Result<Self, FileError> {
        if config_file(path).is_some() {
            return Ok(Self::Run);
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::Empty),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Ok(Self::Other);
            }
            Err(error) => return Err(error).on(path, "list"),
        };
        for entry in entries {
            let name = entry.on(path, "list")?.file_name();
            // What a process leaves that was stopped while it made the folder.
            let ours = name == LOCK_FILE || name == CHECKPOINTS || is_draft(&name);
            if !ours {
                return Ok(Self::Other);
            }
        }
        Ok(Self::Empty)
    }
}

/// The configuration of a run: that of the folder, or, if it was lost, that of its newest checkpoint.
pub(super) fn config_file(path: &Path) -> Option<PathBuf> {
    let file = path.join(CONFIG_FILE);
    if file.is_file() && (path.join(CHECKPOINTS).is_dir() || path.join(METRICS_FILE).is_file()) {
        return Some(file);
    }
    let store = CheckpointStore::new(path.join(CHECKPOINTS), Keep::last(1));
    let steps = store.steps().unwrap_or_default().into_iter().rev();
    steps
        .map(|step| store.folder(step).join(CONFIG_FILE))
        .find(|file| file.is_file())
}

/// Whether a file name is that of a [`replace`](crate::fsio::replace) that was cut off.
fn is_draft(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.contains(".tmp-")
}

/// Removes what writers left that were cut off. Only the holder of the lock may do so.
pub(super) fn remove_drafts(path: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(path).on(path, "list")? {
        let entry = entry.on(path, "list")?;
        if is_draft(&entry.file_name()) {
            let draft = entry.path();
            fs::remove_file(&draft).on(&draft, "remove")?;
        }
    }
    Ok(())
}

/// Makes this process the only one that writes to a folder, for as long as the file is open.
pub(crate) fn lock(path: &Path) -> Result<File, RunError> {
    let file_path = path.join(LOCK_FILE);
    let file = File::create(&file_path).on(&file_path, "create")?;
    match patiently(|| file.try_lock()) {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(RunError::Locked {
            path: path.to_path_buf(),
        }),
        Err(fs::TryLockError::Error(error)) => Ok(Err(error).on(&file_path, "lock")?),
    }
}

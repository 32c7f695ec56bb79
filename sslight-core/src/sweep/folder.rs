//! The folder of a sweep: whose it is, and the files beside the folders of its points.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::PathBuf;

use super::{Board, Sweep, SweepError};
use crate::fsio::{WithPath, replace};
use crate::run::lock;

/// The sweep file as it was last given; its presence says that the folder is a sweep's.
const COPY: &str = "sweep.toml";
/// What a process leaves that was stopped while it made the folder.
const LOCK: &str = ".lock";

/// The folder of a sweep that this process may write to.
#[derive(Debug)]
pub(super) struct SweepFolder {
    path: PathBuf,
    // Held, not read: the lock lasts as long as the file is open.
    _lock: File,
}

/// Refuses a folder that holds something else than a sweep.
pub(super) fn refuse_another(sweep: &Sweep) -> Result<(), SweepError> {
    let path = &sweep.out;
    if path.join(COPY).is_file() {
        return Ok(());
    }
    let occupied = || SweepError::Occupied { path: path.clone() };
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Err(occupied()),
        Err(error) => return Err(error).on(path, "list")?,
    };
    for entry in entries {
        if entry.on(path, "list")?.file_name() != LOCK {
            return Err(occupied());
        }
    }
    Ok(())
}

impl SweepFolder {
    /// Makes the folder of a sweep this process's own, a new one or one that goes on.
    pub fn open(sweep: &Sweep) -> Result<Self, SweepError> {
        refuse_another(sweep)?;
        let path = sweep.out.clone();
        fs::create_dir_all(&path).on(&path, "create")?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Keeps the sweep file as it was given this time.
    pub fn keep_copy(&self, sweep: &Sweep) -> Result<(), SweepError> {
        Ok(replace(&self.path.join(COPY), sweep.text.as_bytes())?)
    }

    /// Writes the tables and the plot, each in one step.
    pub fn publish(&self, board: &Board<'_>) -> Result<(), SweepError> {
        replace(&self.path.join("sweep.csv"), board.csv()?.as_bytes())?;
        replace(&self.path.join("sweep.md"), board.markdown().as_bytes())?;
        replace(&self.path.join("sweep.svg"), board.svg()?.as_bytes())?;
        Ok(())
    }
}

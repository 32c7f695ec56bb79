//! A run seen from outside while it may be going on: its files, and whether a process trains.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::RunError;
use super::folder::{CONFIG_FILE, LOCK_FILE, LOG_FILE, METRICS_FILE, Occupancy};
use crate::checkpoint::CheckpointStore;
use crate::fsio::{FileError, WithPath};

/// How often a lock is tried by one who wants to train, and the pause between. One who only looks whether somebody trains holds
/// it for a moment, and must not be taken for one who trains.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Where a run tells what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFiles {
    /// The run folder.
    pub folder: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Its metrics.
    pub metrics: PathBuf,
    /// Its log, in which a line of JSON with `"kind":"start"` says what each part of the run is.
    pub log: PathBuf,
}

impl RunFiles {
    /// Those of a run folder.
    ///
    /// # Errors
    /// If there is no such folder, or it holds no run.
    pub fn of(folder: &Path) -> Result<Self, RunError> {
        match Occupancy::of(folder)? {
            Occupancy::Run => Ok(Self {
                folder: folder.to_path_buf(),
                config: folder.join(CONFIG_FILE),
                metrics: folder.join(METRICS_FILE),
                log: folder.join(LOG_FILE),
            }),
            Occupancy::Empty | Occupancy::Other => Err(RunError::NoRun {
                path: folder.to_path_buf(),
            }),
        }
    }

    /// The step of the newest checkpoint; whether it is whole is not looked at.
    ///
    /// # Errors
    /// If the checkpoints cannot be listed.
    pub fn last_checkpoint(&self) -> Result<Option<usize>, RunError> {
        let store = CheckpointStore::new(self.folder.join("checkpoints"), 1);
        Ok(store.steps()?.into_iter().max())
    }
}

/// Whether a process trains in a run folder now. The answer may be old when it arrives.
///
/// # Errors
/// If the lock cannot be looked at.
pub fn is_trained(folder: &Path) -> Result<bool, FileError> {
    let path = folder.join(LOCK_FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).on(&path, "open"),
    };
    // Shared, so that two who look do not see each other, and given back at once.
    match file.try_lock_shared() {
        Ok(()) => file.unlock().on(&path, "unlock").map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error).on(&path, "look at the lock"),
    }
}

/// Tries for a lock, for as long as somebody may be looking at it.
pub(super) fn patiently(
    mut lock: impl FnMut() -> Result<(), TryLockError>,
) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            answer => return answer,
        }
    }
    lock()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::folder::lock;
    use super::*;

    #[test]
    fn who_trains_is_seen_and_looking_disturbs_nobody() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_trained(folder.path()).unwrap());
        let held = lock(folder.path()).unwrap();
        assert!(is_trained(folder.path()).unwrap());
        drop(held);
        assert!(!is_trained(folder.path()).unwrap());
        // Somebody who looks just now, and for longer than anybody does.
        let looking = File::open(folder.path().join(LOCK_FILE)).unwrap();
        looking.try_lock_shared().unwrap();
        assert!(!is_trained(folder.path()).unwrap());
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(looking);
        });
        let held = lock(folder.path()).unwrap();
        ends.join().unwrap();
        assert!(matches!(lock(folder.path()), Err(RunError::Locked { .. })));
        drop(held);
    }

    #[test]
    fn a_folder_without_a_run_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RunFiles::of(folder.path()).is_err());
        assert!(RunFiles::of(&folder.path().join("none")).is_err());
    }
}

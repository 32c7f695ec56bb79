//! The folder of a run's checkpoints.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::disk::{put, remove_folder, verify_folder};
use super::error::{CheckpointError, DamagedCheckpoint};
use super::manifest::{FORMAT, FileEntry, MANIFEST_FILE, Manifest};
use super::parts::Part;
use crate::fsio::{FileError, WithPath, sync_folder_of, write_synced};

const LATEST_FILE: &str = "latest";

/// A complete checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Optimizer steps taken.
    pub step: usize,
    /// Its folder.
    pub folder: PathBuf,
}

/// Which checkpoints stay when a newer one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The newest ones, at least one.
    pub last: usize,
    /// Those of steps that are a multiple of this one, for good.
    pub every_steps: Option<usize>,
}

impl Keep {
    /// Only the newest ones.
    pub fn last(last: usize) -> Self {
        Self {
            last,
            every_steps: None,
        }
    }

    fn for_good(&self, step: usize) -> bool {
        self.every_steps
            .is_some_and(|every| every > 0 && step.is_multiple_of(every))
    }
}

/// Files of a checkpoint beside the learner's [`Part`]s: name and content.
pub type Files = Vec<(&'static str, Vec<u8>)>;

/// Makes the [`Files`] of a checkpoint, on a thread that does not train.
pub type MakeFiles = Box<dyn FnOnce() -> Result<Files, CheckpointError> + Send>;

/// Writes and reads the checkpoints under one folder.
#[derive(Debug)]
pub struct CheckpointStore {
    root: PathBuf,
    keep: Keep,
    beside: Option<Beside>,
    state: Mutex<State>,
    changed: Condvar,
}

/// A file of the newest checkpoint that also lies elsewhere.
#[derive(Debug)]
struct Beside {
    file: &'static str,
    path: PathBuf,
}

#[derive(Debug, Default)]
struct State {
    pending: Option<Pending>,
    error: Option<CheckpointError>,
}

/// A checkpoint that is being collected.
#[derive(Debug)]
struct Pending {
    step: usize,
    files: Vec<FileEntry>,
    missing: BTreeSet<Part>,
    /// Whether the files beside the parts are still being made.
    files_are_missing: bool,
}

impl Pending {
    fn is_complete(&self) -> bool {
        self.missing.is_empty() && !self.files_are_missing
    }
}

impl CheckpointStore {
    /// The checkpoints under `root`, of which those of `keep` stay.
    pub fn new(root: impl Into<PathBuf>, keep: Keep) -> Self {
        Self {
            root: root.into(),
            keep,
            beside: None,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The same, which also puts `file` of each checkpoint at `path` once that is complete.
    pub fn with_copy(mut self, file: &'static str, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.beside = Some(Beside { file, path });
        self
    }

    /// The folder of all checkpoints.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a step's checkpoint.
    pub fn folder(&self, step: usize) -> PathBuf {
        self.root.join(format!("step-{step:08}"))
    }

    /// The folder of a step's checkpoint while it is not whole.
    pub fn temporary(&self, step: usize) -> PathBuf {
        self.root.join(format!(".step-{step:08}.tmp"))
    }

    /// Begins the checkpoint of `step`, whose files beside the parts `make` makes on a thread of its own; it is published
    /// when all [`Part`]s have been added. Waits for a checkpoint that is still being written. What fails later is told
    /// by [`wait`](Self::wait).
    ///
    /// # Errors
    /// The failure of the checkpoint before, or if the folder cannot be made; nothing is left behind then.
    pub fn begin(self: &Arc<Self>, step: usize, make: MakeFiles) -> Result<(), CheckpointError> {
        self.wait()?;
        let folder = self.temporary(step);
        remove_folder(&folder)?;
        fs::create_dir_all(&folder).on(&folder, "create")?;
        self.lock().pending = Some(Pending {
            step,
            files: Vec::new(),
            missing: Part::ALL.into(),
            files_are_missing: true,
        });
        let store = Arc::clone(self);
        let writer = thread::Builder::new().name("checkpoint".to_string());
        let started = writer.spawn(move || store.add_files(step, make));
        match started.on(&folder, "start a thread that writes") {
            Ok(_) => Ok(()),
            Err(error) => {
                self.lock().pending = None;
                let _ = fs::remove_dir_all(&folder);
                Err(error.into())
            }
        }
    }

    /// Gives up the checkpoint of `step` if this thread panics before the value is dropped: training would wait for it for
    /// ever.
    pub(super) fn or_abandon(&self, step: usize) -> impl Drop {
        struct Guard<'a>(&'a CheckpointStore, usize);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                if thread::panicking() {
                    let reason =
                        "the thread that writes it panicked; please report this".to_string();
                    let step = self.1;
                    self.0
                        .abandon(step, CheckpointError::Unfit { step, reason });
                }
            }
        }
        Guard(self, step)
    }

    fn add_files(&self, step: usize, make: MakeFiles) {
        let _guard = self.or_abandon(step);
        let folder = self.temporary(step);
        let written = make().and_then(|files| {
            let written = files.iter().map(|(name, content)| {
                write_synced(&folder.join(name), content)?;
                Ok(FileEntry::of(name, content))
            });
            Ok(written.collect::<Result<Vec<_>, FileError>>()?)
        });
        match written {
            Ok(entries) => self.collect(step, |pending| {
                pending.files.extend(entries);
                pending.files_are_missing = false;
            }),
            Err(error) => self.abandon(step, error),
        }
    }

    /// Adds a part; the last one publishes the checkpoint. Failures are kept for [`wait`](Self::wait).
    pub(super) fn add_part(&self, step: usize, part: Part, content: &[u8]) {
        if !self.is_collecting(step) {
            // Another part failed, and the checkpoint was given up.
            return;
        }
        let path = self.temporary(step).join(part.file());
        if let Err(error) = write_synced(&path, content) {
            self.abandon(step, error.into());
            return;
        }
        let entry = FileEntry::of(part.file(), content);
        self.collect(step, |pending| {
            pending.files.push(entry);
            pending.missing.remove(&part);
        });
    }

    /// Notes what has been written, and publishes the checkpoint if that was the last of it.
    fn collect(&self, step: usize, note: impl FnOnce(&mut Pending)) {
        let complete = {
            let mut state = self.lock();
            match &mut state.pending {
                Some(pending) if pending.step == step => {
                    note(pending);
                    pending.is_complete().then(|| pending.files.clone())
                }
                _ => None,
            }
        };
        if let Some(files) = complete {
            match self.publish(step, files) {
                Ok(()) => self.settle(None),
                Err(error) => self.abandon(step, error),
            }
        }
    }

    fn is_collecting(&self, step: usize) -> bool {
        let state = self.lock();
        state
            .pending
            .as_ref()
            .is_some_and(|pending| pending.step == step)
    }

    pub(super) fn fail_part(&self, step: usize, part: Part, reason: &str) {
        let error = CheckpointError::Part {
            step,
            file: part.file(),
            reason: reason.to_string(),
        };
        self.abandon(step, error);
    }

    fn publish(&self, step: usize, mut files: Vec<FileEntry>) -> Result<(), CheckpointError> {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_string(),
            step,
            kept: self.keep.for_good(step),
            files,
        };
        let temporary = self.temporary(step);
        let text =
            serde_json::to_string_pretty(&manifest).map_err(|error| CheckpointError::Damaged {
                folder: temporary.clone(),
                reason: format!("no manifest: {error}"),
            })?;
        let manifest_path = temporary.join(MANIFEST_FILE);
        write_synced(&manifest_path, text.as_bytes())?;
        sync_folder_of(&manifest_path)?;
        let folder = self.folder(step);
        // The same step is saved again when more has become known of it. An interruption between the two renames leaves both
        // complete, and `recover` takes one.
        let old = self.old(step);
        remove_folder(&old)?;
        if folder.exists() {
            fs::rename(&folder, &old).on(&folder, "replace")?;
        }
        fs::rename(&temporary, &folder).on(&folder, "put in place")?;
        sync_folder_of(&folder)?;
        remove_folder(&old)?;
        self.point_to(step)?;
        let older = self.steps()?.into_iter().rev().skip(self.keep.last.max(1));
        for step in older.filter(|step| !self.is_kept(*step)) {
            self.remove(step)?;
        }
        Ok(())
    }

    /// Whether a checkpoint stays for good, as its manifest says.
    fn is_kept(&self, step: usize) -> bool {
        let text = self.read_file(step, MANIFEST_FILE).unwrap_or_default();
        let manifest = serde_json::from_slice::<Manifest>(&text);
        manifest.map_or(self.keep.for_good(step), |manifest| manifest.kept)
    }

    /// Makes `latest` and the file that lies elsewhere those of a step.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn point_to(&self, step: usize) -> Result<(), CheckpointError> {
        let name = format!("step-{step:08}\n");
        put(&self.root.join(LATEST_FILE), name.as_bytes())?;
        if let Some(Beside { file, path }) = &self.beside {
            put(path, &self.read_file(step, file)?)?;
        }
        Ok(())
    }

    /// Puts in place what was complete when a process was stopped before it could.
    ///
    /// # Errors
    /// If the folder cannot be listed or a rename fails.
    pub fn recover(&self) -> Result<(), CheckpointError> {
        if !self.root.exists() {
            return Ok(());
        }
        let mut left = Vec::new();
        for entry in fs::read_dir(&self.root).on(&self.root, "list")? {
            let name = entry.on(&self.root, "list")?.file_name();
            let name = name.to_string_lossy().into_owned();
            let step = name
                .strip_prefix(".step-")
                .and_then(|rest| rest.split_once('.'));
            if let Some((digits, kind)) = step
                && let Ok(step) = digits.parse::<usize>()
            {
                left.push((kind == "old", step));
            }
        }
        // The new one before the one that it replaces.
        left.sort_unstable();
        for (is_old, step) in left {
            let (from, folder) = match is_old {
                true => (self.old(step), self.folder(step)),
                false => (self.temporary(step), self.folder(step)),
            };
            if !folder.exists() && verify_folder(&from, step).is_ok() {
                fs::rename(&from, &folder).on(&folder, "put in place")?;
            }
        }
        Ok(())
    }

    fn old(&self, step: usize) -> PathBuf {
        self.root.join(format!(".step-{step:08}.old"))
    }

    /// Gives a damaged checkpoint a name under which it is none, so that a person may still look at it.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn set_aside(&self, step: usize) -> Result<(), CheckpointError> {
        let folder = self.folder(step);
        let aside = self.root.join(format!("damaged-step-{step:08}"));
        remove_folder(&aside)?;
        Ok(fs::rename(&folder, &aside).on(&folder, "set aside")?)
    }

    /// Removes a checkpoint. It loses its name first, so that an interruption leaves no folder `step-N` with a part of
    /// it.
    fn remove(&self, step: usize) -> Result<(), FileError> {
        let (folder, gone) = (self.folder(step), self.old(step));
        remove_folder(&gone)?;
        match fs::rename(&folder, &gone) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            renamed => {
                renamed.on(&folder, "remove")?;
                remove_folder(&gone)
            }
        }
    }

    /// Waits until no checkpoint is being written.
    ///
    /// # Errors
    /// The failure of the last one, once; its files have been removed.
    pub fn wait(&self) -> Result<(), CheckpointError> {
        let mut state = self.lock();
        while state.pending.is_some() {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.error.take().map_or(Ok(()), Err)
    }

    /// The failure of a checkpoint that was being written, if there is one by now.
    pub fn take_error(&self) -> Option<CheckpointError> {
        self.lock().error.take()
    }

    fn abandon(&self, step: usize, error: CheckpointError) {
        if !self.is_collecting(step) {
            // Given up already: this failure follows from the first one.
            return;
        }
        // What counts is the first error; the folder is a temporary one either way.
        let _ = fs::remove_dir_all(self.temporary(step));
        self.settle(Some(error));
    }

    fn settle(&self, error: Option<CheckpointError>) {
        let mut state = self.lock();
        state.pending = None;
        if state.error.is_none() {
            state.error = error;
        }
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Steps that have a folder, rising.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn steps(&self) -> Result<Vec<usize>, CheckpointError> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let mut steps = Vec::new();
        for entry in fs::read_dir(&self.root).on(&self.root, "list")? {
            let name = entry.on(&self.root, "list")?.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix("step-"));
            steps.extend(step.and_then(|digits| digits.parse::<usize>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// The newest checkpoint whose files are all there and unchanged, and newer ones that are damaged.
    ///
    /// # Errors
    /// If the folder cannot be listed, or a newer checkpoint cannot be read for another reason than damage: falling back behind
    /// it would lose it.
    pub fn newest(&self) -> Result<(Option<Found>, Vec<DamagedCheckpoint>), CheckpointError> {
        let mut damaged = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            match self.verify(step) {
                Ok(found) => return Ok((Some(found), damaged)),
                Err(error) if error.is_damage() => damaged.push(DamagedCheckpoint { step, error }),
                Err(error) => return Err(error),
            }
        }
        Ok((None, damaged))
    }

    /// Checks every file of a checkpoint against its manifest.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] with the first file that differs, or [`CheckpointError::OtherFormat`].
    pub fn verify(&self, step: usize) -> Result<Found, CheckpointError> {
        let folder = self.folder(step);
        verify_folder(&folder, step)?;
        Ok(Found { step, folder })
    }

    pub(super) fn read_part(&self, step: usize, part: Part) -> Result<Vec<u8>, CheckpointError> {
        Ok(self.read_file(step, part.file())?)
    }

    /// The content of a file of a checkpoint.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_file(&self, step: usize, name: &str) -> Result<Vec<u8>, FileError> {
        let path = self.folder(step).join(name);
        fs::read(&path).on(&path, "read")
    }

    /// Removes what an interrupted process left behind, and the checkpoints after `step`.
    ///
    /// # Errors
    /// If a folder cannot be removed.
    pub fn clean_up(&self, step: usize) -> Result<(), CheckpointError> {
        if !self.root.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.root).on(&self.root, "list")? {
            let entry = entry.on(&self.root, "list")?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".step-") || name.starts_with(".latest.tmp") {
                let path = entry.path();
                if path.is_dir() {
                    remove_folder(&path)?;
                } else {
                    fs::remove_file(&path).on(&path, "remove")?;
                }
            }
        }
        for newer in self.steps()?.into_iter().filter(|newer| *newer > step) {
            self.remove(newer)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

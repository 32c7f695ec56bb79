//! The run folder: whose it is, what it resumes from, its log and its metrics.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sslight_report::tensorboard::EventFile;

use super::RunError;
use super::state::{RunState, STATE_FILE};
use crate::checkpoint::{CheckpointStore, Found, Keep};
use crate::config::{DataFacts, Difference, ResolvedConfig, Resume, RunConfig, resolve};
use crate::fsio::{FileError, WithPath, replace};
use crate::observe::{Level, RunEvent};

pub(super) const CONFIG_FILE: &str = "config.toml";
pub(super) const LOG_FILE: &str = "train.log";
pub(super) const METRICS_FILE: &str = "metrics.jsonl";
pub(super) const LOCK_FILE: &str = ".lock";
const CHECKPOINTS: &str = "checkpoints";

/// A run folder that this process may write to.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: File,
    log: File,
    /// Begun when the metrics are cut to the step that the run stands at.
    board: Option<EventFile>,
    // Held, not read: the lock lasts as long as the file is open.
    _lock: File,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Resumed {
    /// Where it stands.
    pub state: RunState,
    /// What is probably not meant.
    pub warnings: Vec<String>,
}

impl RunFolder {
    /// Opens the run folder of a configuration, as a new run or as one that goes on.
    ///
    /// # Errors
    /// If the folder holds something else, a run of another configuration, or one that may not be continued.
    pub fn open(
        resolved: &ResolvedConfig,
        data: DataFacts,
        store_of: &dyn Fn(&Self) -> CheckpointStore,
    ) -> Result<(Self, Option<Resumed>), RunError> {
        let config = &resolved.config;
        let path = config.out_dir();
        let state = Occupancy::of(&path)?;
        if state == Occupancy::Other {
            return Err(RunError::NotARun { path });
        }
        if state == Occupancy::Run {
            if config.resume == Resume::Never {
                return Err(RunError::HoldsARun { path });
            }
            refuse_another_configuration(&path, config)?;
        }
        // Before the folder is made: a checkpoint that does not fit must not leave a run behind.
        let given = match &config.resume {
            Resume::Path(given) => {
                let store = CheckpointStore::new(path.join(CHECKPOINTS), Keep::last(1));
                find_given(given, &store, config, data)?
            }
            Resume::Auto | Resume::Never => None,
        };
        fs::create_dir_all(path.join(CHECKPOINTS)).on(&path, "create")?;
        let lock = lock(&path)?;
        remove_drafts(&path)?;
        let config_path = path.join(CONFIG_FILE);
        replace(&config_path, resolved.to_annotated_toml()?.as_bytes())?;
        let mut folder = Self {
            metrics: append(&path.join(METRICS_FILE))?,
            log: append(&path.join(LOG_FILE))?,
            board: None,
            path,
            _lock: lock,
        };
        let store = store_of(&folder);
        if let Some(given) = given {
            adopt(&given, &store)?;
        }
        let resumed = resume(&folder.path, &store, config, data)?;
        let step = resumed.as_ref().map_or(0, |resumed| resumed.state.step);
        store.clean_up(step)?;
        folder.cut_metrics(step)?;
        folder.board = Some(folder.begin_board(step, &config.to_toml()?)?);
        Ok((folder, resumed))
    }

    /// Whether the run folder of a configuration holds checkpoints, whole or damaged, of a run that may go on.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn has_checkpoints(config: &RunConfig) -> Result<bool, RunError> {
        let store = CheckpointStore::new(config.out_dir().join(CHECKPOINTS), Keep::last(1));
        Ok(!store.steps()?.is_empty())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Adds an event to metrics, TensorBoard's file and log.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn record(&mut self, event: &RunEvent) -> Result<(), FileError> {
        if let Some(line) = event.metrics_line() {
            let path = self.path.join(METRICS_FILE);
            append_line(&mut self.metrics, &line).on(&path, "write")?;
        }
        if let (Some(board), Ok(event)) = (&mut self.board, serde_json::to_value(event)) {
            let written = board.record(&event);
            written.on(board.path(), "write")?;
        }
        let line = match event {
            RunEvent::Notice(notice) if notice.level == Level::Warning => {
                format!("warning: {}", notice.text)
            }
            RunEvent::Notice(notice) => notice.text.clone(),
            other => serde_json::to_string(other).unwrap_or_default(),
        };
        self.log_line(&line)
    }

    /// Adds machine and versions to the log.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn log_machine(&mut self, backend: &str) -> Result<(), FileError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        self.log_line(&format!(
            "sslight {} ({}) on {} {}, {threads} threads, backend {backend}",
            env!("CARGO_PKG_VERSION"),
            option_env!("SSLIGHT_REVISION").unwrap_or("revision unknown"),
            std::env::consts::OS,
            std::env::consts::ARCH,
        ))
    }

    /// Other handles to metrics and log, with which a checkpoint makes sure that they are on the disk before it is.
    ///
    /// # Errors
    /// If the system gives none.
    pub(super) fn telling_files(&self) -> Result<[TellingFile; 2], FileError> {
        let of = |name: &str, file: &File| {
            let path = self.path.join(name);
            let file = file.try_clone().on(&path, "open")?;
            Ok(TellingFile { path, file })
        };
        Ok([of(METRICS_FILE, &self.metrics)?, of(LOG_FILE, &self.log)?])
    }

    fn log_line(&mut self, line: &str) -> Result<(), FileError> {
        let path = self.path.join(LOG_FILE);
        append_line(&mut self.log, line).on(&path, "write")
    }

    /// Writes a file of the folder in one step.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn replace_file(&self, name: &str, content: &[u8]) -> Result<(), FileError> {
        replace(&self.path.join(name), content)
    }

    /// Begins TensorBoard's file of this part of the run.
    fn begin_board(&self, step: usize, config: &str) -> Result<EventFile, FileError> {
        let metrics = self.path.join(METRICS_FILE);
        let metrics = fs::read_to_string(&metrics).on(&metrics, "read")?;
        let begin = || {
            let mut board = EventFile::begin(&self.path, step as u64, &metrics)?;
            board.listing("config", step as u64, config)?;
            Ok(board)
        };
        begin().on(&self.path, "begin TensorBoard's file in")
    }

    /// Removes the metrics of steps that will be taken again, and earlier summaries.
    fn cut_metrics(&self, step: usize) -> Result<(), RunError> {
        let path = self.path.join(METRICS_FILE);
        let text = fs::read_to_string(&path).on(&path, "read")?;
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n') && is_before(line, step))
            .collect();
        if kept.len() < text.len() {
            // The open file must stay the one in the folder, so it is shortened in place after a whole copy
            // is safe; an interruption in between leaves the old lines, which are cut the next time.
            let file = OpenOptions::new()
                .write(true)
                .open(&path)
                .on(&path, "open")?;
            replace(&self.path.join("metrics.jsonl.cut"), kept.as_bytes())?;
            file.set_len(0).on(&path, "shorten")?;
            append(&path)?
                .write_all(kept.as_bytes())
                .on(&path, "write")?;
            let copy = self.path.join("metrics.jsonl.cut");
            fs::remove_file(&copy).on(&copy, "remove")?;
        }
        Ok(())
    }
}

/// A file that grows with the run.
#[derive(Debug)]
pub(super) struct TellingFile {
    path: PathBuf,
    file: File,
}

impl TellingFile {
    /// Waits until what was written is on the disk.
    pub(super) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_data().on(&self.path, "synchronise")
    }
}

/// Whether a line of the metrics stays when `step` steps have been taken.
fn is_before(line: &str, step: usize) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(line) else {
        return false;
    };
    let number = |key: &str| value.get(key).and_then(Value::as_u64).map(|n| n as usize);
    match value.get("kind").and_then(Value::as_str) {
        Some("step") => number("step").is_some_and(|taken| taken < step),
        Some("epoch" | "event") => number("step").is_some_and(|done| done <= step && step > 0),
        _ => false,
    }
}

/// What a folder holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Occupancy {
    Empty,
    Run,
    Other,
}

impl Occupancy {
    pub(super) fn of(path: &Path) -> Result<Self, FileError> {
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
fn config_file(path: &Path) -> Option<PathBuf> {
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

/// Whether a file name is that of a [`replace`] that was cut off.
fn is_draft(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.contains(".tmp-")
}

/// Removes what writers left that were cut off. Only the holder of the lock may do so.
fn remove_drafts(path: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(path).on(path, "list")? {
        let entry = entry.on(path, "list")?;
        if is_draft(&entry.file_name()) {
            let draft = entry.path();
            fs::remove_file(&draft).on(&draft, "remove")?;
        }
    }
    Ok(())
}

/// The keys on which a configuration differs from that of a run or checkpoint folder.
pub(super) fn differences(path: &Path, config: &RunConfig) -> Result<Vec<Difference>, RunError> {
    let file = path.join(CONFIG_FILE);
    let ResolvedConfig { config: there, .. } = resolve(&[file.to_string_lossy()])?;
    Ok(config.diff(&there)?)
}

fn refuse_another_configuration(path: &Path, config: &RunConfig) -> Result<(), RunError> {
    let file = config_file(path).unwrap_or_else(|| path.join(CONFIG_FILE));
    let folder = file.parent().unwrap_or(path);
    let differences: Vec<_> = differences(folder, config)?
        .into_iter()
        .filter(|difference| !difference.is_free())
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(RunError::Differs {
        path: path.to_path_buf(),
        differences,
    })
}

/// A checkpoint whose tensors are those of another method or network cannot be read.
fn refuse_another_shape(
    given: &Path,
    folder: &Path,
    config: &RunConfig,
    data: DataFacts,
) -> Result<(), RunError> {
    let mut differences: Vec<_> = differences(folder, config)?
        .into_iter()
        .filter(|difference| difference.is_shaping(config.method))
        .collect();
    if differences.is_empty() {
        let path = folder.join(STATE_FILE);
        let text = fs::read(&path).on(&path, "read")?;
        differences = size_differences(folder, &state(&path, &text)?, config, data)?;
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(RunError::OtherCheckpoint {
        path: given.to_path_buf(),
        differences,
    })
}

/// Makes this process the only one that writes to a folder, for as long as the file is open.
pub(crate) fn lock(path: &Path) -> Result<File, RunError> {
    let file_path = path.join(LOCK_FILE);
    let file = File::create(&file_path).on(&file_path, "create")?;
    match super::live::patiently(|| file.try_lock()) {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(RunError::Locked {
            path: path.to_path_buf(),
        }),
        Err(fs::TryLockError::Error(error)) => Ok(Err(error).on(&file_path, "lock")?),
    }
}

fn append(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .on(path, "open")
}

/// One write a line, so that an interruption leaves whole lines.
fn append_line(file: &mut File, line: &str) -> std::io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())
}

/// Where sizes that follow from the data are not those of a checkpoint, under keys that are the same.
fn size_differences(
    folder: &Path,
    state: &RunState,
    config: &RunConfig,
    data: DataFacts,
) -> Result<Vec<Difference>, RunError> {
    let Some(data_there) = state.data else {
        return Ok(Vec::new());
    };
    let file = folder.join(CONFIG_FILE);
    let ResolvedConfig { config: there, .. } = resolve(&[file.to_string_lossy()])?;
    let sizes = config.sizes_for(data).into_iter();
    Ok(sizes
        .zip(there.sizes_for(data_there))
        .filter(|((_, ours), (_, theirs))| ours != theirs)
        .map(|((key, ours), (_, theirs))| Difference { key, ours, theirs })
        .collect())
}

pub(super) fn state(path: &Path, text: &[u8]) -> Result<RunState, RunError> {
    serde_json::from_slice(text).map_err(|error| RunError::State {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}

/// The checkpoint at a path: that of a folder `step-N`, or the newest whole one of a run folder.
pub(super) fn checkpoint_at(path: &Path) -> Result<Option<Found>, RunError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let step = name
        .and_then(|name| name.strip_prefix("step-"))
        .and_then(|digits| digits.parse::<usize>().ok());
    Ok(match (step, path.parent()) {
        (Some(step), Some(root)) => Some(CheckpointStore::new(root, Keep::last(1)).verify(step)?),
        _ => {
            CheckpointStore::new(path.join(CHECKPOINTS), Keep::last(1))
                .newest()?
                .0
        }
    })
}

/// The checkpoint that `resume=PATH` names, if it has to be copied into the store.
fn find_given(
    given: &Path,
    store: &CheckpointStore,
    config: &RunConfig,
    data: DataFacts,
) -> Result<Option<Found>, RunError> {
    let found = checkpoint_at(given)?.ok_or_else(|| RunError::NoCheckpoint {
        path: given.to_path_buf(),
    })?;
    let target = store.folder(found.step);
    if target.exists() && target.canonicalize().ok() == found.folder.canonicalize().ok() {
        store.clean_up(found.step)?;
        return Ok(None);
    }
    if !store.steps()?.is_empty() {
        // Continuing a run that stands further on its own; the given path was for its beginning.
        return Ok(None);
    }
    refuse_another_shape(given, &found.folder, config, data)?;
    Ok(Some(found))
}

/// Copies a checkpoint of elsewhere into the store.
fn adopt(found: &Found, store: &CheckpointStore) -> Result<(), RunError> {
    let target = store.folder(found.step);
    let copy = target.with_extension("copy");
    fs::create_dir_all(&copy).on(&copy, "create")?;
    for entry in fs::read_dir(&found.folder).on(&found.folder, "list")? {
        let entry = entry.on(&found.folder, "list")?;
        let to = copy.join(entry.file_name());
        fs::copy(entry.path(), &to).on(&to, "write")?;
    }
    fs::rename(&copy, &target).on(&target, "put in place")?;
    Ok(())
}

fn resume(
    path: &Path,
    store: &CheckpointStore,
    config: &RunConfig,
    data: DataFacts,
) -> Result<Option<Resumed>, RunError> {
    let (found, damaged) = store.newest()?;
    let mut warnings: Vec<String> = damaged
        .iter()
        .map(|error| format!("{error}; an earlier one is used"))
        .collect();
    let Some(found) = found else {
        if !warnings.is_empty() {
            warnings.push("no complete checkpoint is left; the run starts at step 0".to_string());
            return Ok(Some(Resumed {
                state: RunState::default(),
                warnings,
            }));
        }
        return Ok(None);
    };
    let state_path = found.folder.join(STATE_FILE);
    let state = state(&state_path, &store.read_file(found.step, STATE_FILE)?)?;
    if state.step != found.step {
        return Err(RunError::State {
            path: state_path,
            reason: format!(
                "it is of step {}, its folder of step {}",
                state.step, found.step
            ),
        });
    }
    let differences = size_differences(&found.folder, &state, config, data)?;
    if !differences.is_empty() {
        return Err(RunError::Differs {
            path: path.to_path_buf(),
            differences,
        });
    }
    if let Some(there) = state.data
        && there.images != data.images
    {
        warnings.push(format!(
            "the checkpoint of step {} was trained on {} images, and there are {} now: epochs have other lengths, \
             and losses will not be those of a run without a break",
            found.step, there.images, data.images
        ));
    }
    Ok(Some(Resumed { state, warnings }))
}
